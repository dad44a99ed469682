"""Configs with every field of every class set, from which others are made that say the same in other words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

from airflow_kubeflow_trainer.config import (
    ContainerPatch,
    DataCacheInitializer,
    DatasetInitializer,
    HuggingFaceDatasetInitializer,
    HuggingFaceModelInitializer,
    Initializer,
    JobSetSpecPatch,
    JobSetTemplatePatch,
    JobSpecPatch,
    JobTemplatePatch,
    LoraConfig,
    Metadata,
    ModelInitializer,
    PersistentVolumeOutput,
    PodSpecPatch,
    PodTemplatePatch,
    ReplicatedJobPatch,
    RuntimePatch,
    S3DatasetInitializer,
    S3ModelInitializer,
    SecretRef,
    TorchTuneChatDataset,
    TorchTuneConfig,
    TorchTuneDataset,
    TorchTuneInstructDataset,
    TorchTuneTextCompletionDataset,
    TrainingRuntimeSpecPatch,
)
from airflow_kubeflow_trainer.config.base import ConfigModel

Replace = Callable[[str, Any], Any]


AFFINITY = {
    "nodeAffinity": {
        "preferredDuringSchedulingIgnoredDuringExecution": [
            {"weight": 1, "preference": {"matchExpressions": [{"key": "pool", "operator": "Exists"}]}}
        ]
    }
}


@dataclass(frozen=True)
class Part:
    """A config: its class, and what is set in it."""

    kind: type[ConfigModel]
    fields: Mapping[str, Any]


def part(kind: type[ConfigModel], **fields: Any) -> Part:
    return Part(kind, fields)


def map_items(value: Any, change: Replace, path: str = "") -> Any:
    """Change each item: what is neither a config nor a list nor a dict."""
    if isinstance(value, Part):
        return replace(value, fields=map_items(dict(value.fields), change, path))
    if isinstance(value, dict):
        return {name: map_items(item, change, f"{path}.{name}") for name, item in value.items()}
    if isinstance(value, list):
        return [map_items(item, change, f"{path}.{index}") for index, item in enumerate(value)]
    return change(path, value)


def map_fields(value: Any, change: Replace, path: str = "") -> Any:
    """Change each field of the outermost configs as a whole."""
    if isinstance(value, Part):
        return replace(value, fields={name: change(f"{path}.{name}", item) for name, item in value.fields.items()})
    if isinstance(value, list):
        return [map_fields(item, change, f"{path}.{index}") for index, item in enumerate(value)]
    return {name: map_fields(item, change, f"{path}.{name}") for name, item in value.items()}


def written(value: Any, form: str) -> Any:
    """Write configs as models, dicts, or objects with the same attributes, such as the Kubeflow SDK's."""
    if isinstance(value, Part):
        fields = {name: written(item, form) for name, item in value.fields.items()}
        return value.kind(**fields) if form == "model" else fields if form == "dict" else SimpleNamespace(**fields)
    if isinstance(value, dict):
        return {name: written(item, form) for name, item in value.items()}
    if isinstance(value, list):
        return [written(item, form) for item in value]
    return value


def parts(value: Any) -> Iterator[Part]:
    """Find all configs."""
    if isinstance(value, Part):
        yield value
        value = dict(value.fields)
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from parts(item)


def without_each(value: Any) -> Iterator[tuple[str, Any]]:
    """Give a copy without each of the fields, and the field's name."""
    if isinstance(value, Part):
        for name in value.fields:
            kept = {other: item for other, item in value.fields.items() if other != name}
            yield f"{value.kind.__name__}.{name}", replace(value, fields=kept)
        for left_out, fields in without_each(dict(value.fields)):
            yield left_out, replace(value, fields=fields)
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from ((left_out, {**value, name: changed}) for left_out, changed in without_each(item))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from (
                (left_out, [*value[:index], changed, *value[index + 1 :]]) for left_out, changed in without_each(item)
            )


KEY = part(SecretRef, name="hf", key="token")
METADATA = part(Metadata, labels={"team": "nlp"}, annotations={"example.com/note": "a b"})
PATCH = part(
    RuntimePatch,
    manager="example.com/team",
    training_runtime_spec=part(
        TrainingRuntimeSpecPatch,
        template=part(
            JobSetTemplatePatch,
            metadata=METADATA,
            spec=part(
                JobSetSpecPatch,
                replicated_jobs=[
                    part(
                        ReplicatedJobPatch,
                        name="node",
                        template=part(
                            JobTemplatePatch,
                            metadata=METADATA,
                            spec=part(
                                JobSpecPatch,
                                template=part(
                                    PodTemplatePatch,
                                    metadata=METADATA,
                                    spec=part(
                                        PodSpecPatch,
                                        service_account_name="trainer",
                                        volumes=[{"name": "scratch", "emptyDir": {"sizeLimit": "1Gi"}}],
                                        init_containers=[
                                            part(ContainerPatch, name="setup", env={"A": "b", "EMPTY": ""})
                                        ],
                                        containers=[
                                            part(
                                                ContainerPatch,
                                                name="node",
                                                volume_mounts=[{"name": "scratch", "mountPath": "/scratch"}],
                                                security_context={"runAsUser": 0, "privileged": False},
                                            )
                                        ],
                                        image_pull_secrets=[{"name": "registry"}],
                                        security_context={"fsGroup": 0},
                                        node_selector={"pool": "gpu"},
                                        affinity=AFFINITY,
                                        tolerations=[{"key": "gpu", "operator": "Exists", "tolerationSeconds": 0}],
                                        scheduling_gates=[{"name": "gate"}],
                                        termination_grace_period_seconds=0,
                                    ),
                                ),
                            ),
                        ),
                    )
                ],
            ),
        ),
    ),
)

