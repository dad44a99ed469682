"""TrainJobSensor: a task that waits for TrainJobs which it did not make."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowSensorTimeout, AirflowSkipException
from airflow.sdk import BaseSensorOperator, PokeReturnValue

from airflow_kubeflow_trainer.config.arguments import namespace_name, one_of, optional_text, truth
from airflow_kubeflow_trainer.config.template import has_templates
from airflow_kubeflow_trainer.exceptions import (
    ApiError,
    ClusterUnreachableError,
    ConfigError,
    KubeflowTrainerError,
    TrainJobError,
    TrainJobMissingError,
    TrainJobTimeoutError,
)
from airflow_kubeflow_trainer.hooks import DEFAULT_CONN_ID
from airflow_kubeflow_trainer.hooks.reaching import ReachesCluster
from airflow_kubeflow_trainer.trainjob.awaiting import Awaited, Until, Verdict, Which, expire
from airflow_kubeflow_trainer.trainjob.seen import Seen, Sighting
from airflow_kubeflow_trainer.trainjob.selectors import check_selector
from airflow_kubeflow_trainer.triggers.deferral import deferral_limit

if TYPE_CHECKING:
    from airflow.sdk import Context

MEMORY_KEY = "kubeflow_trainer_seen"
_NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")


class TrainJobSensorTimeoutError(TrainJobTimeoutError, AirflowSensorTimeout):
    """The sensor's time ran out; as any sensor's, the task is not tried again."""


class TrainJobSensorMissingError(TrainJobMissingError, AirflowSensorTimeout):
    """The sensor's time ran out, and there was nothing to be seen."""


