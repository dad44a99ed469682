"""CustomTrainerOperator: a training function of one's own, or a container, on any runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_kubeflow_trainer.config.arguments import object_name
from airflow_kubeflow_trainer.config.custom import CustomTrainerConfig
from airflow_kubeflow_trainer.config.function import read_function
from airflow_kubeflow_trainer.config.markers import has_templates, is_template
from airflow_kubeflow_trainer.config.payload import storable
from airflow_kubeflow_trainer.config.text import from_text
from airflow_kubeflow_trainer.exceptions import ConfigError
from airflow_kubeflow_trainer.operators.base import LATER, TrainJobOperator
from airflow_kubeflow_trainer.operators.calls import check_call, check_values, encoded, from_context
from airflow_kubeflow_trainer.trainjob.manifest import JobOptions, custom_trainjob
from airflow_kubeflow_trainer.trainjob.results import returned_value
from airflow_kubeflow_trainer.trainjob.runtime import stock_runtime
from airflow_kubeflow_trainer.trainjob.script import Call

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_kubeflow_trainer.triggers.event import TrainJobEvent

SETTINGS = tuple(CustomTrainerConfig.model_fields)


class CustomTrainerOperator(TrainJobOperator):
    """Runs a training function in a TrainJob, or a container of one's own, and waits without holding a worker.

    The function's source travels as it stands in its file, so it has to bring what it needs: its imports are inside,
    what it uses is an argument or its own. On a runtime with Trainer's ``torch`` policy ``torchrun`` calls it in
    ``num_nodes`` x ``num_proc_per_node`` processes, with mpi ``mpirun`` does; elsewhere it is called once on each node.

    Takes all arguments of :class:`TrainJobOperator`, and

    :param func: the training function; ``async def`` is run by ``asyncio.run``.
    :param func_args: its arguments by name: what JSON has, tuples, bytes, Decimal, Path, dates and times. Parameters
        that are called as keys of Airflow's context (``ds``, ``params``, ``logical_date``, ...) are filled in.
    :param packages_to_install: requirements that pip installs on each node before the function is called.
    :param pip_index_urls: where pip finds them: the first in place of PyPI, further ones beside it.
    :param image: image of the containers. Default: the runtime's.
    :param command: command of the containers, without ``func``. Default: the runtime's.
    :param args: arguments of the command, without ``func``.
    :param num_nodes: how many nodes train. Default: the runtime's.
    :param num_proc_per_node: processes on each node. Default: one for each GPU, else one for each CPU.
    :param resources_per_node: what each node gets: ``{"gpu": 1, "memory": "64Gi"}``. Default: the runtime's.
    :param env: environment of the containers: text, or ``SecretRef(name, key=...)``.
    :return: what the function returned on rank 0: whatever JSON has, in at most 4096 bytes. With ``output`` too, where
        that lies is the XCom ``output``. Without ``func``: where the model lies (``output``), else None.
    """

    template_fields: Sequence[str] = ("func_args", *SETTINGS, *TrainJobOperator.template_fields)
    related: ClassVar[Mapping[str, Any]] = {
        **TrainJobOperator.related,
        **dict.fromkeys(("func", "func_args", "image", "command", "args", "packages_to_install")),
    }
    natively_rendered: ClassVar[frozenset[str]] = frozenset({"func_args"})
    shallow_copy_attrs: Sequence[str] = ("func",)

    def __init__(
        self,
        *,
        runtime: str,
        func: Callable[..., Any] | None = None,
        func_args: Mapping[str, Any] | Any | None = None,
        packages_to_install: Sequence[str] | None = None,
        pip_index_urls: Sequence[str] | None = None,
        image: str | None = None,
        command: Sequence[str] | None = None,
        args: Sequence[str] | None = None,
        num_nodes: int | str | None = None,
        num_proc_per_node: int | str | None = None,
        resources_per_node: Mapping[str, Any] | Any | None = None,
        env: Mapping[str, Any] | Any | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(runtime=runtime, **kwargs)
        self.func = func
        self.func_args = func_args
        self.packages_to_install = packages_to_install
        self.pip_index_urls = pip_index_urls
        self.image = image
        self.command = command
        self.args = args
        self.num_nodes = num_nodes
        self.num_proc_per_node = num_proc_per_node
        self.resources_per_node = resources_per_node
        self.env = env
        self._arguments_encoded = False
        if not getattr(self, "_BaseOperator__from_mapped", False):
            # What a mapped task expands to was checked when the DAG was parsed, as far as it was known.
            self._check_at_parse()

    def _check_at_parse(self) -> None:
        for name in ("func", "func_args", *SETTINGS):
            setattr(self, name, self.checked_argument(name, getattr(self, name)))
        attributes = {**{name: name for name in self.related}, "output": "model_output"}
        self.check_arguments({name: getattr(self, attribute) for name, attribute in attributes.items()})
        if not has_templates(*(getattr(self, name) for name in type(self).template_fields)):
            self.manifest()

    @classmethod
    def checked_argument(cls, name: str, value: Any) -> Any:
        if value is None or is_template(value):
            return value
        if name in SETTINGS:
            return CustomTrainerConfig.parse({name: value}, field="", rendered=False).plain()[name]
        if name == "func":
            read_function(value)
        elif name == "func_args":
            check_values(_by_name(value), what=name)
            return storable(value)
        else:
            return super().checked_argument(name, value)
        return value

    @classmethod
    def check_arguments(cls, arguments: Mapping[str, Any]) -> None:
        super().check_arguments(arguments)
        if not is_template(arguments["runtime"]):
            object_name(arguments["runtime"], field="runtime")
        func, func_args = arguments["func"], arguments["func_args"]
        given = [name for name in ("command", "args") if arguments[name] is not None]
        if func is not None and given:
            raise ConfigError(f"{given[0]}: func brings a command of its own; give one or the other")
        if func is None:
            cls._check_container(arguments)
        elif func != LATER and not is_template(func_args):
            check_call(func, (), _by_name(func_args))

    @classmethod
    def _check_container(cls, arguments: Mapping[str, Any]) -> None:
        for name in ("func_args", "packages_to_install"):
            if arguments[name] is not None:
                raise ConfigError(f"{name}: is for a function, and func is not given")
        told = any(arguments[name] is not None for name in ("image", "command", "args"))
        if not told and stock_runtime(arguments["runtime"], arguments["runtime_kind"]):
            raise ConfigError(
                f"func: give a function, or image, command or args; by itself the runtime {arguments['runtime']!r} "
                "trains nothing"
            )

    def build_manifest(self, options: JobOptions) -> dict[str, Any]:
        settings = {name: value for name in SETTINGS if (value := getattr(self, name)) is not None}
        return custom_trainjob(options, CustomTrainerConfig.parse(settings, field="", rendered=True), self._call())

    def result_of(self, context: Context, ended: TrainJobEvent) -> Any:
        if self.func is None:
            return super().result_of(context, ended)
        if ended["result"] is not None:
            context["ti"].xcom_push(key="output", value=ended["result"])
        return returned_value(ended["returned"]) if self.do_xcom_push else None

    def arguments(self) -> tuple[Sequence[Any], Mapping[str, Any]]:
        """Give what the function is called with, by position and by name.

        :raises ConfigError: ``func_args`` is no dict.
        """
        return (), _by_name(self.func_args)

    def set_arguments(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Put encoded arguments in place of those that were rendered: Airflow stores and shows them as JSON."""
        self.func_args = kwargs

    def _call(self) -> Call | None:
        if self.func is None:
            return None
        args, kwargs = self.arguments()
        check_call(self.func, args, kwargs)
        if not self._arguments_encoded:
            args, kwargs = encoded(args, kwargs)
        return Call(read_function(self.func), args, kwargs)

    def take_from_context(self, context: Context) -> None:
        if self.func is None or self._arguments_encoded:
            return
        args, kwargs = self.arguments()
        self.set_arguments(*encoded(args, {**kwargs, **from_context(self.func, args, kwargs, context)}))
        self._arguments_encoded = True


def _by_name(func_args: Any) -> Mapping[str, Any]:
    found = from_text(func_args, dict) or {}
    if not isinstance(found, Mapping):
        raise ConfigError(f"func_args: must be a dict of arguments by name, not {found!r}")
    return found
