"""Why pods find no place, or are not even made. The words are the scheduler's, kube-apiserver's and Kueue's."""

from __future__ import annotations

from airflow_kubeflow_trainer.trainjob.diagnosis.catalogue.entry import Entry, Source, Weight, entry
from airflow_kubeflow_trainer.trainjob.diagnosis.causes import Cause
from airflow_kubeflow_trainer.trainjob.queue import STUCK

_NODES = r"(?:Unschedulable|FailedScheduling): 0/\d+ nodes are available: .*?"
_UNPLACED = r"(?:Unschedulable|FailedScheduling): .*?"
_UNMADE = (
    r"(?:FailedCreate|JobCreationFailed|TrainJobResourcesCreationFailed|PVCCreationFailed|"
    r"HeadlessServiceCreationFailed): .*?"
)
_KUEUE = r"(?:Kueue|Pending|Inadmissible|QuotaReserved|Suspended|Evicted\w*|Preempted\w*|Requeued): .*?"

SCHEDULING: tuple[Entry, ...] = (
    entry(
        "too-few-gpus",
        Source.WAITING,
        _NODES + r"Insufficient (?P<resource>[\w-]+(?:\.[\w-]+)+/[\w-]+(?:\.[\w-]+)*)",
        says="No node has enough free {resource}",
        remedy="Ask for fewer GPUs per node in resources_per_node, wait until others are done, or add nodes",
        cause=Cause.NOT_STARTED,
    ),
    entry(
        "too-little-cpu-or-memory",
        Source.WAITING,
        _NODES + r"Insufficient (?P<resource>cpu|memory|ephemeral-storage|hugepages-\S+?)\b",
        says="No node has enough free {resource}",
        remedy="Ask for less in resources_per_node, wait until others are done, or add nodes",
        cause=Cause.NOT_STARTED,
    ),
    entry(
        "taints-not-tolerated",
        Source.WAITING,
        _NODES
        + r"node\(s\) had (?:untolerated taint\(?s?\)?(?: \{(?P<taint>[^}]*)\})?|taints that the pod didn't tolerate)",
        says="The nodes that are left have taints that the pod does not tolerate",
        remedy="Add tolerations by runtime_patches, or wait until the nodes are well",
        cause=Cause.NOT_STARTED,
    ),
    entry(
        "no-node-matches",
        Source.WAITING,
        _NODES + r"node\(s\) didn't match Pod's node affinity/selector",
        says="No node has the labels that the pod asks for",
        remedy="Correct node_selector or affinity in runtime_patches, or label nodes",
        cause=Cause.NOT_STARTED,
    ),
    entry(
        "pod-affinity",
        Source.WAITING,
        _NODES
        + r"node\(s\) didn't (?:match pod (?:anti-)?affinity rules|satisfy existing pods anti-affinity rules|match pod "
        r"topology spread constraints)",
        says="No node fits the rules on which pods may stand together",
        remedy="Loosen affinity or topologySpreadConstraints in the runtime, or add nodes",
        cause=Cause.NOT_STARTED,
    ),
    entry(
        "nodes-cordoned",
        Source.WAITING,
        _NODES + r"node\(s\) were unschedulable",
        says="The nodes that are left take no new pods (they are cordoned)",
        remedy="Wait until they are in use again (kubectl uncordon), or add nodes",
        cause=Cause.NOT_STARTED,
    ),
    entry(
        "too-many-pods",
        Source.WAITING,
        _NODES + r"Too many pods",
        says="The nodes have as many pods as they may",
        remedy="Wait until others are done, or add nodes",
        cause=Cause.NOT_STARTED,
    ),
    entry(
        "no-nodes",
        Source.WAITING,
        r"(?:Unschedulable|FailedScheduling|SchedulerError): (?:no nodes available to schedule pods|0/0 nodes are "
        r"available)",
        says="The cluster has no nodes",
        remedy="Wait for its autoscaler, or add nodes",
        cause=Cause.NOT_STARTED,
    ),
    entry(
        "claim-missing",
        Source.WAITING,
        _UNPLACED + r"persistentvolumeclaim \"(?P<claim>[^\"]+)\" not found",
        says="There is no PersistentVolumeClaim {claim} in the namespace",
        remedy="Create it, or correct its name in output or runtime_patches",
        cause=Cause.NOT_STARTED,
    ),
    entry(
        "claim-unbound",
        Source.WAITING,
        _UNPLACED + r"pod has unbound immediate PersistentVolumeClaims",
        says="A PersistentVolumeClaim of the pod has no volume",
        remedy="Look at it (kubectl describe pvc): its storage class may be missing, or can provide no such volume",
        cause=Cause.NOT_STARTED,
    ),
    entry(
        "volume-elsewhere",
        Source.WAITING,
        _NODES + r"node\(s\) (?:had volume node affinity conflict|didn't match PersistentVolume's node affinity|had no "
        r"available volume "
        r"zone|unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use)",
        says="The pod's volume cannot be used on any node that has room",
        remedy="Free the node or zone that the volume lies on, or use one with access mode ReadWriteMany",
        cause=Cause.NOT_STARTED,
    ),
    entry(
        "scheduling-gated",
        Source.WAITING,
        r"SchedulingGated\b",
        says="The pod waits behind a scheduling gate",
        remedy="Look which controller put it there (spec.schedulingGates), and what that waits for",
        cause=Cause.NOT_STARTED,
    ),
    entry(
        "quota-exceeded",
        Source.WAITING,
        _UNMADE + r"exceeded quota: (?P<quota>[^,\s]+), requested: (?P<requested>\S+), used: (?P<used>\S+), limited: "
        r"(?P<limited>\S+)",
        says="The namespace's ResourceQuota {quota} is used up: {requested} wanted, {used} used, {limited} allowed",
        remedy="Wait until others are done, ask for less in resources_per_node, or have the quota raised",
        cause=Cause.NOT_STARTED,
    ),
    entry(
        "quota-wants-resources",
        Source.WAITING,
        _UNMADE + r"failed quota: (?P<quota>[^:\s]+): must specify (?P<what>\S+)",
        says="The namespace's ResourceQuota {quota} takes only pods that say {what}",
        remedy="Say it in resources_per_node, or have a LimitRange with defaults made",
        cause=Cause.NOT_STARTED,
    ),
    entry(
        "limit-range",
        Source.WAITING,
        _UNMADE + r"(?P<rule>(?:minimum|maximum) \S+ usage per (?:Container|Pod) is [^,]+)",
        says="The namespace's LimitRange does not permit the pod ({rule})",
        remedy="Change resources_per_node accordingly",
        cause=Cause.NOT_STARTED,
    ),
    entry(
        "pod-security",
        Source.WAITING,
        _UNMADE + r"violates PodSecurity \"(?P<level>[^\"]+)\": (?P<what>.{1,200})",
        says="The namespace permits only pods that fit PodSecurity {level}",
        remedy="Set what it asks for in securityContext by runtime_patches, or use a namespace with another level",
        cause=Cause.NOT_STARTED,
    ),
    entry(
        "service-account-missing",
        Source.WAITING,
        _UNMADE + r"error looking up service account (?P<account>\S+?): ",
        says="There is no ServiceAccount {account}",
        remedy="Create it, or correct its name in runtime_patches",
        cause=Cause.NOT_STARTED,
    ),
    entry(
        "priority-class-missing",
        Source.WAITING,
        _UNMADE + r"no PriorityClass with name (?P<name>\S+) was found",
        says="There is no PriorityClass {name}",
        remedy="Create it, or correct its name",
        cause=Cause.NOT_STARTED,
    ),
    entry(
        "admission-webhook",
        Source.WAITING,
        _UNMADE + r"admission webhook \"(?P<webhook>[^\"]+)\" denied the request: (?P<words>.{1,200})",
        says="{webhook} refuses what the TrainJob needs: {words}",
        remedy="Change the task or the runtime as it says",
        cause=Cause.NOT_STARTED,
    ),
    entry(
        "name-too-long",
        Source.WAITING,
        _UNMADE + r"(?:must be no more than 63 (?:characters|bytes)|pod name must be 63 characters or less)",
        says="A name that Kubernetes makes of the TrainJob's own would be too long",
        remedy="Give the task a shorter name; 33 characters always fit the stock runtimes",
        cause=Cause.NOT_STARTED,
    ),
    entry(
        "claim-settings-immutable",
        Source.WAITING,
        _UNMADE + r"spec\.volumeClaimPolicies: .*(?:Value is immutable|field is immutable)",
        says="A JobSet of this runtime cannot be suspended or resumed: its volumeClaimPolicies lack a retentionPolicy",
        remedy="Add retentionPolicy: {{whenDeleted: Retain}} or Delete to volumeClaimPolicies in the runtime",
        cause=Cause.NOT_STARTED,
    ),
    entry(
        "kueue-quota",
        Source.WAITING,
        _KUEUE
        + r"insufficient unused quota for (?P<resource>\S+) in flavor (?P<flavor>\S+), (?P<more>\S+) more needed",
        says="Kueue's quota is in use: {more} more {resource} of flavor {flavor} are needed",
        remedy="Wait until others are done, or have the ClusterQueue's quota raised; admission_timeout says how long "
        "to wait",
        cause=Cause.NOT_STARTED,
    ),
    entry(
        "kueue-never",
        Source.WAITING,
        _KUEUE + r"insufficient quota for (?P<resource>\S+) in flavor (?P<flavor>\S+),.* maximum capacity",
        says="The job asks for more {resource} than Kueue's flavor {flavor} has at all",
        remedy="Ask for less in resources_per_node or num_nodes, use another queue, or have its quota raised",
        cause=Cause.NOT_STARTED,
    ),
    entry(
        "kueue-no-flavor",
        Source.WAITING,
        _KUEUE + r"resource (?P<resource>\S+) unavailable in ClusterQueue",
        says="Kueue's ClusterQueue has no quota for {resource} at all",
        remedy="Use a queue that has, or have it added to the ClusterQueue",
        cause=Cause.NOT_STARTED,
    ),
    entry(
        "kueue-queue-missing",
        Source.WAITING,
        _KUEUE + r"(?:The )?(?P<kind>LocalQueue|ClusterQueue)(?: (?P<queue>\S+))? "
        r"(?:doesn't exist|is (?:inactive|stopped|terminating or missing))",
        says="Kueue's {kind} {queue} does not exist, or takes no jobs",
        remedy="Correct queue_name, or have the queue made or started",
        cause=Cause.NOT_STARTED,
    ),
    entry(
        "kueue-preempted",
        Source.WAITING,
        _KUEUE + r"Preempted to accommodate a workload",
        says="Kueue has suspended the job for one that goes before it",
        remedy="Wait until it is its turn again, or give it a higher priority",
        cause=Cause.NOT_STARTED,
    ),
    entry(
        "kueue-not-ready",
        Source.WAITING,
        _KUEUE + r"Exceeded the PodsReady timeout",
        says="Kueue has suspended the job, since its pods were not ready in time",
        remedy="Look why they did not start: images, volumes, nodes",
        cause=Cause.NOT_STARTED,
    ),
    entry(
        "kueue-cannot-resume",
        Source.WAITING,
        STUCK,
        says="Kueue has admitted the job, and cannot resume it",
        remedy="Leave out queue_name: Kueue 0.15 and older know the TrainJobs of Trainer 2.1 only",
        cause=Cause.NOT_STARTED,
    ),
    entry(
        "children-refused",
        Source.WAITING,
        r"(?:FailedCreate|JobCreationFailed|TrainJobResourcesCreationFailed|PVCCreationFailed"
        r"|HeadlessServiceCreationFailed)\b",
        says="The cluster refuses to create what the TrainJob is made of",
        remedy="Change the task or the runtime as the cluster's own words say",
        cause=Cause.NOT_STARTED,
        weight=Weight.GENERAL,
    ),
)
