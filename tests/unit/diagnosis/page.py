"""Writes the tables of docs/failures.md from the catalogue."""

from __future__ import annotations

import re
from pathlib import Path

from airflow_kubeflow_trainer.trainjob.diagnosis.catalogue import CHAPTERS, Entry

PAGE = Path(__file__).parents[3] / "docs" / "failures.md"
MARK = "<!-- The tables are written by: python tests/unit/diagnosis/page.py -->\n"
_COLUMNS = "| cause | seen in | whose | what to do |\n|---|---|---|---|"


def tables() -> str:
    """Make what follows the mark."""
    return "".join(f"\n### {title}\n\n{_COLUMNS}\n{''.join(map(_row, entries))}" for title, entries in CHAPTERS.items())


def _row(entry: Entry) -> str:
    whose = f"`{entry.cause.exception.__name__}`" if entry.cause is not None else "the program's"
    cells = (_shown(entry.says), entry.source.value, whose, _shown(entry.remedy))
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


def _shown(sentence: str) -> str:
    """Write groups in italics; several that take turns at one place are one."""
    words = re.sub(r"(?<!\{)\{(\w+)(?:!r)?\}(?:\{\w+\})*", r"*\1*", sentence)
    return words.replace("{{", "{").replace("}}", "}")


if __name__ == "__main__":
    words = PAGE.read_text()
    PAGE.write_text(words[: words.index(MARK) + len(MARK)] + tables())
