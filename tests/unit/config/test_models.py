"""What a DAG author may write, and how a mistake is told."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_kubeflow_trainer.config import (
    DataCacheInitializer,
    HuggingFaceDatasetInitializer,
    HuggingFaceModelInitializer,
    Initializer,
    LoraConfig,
    Metadata,
    PersistentVolumeOutput,
    PodSpecPatch,
    RuntimePatch,
    S3ModelInitializer,
    SecretRef,
    TorchTuneChatDataset,
    TorchTuneConfig,
    TorchTuneDataset,
    TorchTuneInstructDataset,
)
from airflow_kubeflow_trainer.config.template import as_template, from_template
from airflow_kubeflow_trainer.exceptions import ConfigError

CONFIG_MISTAKES = [
    pytest.param({"epochs": 0}, r"config.epochs: must be at least 1, not 0", id="a count of none"),
    pytest.param({"num_nodes": -1}, r"config.num_nodes: .*not -1", id="a negative count"),
    pytest.param({"batch_size": "many"}, r"config.batch_size: .*integer.*'many'", id="text for a number"),
    pytest.param({"epoch": 1}, r"config.epoch: there is no such field; did you mean 'epochs'\?", id="a misspelt field"),
    pytest.param({"dtype": "fp16"}, r"config.dtype: .*'bf16' or 'fp32'", id="a type TorchTune cannot train in"),
    pytest.param({"env": {"PET_NNODES": "2"}}, r"config.env: PET_NNODES is set by Trainer", id="a reserved variable"),
    pytest.param({"env": {"X": True}}, r"X: .*text: write 'true' or 'True'", id="a bool for a variable"),
    pytest.param({"env": {"X": {"name": "s"}}}, r"X: SecretRef needs the key", id="a whole secret for a variable"),
    pytest.param({"resources_per_node": {"gpus": 1}}, r"'gpus' is no resource", id="an unknown resource"),
    pytest.param({"resources_per_node": {"cpu": "x"}}, r"cpu: 'x' is no quantity", id="no quantity"),
    pytest.param(
        {"resources_per_node": {"memory": 16}}, r"memory: 16 is a number of bytes, .*'16Gi'", id="memory without a unit"
    ),
    pytest.param({"resources_per_node": {"gpu": 1, "mig-1g.5gb": 1}}, r"one kind of GPU", id="GPU and MIG"),
    pytest.param(
        {"peft_config": {"lora_attn_modules": []}}, r"peft_config.lora_attn_modules: must not be empty", id="no LoRA"
    ),
    pytest.param(
        {"save_adapter_weights_only": True},
        r"config.save_adapter_weights_only: needs peft_config",
        id="an adapter of full fine-tuning",
    ),
    pytest.param({"overrides": {"~a.b": 1}}, r"overrides: '~a.b' deletes a key", id="a deletion with a value"),
    pytest.param({"seed": 1.5}, r"config.seed: .*1.5", id="half a seed"),
    pytest.param({"learning_rate": "fast"}, "config.learning_rate: must be a number, not 'fast'", id="no number"),
    pytest.param({"overrides": "a=1"}, r"config.overrides: must be a dict, or a list such as .*not 'a=1'", id="text"),
    pytest.param({"overrides": {"~optimizer": None}}, "'~optimizer': TorchTune cannot delete", id="a whole component"),
    pytest.param({"env": ["A=b"]}, r"config.env: must be a dict of values by name, or", id="variables in a list"),
    pytest.param(
        {"resources_per_node": {"limits": {"gpu": 1}}},
        r"'limits' is no resource: .*\{'gpu': 1,",
        id="Kubernetes' limits",
    ),
    pytest.param(
        {"peft_config": {"rank": 8}},
        r"config.peft_config.rank: .*known are: .*lora_rank",
        id="a misspelt field of LoRA's",
    ),
    pytest.param(
        {"dataset_preprocess_config": "json"},
        r"^config.dataset_preprocess_config: must be TorchTuneInstructDataset\(",
        id="a format for a data set",
    ),
]


@pytest.mark.parametrize(("wrong", "message"), CONFIG_MISTAKES)
def test_a_mistake_is_refused_when_the_dag_is_parsed(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as refused:
        as_template(wrong, TorchTuneConfig, field="config")
    assert str(refused.value).startswith(f"config.{next(iter(wrong))}")


@pytest.mark.parametrize(("wrong", "message"), CONFIG_MISTAKES)
def test_the_same_mistake_is_refused_when_a_template_brings_it(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        from_template(TorchTuneConfig, str(wrong), field="config")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        pytest.param(
            {"dataset": "hf://squad"}, r"dataset.storage_uri: .*hf://owner/name", id="a data set without owner"
        ),
        pytest.param({"dataset": {"storage_uri": "cache://a"}}, r"dataset.metadata_loc: is missing", id="half a cache"),
        pytest.param(
            {"dataset": {"storage_uri": "cache://a", "metadata_loc": "m", "num_data_nodes": 2}},
            r"cache://schema/table",
            id="a cache without table",
        ),
        pytest.param(
            {"model": {"storage_uri": "s3://b/m", "secret_ref": {"name": "s", "key": "k"}}},
            r"model.secret_ref: one key is not enough",
            id="one key for S3",
        ),
        pytest.param({"model": {"storage_uri": ""}}, r"model.storage_uri: must not be empty$", id="no URI"),
        pytest.param({"dataset": "s3://"}, r"dataset.storage_uri: 's3://' must say what", id="no bucket"),
        pytest.param({"model": 5}, r"^initializer.model: must be a URI, ModelInitializer\(", id="a number"),
        pytest.param(
            {"model": {"storage_uri": "hf://a/b", "ignore_patterns": ["*.pth,*.bin"]}},
            r"model.ignore_patterns.0: '\*.pth,\*.bin' must not have a comma",
            id="two patterns in one",
        ),
        pytest.param(
            {"model": {"storage_uri": "hf://a/b", "secretref": "x"}}, "did you mean 'secret_ref'", id="a misspelt field"
        ),
    ],
)
def test_an_initializer_that_would_fail_in_its_pod_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        as_template(wrong, Initializer, field="initializer")


@pytest.mark.parametrize("name", ["access_token", "access_key_id", "secret_access_key"])
def test_a_secret_is_never_taken_as_text(name: str) -> None:
    with pytest.raises(ConfigError) as refused:
        as_template({"model": {"storage_uri": "hf://a/b", name: "canary"}}, Initializer, field="initializer")

    assert "SecretRef" in str(refused.value)
    assert "canary" not in str(refused.value)


def test_a_token_in_place_of_a_secret_ref_is_refused_without_being_repeated() -> None:
    with pytest.raises(ConfigError, match=r"initializer\.model\.secret_ref: must name a Secret") as refused:
        as_template({"model": {"storage_uri": "hf://a/b", "secret_ref": "hf_canary"}}, Initializer, field="initializer")

    assert "canary" not in str(refused.value)


def test_zero_false_and_empty_values_are_kept() -> None:
    config = TorchTuneConfig(seed=0, shuffle=False, num_warmup_steps=0, overrides={"a": "", "b": 0, "c": []})

    assert as_template(config, TorchTuneConfig, field="config") == {
        "seed": 0,
        "shuffle": False,
        "num_warmup_steps": 0,
        "overrides": {"a": "", "b": 0, "c": []},
    }


class Ours(TorchTuneConfig):
    """A team's own defaults."""

    epochs: int | None = 7
    shuffle: bool | None = None


