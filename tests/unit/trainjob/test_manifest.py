"""The TrainJob that an operator submits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from kubeflow_trainer_api.models.trainer_v1alpha1_train_job import TrainerV1alpha1TrainJob

from airflow_kubeflow_trainer.config import (
    DataCacheInitializer,
    HuggingFaceModelInitializer,
    Initializer,
    LoraConfig,
    PersistentVolumeOutput,
    RuntimePatch,
    S3ModelInitializer,
    SecretRef,
    TorchTuneConfig,
)
from airflow_kubeflow_trainer.exceptions import ConfigError
from airflow_kubeflow_trainer.trainjob.identity import MANAGER, TaskIdentity
from airflow_kubeflow_trainer.trainjob.manifest import JobOptions, builtin_trainjob, output_location
from airflow_kubeflow_trainer.trainjob.queue import PRIORITY_LABEL, QUEUE_LABEL
from airflow_kubeflow_trainer.trainjob.runtime import RuntimeContainer, RuntimeJob, RuntimeView

IDENTITY = TaskIdentity(dag_id="retrain llm", run_id="manual__2026+00:00", task_id="tune", map_index=3, try_number=2)
RUNTIME = RuntimeView.stock("torchtune-llama3.2-1b")
GPU = TorchTuneConfig(resources_per_node={"gpu": 1})


def options(**more: Any) -> JobOptions:
    assert RUNTIME is not None
    return JobOptions(**{"name": "x-1", "namespace": "ml", "runtime": RUNTIME, "identity": IDENTITY} | more)


def node_patch(manifest: dict[str, Any]) -> dict[str, Any]:
    jobs = manifest["spec"]["runtimePatches"][0]["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"]
    pod: dict[str, Any] = next(job for job in jobs if job["name"] == "node")["template"]["spec"]["template"]
    return pod


def test_kubeflows_own_models_read_the_manifest_without_loss() -> None:
    manifest = builtin_trainjob(
        options(
            initializer=Initializer(
                model=HuggingFaceModelInitializer("hf://a/b", secret_ref=SecretRef("hf", key="token"))
            ),
            output=PersistentVolumeOutput("models"),
            runtime_patches=(RuntimePatch(training_runtime_spec={"template": {"metadata": {"labels": {"a": "b"}}}}),),
            labels={"team": "nlp"},
            queue_name="gpus",
        ),
        TorchTuneConfig(peft_config=LoraConfig(), resources_per_node={"gpu": 1, "memory": "16Gi"}, num_proc_per_node=1),
    )

    read = TrainerV1alpha1TrainJob.from_dict(manifest)

    assert read is not None
    assert read.to_dict() == manifest


def test_the_output_is_mounted_where_torchtune_writes_and_is_the_tasks_result() -> None:
    wanted = options(output=PersistentVolumeOutput("models"))

    spec = node_patch(builtin_trainjob(wanted, GPU))["spec"]

    (volume,), (mount,) = spec["volumes"], spec["containers"][0]["volumeMounts"]
    assert volume["persistentVolumeClaim"] == {"claimName": "models"}
    assert volume["name"] == mount["name"] != "initializer"
    assert mount["mountPath"] == "/workspace/output"
    assert output_location(wanted) == {
        "claim_name": "models",
        "sub_path": "retrain_llm/manual__2026+00_00/tune/x-1",
        "path": "/workspace/output",
    }
    assert mount["subPath"] == "retrain_llm/manual__2026+00_00/tune/x-1"


def patch_of_node(number: int = 0, **pod: Any) -> RuntimePatch:
    job = {"name": "node", "template": {"spec": {"template": {"spec": pod}}}}
    return RuntimePatch(
        manager=f"example.com/{number}",
        training_runtime_spec={"template": {"spec": {"replicated_jobs": [job]}}},
    )


@pytest.mark.parametrize(
    ("pod", "message"),
    [
        pytest.param(
            {"volumes": [{"name": "trained-model", "emptyDir": {}}]}, "'trained-model' belongs", id="its name"
        ),
        pytest.param(
            {"containers": [{"name": "node", "volumeMounts": [{"name": "a", "mountPath": "/workspace/output/"}]}]},
            "/workspace/output is where output mounts its claim",
            id="its place",
        ),
    ],
)
def test_a_patch_cannot_take_what_belongs_to_the_output(pod: dict[str, Any], message: str) -> None:
    patches = (patch_of_node(**pod),)

    with pytest.raises(ConfigError, match=f"^runtime_patches: .*{message}"):
        builtin_trainjob(options(runtime_patches=patches, output=PersistentVolumeOutput("models")), GPU)

    assert builtin_trainjob(options(runtime_patches=patches), GPU)["spec"]["runtimePatches"][1:]


def test_more_patches_than_trainer_takes_are_refused_with_their_number() -> None:
    patches = tuple(patch_of_node(number) for number in range(16))

    with pytest.raises(ConfigError, match=r"^runtime_patches: 16 patches, and there may be 15; join them"):
        builtin_trainjob(options(runtime_patches=patches), GPU)


def test_without_an_output_nothing_is_returned() -> None:
    assert output_location(options()) is None
    assert "spec" not in node_patch(builtin_trainjob(options(), GPU))


def test_labels_and_annotations_reach_the_trainjob_and_every_pod() -> None:
    manifest = builtin_trainjob(options(labels={"team": "nlp"}, annotations={"note": "x"}), GPU)

    jobs = manifest["spec"]["runtimePatches"][0]["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"]
    pods = [job["template"]["spec"]["template"]["metadata"] for job in jobs]
    assert len(pods) == 3
    for metadata in (manifest["metadata"], *pods):
        assert metadata["labels"].items() >= {"team": "nlp", **IDENTITY.labels()}.items()
        assert metadata["annotations"].items() >= {"note": "x", **IDENTITY.annotations()}.items()


def test_a_label_of_the_author_cannot_hide_whose_trainjob_it_is() -> None:
    stolen = dict.fromkeys(IDENTITY.labels(), "other")

    manifest = builtin_trainjob(options(labels=stolen), GPU)

    assert manifest["metadata"]["labels"] == IDENTITY.labels()


def test_one_key_of_a_secret_becomes_an_environment_variable() -> None:
    model = HuggingFaceModelInitializer("hf://a/b", secret_ref=SecretRef("hf", key="token"))
    manifest = builtin_trainjob(options(initializer=Initializer(model=model)), GPU)

    assert manifest["spec"]["initializer"]["model"] == {
        "storageUri": "hf://a/b",
        "env": [{"name": "ACCESS_TOKEN", "valueFrom": {"secretKeyRef": {"name": "hf", "key": "token"}}}],
    }


def test_a_whole_secret_becomes_the_initializers_secret_ref() -> None:
    model = S3ModelInitializer("s3://b/m", secret_ref=SecretRef("s3"), endpoint="http://minio:9000")
    manifest = builtin_trainjob(options(initializer=Initializer(model=model)), GPU)

    assert manifest["spec"]["initializer"]["model"] == {
        "storageUri": "s3://b/m",
        "secretRef": {"name": "s3"},
        "env": [{"name": "ENDPOINT", "value": "http://minio:9000"}],
    }


def test_a_job_for_the_cpu_says_that_it_wants_no_gpu() -> None:
    config = TorchTuneConfig(device="cpu", optimizer="torch.optim.AdamW", resources_per_node={"cpu": 1})

    trainer = builtin_trainjob(options(), config)["spec"]["trainer"]

    # Trainer merges resources name by name: without this the pod would wait for the runtime's two GPUs.
    assert trainer["resourcesPerNode"]["limits"] == {"cpu": "1", "nvidia.com/gpu": "0"}


def test_a_job_for_a_slice_of_a_gpu_does_not_wait_for_whole_ones() -> None:
    config = TorchTuneConfig(peft_config=LoraConfig(), resources_per_node={"mig-1g.5gb": 1})

    trainer = builtin_trainjob(options(), config)["spec"]["trainer"]

    assert trainer["resourcesPerNode"]["limits"] == {"nvidia.com/mig-1g.5gb": "1", "nvidia.com/gpu": "0"}


@pytest.mark.parametrize(
    "queued",
    [pytest.param({"queue_name": "q"}, id="argument"), pytest.param({"labels": {QUEUE_LABEL: "q"}}, id="label")],
)
def test_a_queue_is_a_label_and_patches_nothing_that_kueue_would_take_away(queued: dict[str, Any]) -> None:
    waits = builtin_trainjob(options(**queued), GPU)
    keeps = builtin_trainjob(options(output=PersistentVolumeOutput("models"), **queued), GPU)

    assert waits["metadata"]["labels"][QUEUE_LABEL] == "q"
    assert "runtimePatches" not in waits["spec"]
    assert [patch["manager"] for patch in keeps["spec"]["runtimePatches"]] == [MANAGER]


def test_a_priority_class_is_kueues_and_a_label_too() -> None:
    made = builtin_trainjob(options(queue_name="q", workload_priority_class="urgent"), GPU)

    assert made["metadata"]["labels"].items() >= {QUEUE_LABEL: "q", PRIORITY_LABEL: "urgent"}.items()


CACHE = Initializer(dataset=DataCacheInitializer("cache://s/t", metadata_loc="s3://m", num_data_nodes=2))


def test_the_data_cache_is_as_large_as_was_asked_for_and_its_head() -> None:
    manifest = builtin_trainjob(options(initializer=CACHE), GPU)

    assert {"name": "CLUSTER_SIZE", "value": "3"} in manifest["spec"]["initializer"]["dataset"]["env"]


@pytest.mark.parametrize(
    ("jobs", "message"),
    [
        pytest.param(
            (RuntimeJob("dataset-initializer", "dataset-initializer", (RuntimeContainer("dataset-initializer"),)),),
            r"container dataset-initializer mounts a volume named 'initializer'",
            id="no mount, as in Trainer's own runtime with cache",
        ),
        pytest.param((), r"has no dataset-initializer", id="no initializer at all"),
    ],
)
def test_an_initializer_is_refused_where_admission_would(jobs: tuple[RuntimeJob, ...], message: str) -> None:
    assert RUNTIME is not None

    with pytest.raises(ConfigError, match=f"initializer.dataset: .*{message}"):
        builtin_trainjob(options(initializer=CACHE, runtime=replace(RUNTIME, jobs=jobs)), GPU)


def test_two_patches_of_one_manager_are_refused() -> None:
    patch = RuntimePatch(manager="example.com/a")

    with pytest.raises(ConfigError, match=r"'example.com/a' has several"):
        builtin_trainjob(options(runtime_patches=(patch, patch)), GPU)


def test_the_same_input_gives_the_same_manifest() -> None:
    assert builtin_trainjob(options(labels={"b": "1", "a": "2"}), GPU) == builtin_trainjob(
        options(labels={"b": "1", "a": "2"}), GPU
    )
