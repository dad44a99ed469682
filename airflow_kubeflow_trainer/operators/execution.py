"""What an operator does on a worker: submit, wait, clean up. Imported when a task runs, never when a DAG is parsed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from airflow_kubeflow_trainer.cluster.ending import alive_tries, delete, end_earlier_tries, stop, stop_unanswered
from airflow_kubeflow_trainer.cluster.followers import LogNodes
from airflow_kubeflow_trainer.cluster.patience import patiently
from airflow_kubeflow_trainer.cluster.submission import create_or_adopt, read_runtime
from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi
from airflow_kubeflow_trainer.cluster.waiting import WaitSpec
from airflow_kubeflow_trainer.config.actions import OnFinishAction, OnKillAction
from airflow_kubeflow_trainer.exceptions import ConfigError, ConflictError, KubeflowTrainerError, NotFoundError
from airflow_kubeflow_trainer.hooks.trainer import KubeflowTrainerHook, run_blocking
from airflow_kubeflow_trainer.operators.failing import failing_for_good
from airflow_kubeflow_trainer.operators.rendered import to_yaml
from airflow_kubeflow_trainer.trainjob.diagnosis import Cause
from airflow_kubeflow_trainer.trainjob.identity import ON_KILL_ANNOTATION, TaskIdentity
from airflow_kubeflow_trainer.trainjob.manifest import JobOptions, in_queue, output_location
from airflow_kubeflow_trainer.trainjob.queue import submitted_parts
from airflow_kubeflow_trainer.trainjob.runtime import RuntimeView
from airflow_kubeflow_trainer.trainjob.starting import DEFAULT_PATIENCE
from airflow_kubeflow_trainer.triggers.event import TrainJobEvent
from airflow_kubeflow_trainer.triggers.task_state import TaskKey
from airflow_kubeflow_trainer.triggers.trainjob import TrainJobTrigger, wait_for_event


class Task(Protocol):
    """What this module asks of an operator."""

    runtime: str
    runtime_kind: str
    get_logs: bool
    log_nodes: LogNodes
    admission_timeout: float | None
    startup_timeout: float | None
    run_timeout: float | None
    startup_patience: Mapping[str, float | None]
    max_restarts: int | None
    on_finish_action: OnFinishAction
    on_kill_action: OnKillAction

    @property
    def log(self) -> Any: ...
    @property
    def cluster(self) -> dict[str, Any]: ...
    def hook(self) -> KubeflowTrainerHook: ...
    def stock_runtime(self) -> RuntimeView | None: ...
    def assumed_runtime(self) -> RuntimeView: ...
    def options(self, identity: TaskIdentity, runtime: RuntimeView, namespace: str) -> JobOptions: ...
    def build_manifest(self, options: JobOptions) -> dict[str, Any]: ...
    def show_manifest(self, manifest: Mapping[str, Any]) -> None: ...
    def arm(self, stop: Callable[[], None]) -> None: ...


@dataclass(frozen=True)
class Submitted:
    """A TrainJob that is on the cluster now."""

    trainjob: dict[str, Any]
    trainer_job: str
    """The runtime's replicated job that trains."""
    result: Any
    """What the task returns where the training succeeds."""
    parts: dict[str, Any]
    """What a queue might take away of it."""

    @property
    def announcement(self) -> dict[str, str]:
        """What the XCom ``trainjob`` says before the wait begins."""
        return {key: self.trainjob["metadata"][key] for key in ("name", "namespace", "uid")}


def submit(operator: Task, identity: TaskIdentity) -> Submitted:
    """Create this try's TrainJob, or take over the one that it has created before.

    From before the creation on, the operator is armed with what ends it as ``on_kill_action`` says.

    :raises ConfigError: a field is wrong; nothing was sent.
    :raises TrainJobRejectedError: the cluster refused it.
    """
    hook, log = operator.hook(), operator.log
    action = operator.on_kill_action

    def arm(ending: Callable[..., Awaitable[str]], name: str, **whose: Any) -> None:
        operator.arm(partial(_end, hook, partial(ending, action=action, name=name, **whose), name, log))

    async def work(api: TrainJobApi) -> Submitted:
        assumed = operator.stock_runtime() or operator.assumed_runtime()
        runtime, warning = await read_runtime(api, operator.runtime, operator.runtime_kind, assumed=assumed)
        if warning:
            log.warning(warning)
        with failing_for_good():
            options = operator.options(identity, runtime, api.namespace)
            check_that_it_can_be_suspended(options, action)
            manifest = operator.build_manifest(options)
        # For whoever finds it when nobody waits any more (cluster/leftovers.py).
        manifest["metadata"]["annotations"][ON_KILL_ANNOTATION] = action.value
        operator.show_manifest(manifest)
        for name in await end_earlier_tries(api, identity):
            log.warning("TrainJob %s of an earlier try was still there, and was deleted", name)
        log.info("Submitting this TrainJob:\n%s", to_yaml(manifest))
        arm(stop_unanswered, options.name, identity=identity)
        trainjob, adopted = await create_or_adopt(api, manifest, identity)
        arm(stop, options.name, uid=trainjob["metadata"]["uid"])
        name = f"{api.namespace}/{options.name}"
        log.info("TrainJob %s %s", name, "is there already: this try had created it" if adopted else "is created")
        return Submitted(
            trainjob=trainjob,
            trainer_job=runtime.trainer_job,
            result=output_location(options),
            parts=submitted_parts(manifest),
        )

    return hook.call(work)


