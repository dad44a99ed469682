"""What all operators share: submit or adopt a TrainJob, wait for it, end with its result or with why it failed."""

from __future__ import annotations

import contextlib
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NoReturn

from airflow.sdk import BaseOperator
from airflow.sdk.bases.operator import TRIGGER_FAIL_REPR

from airflow_kubeflow_trainer.config import Initializer, PersistentVolumeOutput, RuntimePatch
from airflow_kubeflow_trainer.config.actions import OnFinishAction, OnKillAction, choice
from airflow_kubeflow_trainer.config.arguments import (
    annotation_map,
    label,
    label_map,
    namespace_name,
    optional_text,
    patience,
    positive_seconds,
)
from airflow_kubeflow_trainer.config.arguments import log_nodes as log_nodes_of
from airflow_kubeflow_trainer.config.base import ConfigModel
from airflow_kubeflow_trainer.config.template import (
    from_template,
    from_template_list,
    has_templates,
)
from airflow_kubeflow_trainer.exceptions import (
    ConfigError,
    KubeflowTrainerError,
    TrainJobDeletedError,
    TrainJobRejectedError,
)
from airflow_kubeflow_trainer.hooks import DEFAULT_CONN_ID
from airflow_kubeflow_trainer.hooks.reaching import ReachesCluster
from airflow_kubeflow_trainer.links.outside import OUTSIDE_LINKS
from airflow_kubeflow_trainer.links.training import TrainingLink
from airflow_kubeflow_trainer.operators.arguments import CHECKED, check_argument, config_as_template
from airflow_kubeflow_trainer.operators.rendered import manifest_parts, to_yaml
from airflow_kubeflow_trainer.operators.tries import deadline_of, identity_of
from airflow_kubeflow_trainer.trainjob.checks import check_that_the_model_is_kept
from airflow_kubeflow_trainer.trainjob.identity import TaskIdentity, trainjob_name
from airflow_kubeflow_trainer.trainjob.manifest import JobOptions
from airflow_kubeflow_trainer.trainjob.runtime import RuntimeView, stock_runtime
from airflow_kubeflow_trainer.triggers.deferral import deferral_limit

if TYPE_CHECKING:
    import jinja2
    from airflow.sdk import Context
    from airflow.sdk.definitions.mappedoperator import OperatorPartial

    from airflow_kubeflow_trainer.operators.execution import Submitted
    from airflow_kubeflow_trainer.triggers.event import TrainJobEvent
    from airflow_kubeflow_trainer.triggers.trainjob import TrainJobTrigger

LATER = "{{ }}"
"""Stands for an argument that is known when the task runs."""
DEFAULT_STARTUP_TIMEOUT = timedelta(hours=1)


