"""TrainJobs whose pods are looked at, beside those that admission is asked about."""

from __future__ import annotations

from typing import Any

from tests.control_plane.admission_rows import CREATIONS, TUNE, Object, patch, pod, trainjob
from tests.control_plane.mistakes import MISTAKES
from tests.control_plane.own_runtimes import OWN_RUNTIMES

QWEN = {"name": "torchtune-qwen2.5-1.5b"}
JAX, XGBOOST = {"name": "jax-distributed"}, {"name": "xgboost-distributed"}
GPUS = {"limits": {"nvidia.com/gpu": 2}}
SECRET = {"secretKeyRef": {"name": "s", "key": "k"}}
METADATA = {"labels": {"team": "ml"}, "annotations": {"a.b/note": "of all kinds"}}


def volume(**source: Any) -> Object:
    """A TrainJob with a volume `v`, mounted at /v unless the source says how."""
    mounts = source.pop("mounts", [{"name": "v", "mountPath": "/v"}])
    containers = [{"name": "node", "volumeMounts": mounts}]
    return trainjob(runtimePatches=patch([pod(volumes=[{"name": "v", **source}], containers=containers)]))


def tolerating(**toleration: Any) -> Object:
    """A TrainJob with one toleration."""
    return trainjob(runtimePatches=patch([pod(tolerations=[toleration])]))


def variable(source: Object, **more: Any) -> Object:
    """A TrainJob with one variable from a source."""
    return trainjob(trainer={"env": [{"name": "A", "valueFrom": source, **more}]})


def limits(**amounts: str | int) -> Object:
    """A trainer that asks for so much."""
    return {"resourcesPerNode": {"limits": amounts}}


def tuned(**trainer: object) -> Object:
    """A TrainJob of the stock TorchTune runtime, whose recipe Trainer chooses."""
    return trainjob(runtimeRef=TUNE, trainer={"command": ["tune", "run"], **trainer})


