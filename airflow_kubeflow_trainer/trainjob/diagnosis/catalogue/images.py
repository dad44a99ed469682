"""Why containers do not start: their images, what they refer to, their volumes.

The words are the kubelet's and containerd's.
"""

from __future__ import annotations

from airflow_kubeflow_trainer.trainjob.diagnosis.catalogue.entry import Entry, Source, Weight, entry
from airflow_kubeflow_trainer.trainjob.diagnosis.causes import Cause

_PULL = r"(?:ErrImagePull|ImagePullBackOff|Failed): .*"
_START = r"(?:RunContainerError|CreateContainerError|StartError|ContainerCannotRun|Failed)\b.*"

IMAGES: tuple[Entry, ...] = (
    entry(
        "image-not-found",
        Source.WAITING,
        _PULL
        + r"(?:failed to resolve (?:reference|image): \S+: not found|failed to resolve reference \"[^\"]+\": \S+: not "
        r"found"
        r"|manifest unknown|manifest for \S+ not found)",
        says="The registry has no such image",
        remedy="Correct image and its tag",
        cause=Cause.NOT_STARTED,
    ),
    entry(
        "image-access-denied",
        Source.WAITING,
        _PULL + r"(?:pull access denied|insufficient_scope|failed to authorize|unauthorized: authentication required"
        r"|(?:401 Unauthorized|403 Forbidden))",
        says="The registry does not let the node have the image",
        remedy="Correct its name, or give the pods an image pull secret (runtime_patches, or the service account's)",
        cause=Cause.NOT_STARTED,
    ),
    entry(
        "image-rate-limit",
        Source.WAITING,
        _PULL + r"(?:429 Too Many Requests|toomanyrequests)",
        says="The registry has been asked too often",
        remedy="Try again later, give the pods an image pull secret, or use a mirror",
        cause=Cause.NOT_STARTED,
    ),
    entry(
        "image-registry-unreachable",
        Source.WAITING,
        _PULL
        + r"(?:no such host|i/o timeout|connection refused|no route to host|TLS handshake timeout|server misbehaving)",
        says="The node cannot reach the image's registry",
        remedy="Correct the registry's name, and let the nodes reach it",
        cause=Cause.NOT_STARTED,
    ),
    entry(
        "image-certificate",
        Source.WAITING,
        _PULL + r"x509: (?P<what>certificate [\w ]+)",
        says="The node does not trust the image's registry ({what})",
        remedy="Have the nodes trust its certificate authority",
        cause=Cause.NOT_STARTED,
    ),
    entry(
        "image-platform",
        Source.WAITING,
        _PULL + r"no match for platform in manifest",
        says="The image was not built for the node's processor",
        remedy="Use one that was, or choose other nodes by a node selector (kubernetes.io/arch)",
        cause=Cause.NOT_STARTED,
    ),
    entry(
        "image-no-disk",
        Source.WAITING,
        _PULL + r"no space left on device",
        says="The node has no room for the image",
        remedy="Choose nodes with a larger disk, or use a smaller image",
        cause=Cause.NOT_STARTED,
    ),
    entry(
        "image-name-invalid",
        Source.WAITING,
        r"InvalidImageName\b",
        says="The image's name cannot be one",
        remedy="Correct image: registry/name:tag, in lower case",
        cause=Cause.NOT_STARTED,
    ),
    entry(
        "image-never-pulled",
        Source.WAITING,
        r"ErrImageNeverPull: Container image \"(?P<image>[^\"]+)\"",
        says="{image} is not on the node, and may not be pulled (imagePullPolicy Never)",
        remedy="Change imagePullPolicy in the runtime, or load the image onto the nodes",
        cause=Cause.NOT_STARTED,
    ),
    entry(
        "image-not-pulled",
        Source.WAITING,
        r"(?:ErrImagePull|ImagePullBackOff)\b",
        says="The image cannot be pulled",
        remedy="Correct image; the cluster's own words above say more",
        cause=Cause.NOT_STARTED,
        weight=Weight.GENERAL,
    ),
    entry(
        "secret-missing",
        Source.WAITING,
        r"(?:CreateContainerConfigError|Failed|FailedMount): .*secret \"(?P<secret>[^\"]+)\" not found",
        says="There is no Secret {secret} in the namespace",
        remedy="Create it: kubectl create secret generic {secret} --from-literal=KEY=VALUE; or correct its name",
        cause=Cause.NOT_STARTED,
    ),
    entry(
        "config-map-missing",
        Source.WAITING,
        r"(?:CreateContainerConfigError|Failed|FailedMount): .*configmap \"(?P<name>[^\"]+)\" not found",
        says="There is no ConfigMap {name} in the namespace",
        remedy="Create it, or correct its name",
        cause=Cause.NOT_STARTED,
    ),
    entry(
        "key-missing",
        Source.WAITING,
        r"(?:CreateContainerConfigError|Failed): .*couldn't find key (?P<key>\S+) in (?P<kind>Secret|ConfigMap) "
        r"(?P<name>\S+)",
        says="The {kind} {name} has no key {key}",
        remedy="Add the key, or name another one (SecretRef's key)",
        cause=Cause.NOT_STARTED,
    ),
    entry(
        "runs-as-root",
        Source.WAITING,
        r"(?:CreateContainerConfigError|Failed): .*(?:container has runAsNonRoot and image will run as root"
        r"|container has runAsNonRoot and image has non-numeric user)",
        says="The pod must not run as root, and its image would",
        remedy="Set runAsUser in the security context (runtime_patches), or use an image with another user",
        cause=Cause.NOT_STARTED,
    ),
    entry(
        "program-missing",
        Source.WAITING,
        _START
        + r"exec: \"(?P<program>[^\"]+)\": (?:executable file not found in \$PATH|stat \S+: no such file or directory)",
        says="The image has no program {program}",
        remedy="Correct command, or use an image that has it",
        cause=Cause.USER_CODE,
    ),
    entry(
        "program-not-executable",
        Source.WAITING,
        _START + r"exec: \"(?P<program>[^\"]+)\": permission denied",
        says="{program} may not be executed in the image",
        remedy="Run it by its interpreter (bash, python), or make it executable in the image",
        cause=Cause.USER_CODE,
    ),
    entry(
        "command-line-too-long",
        Source.WAITING,
        _START + r"argument list too long",
        says="The container's command line is too long for Linux",
        remedy="Hand large arguments over by a file or a volume; 128 KiB is the most that one argument can have",
        cause=Cause.USER_CODE,
    ),
    entry(
        "program-of-another-processor",
        Source.WAITING,
        _START + r"exec format error",
        says="The image's program was built for another processor, or is a script without its first line",
        remedy="Use an image for the node's processor, or begin the script with #!",
        cause=Cause.USER_CODE,
    ),
    entry(
        "gpu-runtime-broken",
        Source.WAITING,
        _START + r"nvidia-container-cli: (?P<what>[\w ]+(?:: [\w ]+)?)",
        says="The node cannot give the container its GPU ({what})",
        remedy="Have the node's NVIDIA driver and container toolkit looked after, and try again on another node",
        cause=Cause.INFRASTRUCTURE,
    ),
    entry(
        "volume-in-use",
        Source.WAITING,
        r"FailedAttachVolume: Multi-Attach error for volume \"(?P<volume>[^\"]+)\"",
        says="The volume {volume} is in use on another node, and can be on one only",
        remedy="Wait until the other pod has ended, or use a claim with access mode ReadWriteMany",
        cause=Cause.NOT_STARTED,
    ),
    entry(
        "volume-not-mounted",
        Source.WAITING,
        r"FailedMount: (?:MountVolume\.\w+ failed for volume \"(?P<volume>[^\"]+)\" : (?!secret|configmap|references "
        r"non-existent)"
        r"|Unable to attach or mount volumes: unmounted volumes=\[(?P<volumes>[^\]]*)\])",
        says="The volume {volume}{volumes} cannot be mounted",
        remedy="Look after the storage that is behind it; the cluster's own words above say more",
        cause=Cause.NOT_STARTED,
        weight=Weight.GENERAL,
    ),
    entry(
        "runtime-class-missing",
        Source.WAITING,
        r"FailedCreatePodSandBox: .*(?:failed to find runtime handler (?P<handler>\S+) from runtime list"
        r"|no runtime for \"(?P<name>[^\"]+)\" is configured)",
        says="The node has no container runtime {handler}{name}",
        remedy="Choose nodes that have it, or take runtimeClassName out of the runtime",
        cause=Cause.NOT_STARTED,
    ),
    entry(
        "pod-network",
        Source.WAITING,
        r"FailedCreatePodSandBox: .*(?:failed to setup network for sandbox|plugin type=\"(?P<plugin>[^\"]+)\")",
        says="The node cannot give the pod a network",
        remedy="Have the node's network plugin looked after, and try again on another node",
        cause=Cause.INFRASTRUCTURE,
    ),
    entry(
        "crash-loop",
        Source.WAITING,
        r"CrashLoopBackOff\b",
        says="The container ends soon after each start, and Kubernetes waits before it tries again",
        remedy="Look at the last lines of its log: what comes again each time is no accident",
        weight=Weight.SYMPTOM,
    ),
)
