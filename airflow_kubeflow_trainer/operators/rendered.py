"""The manifest in Airflow's view of rendered templates, in parts that it does not truncate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FALLBACK_MAX_LENGTH = 4096
"""Airflow's default for [core] max_templated_field_length, in characters."""


def manifest_parts(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Cut a manifest into YAML texts, each short enough to be shown whole.

    :return: texts by name: ``manifest.metadata``, ``manifest.spec.trainer``, ...; a part that is still too long goes on
        in ``... (2)``.
    """
    limit = _max_length()
    parts: dict[str, str] = {}
    sections = {"manifest.metadata": manifest["metadata"]}
    sections |= {f"manifest.spec.{key}": value for key, value in manifest["spec"].items()}
    for title, section in sections.items():
        for number, text in enumerate(_chunks(to_yaml(section), limit), start=1):
            parts[title if number == 1 else f"{title} ({number})"] = text
    return parts


def to_yaml(value: Any) -> str:
    """Write YAML as a person would: in the order given, long lines unbroken, a text of several lines as it stands."""
    import yaml

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            # What stands in several places is written in each: &id001 is not for people.
            return True

    def write_text(dumper: Any, text: str) -> Any:
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)

    Dumper.add_representer(str, write_text)
    text: str = yaml.dump(value, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=10_000)
    return text


def _chunks(text: str, limit: int) -> list[str]:
    chunks = [""]
    for line in text.splitlines(keepends=True):
        pieces = [line[start : start + limit] for start in range(0, len(line), limit)]
        for piece in pieces:
            if len(chunks[-1]) + len(piece) > limit:
                chunks.append("")
            chunks[-1] += piece
    return chunks


def _max_length() -> int:
    from airflow.configuration import conf

    # Airflow counts the characters of the serialized text, quotes and escapes included: leave it some room.
    configured: int = conf.getint("core", "max_templated_field_length", fallback=FALLBACK_MAX_LENGTH)
    return max(64, int(configured * 0.9))
