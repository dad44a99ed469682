"""What an image is here: a program environment of this machine."""

from __future__ import annotations

import fnmatch
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from airflow_kubeflow_trainer.local.kubelet.objects import Pod

HOME = "/home/container"
"""Each container's HOME: a folder of its own, so that no login or cache of the user's finds its way in."""
HOST_ROOT = "/host"
"""Where an initializer sees this machine's files."""
TERMINATION_LOG = "/dev/termination-log"
NETWORK_ANNOTATION = "airflow-kubeflow-trainer/network"
"""``host`` on a pod keeps it on this machine's network, ``job`` puts it on its TrainJob's own."""

_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, kw_only=True)
class Image:
    """A folder of programs, and what an image's own configuration would say."""

    environment: Path
    """A Python environment: its ``bin`` comes first on PATH."""
    entrypoint: tuple[str, ...] = ()
    """Runs where the container has no ``command``; the container's ``args`` follow it."""
    working_directory: str = "/"
    env: Mapping[str, str] = field(default_factory=dict)
    host_network: bool = False
    """Whether its pods keep this machine's network, in place of their TrainJob's own."""
    host_files: bool = False
    """Whether its containers see this machine's files under ``HOST_ROOT``."""

    def variables(self) -> dict[str, str]:
        """Return the environment variables that a container has before its own."""
        path = f"{self.environment / 'bin'}:{_SYSTEM_PATH}"
        return {"PATH": path, "HOME": HOME, "LANG": "C.UTF-8", **self.env}

    def needed_folders(self) -> list[Path]:
        """Return the folders of this machine that its programs cannot do without."""
        config = self.environment / "pyvenv.cfg"
        needed = [self.environment]
        if config.is_file():
            entries = dict(line.split("=", 1) for line in config.read_text().splitlines() if "=" in line)
            home = next((value.strip() for key, value in entries.items() if key.strip() == "home"), None)
            needed += [Path(home).resolve().parent] if home else []
        return [*needed, PACKAGE_ROOT]


PACKAGE_ROOT = Path(__file__).resolve().parents[3]
"""The folder that holds this package, which initializers import."""
THIS_ENVIRONMENT = Path(sys.prefix)


def stock_images(image_env: Mapping[str, str]) -> dict[str, Image]:
    """Return the images of the stock runtimes, and of Python, as this Python environment.

    :param image_env: environment variables that all of them have.
    """

    def initializer(kind: str) -> Image:
        module = "airflow_kubeflow_trainer.local.initializers"
        places = ("--workspace", "/workspace", "--host-root", HOST_ROOT, "--termination-log", TERMINATION_LOG)
        command = ("python", "-m", module, kind, *places)
        return Image(
            environment=THIS_ENVIRONMENT,
            entrypoint=command,
            working_directory="/workspace",
            env=image_env,
            host_network=True,
            host_files=True,
        )

    python = Image(environment=THIS_ENVIRONMENT, env=image_env)
    torch = Image(environment=THIS_ENVIRONMENT, env=image_env, working_directory="/workspace")
    return {
        "ghcr.io/kubeflow/trainer/dataset-initializer": initializer("dataset"),
        "ghcr.io/kubeflow/trainer/model-initializer": initializer("model"),
        "ghcr.io/kubeflow/trainer/torchtune-trainer": torch,
        "pytorch/pytorch": torch,
        "docker.io/pytorch/pytorch": torch,
        "python": python,
        "docker.io/library/python": python,
    }


def repository(image: str) -> str:
    """Return an image's name without its tag and digest."""
    name = image.partition("@")[0]
    head, slash, last = name.rpartition("/")
    return head + slash + last.partition(":")[0]


def find_image(image: str, images: Mapping[str, Image]) -> Image | None:
    """Return the first image whose pattern (with ``*``, ``?``) fits the whole name, or the name without its tag."""
    for pattern, found in images.items():
        if fnmatch.fnmatchcase(image, pattern) or fnmatch.fnmatchcase(repository(image), pattern):
            return found
    return None


def explain_missing(image: str) -> str:
    """Return the message for an image that is mapped to nothing."""
    return (
        f'image "{image}" is not mapped to a program environment of this machine. Map it with '
        f"`local up --image '{repository(image)}=/path/to/python/environment'`"
    )


def keeps_host_network(pod: Pod, images: Mapping[str, Image]) -> bool:
    """Whether a pod needs this machine's network: it says so, or one of its images does."""
    spec = pod["spec"]
    wanted = (pod["metadata"].get("annotations") or {}).get(NETWORK_ANNOTATION)
    if wanted in ("host", "job"):
        return bool(wanted == "host")
    if spec.get("hostNetwork"):
        return True
    containers = [*(spec.get("initContainers") or []), *spec["containers"]]
    found = [find_image(container["image"], images) for container in containers]
    return any(image is not None and image.host_network for image in found)
