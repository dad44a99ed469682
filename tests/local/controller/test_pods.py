"""The pods and claims that a TrainJob becomes, as Trainer, JobSet and the Job controller make them."""

from __future__ import annotations

import copy

import pytest

from airflow_kubeflow_trainer.local.controller.pods import build_pods

LLAMA = "torchtune-llama3.2-1b"
TUNE = ["tune", "run"]
KEPT = [
    "output_dir=/workspace/output",
    "tokenizer.path=/workspace/model/original/tokenizer.model",
    "checkpointer.checkpoint_dir=/workspace/model",
]


async def pods(cluster, *, runtime="torch-distributed", **spec):
    """Return the pods of a TrainJob called job, by name without the random ending."""
    trainjob = await cluster.submit(runtime=runtime, **spec)
    built = build_pods(trainjob, cluster.runtimes[runtime])
    return {pod["metadata"]["name"].rpartition("-")[0]: pod for pod in built}


def env(pod):
    (container,) = pod["spec"]["containers"]
    return {
        item["name"]: item["valueFrom"]["fieldRef"]["fieldPath"] if "valueFrom" in item else item.get("value")
        for item in container["env"]
    }


async def test_a_pod_carries_the_names_by_which_jobset_and_job_know_it(cluster):
    built = await pods(cluster, runtime=LLAMA)
    pod = built["job-node-0-0"]
    metadata = pod["metadata"]
    assert metadata["generateName"] == "job-node-0-0-"
    assert (pod["spec"]["hostname"], pod["spec"]["subdomain"]) == ("job-node-0-0", "job")
    labels = metadata["labels"]
    assert labels["batch.kubernetes.io/job-name"] == labels["job-name"] == "job-node-0"
    assert labels["batch.kubernetes.io/controller-uid"] == labels["controller-uid"]
    marks = {key.removeprefix("jobset.sigs.k8s.io/"): value for key, value in labels.items() if "jobset.sigs" in key}
    uid = marks.pop("jobset-uid")
    assert marks == {
        "jobset-name": "job",
        "replicatedjob-name": "node",
        "replicatedjob-replicas": "1",
        "global-replicas": "3",
        "job-index": "0",
        # SHA-1 of default/job-node-0
        "job-key": "2d71db4f238b5fc7d9e840027701eae3853423e9",
        "job-global-index": "2",
        "group-name": "default",
        "group-replicas": "3",
        "job-group-index": "2",
        "restart-attempt": "0",
        "priority": "0",
    }
    assert {pod["metadata"]["labels"]["jobset.sigs.k8s.io/jobset-uid"] for pod in built.values()} == {uid}
    assert metadata["annotations"]["batch.kubernetes.io/job-completion-index"] == "0"
    assert metadata["annotations"]["jobset.sigs.k8s.io/replicatedjob-name"] == "node"
    (owner,) = metadata["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["controller"]) == ("TrainJob", "job", True)


async def test_torchrun_gets_its_rendezvous_by_environment(cluster):
    trainer = {
        "numNodes": 2,
        "numProcPerNode": 3,
        "command": ["torchrun", "a.py"],
        "env": [{"name": "A", "value": "b"}],
    }
    built = await pods(cluster, trainer=trainer)
    assert sorted(built) == ["job-node-0-0", "job-node-0-1"]
    assert env(built["job-node-0-1"]) == {
        "A": "b",
        "PET_NNODES": "2",
        "PET_NPROC_PER_NODE": "3",
        "PET_NODE_RANK": "metadata.annotations['batch.kubernetes.io/job-completion-index']",
        "PET_MASTER_ADDR": "job-node-0-0.job",
        "PET_MASTER_PORT": "29500",
        "JOB_COMPLETION_INDEX": "metadata.labels['batch.kubernetes.io/job-completion-index']",
    }
    (container,) = built["job-node-0-1"]["spec"]["containers"]
    assert container["command"] == ["torchrun", "a.py"]
    assert container["ports"] == [{"containerPort": 29500, "protocol": "TCP"}]


async def test_a_trainjob_without_a_trainer_gets_no_rendezvous(cluster):
    built = await pods(cluster)
    assert list(env(built["job-node-0-0"])) == ["JOB_COMPLETION_INDEX"]


@pytest.mark.parametrize(
    ("resources", "processes"),
    [
        pytest.param({}, "1", id="nothing asked for"),
        pytest.param({"limits": {"cpu": "2500m"}}, "3", id="CPUs are rounded up"),
        pytest.param({"limits": {"cpu": 4}, "requests": {"cpu": 2}}, "2", id="requested CPUs count first"),
        pytest.param({"limits": {"nvidia.com/gpu": 4}}, "auto", id="GPUs are left to torch"),
    ],
)
async def test_processes_follow_from_resources(cluster, resources, processes):
    built = await pods(cluster, trainer={"resourcesPerNode": resources})
    assert env(built["job-node-0-0"])["PET_NPROC_PER_NODE"] == processes


@pytest.mark.parametrize(
    ("trainer", "words"),
    [
        pytest.param(
            {},
            ["--rdzv_endpoint=job-node-0-0.job:29500", "full_finetune_distributed", "--config", "llama3_2/1B_full"],
            id="full on the runtime's two GPUs",
        ),
        pytest.param(
            {"resourcesPerNode": {"limits": {"nvidia.com/gpu": 1}}},
            ["full_finetune_single_device", "--config", "llama3_2/1B_full_single_device"],
            id="full on one GPU",
        ),
        pytest.param(
            {"numProcPerNode": 1, "args": ["model.lora_attn_modules=[q_proj]"]},
            ["lora_finetune_single_device", "--config", "llama3_2/1B_lora_single_device"],
            id="LoRA in one process",
        ),
        pytest.param(
            {"args": ["model.lora_attn_modules=[q_proj]"]},
            ["--rdzv_endpoint=job-node-0-0.job:29500", "lora_finetune_distributed", "--config", "llama3_2/1B_lora"],
            id="LoRA on two GPUs",
        ),
        pytest.param(
            {"numProcPerNode": 1, "args": ["model.quantize_base=True"]},
            ["lora_finetune_single_device", "--config", "llama3_2/1B_qlora_single_device"],
            id="QLoRA in one process",
        ),
        pytest.param(
            {"numProcPerNode": 3, "resourcesPerNode": {"limits": {"nvidia.com/gpu": 1}}},
            [
                "--rdzv_endpoint=job-node-0-0.job:29500",
                "full_finetune_single_device",
                "--config",
                "llama3_2/1B_full_single_device",
            ],
            id="three processes on one GPU, which die in the pod",
        ),
    ],
)
async def test_tune_run_becomes_recipe_config_and_what_the_runtime_keeps(cluster, trainer, words):
    built = await pods(cluster, runtime=LLAMA, trainer={"command": TUNE, **trainer})
    (container,) = built["job-node-0-0"]["spec"]["containers"]
    assert container["command"] == [*TUNE, *words, *KEPT]
    assert container.get("args", []) == trainer.get("args", [])
    assert "PET_MASTER_ADDR" not in env(built["job-node-0-0"])


async def test_without_a_command_the_runtimes_own_runs_with_the_arguments_appended(cluster):
    built = await pods(cluster, runtime=LLAMA, trainer={"args": ["epochs=2"]})
    (container,) = built["job-node-0-0"]["spec"]["containers"]
    assert container["command"][:4] == [*TUNE, "--rdzv_endpoint=localhost:29500", "full_finetune_distributed"]
    assert container["args"] == ["epochs=2"]


async def test_initializers_get_uri_environment_and_secret(cluster):
    initializer = {
        "dataset": {"storageUri": "s3://b/d", "env": [{"name": "REGION", "value": "eu"}], "secretRef": {"name": "s3"}},
        "model": {"storageUri": "hf://o/m"},
    }
    built = await pods(cluster, runtime=LLAMA, initializer=initializer)
    dataset, model = built["job-dataset-initializer-0-0"], built["job-model-initializer-0-0"]
    assert (env(dataset)["STORAGE_URI"], env(dataset)["REGION"]) == ("s3://b/d", "eu")
    assert dataset["spec"]["containers"][0]["envFrom"] == [{"secretRef": {"name": "s3"}}]
    assert env(model)["STORAGE_URI"] == "hf://o/m"
    assert "envFrom" not in model["spec"]["containers"][0]


async def test_an_output_volume_by_runtime_patch_comes_before_the_jobs_own(cluster):
    patched = {
        "metadata": {"labels": {"team": "ml"}, "annotations": {"dag": "d"}},
        "spec": {
            "volumes": [{"name": "output", "persistentVolumeClaim": {"claimName": "models"}}],
            "containers": [
                {
                    "name": "node",
                    "volumeMounts": [{"name": "output", "mountPath": "/workspace/output", "subPath": "run-1"}],
                }
            ],
            "nodeSelector": {"gpu": "a100"},
        },
    }
    job = {"name": "node", "template": {"spec": {"template": patched}}}
    patch = {"manager": "acme.io/me", "trainingRuntimeSpec": {"template": {"spec": {"replicatedJobs": [job]}}}}
    built = await pods(cluster, runtime=LLAMA, runtimePatches=[patch])
    node = built["job-node-0-0"]
    assert node["spec"]["volumes"] == [
        {"name": "output", "persistentVolumeClaim": {"claimName": "models"}},
        {"name": "initializer", "persistentVolumeClaim": {"claimName": "initializer-job"}},
    ]
    assert [mount["mountPath"] for mount in node["spec"]["containers"][0]["volumeMounts"]] == [
        "/workspace/output",
        "/workspace",
    ]
    assert node["spec"]["nodeSelector"] == {"gpu": "a100"}
    assert node["metadata"]["labels"]["team"] == "ml"
    assert node["metadata"]["annotations"]["dag"] == "d"
    assert "team" not in built["job-model-initializer-0-0"]["metadata"]["labels"]


async def test_a_pod_has_the_defaults_of_the_api_server(cluster):
    built = await pods(cluster, runtime=LLAMA, trainer={"image": "repo/me:1"})
    node = built["job-node-0-0"]["spec"]
    assert (node["restartPolicy"], node["terminationGracePeriodSeconds"]) == ("OnFailure", 30)
    (container,) = node["containers"]
    assert container["imagePullPolicy"] == "IfNotPresent"
    assert container["terminationMessagePath"] == "/dev/termination-log"
    assert container["resources"] == {"limits": {"nvidia.com/gpu": "2"}, "requests": {"nvidia.com/gpu": "2"}}
    initializer = built["job-model-initializer-0-0"]["spec"]["containers"][0]
    assert initializer["imagePullPolicy"] == "Always"


@pytest.mark.parametrize(
    ("runtime", "expected"),
    [
        pytest.param(
            "jax-distributed",
            {"JAX_NUM_PROCESSES": "2", "JAX_COORDINATOR_ADDRESS": "job-node-0-0.job:29500"},
            id="jax",
        ),
        pytest.param(
            "xgboost-distributed",
            {"DMLC_NUM_WORKER": "2", "DMLC_TRACKER_URI": "job-node-0-0.job", "DMLC_TRACKER_PORT": "29500"},
            id="xgboost",
        ),
    ],
)
async def test_other_frameworks_get_their_own_variables(cluster, runtime, expected):
    built = await pods(cluster, runtime=runtime, trainer={"numNodes": 2, "env": [{"name": "A", "value": "b"}]})
    assert expected.items() <= env(built["job-node-0-1"]).items()
    assert env(built["job-node-0-1"])["A"] == "b"


async def test_pods_are_the_same_whenever_they_are_built(cluster):
    trainjob = await cluster.submit(runtime=LLAMA, trainer={"command": TUNE})
    before = copy.deepcopy((trainjob, cluster.runtimes[LLAMA]))
    first = build_pods(trainjob, cluster.runtimes[LLAMA])
    assert build_pods(trainjob, cluster.runtimes[LLAMA]) == first
    assert (trainjob, cluster.runtimes[LLAMA]) == before


async def test_the_claim_has_the_runtimes_size_and_belongs_to_the_trainjob(cluster):
    trainjob = await cluster.submit(runtime=LLAMA)
    await cluster.settle()
    (claim,) = cluster.all("persistentvolumeclaims")
    assert claim["metadata"]["name"] == "initializer-job"
    assert claim["metadata"]["labels"] == {"jobset.sigs.k8s.io/jobset-name": "job"}
    assert claim["metadata"]["ownerReferences"][0]["uid"] == trainjob["metadata"]["uid"]
    assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]
    assert claim["spec"]["resources"] == {"requests": {"storage": "20Gi"}}
