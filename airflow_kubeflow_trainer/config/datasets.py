"""How TorchTune reads the data set."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, ClassVar

from pydantic import Field

from airflow_kubeflow_trainer.config.base import ConfigModel


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

    source: DataFormat | str | None = None
    """Format of the files, or the name of a Hugging Face data set. Default: the runtime's (parquet)."""
    split: str | None = None
    """Split to train on, slices allowed: ``train[:10%]``. Default: TorchTune's, ``train``."""
    data_files: str | None = None
    """Path of the files below /workspace/dataset. Default: what the initializer's URI names."""


class TorchTuneInstructDataset(TorchTuneDatasetBase):
    """Pairs of an instruction and its answer (``torchtune.datasets.instruct_dataset``)."""

    component: ClassVar[str] = "torchtune.datasets.instruct_dataset"

    train_on_input: bool | None = None
    """Learn the instruction too, not only the answer. Default: False."""
    new_system_prompt: str | None = None
    """System message in front of each sample. Default: none."""
    column_map: dict[str, str] | None = None
    """Your columns' names for TorchTune's ``input`` and ``output``, for example ``{"input": "instruction"}``."""


class TorchTuneChatDataset(TorchTuneDatasetBase):
    """Conversations (``torchtune.datasets.chat_dataset``)."""

    component: ClassVar[str] = "torchtune.datasets.chat_dataset"

    conversation_column: str = Field(min_length=1)
    """Column that holds the conversation."""
    conversation_style: str = Field(min_length=1)
    """``sharegpt`` or ``openai``."""
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

    component: str = Field(min_length=1)  # type: ignore[misc]
    """Dotted name of the builder, for example ``torchtune.datasets.grammar_dataset``."""
    options: dict[str, Any] = Field(default_factory=dict)
    """The builder's arguments."""