def test_the_defaults_of_an_authors_own_class_are_not_dropped() -> None:
    assert as_template(Ours(seed=1), TorchTuneConfig, field="config") == {"seed": 1, "epochs": 7}
    assert as_template(Ours(epochs=2), TorchTuneConfig, field="config") == {"epochs": 2}


def test_a_repr_is_the_same_each_time_and_names_secrets_without_holding_any() -> None:
    def make() -> Initializer:
        return Initializer(model=HuggingFaceModelInitializer("hf://a/b", secret_ref=SecretRef("hf", key="token")))

    assert repr(make()) == repr(make())
    assert "0x" not in repr(make())


@pytest.mark.parametrize(
    ("uri", "kind"),
    [
        ("hf://a/b", HuggingFaceDatasetInitializer),
        ("cache://schema/table", DataCacheInitializer),
    ],
)
def test_a_dict_becomes_the_class_that_its_uri_means(uri: str, kind: type) -> None:
    extra = {"metadata_loc": "m", "num_data_nodes": 2} if uri.startswith("cache") else {}
    found = from_template(Initializer, {"dataset": {"storage_uri": uri, **extra}}, field="initializer")

    assert found is not None
    assert type(found.dataset) is kind


def test_the_data_sets_builder_is_found_by_its_fields() -> None:
    chat = TorchTuneConfig(dataset_preprocess_config={"conversation_column": "c", "conversation_style": "openai"})
    other = TorchTuneConfig(dataset_preprocess_config={"component": "my.dataset", "options": {"a": 1}})

    assert isinstance(chat.dataset_preprocess_config, TorchTuneChatDataset)
    assert isinstance(other.dataset_preprocess_config, TorchTuneDataset)