class TrainJobSensor(ReachesCluster, BaseSensorOperator):
    """Waits until a TrainJob, or all or any of those with some labels, have got where they are awaited.

    It only looks: the TrainJobs are left alone, whatever becomes of the sensor. One that is not there yet is waited
    for.

    Fails with a :class:`TrainJobFailedError` or a :class:`TrainJobSucceededError` where one ended otherwise than
    awaited, a :class:`TrainJobDeletedError` where one was deleted on its way, and when the time runs out, with a
    :class:`TrainJobTimeoutError`, or a :class:`TrainJobMissingError` where there never was one.

    :param name: name of the TrainJob. Either this or ``label_selector``.
    :param label_selector: of the TrainJobs, such as ``team=nlp,stage!=test``.
    :param until: ``complete`` (default), ``failed``, ``finished`` (either), ``running`` (every node trains, or has
        trained), ``admitted`` (not suspended, as by Kueue while there is no quota), ``suspended``.
    :param which: with ``label_selector``, whether ``all`` (default) that there are, and at least one, have to get
        there, or ``any``.
    :param kubernetes_conn_id: Airflow connection of type ``kubernetes``. Default ``kubernetes_default``. None: the
        service account of Airflow's own pod, else the default kubeconfig.
    :param namespace: Kubernetes namespace. Default: the connection's, else ``default``.
    :param in_cluster: use the service account of Airflow's own pod. Default: what the connection says.
    :param config_file: path of a kubeconfig on the worker and the triggerer. Default: what the connection says.
    :param cluster_context: context of the kubeconfig. Default: what the connection says.
    :param deferrable: watch from the triggerer and hold no worker slot. Default True. False looks every
        ``poke_interval`` from the worker, in ``mode`` ``poke`` or ``reschedule``, with the same outcome.
    :param timeout: how long the sensor waits; timedelta or seconds. Default: Airflow's, a week. A cluster that does not
        answer meanwhile is asked again.
    :param soft_fail: skip the task, and do not fail it, where the TrainJobs do not get there.
    :return: what was seen: name, namespace, uid, phase, reason and message of the TrainJob; with ``label_selector`` a
        list of them.
    """

    template_fields: Sequence[str] = (
        "name",
        "label_selector",
        "kubernetes_conn_id",
        "namespace",
        "config_file",
        "cluster_context",
    )
    template_ext: Sequence[str] = ()
    ui_color: str = "#e8f0fe"

    def __init__(
        self,
        *,
        name: str | None = None,
        label_selector: str | None = None,
        until: str = Until.COMPLETE.value,
        which: str = Which.ALL.value,
        kubernetes_conn_id: str | None = DEFAULT_CONN_ID,
        namespace: str | None = None,
        in_cluster: bool | None = None,
        config_file: str | None = None,
        cluster_context: str | None = None,
        deferrable: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.name = name
        self.label_selector = label_selector
        self.until = Until(one_of(until, [each.value for each in Until], field="until")).value
        self.which = Which(one_of(which, [each.value for each in Which], field="which")).value
        self.kubernetes_conn_id = kubernetes_conn_id
        self.namespace = namespace
        self.in_cluster = in_cluster
        self.config_file = config_file
        self.cluster_context = cluster_context
        self.deferrable = truth(deferrable, field="deferrable")
        self._seen = Seen()
        if self.deferrable and self.reschedule:
            raise ConfigError("mode: 'reschedule' is a way to look from workers; set deferrable=False with it")
        if in_cluster is not None:
            truth(in_cluster, field="in_cluster")
        if not has_templates(name, label_selector):
            self.awaited()
        if not has_templates(namespace):
            namespace_name(namespace)

    def awaited(self) -> Awaited:
        """Check which TrainJobs are meant, by the rendered fields.

        :raises ConfigError: neither is named, or both are, or the one cannot be.
        """
        name = optional_text(self.name, field="name")
        selector = optional_text(self.label_selector, field="label_selector")
        if (name is None) == (selector is None):
            raise ConfigError("name: name one TrainJob, or several by label_selector; one of both must be given")
        if name is not None and not _NAME.fullmatch(name):
            raise ConfigError(f"name: {name!r} must be lower-case letters, digits and '-', at most 63, a letter first")
        if selector is not None:
            check_selector(selector)
        return Awaited(until=self.until, name=name, label_selector=selector, which=self.which)

    # What Airflow calls

    def execute(self, context: Context) -> Any:
        """Look once; unless it is over, defer, or look again and again."""
        awaited = self.awaited()
        if not self.deferrable:
            self._seen = Seen(self._remembered(context))
            return self._finish(self._poke_until_over(context, awaited))
        try:
            verdict = self._look()
        except KubeflowTrainerError as error:
            verdict = Verdict(error, ())
        if verdict is not None:
            return self._finish(verdict)
        self.log.info("Waiting until %s: %s", self.until, awaited)
        self._defer(context, awaited)

    def poke(self, context: Context) -> PokeReturnValue:
        """Look once; the value is the verdict, bad or good."""
        verdict = self._look()
        self._remember(context)
        return PokeReturnValue(verdict is not None, verdict)

    def execute_complete(self, context: Context, event: Mapping[str, Any] | None) -> Any:
        """Finish from the trigger's event alone."""
        from airflow_kubeflow_trainer.triggers.observing import verdict_of

        verdict, expired = verdict_of(event)
        return self._finish(_in_time(verdict) if expired else verdict)

    def _poke_until_over(self, context: Context, awaited: Awaited) -> Verdict:
        try:
            verdict: Verdict = super().execute(context)
        except AirflowSensorTimeout:
            return _in_time(expire(awaited, self._seen, seconds=self.timeout))
        return verdict

    def _look(self) -> Verdict | None:
        from airflow_kubeflow_trainer.cluster.observing import is_transient, refusal

        try:
            return self.hook().look(self.awaited(), self._seen)
        except (ApiError, ClusterUnreachableError) as error:
            if not is_transient(error):
                raise refusal(error) from error
            self.log.warning("The cluster does not answer, and is asked again: %s", error)
            return None

    def _defer(self, context: Context, awaited: Awaited) -> None:
        from airflow_kubeflow_trainer.triggers.observing import TrainJobSensorTrigger

        started: float = context["ti"].start_date.timestamp()
        limits = [self.timeout, *([self.execution_timeout.total_seconds()] if self.execution_timeout else [])]
        deadline = started + min(limits)
        self.defer(
            trigger=TrainJobSensorTrigger(
                cluster=self.cluster,
                awaited=awaited.to_dict(),
                seen=self._seen.to_records(),
                started=started,
                deadline=deadline,
            ),
            method_name="execute_complete",
            timeout=deferral_limit(deadline),
        )

    def _finish(self, verdict: Verdict) -> Any:
        """End the task as a verdict says."""
        error = verdict.error
        if error is None:
            found = [_told(sighting) for sighting in verdict.sightings]
            self.log.info("%s: %s", self.until, ", ".join(f"{one['name']} is {one['phase']}" for one in found))
            return found[0] if self.name is not None else found
        if self.never_fail or (self.soft_fail and isinstance(error, TrainJobError)):
            raise AirflowSkipException(str(error)) from error
        raise error

    # What was seen, from one look to the next of a sensor that is scheduled anew for each

    def _remembered(self, context: Context) -> list[dict[str, Any]]:
        store = self._memory(context)
        found = store.get(MEMORY_KEY) if store is not None else None
        # The store outlives a try, and a task that is cleared.
        return found["seen"] if found and found["try"] == _try_of(context) else []

    def _remember(self, context: Context) -> None:
        store, records = self._memory(context), self._seen.to_records()
        if store is not None and records != self._remembered(context):
            store.set(MEMORY_KEY, {"try": _try_of(context), "seen": records})

    def _memory(self, context: Context) -> Any:
        """Give Airflow's store for a task's state, where one is needed, and there is one: since 3.3."""
        return context.get("task_state_store") if self.reschedule else None


def _in_time(verdict: Verdict) -> Verdict:
    """Make the error of a verdict that the sensor's time brought one that Airflow knows as such."""
    missing = isinstance(verdict.error, TrainJobMissingError)
    kind: Callable[[str], KubeflowTrainerError] = TrainJobSensorMissingError if missing else TrainJobSensorTimeoutError
    return Verdict(kind(str(verdict.error)), verdict.sightings)


def _told(sighting: Sighting) -> dict[str, Any]:
    return {key: getattr(sighting, key) for key in ("name", "namespace", "uid", "phase", "reason", "message")}


def _try_of(context: Context) -> str:
    return str(context["ti"].id)