EVERYTHING = pod(
    serviceAccountName="sa",
    volumes=[
        {"name": "o", "persistentVolumeClaim": {"claimName": "c"}},
        {"name": "s", "secret": {"secretName": "s"}},
        {"name": "m", "configMap": {"name": "m", "items": [{"key": "a", "path": "b"}]}},
        {"name": "h", "hostPath": {"path": "/x"}},
        {"name": "e", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}},
        {"name": "p", "projected": {"sources": [{"secret": {"name": "s"}}]}},
    ],
    containers=[
        {
            "name": "node",
            "volumeMounts": [
                {"name": "o", "mountPath": "/workspace/output", "subPath": "a/b"},
                {"name": "m", "mountPath": "/m", "readOnly": True},
            ],
            "securityContext": {"runAsUser": 0},
        }
    ],
    imagePullSecrets=[{"name": "p"}],
    securityContext={"runAsUser": 1000, "fsGroup": 5},
    nodeSelector={"a": "b"},
    affinity={
        "nodeAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 1, "preference": {"matchExpressions": [{"key": "pool", "operator": "Exists"}]}}
            ]
        }
    },
    tolerations=[{"key": "gpu", "operator": "Exists"}],
    schedulingGates=[{"name": "a.b/g"}],
    terminationGracePeriodSeconds=5,
)
MARKED = {
    "name": "node",
    "template": {"metadata": METADATA, "spec": {"template": {"metadata": METADATA, "spec": {}}}},
}
OWN: dict[str, Object] = {
    "a trainer that says nothing": trainjob(trainer={}),
    "two nodes": trainjob(trainer={"numNodes": 2, "numProcPerNode": 2, "env": [{"name": "FOO", "value": "bar"}]}),
    "seven nodes": trainjob(trainer={"numNodes": 7}),
    "half cores": trainjob(trainer=limits(cpu="2500m", memory="1Gi")),
    "requests of their own": trainjob(
        trainer={"resourcesPerNode": {"limits": {"cpu": 2, "memory": "1Gi"}, "requests": {"cpu": 1}}}
    ),
    "requests alone": trainjob(trainer={"resourcesPerNode": {"requests": {"cpu": "3", "memory": "1Gi"}}}),
    "odd quantities": trainjob(trainer=limits(**{"cpu": "0.5", "memory": "1024Mi", "ephemeral-storage": "1e3"})),
    "quantities as numbers": trainjob(trainer=limits(**{"cpu": 1.5, "memory": 2**31, "nvidia.com/gpu": 1})),
    "a quantity of many digits": trainjob(trainer=limits(cpu="1000m", memory="1500000k")),
    "GPUs and an image": trainjob(
        trainer={"resourcesPerNode": {"limits": {"nvidia.com/gpu": 4}}, "image": "a/b:1", "args": ["x"]}
    ),
    "an image by digest": trainjob(trainer={"image": "a/b@sha256:" + "0" * 64}),
    "an image of a registry with a port": trainjob(trainer={"image": "localhost:5000/a"}),
    "no GPU": trainjob(runtimeRef=TUNE, trainer=limits(**{"nvidia.com/gpu": 0})),
    "a MIG slice": tuned(**limits(**{"nvidia.com/mig-1g.5gb": 1})),
    "LoRA": tuned(args=["model.lora_attn_modules=[q_proj]"]),
    "LoRA on one GPU": tuned(args=["model.lora_attn_modules=[q_proj]"], **limits(**{"nvidia.com/gpu": 1})),
    "LoRA in one process": tuned(args=["model.lora_attn_modules=[q_proj]"], numProcPerNode=1),
    "DoRA": tuned(args=["model.lora_attn_modules=[q_proj]", "model.use_dora=True"]),
    "three processes on one GPU": tuned(numProcPerNode=3, **limits(**{"nvidia.com/gpu": 1})),
    "TorchTune on a CPU": tuned(**limits(cpu=1)),
    "TorchTune on CPUs": tuned(**limits(cpu=4)),
    "70B": trainjob(runtimeRef={"name": "torchtune-llama3.3-70b"}, trainer={"command": ["tune", "run"], "numNodes": 2}),
    "the runtime's own command": trainjob(
        runtimeRef=TUNE,
        trainer={
            "args": ["a=b"],
            "numProcPerNode": 3,
            "env": [
                {"name": "A", "valueFrom": SECRET},
                {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                {"name": "C", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k", "optional": True}}},
                {"name": "D", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
            ],
        },
    ),
    "variables that the pod has anyway": trainjob(
        trainer={"env": [{"name": "JOB_COMPLETION_INDEX", "value": "7"}, {"name": "EMPTY"}, {"name": "X", "value": ""}]}
    ),
    "initializers": trainjob(
        runtimeRef=QWEN,
        initializer={
            "dataset": {
                "storageUri": "s3://a/b",
                "secretRef": {"name": "sec"},
                "env": [{"name": "STORAGE_URI", "value": "over"}, {"name": "E"}],
            },
            "model": {"env": [{"name": "M", "value": "1"}]},
        },
        trainer={"command": ["tune", "run"], "numProcPerNode": 2},
    ),
    "initializers with secrets in variables": trainjob(
        runtimeRef=TUNE,
        initializer={
            "dataset": {"storageUri": "hf://a/b", "env": [{"name": "ACCESS_TOKEN", "valueFrom": SECRET}]},
            "model": {"storageUri": "hf://a/b", "secretRef": {"name": "x"}},
        },
    ),
    "everything patched": trainjob(
        runtimeRef=TUNE, trainer={"command": ["tune", "run"]}, runtimePatches=patch([EVERYTHING])
    ),
    "metadata patched": trainjob(
        runtimePatches=[
            {
                "manager": "a.b/c",
                "trainingRuntimeSpec": {"template": {"metadata": METADATA, "spec": {"replicatedJobs": [MARKED]}}},
            }
        ]
    ),
    "two patches": trainjob(
        runtimePatches=[
            *patch([pod(nodeSelector={"a": "b"}, tolerations=[{"key": "x", "operator": "Exists"}])]),
            *patch([pod(nodeSelector={"c": "d"}, tolerations=[{"key": "y", "operator": "Exists"}])], manager="d.e/f"),
        ]
    ),
    "initializers patched": trainjob(
        runtimeRef=TUNE,
        runtimePatches=patch(
            [
                pod(
                    "dataset-initializer",
                    volumes=[{"name": "v", "emptyDir": {}}],
                    containers=[
                        {"name": "dataset-initializer", "volumeMounts": [{"name": "v", "mountPath": "/v"}]},
                    ],
                ),
                pod("model-initializer", terminationGracePeriodSeconds=0),
            ]
        ),
    ),
    "a toleration of the node's troubles": trainjob(
        runtimePatches=patch([pod(tolerations=[{"operator": "Exists"}, {"key": "node.kubernetes.io/not-ready"}])])
    ),
    "a volume of the claim's name": trainjob(
        runtimeRef=TUNE, runtimePatches=patch([pod(volumes=[{"name": "initializer", "emptyDir": {}}])])
    ),
    "a mount without its volume": trainjob(
        runtimePatches=patch([pod(containers=[{"name": "node", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}])])
    ),
    "a name with room for its pods": trainjob("a" * 33, runtimeRef=TUNE),
    "a name with no room for its pods": trainjob("a" * 34, runtimeRef=TUNE),
    "a name with room for one node's pods": trainjob("a" * 48),
    "a name with no room for one node's pods": trainjob("a" * 49),
    "a name with no room for eleven nodes' pods": trainjob("a" * 48, trainer={"numNodes": 11}),
    "JAX": trainjob(runtimeRef=JAX, trainer={"numNodes": 2, "env": [{"name": "X", "value": "y"}]}),
    "JAX with a variable of its own": trainjob(
        runtimeRef=JAX, trainer={"env": [{"name": "JAX_NUM_PROCESSES", "value": "9"}], "numProcPerNode": 2}
    ),
    "JAX without a trainer": trainjob(runtimeRef=JAX),
    "XGBoost": trainjob(runtimeRef=XGBOOST, trainer={"numNodes": 2, "resourcesPerNode": GPUS}),
    "XGBoost on CPUs": trainjob(runtimeRef=XGBOOST, trainer={"numProcPerNode": 4, **limits(cpu=2)}),
    "a volume of files": volume(downwardAPI={"items": [{"path": "a", "fieldRef": {"fieldPath": "metadata.name"}}]}),
    "a volume with two sources": volume(emptyDir={}, secret={"secretName": "s"}),
    "a volume of no secret": volume(secret={}),
    "a volume of no config map": volume(configMap={}),
    "a volume of no path": volume(hostPath={"path": ""}),
    "a volume of no claim": volume(persistentVolumeClaim={"claimName": ""}),
    "a volume with no label for a name": volume(emptyDir={}, name="A_b"),
    "a mount of an absolute sub-path": volume(
        emptyDir={}, mounts=[{"name": "v", "mountPath": "/v", "subPath": "/a/../b"}]
    ),
    "a toleration of nothing": tolerating(operator="Equal"),
    "a toleration of a value that may not be": tolerating(key="a", operator="Exists", value="b"),
    "a toleration for a time and no effect": tolerating(key="a", operator="Exists", tolerationSeconds=5),
    "a toleration that compares": tolerating(key="a", operator="Gt", value="5", effect="NoSchedule"),
    "a selector that is no label": trainjob(runtimePatches=patch([pod(nodeSelector={"a b": "c d"})])),
    "a gate without a name": trainjob(runtimePatches=patch([pod(schedulingGates=[{}])])),
    "a service account that none can be called": trainjob(runtimePatches=patch([pod(serviceAccountName="A b")])),
    "a negative amount": trainjob(trainer=limits(cpu=-1)),
    "half a GPU": trainjob(trainer=limits(**{"nvidia.com/gpu": "500m"})),
    "a request for GPUs without a limit": trainjob(
        trainer={"resourcesPerNode": {"requests": {"nvidia.com/gpu": 1, "cpu": 1}}}
    ),
    "a request beyond its limit": trainjob(
        trainer={"resourcesPerNode": {"limits": {"cpu": 1}, "requests": {"cpu": "1500m"}}}
    ),
    "a request for GPUs that is not its limit": trainjob(
        trainer={"resourcesPerNode": {"limits": {"nvidia.com/gpu": 1}, "requests": {"nvidia.com/gpu": 2}}}
    ),
    "names that variables may have": trainjob(
        trainer={"env": [{"name": name} for name in ("1", "a b", ".", "~", "-")]}
    ),
    "a variable's name beyond ASCII": trainjob(trainer={"env": [{"name": "ü"}]}),
    "a variable's name with a tab": trainjob(trainer={"env": [{"name": "a\tb"}]}),
    "a variable that YAML cannot hold": trainjob(trainer={"env": [{"name": "A", "value": "\x7f"}]}),
    "a variable that YAML can just hold": trainjob(trainer={"env": [{"name": "A", "value": "\x00\x1b\ufeff\ud7ff"}]}),
    "a variable from no source": variable({}),
    "a variable from two sources": variable({**SECRET, "fieldRef": {"fieldPath": "metadata.name"}}),
    "a variable from a secret without a name": variable({"secretKeyRef": {"key": "k"}}),
    "a variable from a secret that none can be called": variable({"secretKeyRef": {"name": "A b", "key": "k"}}),
    "a variable from no key": variable({"secretKeyRef": {"name": "s", "key": ""}}),
    "a variable from a key that none can be": variable({"configMapKeyRef": {"name": "c", "key": "a b"}}),
    "a variable from a key without an end": variable({"configMapKeyRef": {"name": "c", "key": "k" * 254}}),
    "a variable from a folder": variable({"configMapKeyRef": {"name": "c", "key": ".."}}),
    "a variable from beside a folder": variable({"configMapKeyRef": {"name": "c", "key": "..a"}}),
    **{
        f"a variable from the field {field}": variable({"fieldRef": {"fieldPath": field}})
        for field in (
            *("", "spec.foo", "spec.host", "status.podIPs", "status.phase", "spec.schedulerName", "metadata.labels"),
            *("metadata.name['a']", "metadata.labels['a b']", "metadata.labels['A']", "metadata.annotations['A/b']"),
        )
    },
    **{
        f"a variable from the resource {resource}/{divisor}": variable(
            {"resourceFieldRef": {"resource": resource, "divisor": divisor}}
        )
        for resource, divisor in (
            *(("", "1"), ("cpu", "1"), ("limits.nvidia.com/gpu", "1"), ("limits.hugepages-2Mi", "1Mi")),
            *(("limits.cpu", "1m"), ("limits.cpu", "2"), ("requests.memory", "1m"), ("limits.ephemeral-storage", "3")),
            ("limits.hugepages-2Mi", "2"),
        )
    },
    "born suspended": trainjob(suspend=True),
}
OF_OWN_RUNTIMES = {
    runtime["metadata"]["name"]: trainjob(runtimeRef={"name": runtime["metadata"]["name"]}, trainer={})
    for runtime in OWN_RUNTIMES
}
ROWS: dict[str, Object] = {
    **{name: row for name, row in CREATIONS.items() if row.get("kind") == "TrainJob"},
    **OWN,
    **OF_OWN_RUNTIMES,
    # What admission lets pass, and we do not.
    **{f"refused by us: {name}": mistake.trainjob for name, mistake in MISTAKES.items() if mistake.later},
}
