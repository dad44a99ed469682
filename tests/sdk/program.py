"""What a user of the Kubeflow SDK does, run by the Python of an environment that has it: program.py KUBECONFIG STORY.

Prints what it saw as one JSON object.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from kubeflow.common.types import KubernetesBackendConfig
from kubeflow.trainer import (
    BuiltinTrainer,
    CustomTrainer,
    HuggingFaceDatasetInitializer,
    HuggingFaceModelInitializer,
    Initializer,
    TorchTuneConfig,
    TorchTuneInstructDataset,
    TrainerClient,
)
from kubeflow.trainer.types.types import DataFormat, DataType


def main() -> None:
    kubeconfig, story = sys.argv[1:]
    client = TrainerClient(backend_config=KubernetesBackendConfig(config_file=kubeconfig, namespace="default"))
    print(json.dumps(STORIES[story](client)))


def say(word: str) -> None:
    """What is trained: it runs in the pods."""
    import os

    print(f"{word} from {os.environ['RANK']} of {os.environ['WORLD_SIZE']}", flush=True)


def train_a_function(client: TrainerClient) -> dict[str, Any]:
    frameworks = {runtime.name: runtime.trainer.framework for runtime in client.list_runtimes()}
    trainer = CustomTrainer(func=say, func_args={"word": "hello"}, num_nodes=2, resources_per_node={"cpu": 1})
    name = client.train(runtime=client.get_runtime("torch-distributed"), trainer=trainer)
    # A log that is followed has to wait for its pod; it ends with it.
    client.wait_for_job_status(name, status={"Running", "Complete"}, timeout=100, polling_interval=1)
    followed = list(client.get_job_logs(name, follow=True))
    return {"frameworks": frameworks, "followed": followed, **_end(client, name)}


def fine_tune(client: TrainerClient) -> dict[str, Any]:
    config = TorchTuneConfig(
        dtype=DataType.FP32,
        batch_size=4,
        epochs=1,
        # The stock runtime asks for two GPUs.
        resources_per_node={"cpu": 1, "gpu": 0},
        dataset_preprocess_config=TorchTuneInstructDataset(source=DataFormat.JSON),
    )
    initializer = Initializer(
        dataset=HuggingFaceDatasetInitializer(storage_uri="hf://acme/rows/rows.json"),
        model=HuggingFaceModelInitializer(storage_uri="hf://acme/tiny"),
    )
    runtime = client.get_runtime("torchtune-llama3.2-1b")
    name = client.train(runtime=runtime, initializer=initializer, trainer=BuiltinTrainer(config=config))
    return _end(client, name)


def _end(client: TrainerClient, name: str) -> dict[str, Any]:
    """Wait for the end, look at all that there is, and delete it."""
    job = client.wait_for_job_status(name, status={"Complete", "Failed"}, timeout=200, polling_interval=1)
    seen = {
        "status": job.status,
        "steps": {step.name: step.status for step in job.steps},
        "logs": {step.name: list(client.get_job_logs(name, step=step.name)) for step in job.steps},
        "events": sorted({event.reason for event in client.get_job_events(name)}),
        "listed": name in [each.name for each in client.list_jobs()],
    }
    client.delete_job(name)
    return {**seen, "left": name in [each.name for each in client.list_jobs()]}


STORIES = {each.__name__: each for each in (train_a_function, fine_tune)}

if __name__ == "__main__":
    main()
