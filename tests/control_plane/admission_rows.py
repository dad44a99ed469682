"""TrainJobs and runtimes, valid and not, that both control planes are asked about."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

Object = dict[str, Any]


def trainjob(name: str = "x", **spec: Any) -> Object:
    """A TrainJob of the runtime torch-distributed, unless the spec names another."""
    spec.setdefault("runtimeRef", {"name": "torch-distributed"})
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "trainer.kubeflow.org/v1alpha1", "kind": "TrainJob", "metadata": metadata, "spec": spec}


TUNE = {"name": "torchtune-llama3.2-1b"}


def tune(**trainer: Any) -> Object:
    """A TrainJob whose recipe and config Trainer chooses."""
    return trainjob(runtimeRef=TUNE, trainer={"command": ["tune", "run"], **trainer})


def patch(jobs: list[Object] | None = None, manager: str = "a.b/c") -> list[Object]:
    """A runtime patch on replicated jobs."""
    template = {"spec": {"replicatedJobs": jobs}} if jobs is not None else {}
    return [{"manager": manager, "trainingRuntimeSpec": {"template": template}}]


def pod(name: str = "node", **spec: Any) -> Object:
    """What a patch says of one replicated job's pods."""
    return {"name": name, "template": {"spec": {"template": {"spec": spec}}}}


def runtime(jobs: list[Object], **spec: Any) -> Object:
    """A ClusterTrainingRuntime."""
    return {
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "ClusterTrainingRuntime",
        "metadata": {"name": "r"},
        "spec": {"template": {"spec": {"replicatedJobs": jobs}}, **spec},
    }


def job(
    name: str = "node",
    step: str = "trainer",
    containers: tuple[Object, ...] = ({"name": "node", "image": "i"},),
    **more: Any,
) -> Object:
    """One replicated job of a runtime."""
    labels = {"trainer.kubeflow.org/trainjob-ancestor-step": step}
    template = {"metadata": {"labels": labels}, "spec": {"template": {"spec": {"containers": list(containers)}}}}
    return {"name": name, "template": template, **more}


