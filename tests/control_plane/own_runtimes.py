"""Runtimes that use what the stock ones leave alone."""

from __future__ import annotations

from typing import Any

from tests.control_plane.admission_rows import Object, runtime

IMAGE = "a/b:1"


def replicated(name: str, *, step: str | None = "trainer", container: str = "node", **more: Any) -> Object:
    """One replicated job; what is given beside its name goes to its own level, its Job's or its pod's."""
    pod: Object = {"containers": [{"name": container, "image": IMAGE}], **more.pop("pod", {})}
    template: Object = {"spec": {"template": {"spec": pod, **more.pop("pod_template", {})}, **more.pop("job", {})}}
    labels = {"trainer.kubeflow.org/trainjob-ancestor-step": step} if step else {}
    template["metadata"] = {"labels": {**labels, **more.pop("labels", {})}}
    return {"name": name, "template": template, **more}


def named(name: str, jobs: list[Object], *, metadata: Object | None = None, policy: Any = None, **spec: Any) -> Object:
    """A runtime of these jobs; further fields are the JobSet's."""
    found = runtime(jobs)
    found["metadata"] = {"name": name}
    found["spec"]["template"] = {
        "spec": {"replicatedJobs": jobs, **spec},
        **({"metadata": metadata} if metadata else {}),
    }
    if policy is not None:
        found["spec"]["mlPolicy"] = policy
    return found


def claims(*, kept: bool) -> list[Object]:
    """A claim named `data`, and what becomes of it."""
    template = {
        "metadata": {"name": "data", "labels": {"a": "b"}, "annotations": {"c": "d"}},
        "spec": {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1.5Gi"}}},
    }
    return [{"templates": [template], "retentionPolicy": {"whenDeleted": "Retain" if kept else "Delete"}}]


TORCH = {"torch": {}}
MOUNTING = {"containers": [{"name": "node", "image": IMAGE, "volumeMounts": [{"name": "data", "mountPath": "/data"}]}]}
EVERYWHERE = {"labels": {"where": "pod", "jobset.sigs.k8s.io/job-index": "9"}, "annotations": {"a.b/where": "pod"}}

OWN_RUNTIMES: list[Object] = [
    named("torchtune-llama3.3-70b", [replicated("node")], policy={"numNodes": 2, **TORCH}),
    named("own-without-policy", [replicated("node", job={"parallelism": 2, "completions": 3})]),
    named("own-nodes", [replicated("node")], policy={"numNodes": 3, **TORCH}),
    named("own-without-trainer", [replicated("work", step=None, container="main", replicas=2)]),
    named(
        "own-injection",
        [replicated("side", step=None, container="main"), replicated("node")],
        policy={"torch": {"envInjection": {"targets": [{"jobName": "side", "containerNames": ["main"]}]}}},
    ),
    named(
        "own-containers",
        [
            replicated(
                "node",
                pod={
                    "initContainers": [
                        {"name": "setup", "image": "busybox", "env": [{"name": "A", "value": "b"}]},
                        {"name": "sidecar", "image": "x@sha256:" + "0" * 64, "restartPolicy": "Always"},
                    ],
                    "containers": [
                        {
                            "name": "node",
                            "image": IMAGE,
                            "ports": [{"containerPort": 80, "name": "http"}],
                            "resources": {"limits": {"cpu": "1", "memory": "1Gi"}},
                            "workingDir": "/x",
                            "env": [{"name": "PET_NNODES", "value": "7"}],
                            "readinessProbe": {"exec": {"command": ["true"]}},
                            "livenessProbe": {"httpGet": {"port": 80}},
                        },
                        {"name": "other", "image": "c:latest", "imagePullPolicy": "Never", "tty": True},
                    ],
                    "serviceAccountName": "sa",
                    "hostNetwork": True,
                    "dnsPolicy": "Default",
                    "restartPolicy": "Never",
                },
                job={"backoffLimit": 0, "activeDeadlineSeconds": 500, "ttlSecondsAfterFinished": 5},
            )
        ],
        policy=TORCH,
    ),
    named(
        "own-metadata",
        [replicated("node", labels={"where": "job"}, pod_template={"metadata": EVERYWHERE}, groupName="workers")],
        metadata={"labels": {"where": "jobset"}, "annotations": {"a.b/where": "jobset"}},
        coordinator={"replicatedJob": "node", "jobIndex": 0, "podIndex": 0},
        network={"enableDNSHostnames": True, "subdomain": "own"},
    ),
    named("own-without-hostnames", [replicated("node")], network={"enableDNSHostnames": False}),
    named("own-kept-claim", [replicated("node", pod=MOUNTING)], volumeClaimPolicies=claims(kept=True)),
    named("own-claim", [replicated("node", pod=MOUNTING)], volumeClaimPolicies=claims(kept=False)),
    named("own-claim-unmounted", [replicated("node")], volumeClaimPolicies=claims(kept=False)),
    named(
        "own-in-order",
        [replicated("first", step=None, container="main"), replicated("node")],
        startupPolicy={"startupPolicyOrder": "InOrder"},
    ),
    named(
        "own-waiting",
        [
            replicated("dataset-initializer", step="dataset-initializer", container="dataset-initializer"),
            replicated(
                "side", step=None, container="main", dependsOn=[{"name": "dataset-initializer", "status": "Ready"}]
            ),
            replicated("node", dependsOn=[{"name": "dataset-initializer", "status": "Complete"}]),
        ],
    ),
    named(
        "own-groups",
        [
            replicated("a", step=None, container="main", replicas=2, groupName="g"),
            replicated("b", step=None, container="main", groupName="h"),
            replicated("node", groupName="g"),
        ],
        policy={"jax": {}},
    ),
    named(
        "own-success-of-one",
        [
            replicated("dataset-initializer", step="dataset-initializer", container="dataset-initializer"),
            replicated("node"),
        ],
        successPolicy={"operator": "Any"},
    ),
    named(
        "own-success-of-some",
        [
            replicated("dataset-initializer", step="dataset-initializer", container="dataset-initializer"),
            replicated("model-initializer", step="model-initializer", container="model-initializer"),
            replicated("node"),
        ],
        successPolicy={"operator": "All", "targetReplicatedJobs": ["model-initializer"]},
    ),
    named("own-image-missing", [replicated("node", pod={"containers": [{"name": "node"}]})]),
    named("own-empty", []),
]
