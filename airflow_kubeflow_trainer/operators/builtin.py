"""BuiltinTrainerOperator: fine-tune an LLM with TorchTune, on a runtime that brings the recipes."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from airflow_kubeflow_trainer.config import Initializer, TorchTuneConfig
from airflow_kubeflow_trainer.config.base import ConfigModel
from airflow_kubeflow_trainer.config.template import from_template, has_templates
from airflow_kubeflow_trainer.operators.base import TrainJobOperator
from airflow_kubeflow_trainer.trainjob.manifest import JobOptions, builtin_trainjob
from airflow_kubeflow_trainer.trainjob.recipe import check
from airflow_kubeflow_trainer.trainjob.runtime import RuntimeView
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

    def __init__(
        self, *, runtime: str, config: TorchTuneConfig | Mapping[str, Any] | Any | None = None, **kwargs: Any
    ) -> None:
        super().__init__(runtime=runtime, **kwargs)
        self.config = self._as_template("config", config)
        self._check_at_parse()

    def _check_at_parse(self) -> None:
        """Refuse, and warn of, what is known while the DAG is parsed.

        What a runtime that others have made allows is known when it is read.
        """
        stock = self.stock_runtime()
        if not has_templates(*(getattr(self, field) for field in type(self).template_fields)):
            if stock is not None:
                self.manifest()
        elif stock is not None:
            self.check(stock)
            if not has_templates(self.config):
                check(stock, self._config())
        self._warn()

    def build_manifest(self, options: JobOptions) -> dict[str, Any]:
        return builtin_trainjob(options, self._config())

    def assumed_runtime(self) -> RuntimeView:
        """Give the shape of Trainer's TorchTune runtimes."""
        return RuntimeView.torchtune(self.runtime, kind=self.runtime_kind)

    def _config(self) -> TorchTuneConfig:
        return from_template(TorchTuneConfig, self.config, field="config") or TorchTuneConfig()

    def _warn(self) -> None:
        if not has_templates(self.config, self.initializer):
            warn_about_dataset(self._config(), from_template(Initializer, self.initializer, field="initializer"))
        if self.model_output is None:
            warnings.warn(
                f"output is not set, so the model that task {self.task_id!r} trains is deleted with its TrainJob; keep "
                "it by output=PersistentVolumeOutput(...)",
                UserWarning,
                stacklevel=2,
            )