CREATIONS: dict[str, Object] = {
    "ok": trainjob(),
    "ok tune": tune(),
    "no runtime": trainjob(runtimeRef={"name": "nope"}),
    "no ns runtime": trainjob(runtimeRef={"name": "nope", "kind": "TrainingRuntime"}),
    "odd kind": trainjob(runtimeRef={"name": "nope", "kind": "Foo"}),
    "odd group": trainjob(runtimeRef={"name": "nope", "apiGroup": "foo.bar"}),
    "unknown field": trainjob(foo=1),
    "unknown nested": trainjob(trainer={"numNode": 1, "x": {"y": 1}}),
    "unknown in patch": trainjob(runtimePatches=patch([pod(hostNetwork=True)])),
    "unknown meta": {**trainjob(), "metadata": {"name": "x", "foo": 1}},
    "unknown top": {**trainjob(), "foo": 1},
    "wrong type int": trainjob(trainer={"numNodes": "two"}),
    "wrong type str": trainjob(trainer={"image": 5}),
    "wrong type list": trainjob(trainer={"command": "tune run"}),
    "wrong type obj": trainjob(trainer=[]),
    "wrong float": trainjob(trainer={"numNodes": 1.5}),
    "wrong bool": trainjob(suspend="yes"),
    "spec string": {**trainjob(), "spec": "a"},
    "labels int": {**trainjob(), "metadata": {"name": "x", "labels": {"a": 1}}},
    "env int": trainjob(trainer={"env": [{"name": "A", "value": 1}]}),
    "quantity bad": trainjob(trainer={"resourcesPerNode": {"limits": {"cpu": "abc"}}}),
    "quantity bool": trainjob(trainer={"resourcesPerNode": {"limits": {"cpu": True}}}),
    "quantity float": trainjob(trainer={"resourcesPerNode": {"limits": {"cpu": 1.0}}}),
    "quantity fraction": trainjob(trainer={"resourcesPerNode": {"limits": {"cpu": 1.5}}}),
    "quantities that the webhook writes anew": trainjob(
        trainer={"resourcesPerNode": {"limits": {"cpu": 1.5, "memory": "1024Mi", "nvidia.com/gpu": 1}}},
        runtimePatches=patch(),
    ),
    "quantity beyond 64 bits": trainjob(trainer={"resourcesPerNode": {"limits": {"cpu": 10**22}}}),
    "float without a fraction": trainjob(trainer={"numNodes": 2.0}),
    "int beyond 64 bits": trainjob(trainer={"numNodes": 10**22}),
    "resource gpu": trainjob(trainer={"resourcesPerNode": {"limits": {"gpu": 1}}}),
    "no spec": {k: v for k, v in trainjob().items() if k != "spec"},
    "empty spec": {**trainjob(), "spec": {}},
    "null spec": {**trainjob(), "spec": None},
    "no ref name": trainjob(runtimeRef={}),
    "empty ref name": trainjob(runtimeRef={"name": ""}),
    "null trainer": trainjob(trainer=None),
    "null numNodes": trainjob(trainer={"numNodes": None}),
    "name caps": trainjob("Abc"),
    "name digit": trainjob("1abc"),
    "name dot": trainjob("a.b"),
    "name 64": trainjob("a" * 64),
    "name 63": trainjob("a" * 63),
    "name 300": trainjob("a" * 300),
    "no name": {**trainjob(), "metadata": {"namespace": "default"}},
    "generateName": {**trainjob(), "metadata": {"generateName": "abc-"}},
    "bad label": {**trainjob(), "metadata": {"name": "x", "labels": {"a b": "c", "ok": "bad value!"}}},
    "bad annotation": {**trainjob(), "metadata": {"name": "x", "annotations": {"a b": "c"}}},
    "numNodes 0": trainjob(trainer={"numNodes": 0}),
    "numNodes -1": trainjob(trainer={"numNodes": -1}),
    "numNodes big": trainjob(trainer={"numNodes": 2**31}),
    "nproc 0": trainjob(trainer={"numProcPerNode": 0}),
    "nproc str": trainjob(trainer={"numProcPerNode": "auto"}),
    "deadline 0": trainjob(activeDeadlineSeconds=0),
    "deadline -1": trainjob(activeDeadlineSeconds=-1),
    "managedBy bad": trainjob(managedBy="foo"),
    "managedBy kueue": trainjob(managedBy="kueue.x-k8s.io/multikueue"),
    "args 129": trainjob(trainer={"args": ["a"] * 129}),
    "command 129": trainjob(trainer={"command": ["a"] * 129}),
    "command long": trainjob(trainer={"command": ["a" * (1024 * 1024 + 1)]}),
    "env 129": trainjob(trainer={"env": [{"name": f"A{i}", "value": "1"} for i in range(129)]}),
    "env dup": trainjob(trainer={"env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]}),
    "env no name": trainjob(trainer={"env": [{"value": "1"}]}),
    "env reserved": trainjob(
        trainer={
            "env": [
                {"name": "PET_NNODES", "value": "1"},
                {"name": "PET_MASTER_ADDR", "value": "1"},
                {"name": "OK", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
            ]
        }
    ),
    "env both": trainjob(
        trainer={"env": [{"name": "A", "value": "1", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]}
    ),
    "env field no path": trainjob(trainer={"env": [{"name": "A", "valueFrom": {"fieldRef": {}}}]}),
    "image empty": trainjob(trainer={"image": ""}),
    "two plugins refuse": trainjob(
        trainer={"env": [{"name": "PET_NNODES", "value": "1"}]}, initializer={"dataset": {}, "model": {}}
    ),
    "init no job": trainjob(initializer={"dataset": {"storageUri": "hf://a/b"}, "model": {"storageUri": "hf://a/b"}}),
    "storage empty": trainjob(runtimeRef=TUNE, initializer={"dataset": {"storageUri": ""}}),
    "storage bad": trainjob(
        runtimeRef=TUNE, initializer={"dataset": {"storageUri": "nope"}, "model": {"storageUri": "a b"}}
    ),
    "storage long": trainjob(runtimeRef=TUNE, initializer={"dataset": {"storageUri": "hf://" + "a" * 3000}}),
    "storage none": trainjob(runtimeRef=TUNE, initializer={"dataset": {}}),
    "init empty": trainjob(runtimeRef=TUNE, initializer={}),
    "init secret int": trainjob(runtimeRef=TUNE, initializer={"dataset": {"secretRef": "x"}}),
    "secretRef no name": trainjob(runtimeRef=TUNE, initializer={"dataset": {"secretRef": {}}}),
    "cache": trainjob(
        runtimeRef={"name": "torch-distributed-with-cache"}, initializer={"dataset": {"storageUri": "cache://a/b"}}
    ),
    "tune bad model": trainjob(trainer={"command": ["tune", "run"]}),
    "tune nodes 2": tune(numNodes=2),
    "tune lora nodes 2": tune(numNodes=2, args=["model.lora_attn_modules=[a]"]),
    "tune qlora stock": tune(args=["model.quantize_base=True"]),
    "tune qlora 2": tune(
        numProcPerNode=2, resourcesPerNode={"limits": {"nvidia.com/gpu": 2}}, args=["model.quantize_base=True"]
    ),
    "tune qlora 1": tune(resourcesPerNode={"limits": {"nvidia.com/gpu": 1}}, args=["model.quantize_base=True"]),
    "tune qlora dora": tune(args=["model.quantize_base=True", "model.use_dora=true", "model.lora_attn_modules=[]"]),
    "tune qlora cpu": tune(resourcesPerNode={"limits": {"cpu": 4}}, args=["model.quantize_base=True"]),
    "tune qwen qlora": trainjob(
        runtimeRef={"name": "torchtune-qwen2.5-1.5b"},
        trainer={"command": ["tune", "run"], "args": ["model.quantize_base=True"]},
    ),
    "tune immutable": tune(
        args=[
            "a=b",
            "output_dir=/x",
            "tokenizer.path=y=z",
            "checkpointer.checkpoint_dir",
            "tokenizer.merges_file=1",
        ]
    ),
    "patch no rj": trainjob(runtimePatches=patch([pod("foo")])),
    "patch no container": trainjob(runtimePatches=patch([pod(containers=[{"name": "foo"}])])),
    "patch no init container": trainjob(runtimePatches=patch([pod(initContainers=[{"name": "foo"}])])),
    "patch env": trainjob(
        runtimePatches=patch([pod(containers=[{"name": "node", "env": [{"name": "A", "value": "b"}]}])])
    ),
    "patch manager": trainjob(runtimePatches=patch([pod()], manager="foo")),
    "patch manager2": trainjob(runtimePatches=patch([pod()], manager="Foo/ bar")),
    "patch manager empty": trainjob(runtimePatches=patch([pod()], manager="")),
    "patch manager none": trainjob(runtimePatches=[{"trainingRuntimeSpec": {}}]),
    "patch dup manager": trainjob(runtimePatches=patch([pod()]) + patch([pod()])),
    "patch 17": trainjob(
        runtimePatches=[
            {"manager": f"a.b/c{i}", "trainingRuntimeSpec": {"template": {"metadata": {"labels": {"a": "b"}}}}}
            for i in range(17)
        ]
    ),
    "patch nothing": trainjob(runtimePatches=[{"manager": "a.b/c"}]),
    "patch image": trainjob(runtimePatches=patch([pod(containers=[{"name": "node", "image": "x"}])])),
    "patch time": trainjob(runtimePatches=[{"manager": "a.b/c", "time": "yesterday"}]),
    "patch volume no source": trainjob(runtimePatches=patch([pod(volumes=[{"name": "a"}])])),
    "patch volume empty name": trainjob(runtimePatches=patch([pod(volumes=[{"emptyDir": {}}])])),
    "patch tol": trainjob(runtimePatches=patch([pod(tolerations=[{"key": "a", "operator": "Foo"}])])),
    "patch grace neg": trainjob(runtimePatches=patch([pod(terminationGracePeriodSeconds=-1)])),
    "patch mount": trainjob(
        runtimePatches=patch(
            [
                pod(
                    volumes=[{"name": "o", "persistentVolumeClaim": {"claimName": "c"}}],
                    containers=[{"name": "node", "volumeMounts": [{"name": "o", "mountPath": "/x"}]}],
                )
            ]
        )
    ),
    "patch mount no path": trainjob(
        runtimePatches=patch([pod(containers=[{"name": "node", "volumeMounts": [{"name": "o"}]}])])
    ),
    "mpi reserved": trainjob(
        runtimeRef={"name": "deepspeed-distributed"},
        trainer={"env": [{"name": "OMPI_MCA_orte_default_hostfile", "value": "x"}]},
    ),
    "xgb reserved": trainjob(
        runtimeRef={"name": "xgboost-distributed"}, trainer={"env": [{"name": "DMLC_TASK_ID", "value": "x"}]}
    ),
    "status in create": {**trainjob(), "status": {"jobsStatus": "x"}},
    "wrong apiVersion": {**trainjob(), "apiVersion": "trainer.kubeflow.org/v2"},
    "wrong kind": {**trainjob(), "kind": "Foo"},
    "wrong namespace": {**trainjob(), "metadata": {"name": "x", "namespace": "other"}},
    "many errors": trainjob(
        "Abc",
        runtimeRef={"name": ""},
        trainer={"numNodes": 0, "env": [{"value": "1"}]},
        managedBy="foo",
        activeDeadlineSeconds=-1,
    ),
    "rt ok": runtime([job()]),
    "rt replicas": runtime([job(replicas=2)]),
    "rt container": runtime([job(containers=({"name": "foo", "image": "i"},))]),
    "rt two policies": runtime([job()], mlPolicy={"torch": {}, "mpi": {}}),
    "rt numNodes 0": runtime([job()], mlPolicy={"numNodes": 0}),
    "rt nothing": {**runtime([]), "spec": {}},
    "rt no template": {**runtime([]), "spec": {"mlPolicy": {"torch": {}}}},
    "rt deprecated": {
        **runtime([job()]),
        "metadata": {"name": "r", "labels": {"trainer.kubeflow.org/support": "deprecated"}},
    },
    "rt flux": runtime([job()], mlPolicy={"flux": {"numProcPerNode": 0}}),
    "rt no containers": runtime([{"name": "a", "template": {"spec": {"template": {"spec": {}}}}}]),
    "rt dup rj": runtime([job(), job()]),
    "rt dup container": runtime([job(containers=[{"name": "node", "image": "i"}, {"name": "node", "image": "i"}])]),
    "rt unknown": runtime([{**job(), "foo": 1}]),
    "rt vcp": {
        **runtime([]),
        "spec": {"template": {"spec": {"replicatedJobs": [job()], "volumeClaimPolicies": [{"templates": []}]}}},
    },
    "rt success": {
        **runtime([]),
        "spec": {"template": {"spec": {"replicatedJobs": [job()], "successPolicy": {"operator": "Foo"}}}},
    },
}


def _changed(path: str, value: Any) -> Callable[[Object], None]:
    def change(item: Object) -> None:
        *parents, last = path.split(".")
        for key in parents:
            item = item.setdefault(key, {})
        if value is None:
            item.pop(last, None)
        else:
            item[last] = value

    return change


def _update(before: Object, *changes: Callable[[Object], None]) -> tuple[Object, Object]:
    after = copy.deepcopy(before)
    for change in changes:
        change(after)
    return before, after


UPDATES: dict[str, tuple[Object, Object]] = {
    "image": _update(trainjob(trainer={"image": "a"}), _changed("spec.trainer.image", "b")),
    "add trainer": _update(trainjob(), _changed("spec.trainer", {"image": "b"})),
    "drop trainer": _update(trainjob(trainer={"image": "a"}), _changed("spec.trainer", None)),
    "runtimeRef": _update(trainjob(), _changed("spec.runtimeRef.name", "jax-distributed")),
    "initializer": _update(
        trainjob(runtimeRef=TUNE), _changed("spec.initializer", {"dataset": {"storageUri": "hf://a/b"}})
    ),
    "managedBy": _update(trainjob(), _changed("spec.managedBy", "kueue.x-k8s.io/multikueue")),
    "deadline": _update(trainjob(), _changed("spec.activeDeadlineSeconds", 5)),
    "deadline2": _update(trainjob(activeDeadlineSeconds=4), _changed("spec.activeDeadlineSeconds", 5)),
    "deadline3": _update(trainjob(activeDeadlineSeconds=4), _changed("spec.activeDeadlineSeconds", None)),
    "suspend": _update(trainjob(), _changed("spec.suspend", True)),
    "suspend drop": _update(trainjob(suspend=True), _changed("spec.suspend", None)),
    "patches running": _update(trainjob(), _changed("spec.runtimePatches", patch([pod()]))),
    "patches suspended": _update(trainjob(suspend=True), _changed("spec.runtimePatches", patch([pod()]))),
    # Nobody makes pods of it, so that none run by then.
    "patches+suspend": _update(
        trainjob(managedBy="kueue.x-k8s.io/multikueue"),
        _changed("spec.suspend", True),
        _changed("spec.runtimePatches", patch([pod()])),
    ),
    "labels": _update(trainjob(), _changed("metadata.labels", {"a": "b"})),
    "spec gone": _update(trainjob(), _changed("spec", None)),
    "env changed": _update(
        trainjob(trainer={"env": [{"name": "A", "value": "1"}]}),
        _changed("spec.trainer.env", [{"name": "A", "value": "2"}]),
    ),
    "uid": _update(trainjob(), _changed("metadata.uid", "abc")),
    "rt policy": _update(runtime([job()]), _changed("spec.mlPolicy", {"numNodes": 2})),
    "rt two policies": _update(runtime([job()]), _changed("spec.mlPolicy", {"torch": {}, "mpi": {}})),
    "rt replicas": _update(runtime([job()]), _changed("spec.template.spec.replicatedJobs", [job(replicas=2)])),
}
