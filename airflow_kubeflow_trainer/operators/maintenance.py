"""Tidying up after tasks that ended while nobody was there to see it; for a task of a maintenance DAG."""

from __future__ import annotations

from datetime import timedelta

from airflow_kubeflow_trainer.cluster import leftovers
from airflow_kubeflow_trainer.cluster.leftovers import Standing
from airflow_kubeflow_trainer.hooks.trainer import KubeflowTrainerHook
from airflow_kubeflow_trainer.operators.execution import task_key
from airflow_kubeflow_trainer.trainjob.identity import TaskIdentity
from airflow_kubeflow_trainer.triggers.task_state import standing


def remove_leftovers(
    hook: KubeflowTrainerHook,
    *,
    older_than: timedelta = timedelta(seconds=leftovers.DEFAULT_AGE_SECONDS),
    unknown_too: bool = False,
    claims: bool = False,
    dry_run: bool = False,
) -> list[dict[str, str]]:
    """End the TrainJobs of the hook's namespace whose task is over, as their ``on_kill_action`` says; in a task only.

    :param older_than: leave younger ones alone. A try may have created its TrainJob and not said so yet.
    :param unknown_too: also those whose task this Airflow does not know, as when its run was deleted. Not where another
        Airflow has TrainJobs in the same namespace.
    :param claims: also delete the claims that a runtime retained for TrainJobs of ours that are gone, and what was
        trained there: those that an earlier run has marked while their TrainJob was there. Others whose name may be of
        ours are left alone, and told of.
    :param dry_run: only find them.
    :return: of each its kind, name, why nobody waits for it, and what was done.
    """
    tidied = hook.call(
        lambda api: leftovers.tidy(
            api,
            _ask_airflow,
            age_seconds=older_than.total_seconds(),
            unknown_too=unknown_too,
            claims=claims,
            touch=not dry_run,
        )
    )
    removed = [
        {"kind": leftover.kind, "name": leftover.name, "why": leftover.why, "done": done or "found"}
        for leftover, done in tidied
    ]
    for line in removed:
        tell = hook.log.warning if line["done"].startswith(leftovers.CANNOT) else hook.log.info
        tell("%(kind)s %(name)s %(done)s: %(why)s", line)
    hook.log.info("%d left over in namespace %s", len(removed), hook.namespace)
    return removed


async def _ask_airflow(identity: TaskIdentity, uid: str) -> Standing:
    return await standing(task_key(identity), uid)
