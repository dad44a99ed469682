"""What stands in a field in place of its value: Jinja templates, XComArgs, and text that only looks like a template."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_JINJA = re.compile(r"\{\{|\{%|\{#")
_RAW, _ENDRAW = "{% raw %}", "{% endraw %}"
_NOT_RAW = re.compile(r"\{%[-+]?\s*endraw\s*[-+]?%\}|\r\n?")
"""What a raw block cannot hold: its own end, and line breaks that Jinja would change."""


def is_reference(value: Any) -> bool:
    """Whether a value is an XComArg or its like: something that Airflow resolves when the task runs."""
    return not isinstance(value, type) and callable(getattr(value, "iter_references", None))


def is_template(value: Any) -> bool:
    """Whether a value itself is a template or a reference; containers are looked into by :func:`has_templates`."""
    return (isinstance(value, str) and _JINJA.search(value) is not None) or is_reference(value)


def is_literal(value: Any) -> bool:
    """Whether a template is the outcome of :func:`literal`: text, whatever it looks like."""
    return isinstance(value, str) and value.startswith(_RAW) and value.endswith(_ENDRAW)


def has_templates(*values: Any) -> bool:
    """Whether anything in these values, however deep, is still to be rendered."""
    for value in values:
        if is_template(value):
            return True
        if isinstance(value, Mapping) and has_templates(*value.keys(), *value.values()):
            return True
        if isinstance(value, list | tuple | set) and has_templates(*value):
            return True
    return False


def literal(text: str) -> str:
    """Pass text with braces of its own through Airflow's templating as it is.

    ``new_system_prompt=literal("Answer in JSON: {{...}}")`` arrives as ``Answer in JSON: {{...}}``.
    """
    # A raw block is plain text: it can be stored and mapped, and rendering takes it off again.
    out, end = _RAW, 0
    for found in _NOT_RAW.finditer(text):
        out += text[end : found.start()] + _ENDRAW + "{{ " + repr(found[0]) + " }}" + _RAW
        end = found.end()
    return out + text[end:] + _ENDRAW