S3: dict[str, Any] = {
    "secret_ref": part(SecretRef, name="s3"),
    "env": {"A": "b"},
    "ignore_patterns": ["*.md"],
    "endpoint": "https://s3.example.com",
    "region": "eu-west-1",
    "role_arn": "arn:aws:iam::1:role/a",
}
COMMON: dict[str, Any] = {
    "batch_size": 4,
    "epochs": 2,
    "num_nodes": 1,
    "resources_per_node": {"gpu": 1, "memory": "64Gi", "cpu": "1500m"},
    "num_proc_per_node": 1,
    "env": {"NAME": "a=b", "EMPTY": "", "NUMBER": 5, "TOKEN": part(SecretRef, name="wandb", key="key")},
    "seed": 0,
    "shuffle": False,
    "max_seq_len": 512,
    "overrides": {
        "~lr_scheduler.x": None,
        "zero": 0,
        "rate": 1e-5,
        "no": False,
        "text": "plain text",
        "empty": "",
        "list": [1, "a", None],
        "dict": {"b": [True]},
    },
}
SAMPLES: dict[str, dict[str, Any]] = {
    "full fine-tuning": {
        "config": part(
            TorchTuneConfig,
            **COMMON,
            dtype="bf16",
            loss="torch.nn.CrossEntropyLoss",
            device="cuda",
            learning_rate=1e-3,
            optimizer="torch.optim.SGD",
            lr_scheduler="my.schedulers.Linear",
            num_warmup_steps=0,
            max_steps_per_epoch=7,
            gradient_accumulation_steps=2,
            clip_grad_norm=0.5,
            packed=True,
            compile=False,
            enable_activation_checkpointing=True,
            enable_activation_offloading=False,
            optimizer_in_bwd=False,
            resume_from_checkpoint=False,
            log_every_n_steps=3,
            metric_logger="disk",
            dataset_preprocess_config=part(
                TorchTuneInstructDataset,
                source="json",
                split="train[:10%]",
                data_files="rows.json",
                train_on_input=False,
                new_system_prompt="Answer: briefly",
                column_map={"input": "question", "output": "answer"},
            ),
        ),
        "initializer": part(
            Initializer,
            dataset=part(
                HuggingFaceDatasetInitializer,
                storage_uri="hf://owner/data",
                secret_ref=KEY,
                env={"A": "b"},
                ignore_patterns=["*.md", "*.txt"],
            ),
            model=part(
                HuggingFaceModelInitializer,
                storage_uri="hf://owner/model",
                secret_ref=KEY,
                env={"A": part(SecretRef, name="s", key="k")},
                ignore_patterns=["*.pth"],
            ),
        ),
        "output": part(PersistentVolumeOutput, claim_name="models", sub_path="a/b"),
        "runtime_patches": [PATCH],
    },
    "LoRA": {
        "config": part(
            TorchTuneConfig,
            **COMMON,
            peft_config=part(
                LoraConfig,
                apply_lora_to_mlp=False,
                apply_lora_to_output=False,
                lora_attn_modules=["q_proj", "k_proj"],
                lora_rank=8,
                lora_alpha=0.5,
                lora_dropout=0.0,
                quantize_base=False,
                use_dora=False,
            ),
            save_adapter_weights_only=False,
            optimizer={"_component_": "torch.optim.AdamW", "weight_decay": 0.0},
            dataset_preprocess_config=part(
                TorchTuneChatDataset,
                source="parquet",
                split="train",
                data_files="data/*.parquet",
                conversation_column="messages",
                conversation_style="openai",
                train_on_input=True,
                new_system_prompt="",
            ),
        ),
        "initializer": part(
            Initializer,
            dataset=part(
                S3DatasetInitializer,
                storage_uri="s3://bucket/data",
                **S3,
            ),
            model=part(
                S3ModelInitializer,
                storage_uri="s3://bucket/model",
                **S3,
            ),
        ),
    },
    "completions from the data cache": {
        "config": part(
            TorchTuneConfig,
            **COMMON,
            dataset_preprocess_config=part(
                TorchTuneTextCompletionDataset,
                source="text",
                split="train",
                data_files="a.txt",
                column="body",
                add_eos=False,
            ),
        ),
        "initializer": part(
            Initializer,
            dataset=part(
                DataCacheInitializer,
                storage_uri="cache://schema/table",
                secret_ref=part(SecretRef, name="cache"),
                env={"A": "b"},
                metadata_loc="s3://bucket/metadata.json",
                num_data_nodes=2,
                head_cpu="1",
                head_mem="1Gi",
                worker_cpu="2",
                worker_mem="2Gi",
                iam_role="arn:aws:iam::1:role/a",
            ),
            model=part(
                ModelInitializer,
                storage_uri="gs://bucket/model",
                secret_ref=part(SecretRef, name="gcs"),
                env={"A": "b"},
            ),
        ),
    },
    "another builder": {
        "config": part(
            TorchTuneConfig,
            **COMMON,
            dataset_preprocess_config=part(
                TorchTuneDataset,
                component="my.data",
                source="json",
                split="train",
                data_files="a.json",
                options={"rate": 0.5, "text": "plain", "nested": {"a": [1, False]}},
            ),
        ),
        "initializer": part(
            Initializer,
            dataset=part(
                DatasetInitializer,
                storage_uri="gs://bucket/data",
                secret_ref=part(SecretRef, name="gcs"),
                env={"A": "b"},
            ),
        ),
    },
}
"""Arguments of an operator; together they set each field of each class."""
