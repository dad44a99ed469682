"""Write the schemas and runtimes of the local cluster from the pinned Kubeflow Trainer module.

Run after a change of TRAINER_VERSION, in an environment with the development dependencies:

    go mod download github.com/kubeflow/trainer/v2@v2.3.0 && python scripts/vendor_trainer.py

The result is deterministic: the same module gives the same bytes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

TRAINER_VERSION = "v2.3.0"
MODULE = f"github.com/kubeflow/trainer/v2@{TRAINER_VERSION}"
PACKAGE = Path(__file__).resolve().parent.parent / "airflow_kubeflow_trainer"
LOCAL, CONFIG = PACKAGE / "local", PACKAGE / "config"
KEPT = ("type", "properties", "items", "additionalProperties", "required", "format", "pattern")
"""What of a schema is looked at while a DAG is parsed."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--module-cache",
        type=Path,
        help="Go's module cache; what `go env GOMODCACHE` says by default",
    )
    arguments = parser.parse_args()
    manifests = (arguments.module_cache or go_module_cache()) / MODULE / "manifests" / "base"
    for crd in documents(manifests / "crds"):
        if crd["kind"] == "CustomResourceDefinition":
            plural, spec = crd["spec"]["names"]["plural"], pruned(crd["spec"])
            write(LOCAL / "schemas" / f"{plural}.json", spec)
            if plural == "trainjobs":
                write_compact(CONFIG / "kubernetes.json", patch_schemas(spec))
    for runtime in documents(manifests / "runtimes"):
        if runtime["kind"] == "ClusterTrainingRuntime" and runs_locally(runtime):
            write(LOCAL / "runtimes" / f"{runtime['metadata']['name']}.json", runtime)


def runs_locally(runtime: dict[str, Any]) -> bool:
    """Leave out what needs more of a cluster: MPI's sshd, the data cache's LeaderWorkerSets."""
    return "mpi" not in runtime["spec"]["mlPolicy"] and "with-cache" not in runtime["metadata"]["name"]


def go_module_cache() -> Path:
    return Path(subprocess.run(["go", "env", "GOMODCACHE"], check=True, capture_output=True, text=True).stdout.strip())


def documents(folder: Path) -> Iterator[dict[str, Any]]:
    """Give the objects in a folder's YAML files, those of the folders below included."""
    for path in sorted(folder.rglob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            if document and "kind" in document:
                yield document


def pruned(node: Any) -> Any:
    """Drop descriptions: they are nine tenths of a schema. A property may itself be called ``description``."""
    if isinstance(node, dict):
        return {key: pruned(value) for key, value in node.items() if key != "description" or not isinstance(value, str)}
    if isinstance(node, list):
        return [pruned(item) for item in node]
    return node


def patch_schemas(definition: dict[str, Any]) -> dict[str, Any]:
    """Return the schemas of Kubernetes' own objects in a runtime patch, by their names."""
    spec = definition["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    path = "trainingRuntimeSpec template spec replicatedJobs template spec template spec"
    pod = inside(spec["runtimePatches"], path.split())["properties"]
    container = pod["containers"]["items"]["properties"]
    return {
        name: kept(schema)
        for name, schema in {
            "volume": pod["volumes"]["items"],
            "volumeMount": container["volumeMounts"]["items"],
            "securityContext": container["securityContext"],
            "podSecurityContext": pod["securityContext"],
            "affinity": pod["affinity"],
            "toleration": pod["tolerations"]["items"],
            "imagePullSecret": pod["imagePullSecrets"]["items"],
            "schedulingGate": pod["schedulingGates"]["items"],
            "valueFrom": container["env"]["items"]["properties"]["valueFrom"],
        }.items()
    }


def inside(schema: dict[str, Any], path: list[str]) -> dict[str, Any]:
    """Follow fields into a schema; lists stand for their items."""
    schema = schema.get("items", schema)
    return inside(schema["properties"][path[0]], path[1:]) if path else schema


def kept(schema: dict[str, Any]) -> dict[str, Any]:
    found = {key: schema[key] for key in KEPT if key in schema}
    if "properties" in found:
        found["properties"] = {name: kept(child) for name, child in found["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(found.get(key), dict):
            found[key] = kept(found[key])
    return found


def write_compact(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, separators=(",", ":"), sort_keys=True) + "\n", encoding="utf-8")


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
