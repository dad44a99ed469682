"""Messages of systems that cannot be had to say them here: each with the place in their source where they stand.

``%s`` of a source is filled in as that system does.
"""

from __future__ import annotations

from dataclasses import dataclass

K8S = "kubernetes v1.36.3"
TORCH = "torch 2.13.0"


@dataclass(frozen=True)
class Quoted:
    entry: str
    text: str
    origin: str


QUOTED = (
    # --- CUDA: the texts are in torch's own libraries (strings libc10_cuda.so, libtorch_cuda.so), and in CUDA's ---
    Quoted(
        "cuda-out-of-memory",
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.95 GiB. GPU 0 has a total capacity of 14.57 "
        "GiB "
        "of which 1.58 GiB is free. Process 2493055 has 12.02 GiB memory in use.",
        f"{TORCH} c10/cuda/CUDACachingAllocator.cpp",
    ),
    Quoted(
        "cuda-library-out-of-memory", "torch.AcceleratorError: CUDA error: out of memory", "CUDA cudaGetErrorString(2)"
    ),
    Quoted(
        "cuda-library-out-of-memory",
        "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        f"{TORCH} aten/src/ATen/cuda/CublasHandlePool.cpp",
    ),
    Quoted("no-gpu-visible", "RuntimeError: No CUDA GPUs are available", f"{TORCH} c10/cuda/CUDAFunctions.cpp"),
    Quoted(
        "gpu-driver-too-old",
        "RuntimeError: The NVIDIA driver on your system is too old (found version 11040). Please update your GPU "
        "driver",
        f"{TORCH} c10/cuda/CUDAFunctions.cpp",
    ),
    Quoted("invalid-device-ordinal", "torch.AcceleratorError: CUDA error: invalid device ordinal", "CUDA error 101"),
    Quoted(
        "device-mismatch",
        "RuntimeError: Expected all tensors to be on the same device, but got index is on cpu, different from other "
        "tensors on cuda:0 (when checking argument in method wrapper_CUDA__index_select)",
        f"{TORCH} aten/src/ATen/native/TensorIteratorBase, c10/core/DeviceGuard checks",
    ),
    Quoted("device-side-assert", "torch.AcceleratorError: CUDA error: device-side assert triggered", "CUDA error 710"),
    Quoted("gpu-broken", "torch.AcceleratorError: CUDA error: uncorrectable ECC error encountered", "CUDA error 214"),
    Quoted(
        "illegal-memory-access",
        "torch.AcceleratorError: CUDA error: an illegal memory access was encountered",
        "CUDA error 700",
    ),
    Quoted(
        "no-kernel-image",
        "torch.AcceleratorError: CUDA error: no kernel image is available for execution on the device",
        "CUDA error 209",
    ),
    Quoted(
        "shared-memory-too-small",
        "RuntimeError: DataLoader worker (pid 31) is killed by signal: Bus error. It is possible that dataloader's "
        "workers are out of shared memory. Please try to raise your shared memory limit.",
        f"{TORCH} torch/csrc/DataLoader.cpp; seen with os.kill(worker, SIGBUS)",
    ),
    Quoted(
        "shared-memory-too-small",
        "RuntimeError: unable to write to file </torch_31_2201_0>: No space left on device (28)",
        f"{TORCH} aten/src/ATen/MapAllocator.cpp",
    ),
    Quoted(
        "data-worker-died",
        "RuntimeError: DataLoader worker (pid(s) 25556, 25557) exited unexpectedly",
        f"{TORCH} torch/utils/data/dataloader.py",
    ),
    Quoted(
        "data-worker-killed",
        "RuntimeError: DataLoader worker (pid 23667) is killed by signal: Killed. ",
        f"{TORCH} torch/csrc/DataLoader.cpp; seen with os.kill(worker, SIGKILL)",
    ),
    # --- torch.distributed with NCCL ---
    Quoted(
        "nccl-timeout",
        "[rank1]:[E1003 18:37:01.832146912 ProcessGroupNCCL.cpp:607] [Rank 1] Watchdog caught collective operation "
        "timeout: WorkNCCL(SeqNum=6463, OpType=ALLREDUCE, NumelIn=1, NumelOut=1, Timeout(ms)=1800000) ran for 1800017 "
        "milliseconds before timing out.",
        f"{TORCH} torch/csrc/distributed/c10d/ProcessGroupNCCL.cpp, WorkNCCL::checkTimeout",
    ),
    Quoted(
        "nccl-error",
        "torch.distributed.DistBackendError: NCCL error in: "
        "/pytorch/torch/csrc/distributed/c10d/ProcessGroupNCCL.cpp:77, "
        "remote process exited or there was a network error, NCCL version 2.27.3",
        f"{TORCH} torch/csrc/distributed/c10d/NCCLUtils.cpp, ncclGetErrorWithVersion",
    ),
    Quoted(
        "nccl-duplicate-gpu",
        "torch.distributed.DistBackendError: NCCL error in: ProcessGroupNCCL.cpp:77, invalid usage (run with "
        "NCCL_DEBUG=WARN for details), NCCL version 2.27.3\nncclInvalidUsage: This usually reflects invalid usage of "
        "NCCL "
        "library.\nLast error:\nDuplicate GPU detected : rank 1 and rank 0 both on CUDA device 1a000",
        "NCCL 2.27 src/init.cc",
    ),
    Quoted(
        "rendezvous-refused",
        "torch.distributed.elastic.rendezvous.api.RendezvousConnectionError: The connection to the C10d store has "
        "failed. "
        "See inner exception for details.",
        f"{TORCH} torch/distributed/elastic/rendezvous/c10d_rendezvous_backend.py:101",
    ),
    # --- data, files ---
    Quoted(
        "disk-full",
        "safetensors._safetensors_rust.SafetensorError: Error while serializing: I/O error: No space left on device "
        "(os "
        "error 28)",
        "safetensors 0.8 safetensors/src/tensor.rs; std::io::Error",
    ),
    Quoted("disk-quota", "OSError: [Errno 122] Disk quota exceeded: '/workspace/output/x'", "Linux strerror(122)"),
    Quoted("volume-lost", "OSError: [Errno 116] Stale file handle: '/workspace/output'", "Linux strerror(116)"),
    Quoted("read-only", "OSError: [Errno 30] Read-only file system: '/data/x'", "Linux strerror(30)"),
    Quoted("no-more-threads", "RuntimeError: can't start new thread", "CPython 3.11 Modules/_threadmodule.c"),
    Quoted(
        "binary-mismatch",
        "ImportError: /opt/venv/lib/python3.11/site-packages/flash_attn_2_cuda.so: undefined symbol: "
        "_ZN3c104cuda9SetDeviceEi",
        "glibc elf/dl-lookup.c",
    ),
    Quoted(
        "packages-conflict",
        "ERROR: ResolutionImpossible: for help visit https://pip.pypa.io",
        "pip resolver/factory.py",
    ),
    # --- how containers end: strings of Termination, whose reasons are containerd's ---
    Quoted("host-out-of-memory", "OOMKilled, exit code 137", "containerd pkg/cri, reasonOOMKilled"),
    Quoted("crashed-segmentation-fault", "exit code 139, signal 11", "Linux: 128 + SIGSEGV"),
    Quoted("crashed-bus-error", "exit code 135, signal 7", "Linux: 128 + SIGBUS"),
    Quoted("crashed-illegal-instruction", "exit code 132, signal 4", "Linux: 128 + SIGILL"),
    Quoted("killed-from-outside", "exit code 137, signal 9", "Linux: 128 + SIGKILL"),
    Quoted("ended-from-outside", "exit code 143, signal 15", "Linux: 128 + SIGTERM"),
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
    # --- containers that do not start ---
    Quoted(
        "image-not-found",
        'ErrImagePull: rpc error: code = NotFound desc = failed to pull and unpack image "docker.io/acme/train:v9": '
        "failed "
        'to resolve reference "docker.io/acme/train:v9": docker.io/acme/train:v9: not found',
        "containerd core/remotes/docker/resolver.go",
    ),
    Quoted(
        "image-access-denied",
        'Failed: Failed to pull image "acme/train": failed to pull and unpack image "docker.io/acme/train:latest": '
        "failed "
        'to resolve reference "docker.io/acme/train:latest": pull access denied, repository does not exist or may '
        "require "
        "authorization: server message: insufficient_scope: authorization failed",
        "containerd core/remotes/docker/resolver.go",
    ),
    Quoted(
        "image-rate-limit",
        'ErrImagePull: failed to pull and unpack image "docker.io/acme/train:v1": failed to copy: httpReadSeeker: '
        "failed "
        "open: unexpected status code 429 Too Many Requests - Server message: toomanyrequests: You have reached your "
        "pull "
        "rate limit",
        "containerd core/remotes/docker/httpreadseeker.go, Docker Hub",
    ),
    Quoted(
        "image-registry-unreachable",
        'ErrImagePull: failed to resolve reference "registry.acme/train:v1": failed to do request: Head '
        '"https://registry.acme/v2/train/manifests/v1": dial tcp: lookup registry.acme on 10.96.0.10:53: no such host',
        "Go net/dnsclient.go",
    ),
    Quoted(
        "image-certificate",
        'ErrImagePull: failed to resolve reference "registry.acme/train:v1": failed to do request: Head '
        '"https://registry.acme/v2/": tls: failed to verify certificate: x509: certificate signed by unknown authority',
        "Go crypto/x509/verify.go",
    ),
    Quoted(
        "image-platform",
        'ErrImagePull: failed to pull and unpack image "docker.io/acme/train:v1": no match for platform in manifest: '
        "not "
        "found",
        "containerd core/images/image.go",
    ),
    Quoted(
        "image-no-disk",
        'ErrImagePull: failed to pull and unpack image "docker.io/acme/train:v1": failed to extract layer sha256:4d7a: '
        "write /var/lib/containerd/x: no space left on device",
        "Go syscall/zerrors_linux_amd64.go",
    ),
    Quoted(
        "image-name-invalid",
        'InvalidImageName: Failed to apply default image tag "ACME/Train": couldn\'t parse image name "ACME/Train": '
        "invalid "
        "reference format: repository name must be lowercase",
        f"{K8S} pkg/kubelet/images/image_manager.go:178",
    ),
    Quoted(
        "image-never-pulled",
        'ErrImageNeverPull: Container image "acme/train:v1" is not present with pull policy of Never',
        f"{K8S} pkg/kubelet/images/image_manager.go:157",
    ),
    Quoted(
        "image-not-pulled",
        'ImagePullBackOff: Back-off pulling image "acme/train:v1"',
        f"{K8S} pkg/kubelet/images/image_manager.go:338",
    ),
    Quoted(
        "secret-missing",
        'CreateContainerConfigError: secret "hf-token" not found',
        f"{K8S} pkg/kubelet/kubelet_pods.go",
    ),
    Quoted(
        "secret-missing",
        'FailedMount: MountVolume.SetUp failed for volume "keys" : secret "s3-keys" not found',
        f"{K8S} pkg/volume/util/operationexecutor/operation_generator.go:483",
    ),
    Quoted(
        "config-map-missing",
        'CreateContainerConfigError: configmap "settings" not found',
        f"{K8S} pkg/kubelet/kubelet_pods.go",
    ),
    Quoted(
        "key-missing",
        "CreateContainerConfigError: couldn't find key token in Secret ml/hf-token",
        f"{K8S} pkg/kubelet/kubelet_pods.go:922",
    ),
    Quoted(
        "runs-as-root",
        'CreateContainerConfigError: container has runAsNonRoot and image will run as root (pod: "x_ml(7)", '
        "container: node)",
        f"{K8S} pkg/kubelet/kuberuntime/security_context_others.go:53",
    ),
    Quoted(
        "program-missing",
        "StartError: failed to create containerd task: failed to create shim task: OCI runtime create failed: runc "
        "create "
        'failed: unable to start container process: error during container init: exec: "torchrum": executable file not '
        "found in $PATH",
        "runc libcontainer/standard_init_linux.go; Go os/exec/exec.go",
    ),
    Quoted(
        "program-not-executable",
        "StartError: failed to create containerd task: failed to create shim task: OCI runtime create failed: runc "
        "create "
        'failed: unable to start container process: error during container init: exec: "./train.sh": permission denied',
        "runc libcontainer/standard_init_linux.go",
    ),
    Quoted(
        "command-line-too-long",
        "StartError: failed to create containerd task: failed to start container: OCI runtime start failed: exec "
        "/usr/bin/bash: argument list too long",
        "Go syscall/zerrors_linux_amd64.go (E2BIG)",
    ),
    Quoted(
        "program-of-another-processor",
        "StartError: failed to create containerd task: exec /usr/bin/train: exec format error",
        "Go syscall/zerrors_linux_amd64.go (ENOEXEC)",
    ),
    Quoted(
        "gpu-runtime-broken",
        "RunContainerError: failed to create containerd task: failed to create shim task: OCI runtime create failed: "
        "could "
        "not apply required modification to OCI specification: error running prestart hook #0: exit status 1, stdout: "
        ", "
        "stderr: nvidia-container-cli: initialization error: nvml error: driver not loaded",
        "libnvidia-container src/nvc.c, src/cli/main.c",
    ),
    Quoted(
        "volume-in-use",
        'FailedAttachVolume: Multi-Attach error for volume "pvc-7f" Volume is already used by pod(s) '
        "other-node-0-0-abcde",
        f"{K8S} pkg/controller/volume/attachdetach/reconciler/reconciler.go:432",
    ),
    Quoted(
        "volume-not-mounted",
        'FailedMount: MountVolume.MountDevice failed for volume "pvc-7f" : rpc error: code = Internal desc = mount '
        "failed: "
        "exit status 32",
        f"{K8S} pkg/volume/util/operationexecutor/operation_generator.go:608",
    ),
    Quoted(
        "volume-not-mounted",
        "FailedMount: Unable to attach or mount volumes: unmounted volumes=[initializer], unattached volumes=[], "
        "failed to "
        "process volumes=[]: timed out waiting for the condition",
        f"{K8S} pkg/kubelet/kubelet.go:2204, volumemanager/volume_manager.go",
    ),
    Quoted(
        "runtime-class-missing",
        "FailedCreatePodSandBox: Failed to create pod sandbox: rpc error: code = Unknown desc = failed to get sandbox "
        'runtime: no runtime for "nvidia" is configured',
        "containerd internal/cri/server/podsandbox/sandbox_run.go",
    ),
    Quoted(
        "pod-network",
        "FailedCreatePodSandBox: Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup "
        "network for "
        'sandbox "4d7a": plugin type="calico" failed (add): connection is unauthorized',
        "containerd internal/cri/server/podsandbox/sandbox_run.go; libcni",
    ),
    Quoted(
        "crash-loop",
        "CrashLoopBackOff: back-off 5m0s restarting failed container=node pod=x-node-0-0-abcde_ml(7)",
        f"{K8S} pkg/kubelet/kuberuntime/kuberuntime_manager.go:1933",
    ),
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
        f"{K8S} pkg/scheduler/framework/plugins/tainttoleration/taint_toleration.go",
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
        f"{K8S} pkg/scheduler/framework/plugins/noderesources/fit.go",
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
        f"{K8S} pkg/registry/core/pod/strategy.go",
    ),
    # --- children that are refused ---
    Quoted(
        "quota-exceeded",
        'FailedCreate: Error creating: pods "x-node-0-0-abcde" is forbidden: exceeded quota: gpus, requested: '
        "requests.nvidia.com/gpu=4, used: requests.nvidia.com/gpu=4, limited: requests.nvidia.com/gpu=4",
        "apiserver v0.36.3 pkg/admission/plugin/resourcequota/controller.go:622",
    ),
    Quoted(
        "quota-wants-resources",
        'FailedCreate: Error creating: pods "x-node-0-0-abcde" is forbidden: failed quota: gpus: must specify '
        "limits.cpu "
        "for: node",
        f"{K8S} pkg/quota/v1/evaluator/core/pods.go:170",
    ),
    Quoted(
        "limit-range",
        'FailedCreate: Error creating: pods "x-node-0-0-abcde" is forbidden: maximum memory usage per Container is '
        "4Gi, but "
        "limit is 64Gi",
        f"{K8S} plugin/pkg/admission/limitranger/admission.go",
    ),
    Quoted(
        "pod-security",
        'FailedCreate: Error creating: pods "x-node-0-0-abcde" is forbidden: violates PodSecurity "restricted:latest": '
        'allowPrivilegeEscalation != false (container "node" must set securityContext.allowPrivilegeEscalation=false)',
        "pod-security-admission v0.36.3 admission/admission.go:481",
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
        f"{K8S} plugin/pkg/admission/priority/admission.go:298",
    ),
    Quoted(
        "admission-webhook",
        'FailedCreate: Error creating: admission webhook "policy.acme.io" denied the request: images must come from '
        "registry.acme",
        "apiserver v0.36.3 pkg/admission/plugin/webhook/errors/statuserror.go",
    ),
    Quoted(
        "name-too-long",
        'JobCreationFailed: Job.batch "x" is invalid: spec.template.labels: Invalid value: "x": must be no more than '
        "63 "
        "characters",
        "apimachinery v0.36.3 pkg/util/validation/validation.go",
    ),
    Quoted(
        "claim-settings-immutable",
        'TrainJobResourcesCreationFailed: JobSet.jobset.x-k8s.io "x" is invalid: spec.volumeClaimPolicies: Invalid '
        "value: "
        "[]: Value is immutable",
        "jobset v0.12.0 API validation; seen on the real control plane",
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
        "kueue v0.15 pkg/scheduler/flavorassigner/flavorassigner.go; seen on the real one",
    ),
    Quoted(
        "kueue-never",
        "Pending: couldn't assign flavors to pod set node: insufficient quota for nvidia.com/gpu in flavor a100, "
        "previously "
        "considered podsets requests (0) + current podset request (5) > maximum capacity (4)",
        "kueue v0.15 pkg/scheduler/flavorassigner/flavorassigner.go",
    ),
    Quoted(
        "kueue-no-flavor",
        "Pending: couldn't assign flavors to pod set node: resource nvidia.com/gpu unavailable in ClusterQueue",
        "kueue v0.15 pkg/scheduler/flavorassigner/flavorassigner.go",
    ),
    Quoted(
        "kueue-queue-missing",
        "Inadmissible: LocalQueue gpus doesn't exist",
        "kueue v0.15 pkg/controller/core/workload_controller.go",
    ),
    Quoted(
        "kueue-preempted",
        "Preempted: Preempted to accommodate a workload (UID: 9f54, JobUID: a20d) due to prioritization in the "
        "ClusterQueue",
        "kueue v0.15 pkg/scheduler/preemption/preemption.go",
    ),
    Quoted(
        "kueue-not-ready",
        "Evicted: Exceeded the PodsReady timeout ml/trainjob-x-4d7a",
        "kueue v0.15 pkg/controller/core/workload_controller.go",
    ),
)
