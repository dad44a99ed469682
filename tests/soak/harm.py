"""Somebody who breaks things, at random and by a seed: what is broken is mended a few seconds later."""

from __future__ import annotations

import json
import random
import re
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psutil
from aiohttp import web

from airflow_kubeflow_trainer.local.cluster import LocalCluster
from demo.airflow_api import TASK_ENDED
from demo.airflow_stack import AirflowStack
from tests.proxy import Proxy, status

TRIGGERERS = ("triggerer", "triggerer-2")
WORKER = re.compile(r"airflow worker -- [0-9a-f]{8}-[0-9a-f-]+\s*")
"""How the process that runs a task is called, by the task's id. Its executor's begins alike, and must live: killed
while it takes the next task out of the queue that it shares with others, it leaves that locked for ever."""


class Harm:
    """Does harm to an Airflow, to a cluster, and to the way between them.

    :param kubeconfig: of the connection, whose token is changed where the old one expires.
    """

    def __init__(
        self, airflow: AirflowStack, cluster: LocalCluster, proxy: Proxy, kubeconfig: Path, *, seed: int
    ) -> None:
        self.endless: list[tuple[str, str]] = []
        """DAG and id of the runs whose tasks go on until they are ended."""
        self._airflow = airflow
        self._cluster = cluster
        self._proxy = proxy
        self._kubeconfig = kubeconfig
        self._random = random.Random(seed)
        self._token = 0
        self.done: Counter[str] = Counter()
        self.write_token()

    def do_for(self, seconds: float) -> None:
        """Do one thing after another for so long, and mend what is still broken."""
        deadline = time.monotonic() + seconds
        ways: dict[Callable[[], bool], float] = {
            self.kill_a_triggerer: 2,
            self.kill_a_worker: 3,
            self.kill_the_api_server: 1,
            self.drop_connections: 3,
            self.expire_the_token: 2,
            self.refuse: 2,
            self.lose_answers: 1,
            self.end_a_task: 3,
        }
        while time.monotonic() < deadline:
            [way] = self._random.choices(list(ways), weights=list(ways.values()))
            self.done[way.__name__] += way()
            self.mend()
            time.sleep(self._random.uniform(1, 6))
        self._proxy.heal()
        self._proxy.fault = self._check_token

    def mend(self) -> None:
        """Start again what has ended by itself: a scheduler does that SQLite has kept waiting for too long."""
        self.done.update(f"{name} ended" for name in self._airflow.start_again())

    def kill_a_triggerer(self) -> bool:
        """Lose one of two; its triggers go to the other one, or wait for it."""
        name = self._random.choice(TRIGGERERS)
        self._airflow.kill(name)
        time.sleep(self._random.uniform(0, 6))
        self._airflow.start_component("triggerer", name=name)
        return True

    def kill_a_worker(self) -> bool:
        """Lose a process that runs a task, whatever it is about; there may be none."""
        processes = [process for process in psutil.process_iter(["cmdline"]) if self._is_worker(process)]
        if not processes:
            return False
        signals = [signal.SIGKILL, signal.SIGTERM]
        try:
            self._random.choice(processes).send_signal(self._random.choice(signals))
        except psutil.NoSuchProcess:
            return False
        return True

    def kill_the_api_server(self) -> bool:
        """Lose the cluster's machine; it comes back with all that it had acknowledged, but for what ran."""
        self._cluster.kill()
        time.sleep(self._random.uniform(0, 4))
        self._cluster.start()
        return True

    def end_a_task(self) -> bool:
        """Mark a task that would go on for ever, or clear it, whatever it is about; there may be none."""
        running = [(dag, run) for dag, run in self.endless if self._goes_on(dag, run)]
        if not running:
            return False
        dag, run = self._random.choice(running)
        if self._random.random() < 0.5:
            self._airflow.api.clear(dag, run, "run")
        else:
            self._airflow.api.set_task_state(dag, run, "run", "failed")
        return True

    def _goes_on(self, dag: str, run: str) -> bool:
        """Whether both run and task do: Airflow may lose a clear between the task's end and the run's."""
        api = self._airflow.api
        return api.run_state(dag, run) == "running" and api.task(dag, run, "run")["state"] not in TASK_ENDED

    def end_what_goes_on(self) -> None:
        """Mark all tasks that would wait for ever."""
        for dag, run in self.endless:
            if self._airflow.api.task(dag, run, "run")["state"] == "deferred":
                self._airflow.api.set_task_state(dag, run, "run", "failed")

    def drop_connections(self) -> bool:
        """Break off all watches."""
        self._proxy.cut()
        return True

    def expire_the_token(self) -> bool:
        """Take only a new token from now on, which the connection has."""
        self.write_token()
        self._proxy.cut()
        return True

    def refuse(self) -> bool:
        """Answer half of all requests with 429 or 500 for a while."""
        dice = random.Random(self._random.random())

        def fault(request: web.Request) -> web.Response | None:
            if dice.random() < 0.5:
                return self._check_token(request)
            if dice.random() < 0.5:
                return status(429, "TooManyRequests", **{"Retry-After": "1"})
            return status(500, "InternalError")

        self._for_a_while(fault=fault)
        return True

    def lose_answers(self) -> bool:
        """Do what is asked for a while, and let a third of the answers get lost."""
        dice = random.Random(self._random.random())
        self._for_a_while(lose=lambda request: dice.random() < 0.3)
        return True

    def write_token(self) -> None:
        """Give the connection a token that is new, and take no other."""
        self._token += 1
        config = self._proxy.kubeconfig()
        config["users"][0]["user"]["token"] = f"token-{self._token}"
        # At once, or somebody reads half of it.
        new = self._kubeconfig.with_suffix(".new")
        new.write_text(json.dumps(config))
        new.replace(self._kubeconfig)
        self._proxy.fault = self._check_token

    def _check_token(self, request: web.Request) -> web.Response | None:
        if request.headers.get("Authorization") == f"Bearer token-{self._token}":
            return None
        return status(401, "Unauthorized", "Unauthorized")

    def _for_a_while(self, **how: Callable[[web.Request], object]) -> None:
        before = {name: getattr(self._proxy, name) for name in how}
        for name, new in how.items():
            setattr(self._proxy, name, new)
        time.sleep(self._random.uniform(3, 8))
        for name, old in before.items():
            setattr(self._proxy, name, old)

    def _is_worker(self, process: psutil.Process) -> bool:
        try:
            named = WORKER.fullmatch(" ".join(process.info["cmdline"] or []))
            return named is not None and process.environ().get("AIRFLOW_HOME") == str(self._airflow.home)
        except psutil.Error:
            return False
