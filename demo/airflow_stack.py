"""A real Airflow in a folder of its own: scheduler, triggerer, DAG processor and API server, each its own process."""

from __future__ import annotations

import base64
import json
import os
import random
import secrets
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from demo.airflow_api import AirflowApi, wait_until
from demo.processes import ProcessFamily

COMPONENTS = ("scheduler", "triggerer", "dag-processor", "api-server")
USERNAME = "admin"


class AirflowStack:
    """Airflow on free ports of the loopback interface, with a database, logs and a password of its own.

    Nothing of the user's own Airflow is touched: settings of the form AIRFLOW__* are not inherited.

    :param home: AIRFLOW_HOME. A folder that was used before is used again, with its database.
    :param dags: the DAG folder.
    :param env: more environment for every process, such as AIRFLOW_CONN_KUBERNETES_DEFAULT.
    :param python: the Python in whose environment Airflow is installed; by default the one that runs this.
    """

    def __init__(
        self, *, home: Path, dags: Path, env: Mapping[str, str] | None = None, python: Path | str = sys.executable
    ) -> None:
        self.home = home.absolute()
        self.dags = dags.absolute()
        self.username = USERNAME
        self.password = secrets.token_urlsafe(12)
        self.python = str(python)
        self._ports = free_ports(3)
        self._extra_env = dict(env or {})
        self._secrets = {name: secrets.token_urlsafe(32) for name in ("jwt", "session")}
        self._family = ProcessFamily(marker="AIRFLOW_HOME", value=str(self.home), logs=self.home / "logs")
        self.api = AirflowApi(url=self.url, username=self.username, password=self.password)

    @property
    def url(self) -> str:
        """Where the UI and the REST API are."""
        return f"http://127.0.0.1:{self._ports[0]}"

    def __enter__(self) -> Self:
        try:
            self.start()
            self.wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, *, timeout: float = 120.0) -> None:
        """Make the database, in at most `timeout` seconds, and start the components; they are not ready yet."""
        self._family.stop()
        self.home.mkdir(parents=True, exist_ok=True)
        passwords = self.home / "passwords.json"
        passwords.write_text(json.dumps({self.username: self.password}), encoding="utf-8")
        passwords.chmod(0o600)
        self._run("db-migrate", "db", "migrate")
        self._family.wait("db-migrate", timeout=timeout)
        for component in COMPONENTS:
            self.start_component(component)

    def wait_ready(self, *, timeout: float = 180.0) -> None:
        """Wait until all four components are healthy. Raises ProcessError or DeadlineError."""
        wait_until(
            self._health,
            lambda health: len(health) >= len(COMPONENTS) and set(health.values()) == {"healthy"},
            what="a healthy Airflow",
            timeout=timeout,
        )

    def wait_for_dag(self, dag_id: str, *, timeout: float = 120.0) -> None:
        """Wait until the DAG processor has parsed a DAG."""
        wait_until(
            lambda: (self.api.dag_ids(), self.api.import_errors()),
            lambda seen: dag_id in seen[0],
            what=f"DAG {dag_id}",
            timeout=timeout,
        )

    def kill(self, component: str) -> None:
        """Lose one of the components, as with its machine: no signal that it could handle."""
        self._family.kill(component)

    def start_again(self) -> list[str]:
        """Start the components anew that have ended by themselves, as a service manager does; return their names."""
        ended = self._family.ended()
        for name in ended:
            self.start_component(next(each for each in COMPONENTS if name.startswith(each)), name=name)
        return ended

    def pause(self, component: str, *, on: bool = True) -> None:
        """Let one of the components stand still, as a machine does that is out of memory; or go on."""
        self._family.pause(component, on=on)

    def supervisor(self, component: str) -> psutil.Process:
        """The process that looks after one of the components, without those that do its work."""
        return self._family.leader(component)

    def start_component(self, component: str, *, name: str | None = None) -> None:
        """Start a component; one that was killed has no more than its database to go on from.

        :param name: of another one of the same kind. Default: the component's.
        """
        self._run(name or component, component)

    def stop(self) -> None:
        """End every process of this Airflow."""
        self.api.close()  # the API server does not go while a client's connection is open
        self._family.stop()

    def environment(self) -> dict[str, str]:
        """The environment in which this Airflow's commands run, `dag.test()` included."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
        return {**inherited, **self._settings(), **self._extra_env, "AIRFLOW_HOME": str(self.home)}

    def _run(self, name: str, *arguments: str) -> None:
        self._family.start(name, [self.python, "-m", "airflow", *arguments], env=self.environment())

    def _health(self) -> dict[str, str | None]:
        self._family.check()
        return self.api.health()

    def _settings(self) -> dict[str, str]:
        api_port, worker_log_port, trigger_log_port = self._ports
        return {
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__FERNET_KEY": self._fernet_key(),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{self.username}:admin",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self.home / "passwords.json"),
            # Airflow's processes share the file, and give up what waits longer for the others.
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.home / 'airflow.db'}?timeout=30",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(api_port),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API__SECRET_KEY": self._secrets["session"],
            "AIRFLOW__API_AUTH__JWT_SECRET": self._secrets["jwt"],
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(self.home / "logs" / "tasks"),
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(worker_log_port),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(trigger_log_port),
            "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(self.home / "bundles"),
            "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
            "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
            # Before 3.2 a supervisor may notice a deferred task's exit so late that its trigger has fired already,
            # which the scheduler takes for a failure.
            "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
            # Longer than the database is waited for, or what was done late is asked for twice.
            "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
        }

    def _fernet_key(self) -> str:
        """The key that the database's secrets are encrypted with: it has to live as long as the database."""
        path = self.home / "fernet.key"
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(base64.urlsafe_b64encode(os.urandom(32)).decode(), encoding="ascii")
        return path.read_text(encoding="ascii")


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody has just now, below those that outgoing connections are given.

    As long as this process lives, nobody else is given them here, bound or not.
    """
    ports = list[int]()
    for port in random.SystemRandom().sample(range(20_000, 32_000), k=1000):
        if len(ports) == count:
            return ports
        reservation = socket.socket(socket.AF_UNIX)
        try:
            with socket.create_server(("127.0.0.1", port)):
                reservation.bind(f"\0port-{port}")
        except OSError:
            reservation.close()
        else:
            _reserved.append(reservation)
            ports.append(port)
    raise OSError("no free port was found on 127.0.0.1 between 20000 and 32000")


_reserved: list[socket.socket] = []
"""Their names are taken as long as they are open; Linux keeps those that begin with a zero in no folder."""