@pytest.mark.parametrize("options", [{}, {"packed": False}], ids=["no arguments", "arguments"])
def test_a_builder_that_has_a_class_of_its_own_may_be_named_with_any_arguments(options: dict[str, Any]) -> None:
    component = "torchtune.datasets.chat_dataset"
    data = TorchTuneDataset(component=component, source="json", **({"options": options} if options else {}))

    plain = as_template({"dataset_preprocess_config": data}, TorchTuneConfig, field="config")
    found = from_template(TorchTuneConfig, plain, field="config")

    assert found is not None
    assert isinstance(found.dataset_preprocess_config, TorchTuneDataset)
    assert found.dataset_preprocess_config.component == component
    assert found.dataset_preprocess_config.options == options


@pytest.mark.parametrize(
    ("written", "message"),
    [
        pytest.param({"conversation_column": "c"}, "conversation_style: is missing", id="half a chat"),
        pytest.param({"column": "c", "ad_eos": True}, "ad_eos: .*did you mean 'add_eos'", id="text, misspelt"),
        pytest.param({"options": {"a": 1}}, "component: is missing", id="arguments of no builder"),
        pytest.param({"column_mp": {}}, "column_mp: .*did you mean 'column_map'", id="a table, misspelt"),
    ],
)
def test_a_data_set_that_is_not_quite_one_is_compared_with_the_one_that_it_is_nearest_to(
    written: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        TorchTuneConfig(dataset_preprocess_config=written)


@pytest.mark.parametrize("value", [3, "text", ["x"], b"x"], ids=repr)
def test_what_is_no_config_at_all_is_refused_by_its_name(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"config: must be TorchTuneConfig\(...\) or a dict"):
        as_template(value, TorchTuneConfig, field="config")


def test_a_field_that_is_misspelt_deep_in_a_patch_is_named_in_full_with_what_was_meant() -> None:
    spec = {"template": {"spec": {"nodeSelectr": {}}}}
    jobs = [{"name": "node", "template": {"spec": spec}}]
    patch = {"trainingRuntimeSpec": {"template": {"spec": {"replicatedJobs": jobs}}}}

    with pytest.raises(
        ConfigError, match=r"replicatedJobs\.0\.template\.spec\.template\.spec\.nodeSelectr: .*'node_selector'"
    ):
        as_template(patch, RuntimePatch, field="runtime_patches.0")


@pytest.mark.parametrize("name", ["Models", "my_models", "", "a" * 254])
def test_a_claims_name_is_one_that_kubernetes_takes(name: str) -> None:
    with pytest.raises(ConfigError, match="claim_name: .* must be the name of a PersistentVolumeClaim"):
        PersistentVolumeOutput(name)


@pytest.mark.parametrize("path", ["/abs", "a/../b", ".."])
def test_a_sub_path_stays_on_its_volume(path: str) -> None:
    with pytest.raises(ConfigError, match="sub_path"):
        PersistentVolumeOutput("models", sub_path=path)


def test_secrets_for_s3_come_whole_or_one_by_one() -> None:
    each = S3ModelInitializer("s3://b/m", env={"ACCESS_KEY_ID": SecretRef("s", key="id")}, region="eu-west-1")

    assert each.variables() == {"REGION": "eu-west-1", "ACCESS_KEY_ID": SecretRef("s", key="id")}


def test_a_patch_may_be_written_in_python_or_as_on_the_wire() -> None:
    wire = {
        "manager": "example.com/me",
        "trainingRuntimeSpec": {
            "template": {
                "spec": {
                    "replicatedJobs": [
                        {"name": "node", "template": {"spec": {"template": {"spec": {"nodeSelector": {"a": "b"}}}}}}
                    ]
                }
            }
        },
    }

    patch = from_template(RuntimePatch, wire, field="runtime_patches.0")

    assert patch is not None
    assert patch.wire() == wire


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        pytest.param(
            {"volumes": [{"name": "initializer"}]}, "belongs to the runtime's own claim", id="the claim's name"
        ),
        pytest.param(
            {"containers": [{"name": "node", "env": {"A": "b"}}]}, "cannot be patched", id="the trainer's env"
        ),
        pytest.param({"containers": [{"name": "node", "image": "x"}]}, "image", id="an image"),
    ],
)
def test_a_patch_that_admission_would_refuse_is_refused_before(spec: dict[str, Any], message: str) -> None:
    template = {"spec": {"template": {"spec": spec}}}
    patch = {
        "trainingRuntimeSpec": {"template": {"spec": {"replicatedJobs": [{"name": "node", "template": template}]}}}
    }

    with pytest.raises(ConfigError, match=message):
        as_template(patch, RuntimePatch, field="runtime_patches.0")


