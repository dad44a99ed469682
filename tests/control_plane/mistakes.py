"""What we refuse while a DAG is parsed, and the TrainJob that it would have become.

The real admission refuses that TrainJob too, unless the row says how it would have failed later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from airflow_kubeflow_trainer import BuiltinTrainerOperator, CustomTrainerOperator
from tests.control_plane.admission_rows import TUNE, Object, patch, pod, trainjob, tune

Later = Literal["no Job", "dies"]
"""``no Job``: Kubernetes refuses its Job or JobSet, which only events tell. ``dies``: its process cannot but fail."""


@dataclass(frozen=True)
class Mistake:
    """Arguments of an operator, and the TrainJob of the same meaning."""

    operator: type[BuiltinTrainerOperator | CustomTrainerOperator]
    arguments: Mapping[str, Any]
    trainjob: Object
    later: Later | None = None
    why: str = ""
    """Of what dies: what it dies of, and which test shows it."""


def custom(become: Object, *, later: Later | None = None, why: str = "", **arguments: Any) -> Mistake:
    """A mistake of CustomTrainerOperator's."""
    arguments = {"runtime": "torch-distributed", "image": "a", **arguments}
    return Mistake(CustomTrainerOperator, arguments, become, later, why)


def builtin(become: Object, *, later: Later | None = None, why: str = "", **arguments: Any) -> Mistake:
    """A mistake of BuiltinTrainerOperator's."""
    return Mistake(BuiltinTrainerOperator, {"runtime": TUNE["name"], **arguments}, become, later, why)


def patched(spec: Object, *, later: Later | None = None, why: str = "") -> Mistake:
    """A mistake in what a patch says of the trainer's pods, in Kubernetes' own words."""
    ours = {"training_runtime_spec": {"template": {"spec": {"replicatedJobs": [pod(**spec)]}}}}
    return custom(trainjob(runtimePatches=patch([pod(**spec)])), later=later, why=why, runtime_patches=[ours])


def from_source(source: Object) -> Mistake:
    """A mistake in a variable's source."""
    variable = {"name": "A", "valueFrom": source}
    return custom(trainjob(trainer={"env": [variable]}), env={"A": {"valueFrom": source}})


def labelled(**metadata: Any) -> Object:
    row = trainjob()
    return {**row, "metadata": {**row["metadata"], **metadata}}


DEAD_RECIPES = "tests/unit/trainjob/test_checks.py runs TorchTune's recipes"
HUB = {"storageUri": "hf://a/b"}
MANY = {f"A{i}": "1" for i in range(128)}
GPU = {"resourcesPerNode": {"limits": {"nvidia.com/gpu": 1}}}
LORA = "model.lora_attn_modules=[q_proj]"
V = [{"name": "v", "emptyDir": {}}]

