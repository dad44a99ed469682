"""How containers end, and how a cluster ends pods."""

from __future__ import annotations

from diagnosis.quoted.origin import CONTAINERD, K8S, Quoted

ENDING = (
    # --- how containers end: strings of Termination, whose reasons are containerd's ---
    Quoted("host-out-of-memory", "OOMKilled, exit code 137", f"{CONTAINERD} internal/cri/server/helpers.go:59"),
    Quoted("crashed-segmentation-fault", "exit code 139, signal 11", "Linux: 128 + SIGSEGV"),
    Quoted("crashed-bus-error", "exit code 135, signal 7", "Linux: 128 + SIGBUS"),
    Quoted("crashed-illegal-instruction", "exit code 132, signal 4", "Linux: 128 + SIGILL"),
    Quoted("killed-from-outside", "exit code 137, signal 9", "Linux: 128 + SIGKILL"),
    Quoted("ended-from-outside", "exit code 143, signal 15", "Linux: 128 + SIGTERM"),
    Quoted("container-lost", "Unknown, exit code 255", f"{CONTAINERD} internal/cri/server/helpers.go:251"),
    Quoted(
        "container-lost", "ContainerStatusUnknown, exit code 137, signal 9", f"{K8S} pkg/kubelet/container/runtime.go"
    ),
    # --- how the cluster ends pods ---
    Quoted(
        "preempted-by-scheduler",
        "PreemptionByScheduler: default-scheduler: preempting to accommodate a higher priority pod",
        f"{K8S} pkg/scheduler/framework/preemption/executor.go:130",
    ),
    Quoted(
        "node-out-of-memory",
        "TerminationByKubelet: The node was low on resource: memory. Threshold quantity: 100Mi, available: 51208Ki. "
        "Container node was using 60Gi, request is 1Gi, has larger consumption of memory. ",
        f"{K8S} pkg/kubelet/eviction/helpers.go:46",
    ),
    Quoted(
        "node-out-of-disk",
        "Evicted: The node was low on resource: ephemeral-storage. Threshold quantity: 10Gi, available: 9Gi. ",
        f"{K8S} pkg/kubelet/eviction/helpers.go:46",
    ),
    Quoted(
        "node-out-of-pids", "Evicted: The node was low on resource: pids. ", f"{K8S} pkg/kubelet/eviction/helpers.go:46"
    ),
    Quoted(
        "node-under-pressure",
        "Evicted: The node had condition: [MemoryPressure]. ",
        f"{K8S} pkg/kubelet/eviction/helpers.go:48",
    ),
    Quoted(
        "ephemeral-storage-limit",
        'TerminationByKubelet: Container node exceeded its local ephemeral storage limit "10Gi". ',
        f"{K8S} pkg/kubelet/eviction/helpers.go:54",
    ),
    Quoted(
        "ephemeral-storage-limit",
        "Evicted: Pod ephemeral local storage usage exceeds the total limit of containers 10Gi. ",
        f"{K8S} pkg/kubelet/eviction/helpers.go:56",
    ),
    Quoted(
        "empty-dir-limit",
        'Evicted: Usage of EmptyDir volume "shm" exceeds the limit "1Gi". ',
        f"{K8S} pkg/kubelet/eviction/helpers.go:58",
    ),
    Quoted(
        "evicted-by-api",
        "EvictionByEvictionAPI: Eviction API: evicting",
        f"{K8S} pkg/registry/core/pod/storage/eviction.go:347",
    ),
    Quoted(
        "node-unreachable",
        "DeletionByTaintManager: Taint manager: deleting due to NoExecute taint",
        f"{K8S} pkg/controller/tainteviction/taint_eviction.go:139",
    ),
    Quoted(
        "node-removed",
        "DeletionByPodGC: PodGC: node no longer exists",
        f"{K8S} pkg/controller/podgc/gc_controller.go:257",
    ),
    Quoted(
        "node-shutdown",
        "TerminationByKubelet: Pod was terminated in response to imminent node shutdown.",
        f"{K8S} pkg/kubelet/nodeshutdown/nodeshutdown_manager.go:89",
    ),
    Quoted(
        "critical-pod-preempts",
        "TerminationByKubelet: Pod was preempted by Kubelet to accommodate a critical pod.",
        f"{K8S} pkg/kubelet/preemption/preemption.go:114",
    ),
    Quoted(
        "node-had-no-room",
        "OutOfnvidia.com/gpu: Pod was rejected: Node didn't have enough resource: nvidia.com/gpu, requested: 1, used: "
        "8, "
        "capacity: 8",
        f"{K8S} pkg/kubelet/lifecycle/predicate.go:400",
    ),
    Quoted(
        "device-not-allocated",
        "UnexpectedAdmissionError: Pod was rejected: Allocate failed due to requested number of devices unavailable "
        "for "
        "nvidia.com/gpu. Requested: 1, Available: 0, which is unexpected",
        f"{K8S} pkg/kubelet/cm/devicemanager/manager.go:682",
    ),
    Quoted(
        "pod-deadline",
        "DeadlineExceeded: Pod was active on the node longer than the specified deadline",
        f"{K8S} pkg/kubelet/active_deadline.go:32",
    ),
    Quoted(
        "job-deadline",
        "DeadlineExceeded: Job was active longer than specified deadline",
        f"{K8S} pkg/controller/job/job_controller.go:1091",
    ),
    Quoted(
        "trainjob-deadline",
        "DeadlineExceeded: TrainJob exceeded its active deadline",
        "trainer v2.3.0 pkg/constants/constants.go:88",
    ),
    Quoted(
        "runtime-not-supported",
        "TrainingRuntimeNotSupported: unsupported runtime: TrainingRuntime.example.com",
        "trainer v2.3.0 pkg/controller/trainjob_controller.go:106",
    ),
    Quoted(
        "restart-storm",
        "ReachedMaxRestarts: jobset failed due to reaching max number of restarts (first failed job: x-node-0)",
        "jobset v0.12.0 pkg/constants/constants.go:52",
    ),
)
