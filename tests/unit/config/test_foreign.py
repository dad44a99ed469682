"""Objects that are not ours: the Kubeflow SDK's dataclasses, and those of Kubernetes' clients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_kubeflow_trainer.config import Initializer, PodSpecPatch, RuntimePatch, TorchTuneConfig
from airflow_kubeflow_trainer.config.template import as_template, from_template
from airflow_kubeflow_trainer.exceptions import ConfigError

# Shaped like the Kubeflow SDK 0.5's (kubeflow/trainer/types), which cannot be installed beside Airflow's provider.


@dataclass
class HuggingFaceModelInitializer:
    storage_uri: str
    ignore_patterns: list[str] | None = None
    access_token: str | None = None


@dataclass
class DataCacheInitializer:
    storage_uri: str
    metadata_loc: str
    num_data_nodes: int
    head_cpu: str | None = None


@dataclass
class SdkInitializer:
    dataset: Any = None
    model: Any = None


class Kind(Enum):
    BF16 = "bf16"
    JSON = "json"
    LOSS = "torchtune.modules.loss.CEWithChunkedOutputLoss"


@dataclass
class InstructDataset:
    source: Kind | None = None
    split: str | None = None
    train_on_input: bool | None = None


@dataclass(slots=True)
class Lora:
    lora_attn_modules: list[str] = field(default_factory=lambda: ["q_proj", "v_proj"])
    lora_rank: int | None = None


@dataclass
class SdkConfig:
    dtype: Kind | None = None
    epochs: int | None = None
    loss: Kind | None = None
    peft_config: Lora | None = None
    dataset_preprocess_config: InstructDataset | None = None
    resources_per_node: dict[str, Any] | None = None


def test_the_sdks_initializers_are_understood() -> None:
    theirs = SdkInitializer(
        dataset=DataCacheInitializer("cache://schema/table", "s3://bucket/metadata.json", 2),
        model=HuggingFaceModelInitializer("meta-llama/Llama-3.2-1B", ignore_patterns=["*.pth"]),
    )

    plain = as_template(theirs, Initializer, field="initializer")

    assert plain == {
        "dataset": {
            "storage_uri": "cache://schema/table", "metadata_loc": "s3://bucket/metadata.json", "num_data_nodes": 2
        },
        "model": {"storage_uri": "hf://meta-llama/Llama-3.2-1B", "ignore_patterns": ["*.pth"]},
    }  # fmt: skip


def test_the_sdks_token_is_refused_with_the_remedy() -> None:
    theirs = SdkInitializer(model=HuggingFaceModelInitializer("hf://a/b", access_token="canary"))

    with pytest.raises(ConfigError, match=r"initializer\.model.*secret_ref=SecretRef") as refused:
        as_template(theirs, Initializer, field="initializer")
    assert "canary" not in str(refused.value)


def test_the_sdks_nested_objects_and_enums_are_understood() -> None:
    theirs = SdkConfig(Kind.BF16, 2, Kind.LOSS, Lora(lora_rank=4), InstructDataset(Kind.JSON, train_on_input=False))

    plain = as_template(theirs, TorchTuneConfig, field="config")

    assert plain == {
        "dtype": "bf16",
        "epochs": 2,
        "loss": "torchtune.modules.loss.CEWithChunkedOutputLoss",
        "peft_config": {"lora_attn_modules": ["q_proj", "v_proj"], "lora_rank": 4},
        "dataset_preprocess_config": {"source": "json", "train_on_input": False},
    }


def test_the_sdks_objects_may_stand_in_ours() -> None:
    config = TorchTuneConfig(dtype=Kind.BF16, peft_config=Lora(lora_rank=4), loss=Kind.LOSS)

    assert config.plain()["peft_config"] == {"lora_attn_modules": ["q_proj", "v_proj"], "lora_rank": 4}


@pytest.mark.parametrize(
    "value",
    [lambda: None, TorchTuneConfig, SimpleNamespace(), object(), pytest],
    ids=["a function", "a class", "an empty object", "a bare object", "a module"],
)
def test_what_has_no_attributes_of_a_config_is_refused_rather_than_taken_for_an_empty_one(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"config: must be TorchTuneConfig\(...\) or a dict, not (a|the) ") as refused:
        as_template(value, TorchTuneConfig, field="config")
    assert "0x" not in str(refused.value)


class LazyXComs(Sequence[Any]):
    """Like the XComs of a mapped task, which come as a sequence that is no list."""

    def __init__(self, *items: Any) -> None:
        self.items = items

    def __getitem__(self, index: Any) -> Any:
        return self.items[index]

    def __len__(self) -> int:
        return len(self.items)


def test_the_xcoms_of_a_mapped_task_are_a_list() -> None:
    rendered = {"peft_config": {"lora_attn_modules": LazyXComs("q_proj", "k_proj")}, "overrides": LazyXComs("a=1")}

    config = from_template(TorchTuneConfig, rendered, field="config")

    assert config is not None
    assert config.plain() == {
        "peft_config": {"lora_attn_modules": ["q_proj", "k_proj"]}, "overrides": {"a": 1}
    }  # fmt: skip


def test_objects_of_kubernetes_client_may_stand_in_a_patch() -> None:
    from kubernetes.client import models as k8s

    claim = k8s.V1PersistentVolumeClaimVolumeSource(claim_name="scratch", read_only=False)
    patch = PodSpecPatch(
        tolerations=[k8s.V1Toleration(key="gpu", operator="Exists", toleration_seconds=0)],
        volumes=[k8s.V1Volume(name="scratch", persistent_volume_claim=claim)],
        containers=[{"name": "sidecar", "env": [k8s.V1EnvVar(name="A", value="b")]}],
    )

    assert patch.wire() == {
        "volumes": [{"name": "scratch", "persistentVolumeClaim": {"claimName": "scratch", "readOnly": False}}],
        "containers": [{"name": "sidecar", "env": [{"name": "A", "value": "b"}]}],
        "tolerations": [{"key": "gpu", "operator": "Exists", "tolerationSeconds": 0}],
    }


def test_trainers_own_models_are_understood() -> None:
    from kubeflow_trainer_api import models as api

    spec = api.TrainerV1alpha1PodSpecPatch(node_selector={"pool": "gpu"}, service_account_name="trainer")
    pods = api.TrainerV1alpha1PodTemplatePatch(spec=spec)
    jobs = api.TrainerV1alpha1JobTemplatePatch(spec=api.TrainerV1alpha1JobSpecPatch(template=pods))
    replicated = api.TrainerV1alpha1ReplicatedJobPatch(name="node", template=jobs)
    template = api.TrainerV1alpha1JobSetTemplatePatch(
        spec=api.TrainerV1alpha1JobSetSpecPatch(replicated_jobs=[replicated])
    )
    theirs = api.TrainerV1alpha1RuntimePatch(
        manager="example.com/me",
        training_runtime_spec=api.TrainerV1alpha1TrainingRuntimeSpecPatch(template=template),
    )

    patch = from_template(RuntimePatch, theirs, field="runtime_patches.0")

    assert patch is not None
    assert patch.wire() == theirs.to_dict()


@pytest.mark.parametrize(
    ("manager", "fine"),
    [
        ("example.com/team", True), ("kueue/manager", True), ("a.b/" + "c" * 249, True), ("a.b/" + "c" * 250, False),
        ("team", False), ("Example.com/team", False), ("a.b/", False), ("/team", False), ("a.b/two words", False),
    ],
)  # fmt: skip
def test_a_manager_is_checked_as_trainers_admission_does(manager: str, fine: bool) -> None:
    if fine:
        assert RuntimePatch(manager=manager).wire() == {"manager": manager}
    else:
        with pytest.raises(ConfigError, match=r"RuntimePatch\.manager"):
            RuntimePatch(manager=manager)
