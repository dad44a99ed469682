"""Every hour, end the TrainJobs that nobody waits for any more.

A task that is marked, cleared or timed out while no triggerer lives leaves its TrainJob behind. Its next try would end
it; where there is none, this DAG does. With `claims` it also deletes the claims that a runtime retained for TrainJobs
that are gone, where an earlier run saw that they were a task's. One run looks at one namespace, over one connection.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param, task

with DAG(
    "trainjob_maintenance",
    schedule="@hourly",
    catchup=False,
    is_paused_upon_creation=True,
    render_template_as_native_obj=True,
    tags=["kubeflow", "maintenance"],
    doc_md=__doc__,
    params={
        "kubernetes_conn_id": Param("kubernetes_default", type="string"),
        "namespace": Param(None, type=["string", "null"], description="Default: the connection's."),
        "older_than_seconds": Param(600, type="integer", minimum=0, description="Younger ones are left alone."),
        "unknown_too": Param(
            False, type="boolean", description="Also TrainJobs of runs that were deleted. Not with two Airflows."
        ),
        "claims": Param(False, type="boolean", description="Also retained claims, and what was trained there."),
        "dry_run": Param(False, type="boolean", description="Only say what would be removed."),
    },
):

    @task
    def remove_leftovers(params: dict[str, Any]) -> list[dict[str, str]]:
        from airflow_kubeflow_trainer.hooks.trainer import KubeflowTrainerHook
        from airflow_kubeflow_trainer.operators import maintenance

        return maintenance.remove_leftovers(
            KubeflowTrainerHook(params["kubernetes_conn_id"], namespace=params["namespace"]),
            older_than=timedelta(seconds=params["older_than_seconds"]),
            unknown_too=params["unknown_too"],
            claims=params["claims"],
            dry_run=params["dry_run"],
        )

    remove_leftovers()
