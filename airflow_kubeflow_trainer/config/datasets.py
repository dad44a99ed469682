"""How TorchTune reads the data set."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar, Literal

from pydantic import Field

from airflow_kubeflow_trainer.config.base import ConfigModel, field_check
from airflow_kubeflow_trainer.config.values import Settings, dotted


class DataFormat(StrEnum):
    """Format of the data set's files, as ``datasets.load_dataset`` calls it."""

    JSON = "json"
    CSV = "csv"
    PARQUET = "parquet"
    ARROW = "arrow"
    TEXT = "text"
    XML = "xml"


class TorchTuneDatasetBase(ConfigModel):
    """What all of TorchTune's data set builders share."""

    component: ClassVar[str]

    source: str | None = None
    """Format of the files (:class:`DataFormat`), or a Hugging Face data set. Default: found out by the files' names."""
    split: str | None = None
    """Split to train on, slices allowed: ``train[:10%]``. Default: TorchTune's, ``train``."""
    data_files: str | None = None
    """Path of the files below /workspace/dataset. Default: what the initializer's URI names."""

    def plain(self) -> dict[str, Any]:
        found = super().plain()
        # Where its fields alone would be taken for another builder's, it says which one it is.
        return found if dataset_class(found) is type(self) else {**found, "component": self.component}


class TorchTuneInstructDataset(TorchTuneDatasetBase):
    """Pairs of an instruction and its answer (``torchtune.datasets.instruct_dataset``)."""

    component: ClassVar[str] = "torchtune.datasets.instruct_dataset"

    train_on_input: bool | None = None
    """Learn the instruction too, not only the answer. Default: False."""
    new_system_prompt: str | None = None
    """System message in front of each sample. Default: none."""
    column_map: dict[str, str] | None = None
    """Your columns' names for TorchTune's ``input`` and ``output``, for example ``{"input": "instruction"}``."""

    @field_check("column_map")
    def _check_columns(cls, value: dict[str, str] | None) -> dict[str, str] | None:
        unknown = sorted((value or {}).keys() - {"input", "output", "image"})
        if unknown:
            raise ValueError(
                f"{unknown[0]!r} is no column that TorchTune reads; write {{'input': yours, 'output': yours}}, with "
                "TorchTune's names on the left"
            )
        return value


class TorchTuneChatDataset(TorchTuneDatasetBase):
    """Conversations (``torchtune.datasets.chat_dataset``)."""

    component: ClassVar[str] = "torchtune.datasets.chat_dataset"

    conversation_column: str = Field(min_length=1)
    """Column that holds the conversation."""
    conversation_style: Literal["sharegpt", "openai"]
    """How it is written there: ``sharegpt`` or ``openai``."""
    train_on_input: bool | None = None
    """Learn the user's turns too. Default: False."""
    new_system_prompt: str | None = None
    """System message in front of each conversation. Default: none."""


class TorchTuneTextCompletionDataset(TorchTuneDatasetBase):
    """Free text (``torchtune.datasets.text_completion_dataset``)."""

    component: ClassVar[str] = "torchtune.datasets.text_completion_dataset"

    column: str | None = None
    """Column that holds the text. Default: TorchTune's, ``text``."""
    add_eos: bool | None = None
    """End each sample with the end-of-sequence token. Default: True."""


class TorchTuneDataset(TorchTuneDatasetBase):
    """Any other builder, by its dotted name."""

    component: str  # type: ignore[misc]
    """Dotted name of the builder, for example ``torchtune.datasets.grammar_dataset``."""
    options: Settings = Field(default_factory=dict)
    """The builder's arguments."""

    def plain(self) -> dict[str, Any]:
        found = super().plain()
        # A builder that has a class of its own would be taken for that one.
        return found if dataset_class(found) is TorchTuneDataset else {**found, "options": {}}

    @field_check("component")
    def _check_component(cls, value: str) -> str:
        return dotted(value, example="torchtune.datasets.grammar_dataset")


DATASETS: tuple[type[TorchTuneDatasetBase], ...] = (
    TorchTuneInstructDataset,
    TorchTuneChatDataset,
    TorchTuneTextCompletionDataset,
    TorchTuneDataset,
)


def dataset_class(data: Mapping[str, Any]) -> type[TorchTuneDatasetBase]:
    """Find the class that a dict means: by its component, else by its fields; by most of them where none has all."""
    if "options" in data:
        return TorchTuneDataset
    if "component" in data:
        named = (kind for kind in DATASETS if getattr(kind, "component", None) == data["component"])
        return next(named, TorchTuneDataset)
    fitting = (kind for kind in DATASETS if _required(kind) <= data.keys() <= kind.model_fields.keys())
    nearest = max(DATASETS, key=lambda kind: len(data.keys() & kind.model_fields.keys()))
    return next(fitting, nearest)


def _required(kind: type[ConfigModel]) -> set[str]:
    return {name for name, field in kind.model_fields.items() if field.is_required()}
