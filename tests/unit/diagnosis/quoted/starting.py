"""Why containers do not start: the words of the kubelet, of containerd and runc."""

from __future__ import annotations

from diagnosis.quoted.origin import CONTAINERD, GO, K8S, RUNC, Quoted

STARTING = (
    Quoted(
        "image-not-found",
        'ErrImagePull: rpc error: code = NotFound desc = failed to pull and unpack image "docker.io/acme/train:v9": '
        "failed "
        'to resolve reference "docker.io/acme/train:v9": docker.io/acme/train:v9: not found',
        f"{CONTAINERD} client/pull.go:199, internal/cri/server/images/image_pull.go:289",
    ),
    Quoted(
        "image-access-denied",
        'Failed: Failed to pull image "acme/train": failed to pull and unpack image "docker.io/acme/train:latest": '
        "failed "
        'to resolve reference "docker.io/acme/train:latest": pull access denied, repository does not exist or may '
        "require "
        "authorization: server message: insufficient_scope: authorization failed",
        f"{CONTAINERD} core/remotes/docker/resolver.go:336, authorizer.go:376",
    ),
    Quoted(
        "image-rate-limit",
        'ErrImagePull: failed to pull and unpack image "docker.io/acme/train:v1": failed to copy: httpReadSeeker: '
        "failed open: unexpected status from GET request to "
        "https://registry-1.docker.io/v2/acme/train/blobs/sha256:4d7a: 429 Too Many Requests",
        f"{CONTAINERD} core/remotes/docker/httpreadseeker.go:159, core/remotes/errors/errors.go:43",
    ),
    Quoted(
        "image-registry-unreachable",
        'ErrImagePull: failed to resolve reference "registry.acme/train:v1": failed to do request: Head '
        '"https://registry.acme/v2/train/manifests/v1": dial tcp: lookup registry.acme on 10.96.0.10:53: no such host',
        f"{GO} net/net.go:649; {CONTAINERD} core/remotes/docker/resolver.go:719",
    ),
    Quoted(
        "image-certificate",
        'ErrImagePull: failed to resolve reference "registry.acme/train:v1": failed to do request: Head '
        '"https://registry.acme/v2/": tls: failed to verify certificate: x509: certificate signed by unknown authority',
        f"{GO} crypto/x509/verify.go:157",
    ),
    Quoted(
        "image-platform",
        'ErrImagePull: failed to pull and unpack image "docker.io/acme/train:v1": no match for platform in manifest '
        "sha256:4d7a: not found",
        f"{CONTAINERD} core/images/image.go:250",
    ),
    Quoted(
        "image-no-disk",
        'ErrImagePull: failed to pull and unpack image "docker.io/acme/train:v1": failed to extract layer '
        "(application/vnd.oci.image.layer.v1.tar+gzip sha256:4d7a) to overlayfs as extract-1: write "
        "/var/lib/containerd/x: no space left on device",
        f"{GO} syscall/zerrors_linux_amd64.go:1385; {CONTAINERD} core/unpack/unpacker.go:578",
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
        f"{K8S} pkg/kubelet/secret/secret_manager.go:159, util/manager/watch_based_manager.go:336",
    ),
    Quoted(
        "secret-missing",
        'FailedMount: MountVolume.SetUp failed for volume "keys" : secret "s3-keys" not found',
        f"{K8S} pkg/volume/util/operationexecutor/operation_generator.go:483",
    ),
    Quoted(
        "config-map-missing",
        'CreateContainerConfigError: configmap "settings" not found',
        f"{K8S} pkg/kubelet/configmap/configmap_manager.go:158, util/manager/watch_based_manager.go:336",
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
        f"{RUNC} create.go:73, libcontainer/standard_init_linux.go:231; {GO} os/exec/lp_unix.go:20",
    ),
    Quoted(
        "program-not-executable",
        "StartError: failed to create containerd task: failed to create shim task: OCI runtime create failed: runc "
        "create "
        'failed: unable to start container process: error during container init: exec: "./train.sh": permission denied',
        f"{RUNC} libcontainer/process_linux.go:1058, container_linux.go:424",
    ),
    Quoted(
        "command-line-too-long",
        'StartError: failed to start containerd task "4d7a": OCI runtime start failed: exec /usr/bin/bash: argument '
        "list too long",
        f"{CONTAINERD} internal/cri/server/container_start.go:180; {GO} syscall/zerrors_linux_amd64.go:1364",
    ),
    Quoted(
        "program-of-another-processor",
        "StartError: failed to create containerd task: failed to create shim task: OCI runtime create failed: runc "
        "create failed: unable to start container process: exec /usr/bin/train: exec format error",
        f"{CONTAINERD} core/runtime/v2/task_manager.go:257; {GO} syscall/zerrors_linux_amd64.go:1365",
    ),
    Quoted(
        "gpu-runtime-broken",
        "RunContainerError: failed to create containerd task: failed to create shim task: OCI runtime create failed: "
        "could "
        "not apply required modification to OCI specification: error running prestart hook #0: exit status 1, stdout: "
        ", "
        "stderr: nvidia-container-cli: initialization error: nvml error: driver not loaded",
        "libnvidia-container src/cli/configure.c, src/driver.c (call_nvml), src/error.c (error_set_nvml)",
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
        f"{K8S} pkg/volume/util/operationexecutor/operation_generator.go:554",
    ),
    Quoted(
        "volume-not-mounted",
        "FailedMount: Unable to attach or mount volumes: unmounted volumes=[initializer], unattached volumes=[], "
        "failed to "
        "process volumes=[]: timed out waiting for the condition",
        f"{K8S} pkg/kubelet/kubelet.go:2204, volumemanager/volume_manager.go:463",
    ),
    Quoted(
        "runtime-class-missing",
        "FailedCreatePodSandBox: Failed to create pod sandbox: rpc error: code = Unknown desc = failed to get sandbox "
        'runtime: no runtime for "nvidia" is configured',
        f"{CONTAINERD} internal/cri/config/config.go:758, server/podsandbox/sandbox_run.go:99",
    ),
    Quoted(
        "runtime-class-missing",
        "FailedCreatePodSandBox: Failed to create pod sandbox: rpc error: code = Unknown desc = failed to find runtime "
        "handler nvidia from runtime list map[crun:0xc0001 runc:0xc0002]",
        "cri-o internal/oci/oci.go, ValidateRuntimeHandler",
    ),
    Quoted(
        "pod-network",
        "FailedCreatePodSandBox: Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup "
        "network for "
        'sandbox "4d7a": plugin type="calico" failed (add): connection is unauthorized',
        f"{CONTAINERD} internal/cri/server/sandbox_run.go:267; libcni api.go:521",
    ),
    Quoted(
        "crash-loop",
        "CrashLoopBackOff: back-off 5m0s restarting failed container=node pod=x-node-0-0-abcde_ml(7)",
        f"{K8S} pkg/kubelet/kuberuntime/kuberuntime_manager.go:1933",
    ),
)
