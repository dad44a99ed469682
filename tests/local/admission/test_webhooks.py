"""Trainer's own rules: 403, in the webhook's words."""

from __future__ import annotations

import pytest

DENIED = 'admission webhook "validator.trainjob.trainer.kubeflow.org" denied the request: '
LLAMA = "torchtune-llama3.2-1b"
TUNE = ["tune", "run"]
QLORA = ["model.quantize_base=True"]


def runtime_patch(job="node", **pod_spec):
    replicated = {"name": job, "template": {"spec": {"template": {"spec": pod_spec}}}}
    return {"manager": "acme.io/me", "trainingRuntimeSpec": {"template": {"spec": {"replicatedJobs": [replicated]}}}}


@pytest.mark.parametrize(
    ("runtime", "spec", "words"),
    [
        pytest.param(
            "nope",
            {},
            'spec.RuntimeRef: Invalid value: {"name":"nope","apiGroup":"trainer.kubeflow.org","kind":'
            '"ClusterTrainingRuntime"}: ClusterTrainingRuntime.trainer.kubeflow.org "nope" not found: specified'
            " clusterTrainingRuntime must be created before the TrainJob is created",
            id="no such runtime",
        ),
        pytest.param(
            "torch-distributed",
            {"trainer": {"env": [{"name": "PET_NNODES", "value": "1"}, {"name": "PET_MASTER_ADDR", "value": "h"}]}},
            'spec.trainer.env: Invalid value: [{"name":"PET_NNODES","value":"1"},{"name":"PET_MASTER_ADDR","value":'
            '"h"}]: must not have reserved envs, invalid envs configured: [PET_MASTER_ADDR PET_NNODES]',
            id="reserved variables",
        ),
        pytest.param(
            "torch-distributed",
            {"initializer": {"model": {"storageUri": "hf://a/b"}}},
            'spec.runtimeRef: Invalid value: {"name":"torch-distributed","apiGroup":"trainer.kubeflow.org","kind":'
            '"ClusterTrainingRuntime"}: must have model-initializer job when trainJob is configured with input'
            " modelConfig",
            id="no initializer to configure",
        ),
        pytest.param(
            "torch-distributed",
            {"trainer": {"command": TUNE}},
            'spec.runtimeRef.name: Invalid value: "torch-distributed": must have a supported pretrained model, invalid'
            " model configured: ",
            id="TorchTune on a runtime without a model",
        ),
        pytest.param(
            LLAMA,
            {"trainer": {"command": TUNE, "numNodes": 2, "args": ["model.lora_attn_modules=[q_proj]"]}},
            "[spec.trainer.numNodes: Invalid value: 2: must be 1 for llama3_2/1B model, spec.trainer.numNodes: Invalid"
            " value: 2: LoRA fine-tuning is not supported for multi-node training in TorchTune]",
            id="LoRA on two nodes",
        ),
        pytest.param(
            LLAMA,
            {"trainer": {"command": TUNE, "args": QLORA}},
            '[spec.trainer.numProcPerNode: Invalid value: "auto": must be auto or 1 for llama3_2/1B model when using'
            " QLoRA, spec.trainer.resourcesPerNode: Invalid value: null: must have gpu resource with value 1 for"
            " llama3_2/1B model when using QLoRA]",
            id="QLoRA on the stock runtime's two GPUs",
        ),
        pytest.param(
            "torchtune-qwen2.5-1.5b",
            {"trainer": {"command": TUNE, "args": QLORA}},
            'spec.runtimeRef.name: Invalid value: "torchtune-qwen2.5-1.5b": QLoRA is not supported for'
            " qwen2_5/1.5B model",
            id="QLoRA of qwen",
        ),
        pytest.param(
            LLAMA,
            {"trainer": {"command": TUNE, "args": ["epochs=1", "output_dir=/x"]}},
            'spec.trainer.args[1]: Invalid value: "output_dir=/x": must not set immutable config "output_dir" in'
            " trainer args; it is managed by the runtime",
            id="what only the runtime sets",
        ),
        pytest.param(
            "xgboost-distributed",
            {"trainer": {"env": [{"name": "DMLC_TASK_ID", "value": "1"}]}},
            "spec.trainer.env[0]: Forbidden: DMLC_TASK_ID is reserved for the XGBoost runtime",
            id="reserved for XGBoost",
        ),
        pytest.param(
            "torch-distributed",
            {"runtimePatches": [{"manager": "me"}]},
            'spec.runtimePatches.manager: Invalid value: "me": must be a domain-prefixed path (such as "acme.io/foo")',
            id="a manager without a domain",
        ),
    ],
)
def test_what_trainer_refuses(admission, trainjob, runtime, spec, words):
    refusal = admission.refusal(trainjob(runtime=runtime, **spec))
    assert (refusal.code, refusal.reason, refusal.message) == (403, "Forbidden", DENIED + words)


