"""Whether a cluster can run TrainJobs for us, and if not, what is missing."""

from __future__ import annotations

import re
from dataclasses import dataclass

from airflow_kubeflow_trainer.cluster.resources import TRAINER_GROUP, TRAINJOBS, WORKLOADS
from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi
from airflow_kubeflow_trainer.exceptions import ApiError, ForbiddenError, NotFoundError, UnauthorizedError

API_VERSION = TRAINJOBS.api_version
SUPPORTED = "Kubeflow Trainer 2.2 and 2.3 are supported"
_TRAINING_OPERATOR = "kubeflow.org"
_UNKNOWN = re.compile(r'unknown field "spec\.(\w+)"')
_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

REQUIRED = {"trainjobs.trainer.kubeflow.org": ("create", "get", "list", "watch", "patch", "delete")}
OPTIONAL = {
    "clustertrainingruntimes.trainer.kubeflow.org": ("get", "list"),
    "trainingruntimes.trainer.kubeflow.org": ("get", "list"),
    "pods": ("list", "watch"),
    "pods/log": ("get",),
    "events": ("list",),
    "jobsets.jobset.x-k8s.io": ("get",),
    "jobs.batch": ("list",),
}
QUEUES = {"workloads.kueue.x-k8s.io": ("list", "watch")}
"""Optional as well, and asked for only where the cluster has Kueue."""
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
        missing = await _missing(api)
    except UnauthorizedError:
        return [Finding(f"The cluster at {server} does not accept the credentials (401)", good=False)]
    if missing is not None:
        return [Finding(f"The cluster at {server} answers, but {missing}", good=False)]
    findings = [Finding(f"The cluster at {server} answers, and accepts the credentials"), await _version(api)]
    if findings[-1].good:
        obstacle = await _obstacle(api)
        findings += [obstacle] if obstacle else [*await _permissions(api), await _runtimes(api)]
    return findings


async def _missing(api: TrainJobApi) -> str | None:
    """Say what the cluster serves in place of the TrainJobs that we speak of; None where it serves those."""
    try:
        served = await _versions(api, TRAINER_GROUP)
        if served is None:
            older = await _versions(api, _TRAINING_OPERATOR)
            found = f", only the Training Operator before it ({', '.join(older)})" if older else ""
            return f"Kubeflow Trainer v2 is not installed: it serves no {API_VERSION}{found}"
    except ForbiddenError:
        return None  # Discovery may be closed to us; what matters is asked for below.
    if API_VERSION not in served:
        return f"its Kubeflow Trainer serves {', '.join(served)}, and not {API_VERSION}. {SUPPORTED}"
    return None


async def _versions(api: TrainJobApi, group: str) -> list[str] | None:
    try:
        found = await api.client.get(f"/apis/{group}")
    except NotFoundError:
        return None
    return [version["groupVersion"] for version in found["versions"]]


async def _version(api: TrainJobApi) -> Finding:
    """Find Trainer's version by what its TrainJobs may hold: nothing is created, and no other right is needed."""
    try:
        # The one is of 2.2 and later, the other of 2.1. One of them is always unknown, which is said before all else.
        await _try_to_create(api, runtimePatches=[], podTemplateOverrides=[])
    except ApiError as error:
        unknown = set(_UNKNOWN.findall(error.message))
        if "runtimePatches" in unknown:
            found = "2.0 or older" if "podTemplateOverrides" in unknown else "2.1"
            schema = f"by the schema of its TrainJobs ({API_VERSION})"
            return Finding(f"Kubeflow Trainer is {found}, {schema}. {SUPPORTED}", good=False)
        if isinstance(error, ForbiddenError) and "admission webhook" not in error.message:
            return Finding(f"Not permitted to create TrainJobs: {error.message}", good=False)
    return Finding("Kubeflow Trainer is 2.2 or later")


async def _obstacle(api: TrainJobApi) -> Finding | None:
    """Say what no TrainJob gets past, whatever it holds; that this one's runtime is unknown is no such thing."""
    try:
        await _try_to_create(api)
    except ApiError as error:
        if isinstance(error, NotFoundError) and error.details.get("kind") == "namespaces":
            return Finding(f"There is no namespace {api.namespace!r}: {error.message}", good=False)
        if error.status >= 500:
            return Finding(f"Kubeflow Trainer admits no TrainJobs at present: {error.message}", good=False)
    return None


async def _try_to_create(api: TrainJobApi, **spec: object) -> None:
    metadata = {"generateName": "airflow-check-", "namespace": api.namespace}
    probe = {"apiVersion": API_VERSION, "kind": TRAINJOBS.kind, "metadata": metadata}
    await api.create({**probe, "spec": {"runtimeRef": {"name": "airflow-check"}, **spec}}, dry_run=True)


async def _permissions(api: TrainJobApi) -> list[Finding]:
    missing: dict[bool, list[str]] = {True: [], False: []}
    optional = OPTIONAL | (QUEUES if await _has_kueue(api) else {})
    for needed, resources in ((True, REQUIRED), (False, optional)):
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


async def _has_kueue(api: TrainJobApi) -> bool:
    try:
        return await _versions(api, WORKLOADS.group) is not None
    except ForbiddenError:
        return False  # Discovery may be closed to us.


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
