"""The decorator, and the operator behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, ParamSpec, TypeVar

import attr
from airflow.sdk.bases.decorator import DecoratedOperator, Task, _TaskDecorator
from airflow.sdk.definitions.mappedoperator import validate_mapping_kwargs

from airflow_kubeflow_trainer.config.function import read_function
from airflow_kubeflow_trainer.config.payload import storable
from airflow_kubeflow_trainer.exceptions import ConfigError
from airflow_kubeflow_trainer.operators.base import LATER
from airflow_kubeflow_trainer.operators.calls import check_call, check_values
from airflow_kubeflow_trainer.operators.custom import CustomTrainerOperator

if TYPE_CHECKING:
    from datetime import timedelta

    from airflow.sdk.definitions._internal.expandinput import ExpandInput
    from airflow.sdk.definitions.xcom_arg import XComArg

    from airflow_kubeflow_trainer.config import Initializer, PersistentVolumeOutput, RuntimePatch

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

_FUNCTIONS_OWN = ("func_args", "command", "args")
"""Arguments of CustomTrainerOperator that a decorated function stands for."""


class KubeflowTrainerDecoratedOperator(DecoratedOperator, CustomTrainerOperator):
    """A CustomTrainerOperator whose function and arguments come by TaskFlow."""

    custom_operator_name = "@task.kubeflow_trainer"
    template_fields: Sequence[str] = (
        "op_args",
        "op_kwargs",
        *(name for name in CustomTrainerOperator.template_fields if name not in _FUNCTIONS_OWN),
    )
    natively_rendered: ClassVar[frozenset[str]] = frozenset({"op_args", "op_kwargs"})
    shallow_copy_attrs: Sequence[str] = ("python_callable", "func")

    def __init__(self, *, python_callable: Callable[..., Any], **kwargs: Any) -> None:
        super().__init__(python_callable=python_callable, func=python_callable, **kwargs)

    def _check_at_parse(self) -> None:
        args, kwargs = self.arguments()
        check_values(list(args), what="argument")
        check_values(dict(kwargs), what="argument")
        check_call(self.func, args, kwargs)
        self.set_arguments(storable(tuple(args)), storable(dict(kwargs)))
        super()._check_at_parse()

    @classmethod
    def checked_argument(cls, name: str, value: Any) -> Any:
        if name in _FUNCTIONS_OWN and value is not None:
            raise ConfigError(f"{name}: the decorated function is what runs, with what it is called with")
        return super().checked_argument(name, value)

    @classmethod
    def check_arguments(cls, arguments: Mapping[str, Any]) -> None:
        # The call is checked by itself: its arguments are op_args and op_kwargs.
        super().check_arguments({**arguments, "func_args": LATER})

    def arguments(self) -> tuple[Sequence[Any], Mapping[str, Any]]:
        return tuple(self.op_args), dict(self.op_kwargs)

    def set_arguments(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        self.op_args, self.op_kwargs = args, kwargs


class KubeflowTrainerTask(_TaskDecorator[..., Any, Any]):
    """A decorated function; where it is mapped, its settings and arguments are checked as they are in a plain task."""

    def _expand(self, expand_input: ExpandInput, *, strict: bool) -> XComArg:
        operator = KubeflowTrainerDecoratedOperator
        settings = {
            name: value if name == "op_kwargs" else operator.checked_argument(name, value)
            for name, value in self.kwargs.items()
        }
        validate_mapping_kwargs(operator, "partial", settings)
        operator.check_arguments({**operator.related, **settings, "func": self.function})
        fixed = settings.get("op_kwargs", {})
        check_values(fixed, what="argument")
        for mapped in _calls(expand_input.value):
            check_values(mapped, what="argument")
            check_call(self.function, (), {**fixed, **mapped})
        if fixed:
            settings["op_kwargs"] = storable(fixed)
        checked = attr.evolve(self, kwargs=settings)
        return super(KubeflowTrainerTask, checked)._expand(
            type(expand_input)(storable(expand_input.value)), strict=strict
        )


def _calls(mapped: Any) -> list[dict[str, Any]]:
    """Give what is known of the arguments that a task is mapped over."""
    if isinstance(mapped, Mapping):
        # Over a dict, a task is mapped by its items.
        return [
            {
                str(name): list(values.items()) if isinstance(values, Mapping) else values
                for name, values in mapped.items()
            }
        ]
    return [dict(item) for item in mapped if isinstance(item, Mapping)] if isinstance(mapped, list | tuple) else []


if TYPE_CHECKING:

    def kubeflow_trainer_task(
        *,
        runtime: str = ...,
        runtime_kind: str = ...,
        num_nodes: int | str | None = ...,
        num_proc_per_node: int | str | None = ...,
        resources_per_node: Mapping[str, Any] | Any | None = ...,
        packages_to_install: Sequence[str] | None = ...,
        pip_index_urls: Sequence[str] | None = ...,
        image: str | None = ...,
        env: Mapping[str, Any] | Any | None = ...,
        initializer: Initializer | Mapping[str, Any] | Any | None = ...,
        output: PersistentVolumeOutput | Mapping[str, Any] | Any | None = ...,
        kubernetes_conn_id: str | None = ...,
        namespace: str | None = ...,
        in_cluster: bool | None = ...,
        config_file: str | None = ...,
        cluster_context: str | None = ...,
        name: str | None = ...,
        labels: Mapping[str, str] | None = ...,
        annotations: Mapping[str, str] | None = ...,
        runtime_patches: Sequence[RuntimePatch | Mapping[str, Any]] | None = ...,
        queue_name: str | None = ...,
        workload_priority_class: str | None = ...,
        get_logs: bool = ...,
        log_nodes: Sequence[int] | Literal["all"] | None = ...,
        deferrable: bool = ...,
        admission_timeout: timedelta | float | None = ...,
        startup_timeout: timedelta | float | None = ...,
        startup_patience: Mapping[str, timedelta | float | None] | None = ...,
        run_timeout: timedelta | float | None = ...,
        max_restarts: int | None = ...,
        on_finish_action: str = ...,
        on_kill_action: str = ...,
        multiple_outputs: bool | None = ...,
        **kwargs: Any,
    ) -> Callable[[Callable[Parameters, Result]], Task[Parameters, Result]]:
        """Train in a TrainJob, by the function below this."""

else:

    def kubeflow_trainer_task(
        python_callable: Callable[..., Any] | None = None, *, multiple_outputs: bool | None = None, **kwargs: Any
    ) -> Any:
        """Train in a TrainJob: ``@task.kubeflow_trainer(runtime="torch-distributed", num_nodes=2)`` above a function.

        Takes all arguments of :class:`CustomTrainerOperator`, and Airflow's own, but ``func``, ``func_args``,
        ``command`` and ``args``, for which the function and its call stand.

        :param multiple_outputs: whether each key of a dict that the function returns is an XCom of its own. Default:
            where the function is annotated to return a dict.
        :raises ConfigError: the function cannot go to a cluster, or an argument is wrong.
        """

        def decorate(function: Callable[..., Any]) -> KubeflowTrainerTask:
            read_function(function)
            return KubeflowTrainerTask(
                function=function,
                multiple_outputs=attr.NOTHING if multiple_outputs is None else multiple_outputs,
                operator_class=KubeflowTrainerDecoratedOperator,
                kwargs=dict(kwargs),
            )

        return decorate if python_callable is None else decorate(python_callable)