@pytest.mark.parametrize(
    "trainer",
    [
        pytest.param({"resourcesPerNode": {"limits": {"nvidia.com/gpu": 1}}, "args": QLORA}, id="QLoRA on one GPU"),
        pytest.param({"numProcPerNode": 1, "args": QLORA}, id="QLoRA in one process"),
        pytest.param({"args": [*QLORA, "model.use_dora=True"]}, id="quantized DoRA on two GPUs"),
        pytest.param({"numNodes": 0}, id="no nodes at all"),
        pytest.param({"numProcPerNode": 0}, id="no processes at all"),
    ],
)
def test_what_trainer_admits(admission, trainjob, trainer):
    assert admission.create(trainjob(runtime=LLAMA, trainer={"command": TUNE, **trainer}))


def test_a_runtime_of_an_unknown_kind_is_not_supported(admission, trainjob):
    job = trainjob()
    job["spec"]["runtimeRef"]["kind"] = "Pipeline"
    assert admission.refusal(job).message == DENIED + "unsupported runtime: Pipeline.trainer.kubeflow.org"


def test_patches_cannot_set_the_environment_of_trainers_own_containers(admission, trainjob):
    patch = runtime_patch(containers=[{"name": "node", "env": [{"name": "A", "value": "b"}]}])
    refusal = admission.refusal(trainjob(runtimePatches=[patch]))
    assert refusal.message.endswith(
        "must not have envs for the dataset-initializer, model-initializer, node containers"
    )


def test_patches_are_stamped_with_the_time_they_came_and_keep_it(admission, trainjob):
    old, _ = admission.create(trainjob(suspend=True, runtimePatches=[runtime_patch()]))
    (stamped,) = old["spec"]["runtimePatches"]
    stamped["time"] = "2026-01-01T00:00:00Z"
    new = admission.update(old, trainjob(suspend=False, runtimePatches=[runtime_patch()]))
    assert new["spec"]["runtimePatches"][0]["time"] == "2026-01-01T00:00:00Z"


def test_patches_change_only_while_suspended(admission, trainjob):
    running, _ = admission.create(trainjob())
    refusal = admission.refusal(trainjob(runtimePatches=[runtime_patch()]), old=running)
    assert refusal.message == DENIED + (
        "spec.runtimePatches: Forbidden: RuntimePatches can only be modified when the TrainJob is suspended before or"
        " after the update"
    )
    suspended, _ = admission.create(trainjob(suspend=True))
    assert admission.update(suspended, trainjob(suspend=True, runtimePatches=[runtime_patch()]))


def test_patches_do_not_change_while_pods_are_still_there(admission, trainjob):
    old, _ = admission.create(trainjob(suspend=True))
    old["status"] = {"jobsStatus": [{"name": "node", "active": 1}]}
    refusal = admission.refusal(trainjob(suspend=True, runtimePatches=[runtime_patch()]), old=old)
    assert refusal.message.endswith("when the JobSet's ReplicatedJob node is still active")


def runtime(**replicated):
    container = {"name": "node", "image": "i"}
    job = {
        "name": "node",
        "template": {
            "metadata": {"labels": {"trainer.kubeflow.org/trainjob-ancestor-step": "trainer"}},
            "spec": {"template": {"spec": {"containers": [container]}}},
        },
        **replicated,
    }
    return {
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "ClusterTrainingRuntime",
        "metadata": {"name": "mine"},
        "spec": {"template": {"spec": {"replicatedJobs": [job]}}},
    }


def test_a_runtimes_trainer_has_one_replica(admission):
    refusal = admission.refusal(runtime(replicas=2))
    assert refusal.message == (
        'admission webhook "validator.clustertrainingruntime.trainer.kubeflow.org" denied the request:'
        " spec.template.spec.replicatedJobs[0].replicas: Invalid value: 2: always must be 1"
    )


def test_a_runtimes_trainer_has_a_container_called_node(admission):
    broken = runtime()
    pod = broken["spec"]["template"]["spec"]["replicatedJobs"][0]["template"]["spec"]["template"]["spec"]
    pod["containers"][0]["name"] = "main"
    refusal = admission.refusal(broken)
    assert refusal.message.endswith(
        'containers: Invalid value: [{"name":"main","image":"i","resources":{}}]: must contain the required container'
        " for the ancestor: trainer"
    )


def test_a_runtime_has_one_policy(admission):
    both = runtime()
    both["spec"]["mlPolicy"] = {"torch": {}, "mpi": {}}
    refusal = admission.refusal(both)
    assert refusal.code == 422
    assert refusal.message.endswith("spec.mlPolicy: Invalid value: Only one of the policy can be configured")


def test_a_deprecated_runtime_warns_its_maker_and_its_users(admission, trainjob):
    old = runtime()
    old["metadata"] = {"name": "old-one", "labels": {"trainer.kubeflow.org/support": "deprecated"}}
    _, warnings = admission.create(old)
    assert warnings[0].startswith('ClusterTrainingRuntime "old-one" is deprecated and will be removed')
    admission.install(old)
    _, warnings = admission.create(trainjob(runtime="old-one"))
    assert warnings[0].startswith('Referenced ClusterTrainingRuntime "old-one" is deprecated')
