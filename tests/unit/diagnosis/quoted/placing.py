"""Why pods find no place, or may not be made at all: the words of the scheduler, of admission, of Kueue."""

from __future__ import annotations

from diagnosis.quoted.origin import K8S, KUEUE, Quoted

PLACING = (
    # --- pods that find no place ---
    Quoted(
        "too-few-gpus",
        "Unschedulable: 0/3 nodes are available: 3 Insufficient nvidia.com/gpu. preemption: 0/3 nodes are available: "
        "3 No "
        "preemption victims found for incoming pod.",
        f"{K8S} pkg/scheduler/framework/plugins/noderesources/fit.go:755",
    ),
    Quoted(
        "too-little-cpu-or-memory",
        "FailedScheduling: 0/3 nodes are available: 3 Insufficient memory.",
        f"{K8S} pkg/scheduler/framework/plugins/noderesources/fit.go:712",
    ),
    Quoted(
        "taints-not-tolerated",
        "Unschedulable: 0/2 nodes are available: 2 node(s) had taints that the pod didn't tolerate.",
        f"{K8S} pkg/scheduler/framework/plugins/tainttoleration/taint_toleration.go:53",
    ),
    Quoted(
        "taints-not-tolerated",
        "Unschedulable: 0/2 nodes are available: 2 node(s) had untolerated taint(s).",
        f"{K8S} pkg/scheduler/framework/plugins/tainttoleration/taint_toleration.go:131",
    ),
    Quoted(
        "no-node-matches",
        "Unschedulable: 0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.",
        f"{K8S} pkg/scheduler/framework/plugins/nodeaffinity/node_affinity.go:64",
    ),
    Quoted(
        "pod-affinity",
        "Unschedulable: 0/2 nodes are available: 2 node(s) didn't match pod anti-affinity rules.",
        f"{K8S} pkg/scheduler/framework/plugins/interpodaffinity/filtering.go:41",
    ),
    Quoted(
        "nodes-cordoned",
        "Unschedulable: 0/2 nodes are available: 2 node(s) were unschedulable.",
        f"{K8S} pkg/scheduler/framework/plugins/nodeunschedulable/node_unschedulable.go:51",
    ),
    Quoted(
        "too-many-pods",
        "Unschedulable: 0/2 nodes are available: 2 Too many pods.",
        f"{K8S} pkg/scheduler/framework/plugins/noderesources/fit.go:685",
    ),
    Quoted("no-nodes", "Unschedulable: no nodes available to schedule pods", f"{K8S} pkg/scheduler/scheduler.go:64"),
    Quoted(
        "claim-missing",
        'Unschedulable: 0/1 nodes are available: persistentvolumeclaim "models" not found.',
        f"{K8S} pkg/scheduler/framework/plugins/volumebinding/volume_binding.go:331",
    ),
    Quoted(
        "claim-unbound",
        "Unschedulable: 0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims.",
        f"{K8S} pkg/scheduler/framework/plugins/volumebinding/volume_binding.go:378",
    ),
    Quoted(
        "volume-elsewhere",
        "Unschedulable: 0/3 nodes are available: 3 node(s) didn't match PersistentVolume's node affinity.",
        f"{K8S} pkg/scheduler/framework/plugins/volumebinding/binder.go:66",
    ),
    Quoted(
        "scheduling-gated",
        "SchedulingGated: Scheduling is blocked due to non-empty scheduling gates",
        f"{K8S} pkg/registry/core/pod/strategy.go:945",
    ),
    # --- children that are refused ---
    Quoted(
        "quota-exceeded",
        'FailedCreate: Error creating: pods "x-node-0-0-abcde" is forbidden: exceeded quota: gpus, requested: '
        "requests.nvidia.com/gpu=4, used: requests.nvidia.com/gpu=4, limited: requests.nvidia.com/gpu=4",
        "apiserver v0.36.3 pkg/admission/plugin/resourcequota/controller.go:622; seen on the real control plane",
    ),
    Quoted(
        "quota-wants-resources",
        'FailedCreate: Error creating: pods "x-node-0-0-abcde" is forbidden: failed quota: gpus: must specify '
        "limits.cpu "
        "for: node",
        f"{K8S} pkg/quota/v1/evaluator/core/pods.go:170; seen on the real control plane",
    ),
    Quoted(
        "limit-range",
        'FailedCreate: Error creating: pods "x-node-0-0-abcde" is forbidden: maximum memory usage per Container is '
        "4Gi, but "
        "limit is 64Gi",
        f"{K8S} plugin/pkg/admission/limitranger/admission.go; seen on the real control plane",
    ),
    Quoted(
        "pod-security",
        'FailedCreate: Error creating: pods "x-node-0-0-abcde" is forbidden: violates PodSecurity "restricted:latest": '
        'allowPrivilegeEscalation != false (container "node" must set securityContext.allowPrivilegeEscalation=false)',
        "pod-security-admission v0.36.3 admission/admission.go:481; seen on the real control plane",
    ),
    Quoted(
        "service-account-missing",
        'FailedCreate: Error creating: pods "x-node-0-0-" is forbidden: error looking up service account ml/trainer: '
        'serviceaccount "trainer" not found',
        f"{K8S} plugin/pkg/admission/serviceaccount/admission.go:162",
    ),
    Quoted(
        "priority-class-missing",
        'FailedCreate: Error creating: pods "x-node-0-0-" is forbidden: no PriorityClass with name urgent was found',
        f"{K8S} plugin/pkg/admission/priority/admission.go:298; seen on the real control plane",
    ),
    Quoted(
        "admission-webhook",
        'FailedCreate: Error creating: admission webhook "policy.acme.io" denied the request: images must come from '
        "registry.acme",
        "apiserver v0.36.3 pkg/admission/plugin/webhook/errors/statuserror.go:29",
    ),
    Quoted(
        "name-too-long",
        'JobCreationFailed: Job.batch "x" is invalid: spec.template.labels: Invalid value: "x": must be no more than '
        "63 "
        "characters",
        "apimachinery v0.36.3 pkg/util/validation/validation.go:426",
    ),
    Quoted(
        "claim-settings-immutable",
        'TrainJobResourcesCreationFailed: JobSet.jobset.x-k8s.io "x" is invalid: spec.volumeClaimPolicies: Invalid '
        "value: "
        "[]: Value is immutable",
        "jobset v0.12.0 api/jobset/v1alpha2/jobset_types.go; seen on the real control plane",
    ),
    Quoted(
        "children-refused",
        'JobCreationFailed: jobs.batch "x-node-0" is forbidden: spec.parallelism must be greater than or equal to 0',
        "jobset v0.12.0 pkg/constants/constants.go:66",
    ),
    # --- Kueue ---
    Quoted(
        "kueue-quota",
        "Pending: couldn't assign flavors to pod set node: insufficient unused quota for nvidia.com/gpu in flavor "
        "a100, 1 "
        "more needed",
        f"{KUEUE} pkg/scheduler/flavorassigner/flavorassigner.go:973; seen on the real one",
    ),
    Quoted(
        "kueue-never",
        "Pending: couldn't assign flavors to pod set node: insufficient quota for nvidia.com/gpu in flavor a100, "
        "previously "
        "considered podsets requests (0) + current podset request (5) > maximum capacity (4)",
        f"{KUEUE} pkg/scheduler/flavorassigner/flavorassigner.go:961",
    ),
    Quoted(
        "kueue-no-flavor",
        "Pending: couldn't assign flavors to pod set node: resource nvidia.com/gpu unavailable in ClusterQueue",
        f"{KUEUE} pkg/scheduler/flavorassigner/flavorassigner.go:704",
    ),
    Quoted(
        "kueue-queue-missing",
        "Inadmissible: LocalQueue gpus doesn't exist",
        f"{KUEUE} pkg/controller/core/workload_controller.go:503",
    ),
    Quoted(
        "kueue-queue-missing",
        "Inadmissible: ClusterQueue a100 is terminating or missing",
        f"{KUEUE} pkg/controller/core/workload_controller.go:686",
    ),
    Quoted(
        "kueue-queue-missing",
        "Evicted: The LocalQueue is stopped",
        f"{KUEUE} pkg/controller/core/workload_controller.go:637",
    ),
    Quoted(
        "kueue-preempted",
        "Preempted: Preempted to accommodate a workload (UID: 9f54, JobUID: a20d) due to prioritization in the "
        "ClusterQueue; preemptor path: /a100; preemptee path: /a100",
        f"{KUEUE} pkg/scheduler/preemption/preemption.go:153",
    ),
    Quoted(
        "kueue-not-ready",
        "Evicted: Exceeded the PodsReady timeout ml/trainjob-x-4d7a",
        f"{KUEUE} pkg/controller/core/workload_controller.go:759",
    ),
    Quoted(
        "kueue-cannot-resume",
        "Kueue has admitted it, and its pods are still held back; it has lost the runtime patch of a/b",
        "our own words, trainjob/queue.py; seen with the real one",
    ),
)