MISTAKES: dict[str, Mistake] = {
    # Counts
    "no nodes": custom(
        trainjob(trainer={"numNodes": 0}), later="dies", why="it is Complete at once, untrained", num_nodes=0
    ),
    "fewer nodes than none": custom(trainjob(trainer={"numNodes": -1}), later="no Job", num_nodes=-1),
    "more nodes than can be counted": custom(trainjob(trainer={"numNodes": 2**31}), num_nodes=2**31),
    "more nodes than 64 bits count": custom(trainjob(trainer={"numNodes": 10**22}), num_nodes=10**22),
    "half a node": custom(trainjob(trainer={"numNodes": 1.5}), num_nodes=1.5),
    "text for a number of nodes": custom(trainjob(trainer={"numNodes": "two"}), num_nodes="two"),
    "no processes": custom(
        trainjob(trainer={"numProcPerNode": 0}),
        later="dies",
        why="torchrun starts no processes: test_torchrun_refuses_no_processes",
        num_proc_per_node=0,
    ),
    "fewer processes than none": custom(
        trainjob(trainer={"numProcPerNode": -1}),
        later="dies",
        why="torchrun starts no processes: test_torchrun_refuses_no_processes",
        num_proc_per_node=-1,
    ),
    "more processes than can be counted": custom(trainjob(trainer={"numProcPerNode": 2**31}), num_proc_per_node=2**31),
    # Image, command, arguments
    "an image without an end": custom(trainjob(trainer={"image": "a" * 501}), image="a" * 501),
    "no image": custom(trainjob(trainer={"image": ""}), later="no Job", image=""),
    "text for a command": custom(trainjob(trainer={"command": "tune run"}), command="tune run"),
    "too many words in a command": custom(trainjob(trainer={"command": ["a"] * 129}), command=["a"] * 129),
    "too many arguments": custom(trainjob(trainer={"args": ["a"] * 129}), args=["a"] * 129),
    "too many TorchTune arguments": builtin(
        tune(args=[f"a{i}=1" for i in range(129)]), config={"overrides": {f"a{i}": 1 for i in range(129)}}
    ),
    # Environment
    "too many variables": custom(
        trainjob(trainer={"env": [{"name": name, "value": "1"} for name in [*MANY, "ONE"]]}), env=MANY
    ),
    "a variable twice": custom(
        trainjob(trainer={"env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]}),
        env=[{"name": "A", "value": "1"}, {"name": "A", "value": "2"}],
    ),
    "a variable without a name": custom(trainjob(trainer={"env": [{"value": "1"}]}), env=[{"value": "1"}]),
    "a variable with no name": custom(
        trainjob(trainer={"env": [{"name": "", "value": "1"}]}), later="no Job", env={"": "1"}
    ),
    "a variable that cannot be told from its value": custom(
        trainjob(trainer={"env": [{"name": "A=B", "value": "1"}]}), later="no Job", env={"A=B": "1"}
    ),
    "a truth value for a variable": custom(trainjob(trainer={"env": [{"name": "A", "value": True}]}), env={"A": True}),
    "a variable of torchrun's": custom(
        trainjob(trainer={"env": [{"name": "PET_NNODES", "value": "1"}]}), env={"PET_NNODES": "1"}
    ),
    "a variable from a source that there is not": from_source({"secretRef": {"name": "s", "key": "k"}}),
    "a variable from no key": from_source({"secretKeyRef": {"name": "s"}}),
    "a variable from a misspelt field": from_source({"secretKeyRef": {"nam": "s", "key": "k"}}),
    "a variable from a field without a path": from_source({"fieldRef": {}}),
    # Resources
    "no quantity": custom(
        trainjob(trainer={"resourcesPerNode": {"limits": {"cpu": "abc"}}}), resources_per_node={"cpu": "abc"}
    ),
    "a truth value for a quantity": custom(
        trainjob(trainer={"resourcesPerNode": {"limits": {"cpu": True}}}), resources_per_node={"cpu": True}
    ),
    "a resource that there is not": custom(
        trainjob(trainer={"resourcesPerNode": {"limits": {"gpus": 1}}}), later="no Job", resources_per_node={"gpus": 1}
    ),
    "fewer CPUs than none": custom(
        trainjob(trainer={"resourcesPerNode": {"limits": {"cpu": -1}}}), later="no Job", resources_per_node={"cpu": -1}
    ),
    "half a GPU": custom(
        trainjob(trainer={"resourcesPerNode": {"limits": {"nvidia.com/gpu": "500m"}}}),
        later="no Job",
        resources_per_node={"gpu": "500m"},
    ),
    # Initializers
    "a URI of nothing": builtin(
        trainjob(runtimeRef=TUNE, initializer={"model": {"storageUri": "gs://"}}),
        initializer={"model": {"storage_uri": "gs://"}},
    ),
    "no URI": builtin(
        trainjob(runtimeRef=TUNE, initializer={"dataset": {"storageUri": ""}}),
        later="dies",
        why="the initializer has nothing to fetch: tests/local/initializers",
        initializer={"dataset": {"storage_uri": ""}},
    ),
    "a URI without an end": builtin(
        trainjob(runtimeRef=TUNE, initializer={"dataset": {"storageUri": "s3://" + "a" * 3000}}),
        initializer={"dataset": "s3://" + "a" * 3000},
    ),
    "an initializer that the runtime has not": custom(
        trainjob(initializer={"dataset": HUB}), initializer={"dataset": "hf://a/b"}
    ),
    "text for a secret": builtin(
        trainjob(runtimeRef=TUNE, initializer={"dataset": {**HUB, "secretRef": "s"}}),
        initializer={"dataset": {"storage_uri": "hf://a/b", "secret_ref": "s"}},
    ),
    "a secret without a name": builtin(
        trainjob(runtimeRef=TUNE, initializer={"dataset": {**HUB, "secretRef": {}}}),
        later="no Job",
        initializer={"dataset": {"storage_uri": "hf://a/b", "secret_ref": {}}},
    ),
    # TorchTune
    "no model of TorchTune's": builtin(trainjob(trainer={"command": ["tune", "run"]}), runtime="torch-distributed"),
    "several nodes for a small model": builtin(tune(numNodes=2), config={"num_nodes": 2}),
    "LoRA on several nodes": builtin(tune(numNodes=2, args=[LORA]), config={"num_nodes": 2, "peft_config": {}}),
    "QLoRA on the runtime's two GPUs": builtin(
        tune(args=[LORA, "model.quantize_base=True"]), config={"peft_config": {"quantize_base": True}}
    ),
    "QLoRA of qwen": builtin(
        trainjob(
            runtimeRef={"name": "torchtune-qwen2.5-1.5b"},
            trainer={"command": ["tune", "run"], "args": [LORA, "model.quantize_base=True"], **GPU},
        ),
        runtime="torchtune-qwen2.5-1.5b",
        config={"peft_config": {"quantize_base": True}, "resources_per_node": {"gpu": 1}},
    ),
    "a key of the runtime's": builtin(tune(args=["output_dir=/x"]), config={"overrides": {"output_dir": "/x"}}),
    "two processes on one GPU": builtin(
        tune(numProcPerNode=2, **GPU),
        later="dies",
        why=DEAD_RECIPES,
        config={"num_proc_per_node": 2, "resources_per_node": {"gpu": 1}},
    ),
    "no GPU": builtin(
        tune(resourcesPerNode={"limits": {"nvidia.com/gpu": 0}}),
        later="dies",
        why=DEAD_RECIPES,
        config={"resources_per_node": {"gpu": 0}},
    ),
    "an adapter of an output that is tied": builtin(
        tune(args=[LORA, "model.apply_lora_to_output=True"], **GPU),
        later="dies",
        why=DEAD_RECIPES,
        config={"peft_config": {"apply_lora_to_output": True}, "resources_per_node": {"gpu": 1}},
    ),
    "fp16": builtin(tune(args=["dtype=fp16"]), later="dies", why=DEAD_RECIPES, config={"overrides": {"dtype": "fp16"}}),
    # What a TrainJob is called, and carries
    "no runtime": custom(trainjob(runtimeRef={"name": ""}), runtime=""),
    "a runtime that none can be called": custom(trainjob(runtimeRef={"name": "A b"}), runtime="A b"),
    "a runtime's name without an end": custom(trainjob(runtimeRef={"name": "a" * 254}), runtime="a" * 254),
    "a kind of runtime that there is not": custom(
        trainjob(runtimeRef={"name": "torch-distributed", "kind": "Foo"}), runtime_kind="Foo"
    ),
    "no value of a label": custom(labelled(labels={"a": "b c"}), labels={"a": "b c"}),
    "a value of a label without an end": custom(labelled(labels={"a": "b" * 64}), labels={"a": "b" * 64}),
    "no key of a label": custom(labelled(labels={"a b": "c"}), labels={"a b": "c"}),
    "no domain of a label": custom(labelled(labels={"a..b/c": "d"}), labels={"a..b/c": "d"}),
    "a domain of a label without an end": custom(
        labelled(labels={"a" * 254 + "/c": "d"}), labels={"a" * 254 + "/c": "d"}
    ),
    "a number for a label": custom(labelled(labels={"a": 1}), labels={"a": 1}),
    "no key of an annotation": custom(labelled(annotations={"a/b/c": "d"}), annotations={"a/b/c": "d"}),
    "annotations without an end": custom(labelled(annotations={"a": "b" * 2**18}), annotations={"a": "b" * 2**18}),
    "no name of a queue": custom(labelled(labels={"kueue.x-k8s.io/queue-name": "a b"}), queue_name="a b"),
    # Patches
    "a patch of nobody": custom(trainjob(runtimePatches=patch([pod()], manager="")), runtime_patches=[{"manager": ""}]),
    "a patch of somebody without a domain": custom(
        trainjob(runtimePatches=patch([pod()], manager="foo")), runtime_patches=[{"manager": "foo"}]
    ),
    "two patches of one manager": custom(
        trainjob(runtimePatches=patch([pod()]) + patch([pod()])), runtime_patches=[{"manager": "a.b/c"}] * 2
    ),
    "too many patches": custom(
        trainjob(runtimePatches=[{"manager": f"a.b/c{i}"} for i in range(17)]),
        runtime_patches=[{"manager": f"a.b/c{i}"} for i in range(16)],
    ),
    "a patch of what may not be": patched({"hostNetwork": True}),
    "a patch of an image": patched({"containers": [{"name": "node", "image": "x"}]}),
    "a patch of the training's environment": patched(
        {"containers": [{"name": "node", "env": [{"name": "A", "value": "b"}]}]}
    ),
    "a container without a name": patched({"containers": [{"volumeMounts": []}]}),
    "a container twice": patched({"containers": [{"name": "node"}, {"name": "node"}]}),
    "a volume without a name": patched({"volumes": [{"emptyDir": {}}]}, later="no Job"),
    "a volume twice": patched({"volumes": V * 2}),
    "a volume of the claim's name": builtin(
        trainjob(runtimeRef=TUNE, runtimePatches=patch([pod(volumes=[{"name": "initializer", "emptyDir": {}}])])),
        later="no Job",
        runtime_patches=[
            {
                "training_runtime_spec": {
                    "template": {
                        "spec": {"replicatedJobs": [pod(volumes=[{"name": "initializer", "emptyDir": {}}])]},
                    }
                }
            }
        ],
    ),
    "a misspelt volume": patched({"volumes": [{"name": "v", "emptydir": {}}]}),
    "a volume of no claim": patched({"volumes": [{"name": "v", "persistentVolumeClaim": {}}]}, later="no Job"),
    "a projected volume of nothing": patched({"volumes": [{"name": "v", "projected": {}}]}),
    "text for a volume": patched({"volumes": [{"name": "v", "emptyDir": "yes"}]}),
    "a size that is none": patched({"volumes": [{"name": "v", "emptyDir": {"sizeLimit": "much"}}]}),
    "a mount without a path": patched(
        {"volumes": V, "containers": [{"name": "node", "volumeMounts": [{"name": "v"}]}]}, later="no Job"
    ),
    "two mounts at one place": patched(
        {"volumes": V, "containers": [{"name": "node", "volumeMounts": [{"name": "v", "mountPath": "/v"}] * 2}]}
    ),
    "a misspelt toleration": patched({"tolerations": [{"key": "a", "operater": "Exists"}]}),
    "text for seconds": patched({"tolerations": [{"key": "a", "tolerationSeconds": "long"}]}),
    "text for a user": patched({"securityContext": {"runAsUser": "root"}}),
    "a number for text": patched({"tolerations": [{"key": 5}]}),
    "a misspelt affinity": patched({"affinity": {"nodeAfinity": {}}}),
    "a gate without a name": patched({"schedulingGates": [{}]}, later="no Job"),
    "a secret for images by another field": patched({"imagePullSecrets": [{"secretName": "s"}]}),
    "a negative grace": patched({"terminationGracePeriodSeconds": -1}),
    "a service account without an end": patched({"serviceAccountName": "a" * 254}),
}
