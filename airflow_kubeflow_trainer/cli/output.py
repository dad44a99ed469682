"""Writing answers: tables for people, JSON for programs."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any

from airflow_kubeflow_trainer.trainjob.pods import seconds


def write_json(value: Any) -> None:
    """Write one JSON document."""
    json.dump(value, sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")


def write_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a table as kubectl does; in a pipe, cells are never cut."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        # Text: what stands in square brackets is no markup.
        table.add_row(*(Text(cell, overflow="fold") for cell in row))
    console = Console(soft_wrap=False) if sys.stdout.isatty() else Console(width=_LONGEST_LINE)
    console.print(table)


def tell(text: str) -> None:
    """Say something that is no part of the answer."""
    print(text, file=sys.stderr, flush=True)


def age(timestamp: str | None) -> str:
    """Say how long ago a moment was, as kubectl does."""
    moment = seconds(timestamp)
    if moment is None:
        return ""
    passed = max(0, int(time.time() - moment))
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if passed >= 2 * length:
            return f"{passed // length}{unit}"
    return f"{passed}s"


_LONGEST_LINE = 100_000
