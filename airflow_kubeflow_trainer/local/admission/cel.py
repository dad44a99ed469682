"""The schemas' ``x-kubernetes-validations``: each CEL rule's text, and the same rule in Python.

Schemas change only with the pinned Trainer version; a rule that has no function here fails a test.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from airflow_kubeflow_trainer.local.admission.errors import OMITTED, FieldError, invalid
from airflow_kubeflow_trainer.local.admission.structural import Schema, join, list_key


class _Nothing:
    """Stands for the old value where there was none."""


NOTHING = _Nothing()

Rule = Callable[[Any], bool]


def _starts_in_order_and_depends(spec: dict[str, Any]) -> bool:
    in_order = spec.get("startupPolicy", {}).get("startupPolicyOrder") == "InOrder"
    return in_order and any("dependsOn" in job for job in spec.get("replicatedJobs", []))


_POLICIES = ("torch", "mpi", "jax", "xgboost", "flux")

IMMUTABLE = "self == oldSelf"
"""The one transition rule: checked where there is an old value to compare with."""

RULES: dict[str, Rule] = {
    "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')": lambda self: bool(
        re.fullmatch("[a-z]([-a-z0-9]*[a-z0-9])?", self["metadata"].get("name", "a"))
    ),
    "size(self.metadata.name) <= 63": lambda self: len(self["metadata"].get("name", "")) <= 63,
    "self == '' || self.matches('^[A-Za-z][A-Za-z0-9+.-]*://.+$')": lambda self: bool(
        self == "" or re.search(r"^[A-Za-z][A-Za-z0-9+.-]*://.+$", self)
    ),
    "self in ['trainer.kubeflow.org/trainjob-controller', 'kueue.x-k8s.io/multikueue']": lambda self: (
        self in ("trainer.kubeflow.org/trainjob-controller", "kueue.x-k8s.io/multikueue")
    ),
    "has(self.lastUpdatedTime)": lambda self: "lastUpdatedTime" in self,
    "[has(self.torch), has(self.mpi), has(self.jax), has(self.xgboost),has(self.flux)].filter(x, x).size() <= 1": (
        lambda self: sum(policy in self for policy in _POLICIES) <= 1
    ),
    "self >= 1": lambda self: bool(self >= 1),
    "!self.exists(c, c == 'node')": lambda self: "node" not in self,
    "!(has(self.startupPolicy) && self.startupPolicy.startupPolicyOrder == 'InOrder' &&"
    " self.replicatedJobs.exists(x, has(x.dependsOn)))": lambda self: not _starts_in_order_and_depends(self),
    "self.templates.all(t, !has(t.metadata.namespace) || size(t.metadata.namespace) == 0)": lambda self: all(
        not template.get("metadata", {}).get("namespace") for template in self.get("templates", [])
    ),
}


def validate(value: Any, schema: Schema, *, old: Any = NOTHING, path: str = "") -> Iterator[FieldError]:
    """Check the rules of a schema and of all below it.

    :param old: the value before an update; NOTHING on create.
    """
    for rule in schema.get("x-kubernetes-validations", []):
        if not _holds(rule["rule"], value, old):
            # The API server leaves out the value of an object or list.
            shown = OMITTED if isinstance(value, dict | list) else value
            yield invalid(path, shown, rule["message"])
    if isinstance(value, list):
        for i, item in enumerate(value):
            yield from validate(
                item,
                schema["items"],
                old=_old_item(item, schema, old),
                path=f"{path}[{i}]",
            )
    elif isinstance(value, dict):
        for key, item in value.items():
            child = schema.get("properties", {}).get(key)
            if child is not None:
                before = old.get(key, NOTHING) if isinstance(old, dict) else NOTHING
                yield from validate(item, child, old=before, path=join(path, key))


def _holds(rule: str, value: Any, old: Any) -> bool:
    if rule == IMMUTABLE:
        return old is NOTHING or bool(value == old)
    return RULES[rule](value)


def _old_item(item: Any, schema: Schema, old: Any) -> Any:
    """Find an item of a keyed list in its old list; items of other lists cannot be told from one another."""
    keys = schema.get("x-kubernetes-list-map-keys")
    if not keys or not isinstance(old, list):
        return NOTHING
    wanted = list_key(item, keys)
    return next((before for before in old if list_key(before, keys) == wanted), NOTHING)
