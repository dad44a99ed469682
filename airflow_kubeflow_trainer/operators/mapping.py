"""Config models in ``.partial()`` and ``.expand()``.

Airflow keeps the arguments of a mapped task as they are: a model among them would be stored as its repr, and an XComArg
inside it would give no dependency, since only lists and dicts are searched. So models become plain data here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.sdk.definitions.mappedoperator import MappedOperator, OperatorPartial
from airflow.sdk.definitions.xcom_arg import XComArg

from airflow_kubeflow_trainer.config.base import plain


class ConfigPartial(OperatorPartial):
    """An operator's ``.partial()`` whose arguments may hold config models."""

    @classmethod
    def of(cls, partial: OperatorPartial) -> ConfigPartial:
        """Take over from Airflow's own partial."""
        # Or it would complain, when it is collected, that it was never mapped.
        partial._expand_called = True
        kwargs = {name: plain(value) for name, value in partial.kwargs.items()}
        return cls(operator_class=partial.operator_class, kwargs=kwargs, params=partial.params)

    def expand(self, **mapped_kwargs: Any) -> MappedOperator:
        return self._with_upstreams(super().expand(**{name: plain(value) for name, value in mapped_kwargs.items()}))

    def expand_kwargs(self, kwargs: Any, *, strict: bool = True) -> MappedOperator:
        each = (
            [plain(item) if isinstance(item, Mapping) else item for item in kwargs]
            if isinstance(kwargs, list)
            else kwargs
        )
        return self._with_upstreams(super().expand_kwargs(each, strict=strict))

    def _with_upstreams(self, operator: MappedOperator) -> MappedOperator:
        # `output` is an argument whose attribute has another name, so Airflow does not look into it.
        XComArg.apply_upstream_relationship(operator, self.kwargs.get("output"))
        return operator
