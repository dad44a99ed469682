"""What the library `datasets` says of data that it does not find or cannot read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from diagnosis.failing.hub import answer
from diagnosis.failing.registry import failure


def _dataset(*arguments: str, **more: Any) -> Any:
    os.environ["HF_ENDPOINT"] = "http://127.0.0.1:9"
    import datasets

    return datasets.load_dataset(*arguments, **more)


@failure("hub", "dataset-not-found")
def _() -> Any:
    os.environ["HF_ENDPOINT"] = answer(404, {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"})
    import datasets

    return datasets.load_dataset("nobody/nothing")


@failure("hub", "dataset-folder-empty")
def _() -> Any:
    Path("empty").mkdir(exist_ok=True)
    return _dataset(str(Path("empty").absolute()))


@failure("hub", "dataset-folder-empty/other files")
def _() -> Any:
    Path("other").mkdir(exist_ok=True)
    Path("other/x.bin").write_text("x")
    return _dataset(str(Path("other").absolute()))


@failure("hub", "dataset-folder-empty/no folder")
def _() -> Any:
    return _dataset("/workspace/dataset")


@failure("hub", "dataset-file-missing")
def _() -> Any:
    return _dataset("json", data_files="/workspace/dataset/train.json")


@failure("hub", "dataset-unreadable")
def _() -> Any:
    Path("bad.json").write_text('{"a": 1}\n{"a": \n')
    return _dataset("json", data_files="bad.json")


@failure("hub", "dataset-unreadable/parquet")
def _() -> Any:
    Path("no.parquet").write_text("text, and no parquet")
    return _dataset("parquet", data_files="no.parquet")


@failure("hub", "dataset-split-unknown")
def _() -> Any:
    Path("good.json").write_text('{"a": 1}\n')
    return _dataset("json", data_files="good.json", split="test")
