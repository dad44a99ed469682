"""What an initializer is told: Trainer's environment variables, and where things lie here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self
from urllib.parse import SplitResult, urlsplit

Kind = Literal["dataset", "model"]


class InitializerError(Exception):
    """The data set or the model cannot be fetched. The message is one line that says why and what would help."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One initializer's task."""

    kind: Kind
    storage_uri: str
    destination: Path
    host_root: Path
    """Where this machine's files are seen: ``file://`` paths are looked up below it."""
    ignore_patterns: list[str] | None = None
    access_token: str | None = None
    endpoint: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = None
    region: str | None = None
    role_arn: str | None = None

    @classmethod
    def from_environment(cls, env: Mapping[str, str], *, kind: Kind, workspace: Path, host_root: Path) -> Self:
        """Read Trainer's variables; an empty one counts as not there.

        :raises InitializerError: STORAGE_URI is missing.
        """
        given = {name: env.get(name.upper()) or None for name in cls.__dataclass_fields__}
        if given["storage_uri"] is None:
            raise InitializerError(f"STORAGE_URI must be set: where the {kind} comes from, such as hf://owner/name")
        return cls(
            kind=kind,
            storage_uri=given["storage_uri"],
            destination=workspace / kind,
            host_root=host_root,
            ignore_patterns=_list(given["ignore_patterns"]),
            access_token=given["access_token"],
            endpoint=given["endpoint"],
            access_key_id=given["access_key_id"],
            secret_access_key=given["secret_access_key"],
            region=given["region"],
            role_arn=given["role_arn"],
        )

    @property
    def uri(self) -> SplitResult:
        return urlsplit(self.storage_uri)


def _list(text: str | None) -> list[str] | None:
    return [item.strip() for item in text.split(",") if item.strip()] if text else None
