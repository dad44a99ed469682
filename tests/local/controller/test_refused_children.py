"""TrainJobs that are admitted and whose children are not: only events tell."""

from __future__ import annotations

import pytest

FAILED = "TrainJob resources reconciliation failed: "
WEBHOOK = FAILED + 'admission webhook "vjobset.kb.io" denied the request: JobSet.jobset.x-k8s.io '


def runtime_patch(**pod_spec):
    job = {"name": "node", "template": {"spec": {"template": {"spec": pod_spec}}}}
    return [{"manager": "acme.io/me", "trainingRuntimeSpec": {"template": {"spec": {"replicatedJobs": [job]}}}}]


@pytest.mark.parametrize(
    ("name", "runtime", "admitted"),
    [
        pytest.param("a" * 48, "torch-distributed", True, id="48 characters and one node"),
        pytest.param("a" * 49, "torch-distributed", False, id="49 characters and one node"),
        pytest.param("a" * 33, "torchtune-llama3.2-1b", True, id="33 characters and initializers"),
        pytest.param("a" * 34, "torchtune-llama3.2-1b", False, id="34 characters and initializers"),
    ],
)
async def test_a_name_must_leave_room_for_the_pods(cluster, name, runtime, admitted):
    await cluster.submit(name, runtime=runtime, trainer={})
    await cluster.settle(name)
    assert bool(cluster.pods()) is admitted
    assert (
        any("pod names generated for this JobSet will exceed 63" in event[3] for event in cluster.events()) != admitted
    )


async def test_a_name_too_long_is_told_on_the_trainjob_and_leaves_its_status_empty(cluster):
    name = "m" * 55
    await cluster.submit(name, trainer={})
    await cluster.settle(name)
    words = (
        f'{WEBHOOK}"{name}" is invalid: spec.replicatedJobs[0].name: Invalid value: "{name}-node-0": JobSet name is too'
        " long, pod names generated for this JobSet will exceed 63 characters"
    )
    assert cluster.events() == [("TrainJob", name, "TrainJobResourcesCreationFailed", words)]
    assert "status" not in cluster.trainjob(name)


async def test_a_failure_that_repeats_is_one_event_that_counts(cluster):
    await cluster.submit("m" * 55)
    await cluster.settle("m" * 55)
    await cluster.settle("m" * 55)
    (event,) = cluster.all("events")
    assert event["series"]["count"] > 2
    assert event["firstTimestamp"] is None


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        pytest.param(
            {"trainer": {"numNodes": -1}},
            "[spec.parallelism: Invalid value: -1: must be greater than or equal to 0, spec.completions: Invalid value:"
            " -1: must be greater than or equal to 0]",
            id="fewer nodes than none",
        ),
        pytest.param(
            {"trainer": {"resourcesPerNode": {"limits": {"gpu": 1}}}},
            '[spec.template.spec.containers[0].resources.limits[gpu]: Invalid value: "gpu": must be a standard resource'
            " type or fully qualified, spec.template.spec.containers[0].resources.limits[gpu]: Invalid value:"
            ' "gpu": must be a standard resource for containers]',
            id="a resource that is not Kubernetes'",
        ),
        pytest.param(
            {
                "runtimePatches": runtime_patch(
                    containers=[{"name": "node", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}]
                )
            },
            'spec.template.spec.containers[0].volumeMounts[0].name: Not found: "v"',
            id="a mount without its volume",
        ),
        pytest.param(
            {"runtimePatches": runtime_patch(volumes=[{"name": "v", "secret": {}}])},
            "spec.template.spec.volumes[0].secret.secretName: Required value",
            id="a volume of no secret",
        ),
        pytest.param(
            {"runtimePatches": runtime_patch(tolerations=[{"key": "a", "operator": "Foo"}])},
            'spec.template.spec.tolerations[0].operator: Unsupported value: "Foo": supported values: "Equal", "Exists"',
            id="a toleration by no known operator",
        ),
        pytest.param(
            {"trainer": {"resourcesPerNode": {"requests": {"nvidia.com/gpu": 1}}}},
            "spec.template.spec.containers[0].resources.limits: Required value: Limit must be set for non"
            " overcommitable resources",
            id="a GPU that is asked for without a limit",
        ),
        pytest.param(
            {"trainer": {"image": ""}},
            "spec.template.spec.containers[0].image: Required value",
            id="no image",
        ),
        pytest.param(
            {"trainer": {"env": [{"name": "A=B", "value": "1"}]}},
            'spec.template.spec.containers[0].env[0].name: Invalid value: "A=B": a valid environment variable name must'
            " consist only of printable ASCII characters other than '='",
            id="a variable that cannot be told from its value",
        ),
        pytest.param(
            {"trainer": {"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.foo"}}}]}},
            'spec.template.spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value: "spec.foo": error'
            " converting fieldPath: field label not supported: spec.foo",
            id="a variable from a field that there is not",
        ),
    ],
)
async def test_a_job_that_kubernetes_refuses_is_told_on_the_jobset(cluster, spec, words):
    await cluster.submit(**spec)
    await cluster.settle()
    message = f'job "job-node-0" creation failed with error: Job.batch "job-node-0" is invalid: {words}'
    assert cluster.events() == [("JobSet", "job", "JobCreationFailed", message)]
    assert cluster.pods() == []
    assert "status" not in cluster.trainjob()


async def test_a_volume_of_the_claims_name_is_refused(cluster):
    patch = runtime_patch(volumes=[{"name": "initializer", "emptyDir": {}}])
    await cluster.submit(runtime="torchtune-llama3.2-1b", runtimePatches=patch)
    await cluster.settle()
    ((_, _, _, message),) = cluster.events()
    assert message == (
        WEBHOOK + '"job" is invalid: spec.replicatedJobs[2].template.spec.template.spec.volumes[0].name: Invalid value:'
        ' "initializer": volume name conflicts with VolumeClaimPolicy template name: initializer'
    )


async def test_a_character_that_yaml_has_not_is_told_on_the_trainjob(cluster):
    await cluster.submit(trainer={"env": [{"name": "A", "value": "\x7f"}]})
    await cluster.settle()
    ((_, _, reason, message),) = cluster.events()
    assert reason == "TrainJobResourcesCreationFailed"
    assert message.endswith("yaml: control characters are not allowed")
