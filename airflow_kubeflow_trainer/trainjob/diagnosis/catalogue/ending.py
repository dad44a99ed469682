"""How the cluster itself ends pods and TrainJobs."""

from __future__ import annotations

from airflow_kubeflow_trainer.trainjob.diagnosis.catalogue.entry import Entry, Source, Weight, entry
from airflow_kubeflow_trainer.trainjob.diagnosis.causes import Cause

_KUBELET = r"(?:TerminationByKubelet|Evicted):"
_AGAIN = "Try again: another run finds its place anew"

ENDING: tuple[Entry, ...] = (
    entry(
        "preempted-by-scheduler",
        Source.DISRUPTION,
        r"PreemptionByScheduler\b",
        says="The cluster took the pod away to make room for one of higher priority",
        remedy="Try again when there is room, or give the job a higher priority class",
        cause=Cause.INFRASTRUCTURE,
    ),
    entry(
        "node-out-of-memory",
        Source.DISRUPTION,
        _KUBELET + r" The node was low on resource: memory",
        says="The node ran out of memory, and the cluster took the pod away",
        remedy="Ask for as much memory as the training uses (requests, in resources_per_node), so that nodes are not "
        "overbooked",
        cause=Cause.OUT_OF_MEMORY,
    ),
    entry(
        "node-out-of-disk",
        Source.DISRUPTION,
        _KUBELET + r" The node was low on resource: (?P<what>ephemeral-storage|inodes|imagefs\S*|nodefs\S*)",
        says="The node ran out of disk ({what}), and the cluster took the pod away",
        remedy="Write to /workspace or another volume in place of the container's own disk, and ask for "
        "ephemeral-storage",
        cause=Cause.INFRASTRUCTURE,
    ),
    entry(
        "node-out-of-pids",
        Source.DISRUPTION,
        _KUBELET + r" The node was low on resource: pids",
        says="The node ran out of process ids, and the cluster took the pod away",
        remedy=_AGAIN,
        cause=Cause.INFRASTRUCTURE,
    ),
    entry(
        "node-under-pressure",
        Source.DISRUPTION,
        _KUBELET + r" The node had condition: (?P<condition>\[?\w+\]?)",
        says="The node was in trouble ({condition}), and the cluster took the pod away",
        remedy=_AGAIN,
        cause=Cause.INFRASTRUCTURE,
    ),
    entry(
        "ephemeral-storage-limit",
        Source.DISRUPTION,
        _KUBELET
        + r" (?:Container (?P<container>\S+) exceeded its local ephemeral storage limit \"(?P<limit>[^\"]+)\"|Pod "
        r"ephemeral "
        r"local storage usage exceeds the total limit of containers (?P<total>\S+))",
        says="The container wrote more to its own disk than its limit of ephemeral storage ({limit}{total})",
        remedy="Write to /workspace or another volume, or raise ephemeral-storage in resources_per_node",
        cause=Cause.USER_CODE,
    ),
    entry(
        "empty-dir-limit",
        Source.DISRUPTION,
        _KUBELET + r" Usage of EmptyDir volume \"(?P<volume>[^\"]+)\" exceeds the limit \"(?P<limit>[^\"]+)\"",
        says="The volume {volume} holds more than its limit ({limit})",
        remedy="Raise its sizeLimit in the runtime, or write less there",
        cause=Cause.USER_CODE,
    ),
    entry(
        "evicted-by-api",
        Source.DISRUPTION,
        r"EvictionByEvictionAPI\b",
        says="Somebody emptied the node, or evicted the pod",
        remedy="Try again; for long trainings, a PodDisruptionBudget keeps a drain waiting",
        cause=Cause.INFRASTRUCTURE,
    ),
    entry(
        "node-unreachable",
        Source.DISRUPTION,
        r"(?:DeletionByTaintManager|NodeLost)\b",
        says="The node was lost, or got a taint that the pod does not tolerate",
        remedy=_AGAIN,
        cause=Cause.INFRASTRUCTURE,
    ),
    entry(
        "container-lost",
        Source.CONTAINER,
        r"(?:Unknown, exit code 255|ContainerStatusUnknown, exit code 137)\b",
        says="The node lost the container: the machine, or its container runtime, was restarted",
        remedy="Try again; save checkpoints now and then where nodes come and go",
        cause=Cause.INFRASTRUCTURE,
    ),
    entry(
        "node-removed",
        Source.DISRUPTION,
        r"DeletionByPodGC\b",
        says="The node does not exist any more: it was removed, as spot nodes and autoscalers do",
        remedy="Try again; save checkpoints now and then where nodes come and go",
        cause=Cause.INFRASTRUCTURE,
    ),
    entry(
        "node-shutdown",
        Source.DISRUPTION,
        r"(?:(?:TerminationByKubelet|Terminated|NodeShutdown|Shutdown): Pod was (?:terminated in response to imminent "
        r"node shutdown|"
        r"rejected as the node is shutting down))",
        says="The node was shut down",
        remedy="Try again; save checkpoints now and then where nodes come and go",
        cause=Cause.INFRASTRUCTURE,
    ),
    entry(
        "critical-pod-preempts",
        Source.DISRUPTION,
        r"(?:TerminationByKubelet: Pod was preempted by Kubelet to accommodate a critical pod|Preempting: Preempted "
        r"in order to admit "
        r"critical pod)",
        says="The node took the pod away to make room for a pod of the system",
        remedy=_AGAIN,
        cause=Cause.INFRASTRUCTURE,
    ),
    entry(
        "node-had-no-room",
        Source.DISRUPTION,
        r"OutOf(?P<what>[\w./-]+)\b",
        says="The node had no room for the pod any more when it came ({what})",
        remedy=_AGAIN,
        cause=Cause.INFRASTRUCTURE,
    ),
    entry(
        "device-not-allocated",
        Source.DISRUPTION,
        r"UnexpectedAdmissionError: .*Allocate failed due to (?P<what>.{1,160}?), which is unexpected",
        says="The node could not give the pod its GPU ({what})",
        remedy="Try again; where it comes again, have the node's GPUs and device plugin looked after",
        cause=Cause.INFRASTRUCTURE,
    ),
    entry(
        "trainjob-deadline",
        Source.TRAINJOB,
        r"DeadlineExceeded\b",
        says="It ran longer than its activeDeadlineSeconds allow",
        remedy="Raise its activeDeadlineSeconds (queueing and pulling count too); what it wrote to its own claim is "
        "deleted",
        cause=Cause.TIMEOUT,
    ),
    entry(
        "runtime-not-supported",
        Source.TRAINJOB,
        r"TrainingRuntimeNotSupported\b",
        says="The cluster's Trainer does not know this kind of runtime",
        remedy="Refer to a ClusterTrainingRuntime or a TrainingRuntime",
        cause=Cause.USER_CODE,
    ),
    entry(
        "restart-storm",
        Source.TRAINJOB,
        r"ReachedMaxRestarts\b",
        says="It was started again as often as its runtime permits, and failed each time",
        remedy="Look at the first failure in the log: what comes again each time is no accident",
        weight=Weight.SYMPTOM,
    ),
    entry(
        "pod-deadline",
        Source.DISRUPTION,
        r"DeadlineExceeded: Pod was active on the node longer than the specified deadline",
        says="The pod ran longer than the activeDeadlineSeconds of its runtime",
        remedy="Raise it in the runtime, or train for less",
        cause=Cause.TIMEOUT,
    ),
    entry(
        "job-deadline",
        Source.WAITING,
        r"DeadlineExceeded: Job was active longer than specified deadline",
        says="The Job ran longer than the activeDeadlineSeconds of its runtime",
        remedy="Raise it in the runtime, or train for less",
        cause=Cause.TIMEOUT,
    ),
)
