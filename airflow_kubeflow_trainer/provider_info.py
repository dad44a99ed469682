"""What Airflow reads of this provider, by the entry point ``apache_airflow_provider``.

There is no ``connection-types``: the type ``kubernetes`` belongs to the cncf provider, and a second declaration would
take it over for the whole deployment. Every Airflow process reads this when it starts, so the module imports nothing.
"""

from __future__ import annotations

from typing import Any

_INTEGRATION = "Kubeflow Trainer"


_OUTSIDE = {
    "Dashboard": "https://kubeflow.example.com/trainjobs/{namespace}/{name}",
    "Kueue": "https://kueue.example.com/local-queue/{namespace}/{queue_name}",
    "Grafana": "https://grafana.example.com/d/pods?var-namespace={namespace}&var-pod={name}-node.*",
    "TensorBoard": "https://tensorboard.example.com/?runFilter={name}",
    "MLflow": "https://mlflow.example.com/#/experiments/1?searchFilter=tags.trainjob='{name}'",
}
"""What a task can have a link to, each with an example of its address."""


def get_provider_info() -> dict[str, Any]:
    """Describe the provider as Airflow's ``provider_info.schema.json`` wants it."""
    return {
        "package-name": "airflow-kubeflow-trainer",
        "name": _INTEGRATION,
        "description": "Runs LLM fine-tuning and distributed PyTorch training as TrainJobs of Kubeflow Trainer v2.",
        "integrations": [
            {
                "integration-name": _INTEGRATION,
                "external-doc-url": "https://www.kubeflow.org/docs/components/trainer/",
                "tags": ["kubernetes", "ml"],
            }
        ],
        "operators": _modules(
            "airflow_kubeflow_trainer.operators.builtin", "airflow_kubeflow_trainer.operators.custom"
        ),
        "sensors": _modules("airflow_kubeflow_trainer.sensors.trainjob"),
        "task-decorators": [
            {
                "name": "kubeflow_trainer",
                "class-name": "airflow_kubeflow_trainer.decorators.kubeflow_trainer_task",
            }
        ],
        "hooks": _modules("airflow_kubeflow_trainer.hooks.trainer"),
        "triggers": _modules(
            "airflow_kubeflow_trainer.triggers.trainjob",
            "airflow_kubeflow_trainer.triggers.trainjob_event",
            "airflow_kubeflow_trainer.triggers.observing",
        ),
        "extra-links": [
            "airflow_kubeflow_trainer.links.training.TrainingLink",
            "airflow_kubeflow_trainer.links.outside.OutsideLink",
        ],
        # Airflow 3.2 and later.
        "cli": ["airflow_kubeflow_trainer.cli.airflow_commands.get_commands"],
        "config": {
            "kubeflow_trainer": {
                "description": "Kubeflow Trainer in Airflow's pages.",
                "options": {
                    "training_tab": {
                        "description": "Whether task instances, DAG runs and tasks have the tab Training. "
                        "Read when the API server starts, and by workers, for the link to it.",
                        "version_added": "0.1.0",
                        "type": "boolean",
                        "example": None,
                        "default": "True",
                    },
                    **{f"{name.lower()}_url": _address(name, example) for name, example in _OUTSIDE.items()},
                },
            }
        },
    }


def _modules(*names: str) -> list[dict[str, Any]]:
    return [{"integration-name": _INTEGRATION, "python-modules": list(names)}]


def _address(name: str, example: str) -> dict[str, Any]:
    return {
        "description": f"Address that the link {'TrainJob' if name == 'Dashboard' else name} of a task leads to. "
        "Filled in: {name}, {namespace} and {uid} of the TrainJob, {queue_name}, {kubernetes_conn_id}, {dag_id}, "
        "{run_id}, {task_id}, {map_index}, {try_number}. Read by workers. Without it there is no such link.",
        "version_added": "0.1.0",
        "type": "string",
        "example": example,
        "default": None,
    }
