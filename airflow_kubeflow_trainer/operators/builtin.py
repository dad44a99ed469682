"""BuiltinTrainerOperator: fine-tune an LLM with TorchTune, on a runtime that brings the recipes."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from airflow_kubeflow_trainer.config import Initializer, TorchTuneConfig
from airflow_kubeflow_trainer.config.base import ConfigModel
from airflow_kubeflow_trainer.config.markers import is_template
from airflow_kubeflow_trainer.config.template import from_template, has_templates
from airflow_kubeflow_trainer.operators.base import TrainJobOperator
from airflow_kubeflow_trainer.trainjob.checks import check, check_resuming
from airflow_kubeflow_trainer.trainjob.manifest import JobOptions, builtin_trainjob
from airflow_kubeflow_trainer.trainjob.recipe import Case, model_of
from airflow_kubeflow_trainer.trainjob.runtime import RuntimeView, stock_runtime
from airflow_kubeflow_trainer.trainjob.torchtune import warn_about_dataset


class BuiltinTrainerOperator(TrainJobOperator):
    """Fine-tunes an LLM with TorchTune in a TrainJob, and waits for it without holding a worker.

    Takes all arguments of :class:`TrainJobOperator`, and

    :param runtime: name of a TorchTune runtime, for example ``torchtune-llama3.2-1b``.
    :param config: what to train and how; a :class:`TorchTuneConfig`, the Kubeflow SDK's, or a dict. Default: the
        recipe's own settings.
    """

    template_fields: Sequence[str] = ("config", *TrainJobOperator.template_fields)
    config_models: ClassVar[Mapping[str, type[ConfigModel]]] = {
        **TrainJobOperator.config_models,
        "config": TorchTuneConfig,
    }

    related: ClassVar[Mapping[str, Any]] = {**TrainJobOperator.related, "config": None}

    def __init__(
        self, *, runtime: str, config: TorchTuneConfig | Mapping[str, Any] | Any | None = None, **kwargs: Any
    ) -> None:
        super().__init__(runtime=runtime, **kwargs)
        self.config = self._as_template("config", config)
        if not getattr(self, "_BaseOperator__from_mapped", False):
            # What a mapped task expands to was checked when the DAG was parsed, as far as it was known.
            self._check_at_parse()

    def _check_at_parse(self) -> None:
        self.check_arguments(
            {
                "task_id": self.task_id,
                "runtime": self.runtime,
                "runtime_kind": self.runtime_kind,
                "config": self.config,
                "initializer": self.initializer,
                "output": self.model_output,
                "on_finish_action": self.on_finish_action,
            }
        )
        if self.stock_runtime() and not has_templates(*(getattr(self, name) for name in type(self).template_fields)):
            self.manifest()

    @classmethod
    def check_arguments(cls, arguments: Mapping[str, Any]) -> None:
        super().check_arguments(arguments)
        config, initializer = arguments["config"], arguments["initializer"]
        if not is_template(arguments["runtime"]):
            model_of(arguments["runtime"])
        if not is_template(config):
            model = TorchTuneConfig.parse({} if config is None else config, field="config", rendered=False)
            case, output = _case(model, arguments), arguments["output"]
            check(case)
            check_resuming(case, fresh_output=isinstance(output, Mapping) and output.get("sub_path") is None)
        if not has_templates(config, initializer):
            warn_about_dataset(
                from_template(TorchTuneConfig, config, field="config") or TorchTuneConfig(),
                from_template(Initializer, initializer, field="initializer"),
            )
        if arguments["output"] is None:
            warnings.warn(
                f"output is not set, so the model that task {arguments['task_id']!r} trains is deleted with its "
                "TrainJob; keep it by output=PersistentVolumeOutput(...)",
                UserWarning,
                stacklevel=2,
            )

    def build_manifest(self, options: JobOptions) -> dict[str, Any]:
        return builtin_trainjob(options, self._config())

    def assumed_runtime(self) -> RuntimeView:
        """Give the shape of Trainer's TorchTune runtimes."""
        return RuntimeView.torchtune(self.runtime, kind=self.runtime_kind)

    def _config(self) -> TorchTuneConfig:
        return from_template(TorchTuneConfig, self.config, field="config") or TorchTuneConfig()


def _case(config: TorchTuneConfig, arguments: Mapping[str, Any]) -> Case:
    """Put together what is known of a config and its runtime before anybody has asked the cluster."""
    runtime = arguments["runtime"]
    if is_template(runtime):
        return Case(config, None, None)
    stock = stock_runtime(runtime, arguments["runtime_kind"])
    return Case(config, runtime, None if stock is None else stock.resources)