class Reference:
    """Like Airflow's XComArg."""

    def iter_references(self) -> list[Any]:
        return []


@pytest.mark.parametrize("item", ["{{ params.a }}", Reference()], ids=["Jinja", "XComArg"])
@pytest.mark.parametrize(
    ("model", "fill"),
    [
        pytest.param(LoraConfig, lambda item: {"lora_attn_modules": ["q_proj", item]}, id="a list of choices"),
        pytest.param(TorchTuneInstructDataset, lambda item: {"column_map": {"input": item}}, id="a dict of text"),
        pytest.param(PodSpecPatch, lambda item: {"node_selector": {"pool": item}}, id="a node selector"),
        pytest.param(PodSpecPatch, lambda item: {"image_pull_secrets": [{"name": item}]}, id="a list of dicts"),
        pytest.param(PodSpecPatch, lambda item: {"volumes": [item]}, id="a list of any dicts"),
        pytest.param(PodSpecPatch, lambda item: {"containers": [item]}, id="a list of models"),
        pytest.param(Metadata, lambda item: {"labels": {"a": item}}, id="labels"),
        pytest.param(TorchTuneConfig, lambda item: {"env": {"A": item, "B": "b"}}, id="environment"),
        pytest.param(TorchTuneConfig, lambda item: {"resources_per_node": {"gpu": item}}, id="resources"),
        pytest.param(
            HuggingFaceModelInitializer,
            lambda item: {"storage_uri": "hf://a/b", "ignore_patterns": [item]},
            id="a list of text",
        ),
    ],
)
def test_a_template_may_stand_anywhere_in_a_field(model: Any, fill: Any, item: Any) -> None:
    assert as_template(fill(item), model, field="x") == fill(item)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        pytest.param(
            {"peft_config": {"lora_rank": "{{ x }}", "lora_alpha": -1}}, r"peft_config\.lora_alpha", id="model"
        ),
        pytest.param({"resources_per_node": {"cpu": "{{ x }}", "gpus": 1}}, "'gpus' is no resource", id="resources"),
        pytest.param({"env": {"A": "{{ x }}", "B": True}}, "B: .*text", id="environment"),
    ],
)
def test_what_stands_beside_a_template_is_checked_at_once(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        as_template(wrong, TorchTuneConfig, field="config")


def test_what_a_template_brought_into_a_list_is_checked_once_it_is_rendered() -> None:
    with pytest.raises(ConfigError, match=r"peft_config\.lora_attn_modules\.0: .*'q_proj'.*not 'q'"):
        from_template(TorchTuneConfig, {"peft_config": {"lora_attn_modules": ["q"]}}, field="config")
