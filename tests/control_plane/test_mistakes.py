"""What we refuse while a DAG is parsed, the real admission refuses too, or it fails later; and the other way round."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from typing import Any

import pytest
from airflow.sdk import DAG
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from airflow_kubeflow_trainer import CustomTrainerOperator
from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.cluster.credentials import Credentials
from airflow_kubeflow_trainer.cluster.resources import EVENTS, PODS, TRAINJOBS
from airflow_kubeflow_trainer.exceptions import ApiError, ConfigError
from airflow_kubeflow_trainer.local.admission import custom_resource
from airflow_kubeflow_trainer.local.controller.pods import build_pods
from airflow_kubeflow_trainer.local.controller.runtimes import stock_runtimes
from tests.control_plane.admission_rows import CREATIONS, patch, trainjob
from tests.control_plane.mistakes import MISTAKES
from tests.control_plane.plane import ControlPlane
from tests.control_plane.pods import until
from tests.control_plane.test_admission_drawn import ODD, paths, with_value

STRICT = {"fieldValidation": "Strict"}
DRY = {"dryRun": "All", **STRICT}
PATCHES = custom_resource("trainjobs")["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
TO_PODS = ("trainingRuntimeSpec", "template", "spec", "replicatedJobs", "template", "spec", "template", "spec")
TORCH = next(runtime for runtime in stock_runtimes() if runtime["metadata"]["name"] == "torch-distributed")
SEEDS: list[dict[str, Any]] = [
    {},
    {"volumes": [{"name": "v", "emptyDir": {}}]},
    {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]},
    {"tolerations": [{"key": "a", "operator": "Exists"}]},
    {"nodeSelector": {"a": "b"}, "securityContext": {"runAsUser": 5}},
    {"containers": [{"name": "node", "securityContext": {"runAsUser": 0}}]},
]


def inside(schema: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    """Follow fields into a schema; lists stand for their items."""
    schema = schema.get("items", schema)
    return inside(schema["properties"][path[0]], path[1:]) if path else schema


POD_SCHEMA = inside(PATCHES["runtimePatches"], TO_PODS)


def refused_at_parse(operator: type, arguments: Any) -> bool:
    try:
        with DAG("d"):
            operator(task_id="t", **arguments)
    except ConfigError:
        return True
    return False


async def refused(client: Client, body: dict[str, Any], *, namespace: str = "default") -> bool:
    try:
        await client.create(TRAINJOBS.path(namespace=namespace), body, params=DRY)
    except ApiError as error:
        if error.status not in (400, 403, 422):
            raise
        return True
    return False


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("row", MISTAKES)
async def test_what_we_refuse_cannot_run(plane: ControlPlane, namespace: str, row: str) -> None:
    mistake = MISTAKES[row]
    body = copy.deepcopy(mistake.trainjob)
    body["metadata"]["namespace"] = namespace

    assert refused_at_parse(mistake.operator, mistake.arguments)
    async with plane.client() as client:
        assert await refused(client, body, namespace=namespace) is (mistake.later is None)
        if mistake.later == "no Job":
            await client.create(TRAINJOBS.path(namespace=namespace), body, params=STRICT)
            events = await until(lambda: warnings(client, namespace), bool)
            assert any("Failed" in event["reason"] for event in events)
            assert (await client.get(PODS.path(namespace=namespace)))["items"] == []
    assert (mistake.later == "dies") is bool(mistake.why)


async def warnings(client: Client, namespace: str) -> list[dict[str, Any]]:
    events = (await client.get(EVENTS.path(namespace=namespace)))["items"]
    return [event for event in events if event["type"] == "Warning"]


@pytest.mark.parametrize("processes", [0, -1])
def test_torchrun_refuses_no_processes(processes: int) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "-m", "this"],
        env={**os.environ, "PET_NPROC_PER_NODE": str(processes)},
        capture_output=True,
        check=False,
    )

    assert done.returncode != 0


UNSAYABLE = {
    "unknown field": "an operator has no such argument",
    "unknown nested": "an operator has no such argument",
    "unknown meta": "metadata is ours",
    "unknown top": "the TrainJob is ours",
    "wrong type str": "a number becomes text",
    "wrong type obj": "the trainer is ours",
    "quantity fraction": "an amount becomes text",
    "quantity beyond 64 bits": "an amount becomes text",
    "wrong bool": "suspend is ours",
    "spec string": "the spec is ours",
    "env int": "a number becomes text",
    "no spec": "the spec is ours",
    "empty spec": "the spec is ours",
    "null spec": "the spec is ours",
    "no ref name": "runtime cannot be left out",
    "name caps": "names are made",
    "name digit": "names are made",
    "name dot": "names are made",
    "name 64": "names are made",
    "name 300": "names are made",
    "no name": "names are made",
    "nproc str": "Trainer has no word for it: left out, it is that",
    "deadline 0": "run_timeout is ours, and above 0",
    "deadline -1": "run_timeout is ours, and above 0",
    "managedBy bad": "there is no such argument",
    "command long": "Linux starts no process with an eighth of it",
    "cache": "its runtime is known to the cluster alone",
    "patch time": "the time is Trainer's",
    "patch manager none": "it gets one",
    "patch manager2": "as `a patch of somebody without a domain`",
    "patch 17": "as `too many patches`",
    "status in create": "the status is Trainer's",
    "wrong apiVersion": "the version is ours",
    "wrong namespace": "the path has the same",
    "many errors": "each by itself",
    "no runtime": "only the cluster knows",
    "no ns runtime": "only the cluster knows",
    "odd group": "the group is ours",
    "mpi reserved": "only the cluster knows what a runtime's policy is",
    "xgb reserved": "only the cluster knows what a runtime's policy is",
    "tune qlora 2": "as `QLoRA on the runtime's two GPUs`",
    "tune qlora cpu": "as `QLoRA on the runtime's two GPUs`",
    "storage bad": "without a scheme it is Hugging Face's",
    "storage long": "as `a URI without an end`",
    "init no job": "as `an initializer that the runtime has not`",
    "init secret int": "as `text for a secret`",
    "env reserved": "as `a variable of torchrun's`",
    "two plugins refuse": "each by itself",
    "bad label": "as `no key of a label`",
    "bad annotation": "as `no key of an annotation`",
    "tune immutable": "as `a key of the runtime's`",
    "tune qlora stock": "as `QLoRA on the runtime's two GPUs`",
    "tune qwen qlora": "as `QLoRA of qwen`",
    "tune lora nodes 2": "as `LoRA on several nodes`",
    "odd kind": "as `a kind of runtime that there is not`",
    "labels int": "as `a number for a label`",
    "env 129": "as `too many variables`",
    "env field no path": "as `a variable from a field without a path`",
    "unknown in patch": "as `a patch of what may not be`",
}
"""Refused rows that no operator can say, or that a mistake of another name is."""


@pytest.mark.parametrize("row", [row for row in CREATIONS if CREATIONS[row].get("kind") == "TrainJob"])
async def test_what_the_real_admission_refuses_is_refused_at_parse(plane: ControlPlane, row: str) -> None:
    async with plane.client() as client:
        if not await refused(client, CREATIONS[row]):
            assert row not in UNSAYABLE
            return

    assert row in UNSAYABLE or any(mistake.trainjob == CREATIONS[row] for mistake in MISTAKES.values())


@pytest.fixture(scope="session")
def credentials(plane: ControlPlane) -> Credentials:
    return plane.credentials()


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_patches_that_nobody_thought_of_are_refused_just_where_they_cannot_run(
    credentials: Credentials, data: st.DataObject
) -> None:
    spec = copy.deepcopy(data.draw(st.sampled_from(SEEDS), label="seed"))
    for _ in range(data.draw(st.integers(1, 2), label="changes")):
        spec = with_value(spec, data.draw(paths(POD_SCHEMA), label="path"), data.draw(ODD, label="value"))
    note(repr(spec))
    body = trainjob(runtimePatches=patch([{"name": "node", "template": {"spec": {"template": {"spec": spec}}}}]))
    manifest = built(body["spec"]["runtimePatches"])

    async with Client(credentials) as client:
        if manifest is not None:
            assert not await refused(client, manifest)
        elif not (leaves_open(spec, POD_SCHEMA) or await refused(client, body)):
            assert await pod_refused(client, body)


def leaves_open(value: Any, schema: dict[str, Any]) -> bool:
    """Whether a null stands in a list, or a field is missing that there has to be.

    Trainer's webhook, which comes before the schema, reads both as empty text, 0 or nothing, which nobody wrote.
    """
    if isinstance(value, list) and "items" in schema:
        return any(item is None or leaves_open(item, schema["items"]) for item in value)
    if isinstance(value, dict) and "properties" in schema:
        fields = schema["properties"]
        missing = any(value.get(key) is None for key in schema.get("required", ()))
        return missing or any(leaves_open(value[key], fields[key]) for key in value.keys() & fields.keys())
    return False


def built(patches: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The TrainJob that an operator makes; None where it makes none."""
    try:
        with DAG("d"):
            operator = CustomTrainerOperator(
                task_id="t", runtime="torch-distributed", image="a", runtime_patches=patches
            )
    except ConfigError as error:
        note(str(error))
        return None
    return operator.manifest()


async def pod_refused(client: Client, body: dict[str, Any]) -> bool:
    """Ask Kubernetes itself whether it would take the pods."""
    created = await client.create(TRAINJOBS.path(namespace="default"), body, params=DRY)
    made = {**build_pods(created, TORCH)[0], "status": {}}
    try:
        await client.create(PODS.path(namespace="default"), made, params=DRY)
    except ApiError as error:
        note(str(error))
        return True
    return False