class TrainJobOperator(ReachesCluster, BaseOperator):
    """Runs one TrainJob for each try of a task.

    :param runtime: name of the training runtime.
    :param runtime_kind: ``ClusterTrainingRuntime`` (default) or ``TrainingRuntime``.
    :param initializer: where the data set and the model come from. Default: what the runtime says.
    :param output: where the trained model is kept. Default: nowhere; on the stock runtimes it lies on a volume that
        is deleted with the TrainJob.
    :param kubernetes_conn_id: Airflow connection of type ``kubernetes``. Default ``kubernetes_default``. None: the
        service account of Airflow's own pod, else the default kubeconfig.
    :param namespace: Kubernetes namespace. Default: the connection's, else ``default``.
    :param in_cluster: use the service account of Airflow's own pod. Default: what the connection says.
    :param config_file: path of a kubeconfig on the worker and the triggerer. Default: what the connection says.
    :param cluster_context: context of the kubeconfig. Default: what the connection says.
    :param name: what the TrainJob's name begins with. Default: the DAG's and task's ids. A hash of the task's identity
        follows always, so that no two tries share a name.
    :param labels: on the TrainJob and its pods; in a queue on the TrainJob only, unless there is an ``output``.
    :param annotations: on the TrainJob and its pods, as ``labels``.
    :param runtime_patches: changes to the runtime for this TrainJob: volumes, node selectors, tolerations, ...
    :param queue_name: Kueue's LocalQueue. Default: none.
    :param workload_priority_class: Kueue's WorkloadPriorityClass, by which it may preempt others. Default: none.
    :param get_logs: write the logs of rank 0 and of the initializers to the task's log. Default True. Of a node that
        fails, the last lines are there always.
    :param log_nodes: ranks of further nodes whose logs are wanted, such as ``[1, 2]``, or ``"all"`` (of at most 32);
        their lines begin with ``[node-1]``. Default: none.
    :param deferrable: wait in the triggerer and hold no worker slot. Default True. False waits on the worker, with the
        same outcome.
    :param admission_timeout: how long it may be suspended in a queue; timedelta or seconds. Default: as long as it
        takes.
    :param startup_timeout: how long it may take from creation, or admission, until its containers run (scheduling,
        image pull, volumes); timedelta or seconds. Default 1 hour. None: as long as it takes.
    :param startup_patience: how long one reason for not starting may last, by its name in Kubernetes, such as
        ``{"ImagePullBackOff": 300, "Unschedulable": 600, "CreateContainerConfigError": 0}``; timedelta or seconds, 0
        fails at once, None leaves it to startup_timeout. Default: 0 for ErrImageNeverPull and InvalidImageName.
    :param run_timeout: how long the training may run; timedelta or seconds. Default: as long as it takes.
        ``execution_timeout`` keeps Airflow's meaning: the whole try, from its start.
    :param max_restarts: how often a container that failed may be started again before the task fails. Default: as often
        as the runtime says (six times on Trainer's), and not at all where the failure looks like the code's or the
        data's own, such as an ImportError, since it would come again.
    :param on_finish_action: what becomes of a TrainJob that has ended: ``keep_trainjob`` (default),
        ``delete_trainjob``, ``delete_succeeded_trainjob``.
    :param on_kill_action: what becomes of it when somebody ends the task, or a timeout does: ``delete_trainjob``
        (default), ``suspend_trainjob``, ``keep_trainjob``. The task's next try, after a clear or a failure, deletes one
        that is still alive, suspended and kept ones too: a task has one TrainJob.
    :return: where the model lies (``output``): claim_name, sub_path and path. None without ``output``.
    """

    template_fields: Sequence[str] = (
        "runtime",
        "initializer",
        "model_output",
        "kubernetes_conn_id",
        "namespace",
        "config_file",
        "cluster_context",
        "name",
        "labels",
        "annotations",
        "runtime_patches",
        "queue_name",
        "workload_priority_class",
    )
    config_models: ClassVar[Mapping[str, type[ConfigModel]]] = {
        "initializer": Initializer,
        "output": PersistentVolumeOutput,
        "runtime_patches": RuntimePatch,
    }
    """Which arguments are configs, and of which model; a list of them is a list of that model."""
    related: ClassVar[Mapping[str, Any]] = {
        "runtime": LATER,
        "runtime_kind": "ClusterTrainingRuntime",
        "initializer": None,
        "output": None,
        "on_finish_action": OnFinishAction.KEEP_TRAINJOB,
    }
    """Arguments that :meth:`check_arguments` looks at together, by what they are where they are left out."""
    natively_rendered: ClassVar[frozenset[str]] = frozenset()
    """Template fields whose templates give what they give elsewhere in the DAG; all others give text."""
    # Strings that end in .yaml or .json are what they are, not files to be opened.
    template_ext: Sequence[str] = ()
    # execute() may know more of the manifest than was known before it: the runtime as it is on the cluster.
    overwrite_rtif_after_execution: bool = True
    operator_extra_links = (TrainingLink(), *OUTSIDE_LINKS)
    ui_color: str = "#e8f0fe"

    def __init__(
        self,
        *,
        runtime: str,
        runtime_kind: str = "ClusterTrainingRuntime",
        initializer: Initializer | Mapping[str, Any] | Any | None = None,
        output: PersistentVolumeOutput | Mapping[str, Any] | Any | None = None,
        kubernetes_conn_id: str | None = DEFAULT_CONN_ID,
        namespace: str | None = None,
        in_cluster: bool | None = None,
        config_file: str | None = None,
        cluster_context: str | None = None,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        runtime_patches: Sequence[RuntimePatch | Mapping[str, Any]] | None = None,
        queue_name: str | None = None,
        workload_priority_class: str | None = None,
        get_logs: bool = True,
        log_nodes: Sequence[int] | Literal["all"] | None = None,
        deferrable: bool = True,
        admission_timeout: timedelta | float | None = None,
        startup_timeout: timedelta | float | None = DEFAULT_STARTUP_TIMEOUT,
        startup_patience: Mapping[str, timedelta | float | None] | None = None,
        run_timeout: timedelta | float | None = None,
        max_restarts: int | None = None,
        on_finish_action: str = OnFinishAction.KEEP_TRAINJOB.value,
        on_kill_action: str = OnKillAction.DELETE_TRAINJOB.value,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.runtime = runtime
        self.runtime_kind = runtime_kind
        self.initializer = self._as_template("initializer", initializer)
        # Not `output`: that is Airflow's, the XComArg of this task.
        self.model_output = self._as_template("output", output)
        self.kubernetes_conn_id = kubernetes_conn_id
        self.namespace = namespace
        self.in_cluster = in_cluster
        self.config_file = config_file
        self.cluster_context = cluster_context
        self.name = name
        self.labels = labels
        self.annotations = annotations
        self.runtime_patches = self._as_template("runtime_patches", runtime_patches)
        self.queue_name = queue_name
        self.workload_priority_class = workload_priority_class
        self.get_logs = get_logs
        self.log_nodes: Sequence[int] | Literal["all"] = log_nodes_of(log_nodes)
        self.deferrable = deferrable
        self.admission_timeout = positive_seconds(admission_timeout, field="admission_timeout")
        self.startup_timeout = positive_seconds(startup_timeout, field="startup_timeout")
        self.startup_patience: Mapping[str, float | None] = patience(startup_patience, field="startup_patience")
        self.run_timeout = positive_seconds(run_timeout, field="run_timeout")
        self.max_restarts = max_restarts
        self.on_finish_action = choice(on_finish_action, OnFinishAction, field="on_finish_action")
        self.on_kill_action = choice(on_kill_action, OnKillAction, field="on_kill_action")
        for argument in CHECKED:
            check_argument(argument, getattr(self, argument))
        self._killed = False
        self._stop: Callable[[], None] | None = None

    def _as_template(self, name: str, value: Any) -> Any:
        """Turn a config argument into what Airflow can store and render."""
        if getattr(self, "_BaseOperator__from_mapped", False):
            # ConfigPartial has done so when the DAG was parsed. What has come from an XCom since is data, which Airflow
            # knows by its identity and does not render.
            return value
        return config_as_template(name, value, self.config_models[name])

    @abstractmethod
    def build_manifest(self, options: JobOptions) -> dict[str, Any]:
        """Make the whole TrainJob of this operator's rendered fields.

        :raises ConfigError: a field is wrong.
        """

    @classmethod
    def checked_argument(cls, name: str, value: Any) -> Any:
        """Check an argument by itself, and give it as Airflow can store and render it.

        :raises ConfigError: naming the argument, and what would be right.
        """
        model = cls.config_models.get(name)
        if model is not None:
            return config_as_template(name, value, model)
        check_argument(name, value)
        return value

    @classmethod
    def check_arguments(cls, arguments: Mapping[str, Any]) -> None:
        """Refuse, and warn of, what is known while a DAG is parsed: of a task, or of one that a mapped task expands to.

        :param arguments: as given, configs as plain data; some may be templates or XComArgs.
        :raises ConfigError: naming the field and the remedy.
        """
        stock = stock_runtime(arguments["runtime"], arguments["runtime_kind"])
        action = arguments["on_finish_action"]
        if stock is not None and not has_templates(action):
            check_that_the_model_is_kept(
                stock, arguments["output"], choice(action, OnFinishAction, field="on_finish_action")
            )

    # What Airflow calls

    @classmethod
    def partial(cls, **kwargs: Any) -> OperatorPartial:
        """Map this operator; config models are welcome in ``.expand()`` too."""
        from airflow_kubeflow_trainer.operators.mapping import ConfigPartial

        return ConfigPartial.of(super().partial(**kwargs))

    def execute(self, context: Context) -> Any:
        """Submit the TrainJob, then defer, or wait here."""
        from airflow_kubeflow_trainer.operators import execution

        identity = identity_of(context)
        submitted = self._submit(context, identity)
        wait = execution.wait_spec(self, submitted, deadline=deadline_of(context, self.execution_timeout))
        if not self.deferrable:
            ended = execution.wait_here(self.hook(), identity, wait, submitted.result, self.log)
            return self.execute_complete(context, ended)
        if self._killed:
            raise TrainJobDeletedError("The task was ended before it could wait for its TrainJob")
        self._defer(execution.trigger(self, identity, wait, submitted.result))

    def _submit(self, context: Context, identity: TaskIdentity) -> Submitted:
        """Create the TrainJob and tell Airflow which it is; where that fails, end it, since nobody waits for it."""
        from airflow_kubeflow_trainer.operators import execution

        try:
            submitted = execution.submit(self, identity)
            context["ti"].xcom_push(key="trainjob", value=submitted.announcement)
            if self._killed:
                # The signal may have come before there was anything to stop.
                raise TrainJobDeletedError("The task was ended while its TrainJob was being created")
        except TrainJobRejectedError:
            raise
        except Exception:
            # Not for Airflow's alarm, which is no Exception: Airflow calls on_kill after it.
            self._stop_what_there_is()
            raise
        return submitted

    def arm(self, stop: Callable[[], None]) -> None:
        """Take what ends the TrainJob from now on, should this worker be told to end."""
        self._stop = stop

    def _stop_what_there_is(self) -> None:
        if self._stop is not None:
            self._stop()

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Finish; or end the TrainJob that no trigger waits for, be it that none could begin or that time ran out."""
        from airflow_kubeflow_trainer.operators import execution

        if next_method == TRIGGER_FAIL_REPR:
            execution.stop_what_nobody_waits_for(self, identity_of(context))
        return super().resume_execution(next_method, next_kwargs, context)

    def execute_complete(
        self, context: Context, event: Mapping[str, Any] | None, awaited: Mapping[str, Any] | None = None
    ) -> Any:
        """Finish from the trigger's event alone: the result, or why it failed.

        :param awaited: arguments of the trigger that this try waits with. None where Airflow does not hand them on,
            as in ``dag.test()``.
        """
        from airflow_kubeflow_trainer.operators import execution
        from airflow_kubeflow_trainer.triggers.event import error_of, parse_event
        from airflow_kubeflow_trainer.triggers.trainjob import TrainJobTrigger

        ended = parse_event(event)
        if awaited is not None and ended["uid"] != awaited["wait"]["uid"]:
            # A database that gives the id of a deleted trigger to the next one (SQLite) makes a try that was cleared
            # answer for the one after it.
            self.log.info("That was about %s, an earlier try's; this try waits on for its own", ended["name"])
            self._defer(TrainJobTrigger(**awaited))
        execution.clean_up(self, ended)
        if ended["metrics"]:
            context["ti"].xcom_push(key="metrics", value=ended["metrics"])
        error = error_of(ended)
        if error is not None:
            raise error
        result = self.result_of(context, ended)
        self.log.info("TrainJob %s/%s succeeded. Result: %s", ended["namespace"], ended["name"], result)
        return result

    def result_of(self, context: Context, ended: TrainJobEvent) -> Any:
        """Say what the task returns."""
        return ended["result"]

    def _defer(self, trigger: TrainJobTrigger) -> NoReturn:
        self.defer(
            trigger=trigger,
            method_name="execute_complete",
            kwargs={"awaited": trigger.serialize()[1]},
            timeout=deferral_limit(trigger.wait["deadline"]),
        )

    def on_kill(self) -> None:
        """Stop the TrainJob of a worker that is told to end.

        Runs in a signal handler, so it asks neither Airflow nor this thread's event loop for anything.
        """
        self._killed = True
        self._stop_what_there_is()

    def dry_run(self) -> None:
        """Print the TrainJob that would be created, as far as it is known without a cluster.

        :raises ConfigError: a field holds a template, which only a run of the task can render.
        """
        for field in type(self).template_fields:
            if has_templates(getattr(self, field)):
                raise ConfigError(
                    f"dry_run: {field} holds a template, which is rendered when the task runs. Airflow's view of "
                    "rendered templates shows the TrainJob of a run"
                )
        print(to_yaml(self.manifest()))

    def _do_render_template_fields(
        self,
        parent: Any,
        template_fields: Any,
        context: Context,
        jinja_env: jinja2.Environment,
        seen_oids: set[int],
    ) -> None:
        # The one step of rendering that mapped tasks share with others.
        text_env = context["dag"].get_template_env(force_sandboxed=True)
        as_text = [field for field in template_fields if field not in self.natively_rendered]
        super()._do_render_template_fields(parent, as_text, context, text_env, seen_oids)
        native = [field for field in template_fields if field in self.natively_rendered]
        super()._do_render_template_fields(parent, native, context, jinja_env, seen_oids)
        if parent is self:
            # A field that is wrong is execute()'s to refuse, where the message reaches the task's log.
            with contextlib.suppress(KubeflowTrainerError):
                self.take_from_context(context)
                self.show_manifest(self.manifest(identity_of(context)))

    def take_from_context(self, context: Context) -> None:
        """Take what the TrainJob needs of the run's context; the fields are rendered by now."""

    def _render(self, template: jinja2.Template, context: Any, dag: Any = None) -> str:
        # Always as text, which the configs read by their fields' types: a native DAG would make 0.001 of "1e-3".
        return template.render(context)

    # How the TrainJob is made

    def manifest(self, identity: TaskIdentity | None = None) -> dict[str, Any]:
        """Build the TrainJob without asking the cluster: as if its runtime were as Trainer ships it.

        :param identity: the try that it is for. Default: the first of a run called ``dry_run``.
        """
        if identity is None:
            identity = TaskIdentity(
                dag_id=self.dag_id, run_id="dry_run", task_id=self.task_id, map_index=-1, try_number=1
            )
        runtime = self.stock_runtime() or self.assumed_runtime()
        return self.build_manifest(self.options(identity, runtime, namespace_name(self.namespace) or "default"))

    def stock_runtime(self) -> RuntimeView | None:
        """Give the runtime as Trainer ships it; None for one that somebody else has made."""
        return stock_runtime(self.runtime, self.runtime_kind)

    def assumed_runtime(self) -> RuntimeView:
        """Give the shape that a runtime has which nobody has read yet."""
        return RuntimeView.plain(self.runtime, kind=self.runtime_kind)

    def options(self, identity: TaskIdentity, runtime: RuntimeView, namespace: str) -> JobOptions:
        """Gather and check what the manifest is made of.

        :raises ConfigError: a field is wrong.
        """
        options = JobOptions(
            name=trainjob_name(
                identity, base=optional_text(self.name, field="name"), max_length=runtime.max_name_length()
            ),
            namespace=namespace,
            runtime=runtime,
            identity=identity,
            labels=label_map(self.labels, field="labels"),
            annotations=annotation_map(self.annotations, field="annotations"),
            initializer=from_template(Initializer, self.initializer, field="initializer"),
            output=from_template(PersistentVolumeOutput, self.model_output, field="output"),
            runtime_patches=tuple(from_template_list(RuntimePatch, self.runtime_patches, field="runtime_patches")),
            queue_name=label(self.queue_name, field="queue_name"),
            workload_priority_class=label(self.workload_priority_class, field="workload_priority_class"),
        )
        check_that_the_model_is_kept(runtime, self.model_output, self.on_finish_action)
        return options

    def show_manifest(self, manifest: Mapping[str, Any]) -> None:
        """Put a manifest into Airflow's view of rendered templates."""
        parts = manifest_parts(manifest)
        self.template_fields = (*type(self).template_fields, *parts)
        for title, text in parts.items():
            setattr(self, title, text)
