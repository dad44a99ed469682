"""Config models in ``.partial()`` and ``.expand()``.

Airflow keeps the arguments of a mapped task as they are: a model among them would be stored as its repr, and an XComArg
inside it would give no dependency, since only lists and dicts are searched. So models become plain data here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.sdk.definitions.mappedoperator import MappedOperator, OperatorPartial
from airflow.sdk.definitions.xcom_arg import XComArg

from airflow_kubeflow_trainer.config.base import unpack

_CONFIGS = ("config", "initializer", "output", "runtime_patches")
"""Arguments that may be config objects, ours or others with the same attributes."""


class ConfigPartial(OperatorPartial):
    """An operator's ``.partial()`` whose arguments may hold config models."""

    @classmethod
    def of(cls, partial: OperatorPartial) -> ConfigPartial:
        """Take over from Airflow's own partial."""
        # Or it would complain, when it is collected, that it was never mapped.
        partial._expand_called = True
        return cls(operator_class=partial.operator_class, kwargs=_unpacked(partial.kwargs), params=partial.params)

    def expand(self, **mapped_kwargs: Any) -> MappedOperator:
        """Map over lists, dicts or XComArgs, as Airflow's own."""
        return self._with_upstreams(super().expand(**_unpacked(mapped_kwargs)))

    def expand_kwargs(self, kwargs: Any, *, strict: bool = True) -> MappedOperator:
        """Map over a list of arguments, as Airflow's own."""
        if isinstance(kwargs, list):
            kwargs = [_unpacked(item) if isinstance(item, Mapping) else item for item in kwargs]
        return self._with_upstreams(super().expand_kwargs(kwargs, strict=strict))

    def _with_upstreams(self, operator: MappedOperator) -> MappedOperator:
        # `output` is an argument whose attribute has another name, so Airflow does not look into it.
        XComArg.apply_upstream_relationship(operator, self.kwargs.get("output"))
        return operator


def _unpacked(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    return {name: unpack(value) if name in _CONFIGS else value for name, value in kwargs.items()}