def check_that_it_can_be_suspended(options: JobOptions, on_kill_action: OnKillAction) -> None:
    """Refuse to queue, or to promise to suspend, what would hang or run on.

    :raises ConfigError: naming the argument, the runtime and the remedy.
    """
    problem = options.runtime.why_not_suspended()
    if problem is None:
        return
    if in_queue(options):
        raise ConfigError(f"queue_name: {problem}")
    if on_kill_action is OnKillAction.SUSPEND_TRAINJOB:
        raise ConfigError(f"on_kill_action: {problem}")


def wait_spec(operator: Task, submitted: Submitted, *, deadline: float | None) -> WaitSpec:
    """Say what to wait for and how long."""
    return WaitSpec(
        name=submitted.trainjob["metadata"]["name"],
        uid=submitted.trainjob["metadata"]["uid"],
        trainer_job=submitted.trainer_job,
        get_logs=operator.get_logs,
        log_nodes=operator.log_nodes,
        admission_timeout=operator.admission_timeout,
        startup_timeout=operator.startup_timeout,
        run_timeout=operator.run_timeout,
        startup_patience={**DEFAULT_PATIENCE, **operator.startup_patience},
        max_restarts=operator.max_restarts,
        submitted=submitted.parts,
        deadline=deadline,
    )


def trigger(operator: Task, identity: TaskIdentity, wait: WaitSpec, result: Any) -> TrainJobTrigger:
    """Make the trigger that waits for the whole try."""
    return TrainJobTrigger(
        cluster=operator.cluster,
        wait=wait.to_dict(),
        task=task_key(identity).to_dict(),
        result=result,
        on_kill_action=operator.on_kill_action.value,
    )


def wait_here(
    hook: KubeflowTrainerHook, identity: TaskIdentity, wait: WaitSpec, result: Any, log: Any
) -> TrainJobEvent:
    """Wait on the worker, by the coroutine that the trigger runs."""
    _ = hook.settings
    return run_blocking(lambda: wait_for_event(hook, wait, task_key(identity), result, log))


def task_key(identity: TaskIdentity) -> TaskKey:
    """Name the task instance that a try is of."""
    return TaskKey(
        dag_id=identity.dag_id, run_id=identity.run_id, task_id=identity.task_id, map_index=identity.map_index
    )


def clean_up(operator: Task, ended: TrainJobEvent) -> None:
    """Do with the TrainJob what ``on_finish_action`` says, or stop one that goes on past its time."""
    name, uid = ended["name"], ended["uid"]
    if uid is None or ended["cause"] == Cause.DELETED:
        return
    finish = operator.on_finish_action
    if ended["alive"] and ended["cause"] == Cause.UNREACHABLE:
        # That nobody could be asked is no reason to end what may be well.
        operator.log.error("TrainJob %s may go on, and nobody waits for it; the next try of this task ends it", name)
    elif ended["alive"]:
        ending = partial(stop, action=operator.on_kill_action, name=name, uid=uid)
        _end(operator.hook(), ending, name, operator.log)
    elif finish is OnFinishAction.DELETE_TRAINJOB or (
        finish is OnFinishAction.DELETE_SUCCEEDED_TRAINJOB and ended["cause"] is None
    ):
        _end(operator.hook(), partial(delete, name=name, uid=uid), name, operator.log)


def stop_what_nobody_waits_for(operator: Task, identity: TaskIdentity) -> None:
    """Do what ``on_kill_action`` says with the TrainJob of a try whose trigger Airflow has given up; raises nothing."""
    hook, log = operator.hook(), operator.log
    try:
        left = hook.call(lambda api: alive_tries(api, identity))
    except (KubeflowTrainerError, OSError) as error:
        log.error("The TrainJob could not be stopped, and may go on: %s", error)
        return
    for trainjob in left:
        name, uid = trainjob["metadata"]["name"], trainjob["metadata"]["uid"]
        _end(hook, partial(stop, action=operator.on_kill_action, name=name, uid=uid), name, log)


def _end(hook: KubeflowTrainerHook, ending: Callable[[TrainJobApi], Awaitable[str]], name: str, log: Any) -> None:
    """Carry out an ending and say what was done; safe in a signal handler, raises nothing."""
    try:
        done = hook.call(lambda api: patiently(partial(ending, api)))
        log.info("TrainJob %s %s", name, done)
    except (NotFoundError, ConflictError):
        log.info("TrainJob %s is gone already", name)
    except (KubeflowTrainerError, OSError) as error:
        # How the task ends is decided already; this must not hide it.
        log.error("TrainJob %s could not be stopped, and may go on: %s", name, error)
