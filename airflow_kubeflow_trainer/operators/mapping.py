"""Config models in ``.partial()`` and ``.expand()``.

Airflow keeps the arguments of a mapped task as they are: a model among them would be stored as its repr, and an XComArg
inside it would give no dependency, since only lists and dicts are searched. So models become plain data here.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from airflow.sdk.definitions.mappedoperator import MappedOperator, OperatorPartial
from airflow.sdk.definitions.xcom_arg import XComArg

from airflow_kubeflow_trainer.operators.base import LATER


class ConfigPartial(OperatorPartial):
    """An operator's ``.partial()`` whose arguments may hold config models; mistakes in them are found at parse."""

    @classmethod
    def of(cls, partial: OperatorPartial) -> ConfigPartial:
        """Take over from Airflow's own partial."""
        # Or it would complain, when it is collected, that it was never mapped.
        partial._expand_called = True
        kwargs = _checked(partial.operator_class, partial.kwargs)
        return cls(operator_class=partial.operator_class, kwargs=kwargs, params=partial.params)

    def expand(self, **mapped_kwargs: Any) -> MappedOperator:
        """Map over lists, dicts or XComArgs, as Airflow's own."""
        each = {
            name: [_checked(self.operator_class, {name: item})[name] for item in values]
            if isinstance(values, list | tuple)
            else values
            for name, values in mapped_kwargs.items()
        }
        related = {
            name: values if isinstance(values, list) else [LATER]
            for name, values in each.items()
            if name in self._related
        }
        for chosen in itertools.product(*related.values()):
            self._check_together(dict(zip(related, chosen, strict=True)))
        return self._with_upstreams(super().expand(**each))

    def expand_kwargs(self, kwargs: Any, *, strict: bool = True) -> MappedOperator:
        """Map over a list of arguments, as Airflow's own."""
        if isinstance(kwargs, list):
            kwargs = [_checked(self.operator_class, item) if isinstance(item, Mapping) else item for item in kwargs]
        for item in kwargs if isinstance(kwargs, list) else [kwargs]:
            self._check_together(item if isinstance(item, Mapping) else dict.fromkeys(self._related, LATER))
        return self._with_upstreams(super().expand_kwargs(kwargs, strict=strict))

    def _check_together(self, mapped: Mapping[str, Any]) -> None:
        operator: Any = self.operator_class
        operator.check_arguments({**self._related, **mapped, **self.kwargs})

    @property
    def _related(self) -> Mapping[str, Any]:
        operator: Any = self.operator_class
        related: Mapping[str, Any] = operator.related
        return related

    def _with_upstreams(self, operator: MappedOperator) -> MappedOperator:
        # `output` is an argument whose attribute has another name, so Airflow does not look into it.
        XComArg.apply_upstream_relationship(operator, self.kwargs.get("output"))
        return operator


def _checked(operator_class: Any, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    return {name: operator_class.checked_argument(name, value) for name, value in kwargs.items()}
