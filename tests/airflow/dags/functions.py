"""DAGs of the tests: training functions that train nothing."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, task

with DAG("function", schedule=None, params={"fails": False}, render_template_as_native_obj=True):

    @task.kubeflow_trainer(runtime="torch-distributed", num_proc_per_node=1, resources_per_node={"cpu": "300m"})
    def tell(fails: bool, number: float, run_id: str, params: Any = None) -> Any:
        """Tell what has arrived."""
        if fails:
            raise ValueError("enough of $(PET_NNODES)")
        return [run_id, params, str(number), number]

    tell("{{ params.fails }}", float("nan"))
