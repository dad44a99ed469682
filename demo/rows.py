"""Real rows to learn from, on every machine: what the functions of Python's standard library do.

The input asks what a function does, the output is the first sentence of its docstring.
"""

from __future__ import annotations

import importlib
import inspect
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

MODULES = """
argparse asyncio base64 bisect calendar cmath codecs collections colorsys configparser contextlib copy csv
dataclasses datetime decimal difflib dis email enum filecmp fileinput fnmatch fractions ftplib functools gc getpass
gettext glob gzip hashlib heapq hmac html http.client imaplib importlib.util inspect io ipaddress itertools json
keyword linecache locale logging lzma mailbox math mimetypes mmap operator os os.path pathlib pickle pickletools
pkgutil platform plistlib poplib pprint queue quopri random re reprlib sched secrets select shlex shutil signal
smtplib socket sqlite3 ssl stat statistics string struct subprocess symtable sys sysconfig tarfile tempfile textwrap
threading time timeit token tokenize traceback tracemalloc types typing unicodedata unittest urllib.parse
urllib.request uuid warnings wave weakref webbrowser xml.dom.minidom xml.etree.ElementTree xml.sax zipfile zlib
"""
LONGEST_SENTENCE = 140
SHORTEST_SENTENCE = 20


class Row(NamedTuple):
    """One question with its answer."""

    instruction: str
    output: str


def pick(count: int, *, seed: int = 0) -> list[Row]:
    """`count` rows, the same ones on every run with the same Python and seed."""
    rows = sorted(set(_usable_rows()))
    if len(rows) < count:
        raise ValueError(f"count: this Python's standard library gives {len(rows)} rows, not {count}")
    return random.Random(seed).sample(rows, count)


def write(rows: list[Row], folder: Path) -> Path:
    """Write `folder`/rows.json, a list of objects with the columns `instruction` and `output`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "rows.json"
    path.write_text(json.dumps([row._asdict() for row in rows], indent=1), encoding="utf-8")
    return path


def _usable_rows() -> Iterator[Row]:
    for name in MODULES.split():
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue  # not every build of Python has every module
        for member, value in inspect.getmembers(module, callable):
            sentence = _first_sentence(inspect.getdoc(value) or "")
            if not member.startswith("_") and _belongs(value, name) and sentence:
                yield Row(f"What does Python's {name}.{member}() do?", sentence)


def _belongs(value: object, module: str) -> bool:
    """Whether the function is at home in that module, and not merely imported there."""
    home = getattr(value, "__module__", None)
    return inspect.isroutine(value) and isinstance(home, str) and home.lstrip("_").split(".")[0] == module.split(".")[0]


def _first_sentence(text: str) -> str | None:
    paragraph = " ".join(text.split("\n\n", 1)[0].split())
    sentence = re.split(r"(?<=[a-z0-9)])\.(?:\s|$)", paragraph, maxsplit=1)[0].strip()
    plain = sentence.isascii() and sentence[:1].isupper() and "->" not in sentence
    return f"{sentence.rstrip('.')}." if plain and SHORTEST_SENTENCE <= len(sentence) <= LONGEST_SENTENCE else None
