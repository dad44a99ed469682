"""Whether a cluster can run TrainJobs for us, and if not, what is missing."""

from __future__ import annotations

import re
from dataclasses import dataclass

from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi
from airflow_kubeflow_trainer.exceptions import ApiError, ForbiddenError, NotFoundError, UnauthorizedError

GROUP_PATH = "/apis/trainer.kubeflow.org/v1alpha1"
SUPPORTED = "Kubeflow Trainer 2.2 and 2.3 are supported"
_UNKNOWN = re.compile(r'unknown field "spec\.(\w+)"')
_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

REQUIRED = {"trainjobs.trainer.kubeflow.org": ("create", "get", "list", "watch", "patch", "delete")}
OPTIONAL = {
    "clustertrainingruntimes.trainer.kubeflow.org": ("get", "list"),
    "trainingruntimes.trainer.kubeflow.org": ("get", "list"),
    "pods": ("list", "watch"),
    "pods/log": ("get",),
    "events": ("list",),
}
_CLUSTER_WIDE = "clustertrainingruntimes."


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    text: str
    good: bool = True
    needed: bool = True
    """Whether no TrainJob can run without it."""


async def check(api: TrainJobApi) -> list[Finding]:
    """Look at all that a task needs; stops at what makes the rest pointless.

    :raises ClusterUnreachableError: no cluster answers.
    """
    server = api.client.credentials.server
    try:
        await api.client.get(GROUP_PATH)
    except UnauthorizedError:
        return [Finding(f"The cluster at {server} does not accept the credentials (401)", good=False)]
    except NotFoundError:
        words = f"The cluster at {server} answers, but Kubeflow Trainer v2 is not installed: it serves no {GROUP_PATH}"
        return [Finding(words, good=False)]
    except ForbiddenError:
        pass  # Discovery may be closed to us; what matters is asked for below.
    findings = [Finding(f"The cluster at {server} answers, and accepts the credentials"), await _version(api)]
    if findings[-1].good:
        findings += [*await _permissions(api), await _runtimes(api)]
    return findings


async def _version(api: TrainJobApi) -> Finding:
    """Find Trainer's version by what its TrainJobs may hold: nothing is created, and no other right is needed."""
    probe = {
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "TrainJob",
        "metadata": {"generateName": "airflow-check-", "namespace": api.namespace},
        # The one is of 2.2 and later, the other of 2.1.
        "spec": {"runtimeRef": {"name": "airflow-check"}, "runtimePatches": [], "podTemplateOverrides": []},
    }
    try:
        await api.create(probe, dry_run=True)
    except ApiError as error:
        unknown = set(_UNKNOWN.findall(error.message))
        if "runtimePatches" in unknown:
            found = "2.0 or older" if "podTemplateOverrides" in unknown else "2.1"
            return Finding(f"Kubeflow Trainer is {found}, by the schema of its TrainJobs. {SUPPORTED}", good=False)
        if isinstance(error, ForbiddenError) and "admission webhook" not in error.message:
            return Finding(f"Not permitted to create TrainJobs: {error.message}", good=False)
        if isinstance(error, NotFoundError) and error.details.get("kind") == "namespaces":
            return Finding(f"There is no namespace {api.namespace!r}: {error.message}", good=False)
    return Finding("Kubeflow Trainer is 2.2 or later")


async def _permissions(api: TrainJobApi) -> list[Finding]:
    missing: dict[bool, list[str]] = {True: [], False: []}
    for needed, resources in ((True, REQUIRED), (False, OPTIONAL)):
        for resource, verbs in resources.items():
            missing[needed] += [f"{verb} {resource}" for verb in verbs if not await _may(api, verb, resource)]
    where = f"in namespace {api.namespace!r}"
    if not (missing[True] or missing[False]):
        return [Finding(f"All permissions are there {where}")]
    return [
        Finding(f"Not permitted {where}: {', '.join(lacking)} (see Permissions in the docs)", good=False, needed=needed)
        for needed, lacking in missing.items()
        if lacking
    ]


async def _may(api: TrainJobApi, verb: str, resource: str) -> bool:
    name, _, group = resource.partition(".")
    name, _, subresource = name.partition("/")
    attributes = {"verb": verb, "group": group, "resource": name, "subresource": subresource}
    if not resource.startswith(_CLUSTER_WIDE):
        attributes["namespace"] = api.namespace
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {key: value for key, value in attributes.items() if value}},
    }
    answer = await api.client.create(_REVIEWS, review)
    return bool(answer["status"]["allowed"])


async def _runtimes(api: TrainJobApi) -> Finding:
    try:
        names = sorted(runtime["metadata"]["name"] for runtime in await api.list_runtimes())
    except ForbiddenError as error:
        return Finding(f"Which runtimes there are may not be read: {error.message}", good=False, needed=False)
    if not names:
        words = "There is no runtime: install Trainer's (manifests/overlays/runtimes), or one of your own"
        return Finding(words, good=False)
    return Finding(f"Runtimes: {', '.join(names)}")
