"""Train a classifier of handwritten digits on several nodes, and search for its best learning rate.

`train_digits` is an ordinary function: it runs on a laptop (`torchrun dags/digits.py`), and by one decorator as a task
on as many nodes as the cluster has. Its data set comes with scikit-learn.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, Param, task


def train_digits(learning_rate: float = 0.1, epochs: int = 20, batch_size: int = 32) -> dict[str, Any]:
    """Train on four fifths of the digits, and tell how many of the others are recognized."""
    import os

    import torch
    import torch.distributed as dist
    from sklearn.datasets import load_digits
    from torch import nn
    from torch.nn.parallel import DistributedDataParallel
    from torch.utils.data import DataLoader, TensorDataset, random_split
    from torch.utils.data.distributed import DistributedSampler

    on_gpu = torch.cuda.is_available()
    dist.init_process_group("nccl" if on_gpu else "gloo")
    rank, world = dist.get_rank(), dist.get_world_size()
    device = torch.device("cuda", int(os.environ["LOCAL_RANK"])) if on_gpu else torch.device("cpu")
    torch.manual_seed(0)

    images, labels = load_digits(return_X_y=True)
    digits = TensorDataset(torch.tensor(images / 16, dtype=torch.float32), torch.tensor(labels))
    lessons, exam = random_split(digits, [0.8, 0.2], generator=torch.Generator().manual_seed(0))
    sampler = DistributedSampler(lessons, seed=0)
    loader = DataLoader(lessons, batch_size=batch_size, sampler=sampler)

    network = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10)).to(device)
    model = DistributedDataParallel(network)
    optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate, momentum=0.9)
    for epoch in range(1, epochs + 1):
        sampler.set_epoch(epoch)
        for batch, answers in loader:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(batch.to(device)), answers.to(device))
            loss.backward()
            optimizer.step()
        if rank == 0:
            print(f"epoch={epoch} loss={loss.item():.4f}")

    questions, answers = (torch.stack(column) for column in zip(*exam, strict=True))
    with torch.no_grad():
        right = network(questions.to(device)).argmax(dim=1).cpu() == answers
    dist.destroy_process_group()
    return {"accuracy": right.float().mean().item(), "learning_rate": learning_rate, "processes": world}


OPTIONS: dict[str, Any] = {
    "schedule": None,
    # A parameter that is a number or a list stays one.
    "render_template_as_native_obj": True,
    "tags": ["kubeflow", "pytorch"],
    "doc_md": __doc__,
}
PARAMS = {
    "nodes": Param(2, type="integer", minimum=1, description="Nodes that train together."),
    "epochs": Param(20, type="integer", minimum=1),
    "packages": Param(["scikit-learn"], type="array", description="What pip installs first; none where it is there."),
    "resources": Param({"cpu": 1}, type="object", description="What each node gets, e.g. cpu, memory, gpu."),
}
train = task.kubeflow_trainer(
    runtime="torch-distributed",
    num_nodes="{{ params.nodes }}",
    resources_per_node="{{ params.resources }}",
    packages_to_install="{{ params.packages }}",
)(train_digits)

with DAG("train_digits", params={**PARAMS, "learning_rate": Param(0.1, type="number")}, **OPTIONS):
    train(learning_rate="{{ params.learning_rate }}", epochs="{{ params.epochs }}")

with DAG(
    "sweep_digits",
    params={**PARAMS, "learning_rates": Param([0.0001, 0.01, 0.1], type="array", minItems=1)},
    **OPTIONS,
):

    @task
    def learning_rates(params: dict[str, Any]) -> list[float]:
        """Say what is to be tried."""
        return list(params["learning_rates"])

    @task
    def best(trainings: list[dict[str, Any]]) -> dict[str, Any]:
        """Choose the training with the highest accuracy."""
        return max(trainings, key=lambda training: training["accuracy"])

    best(train.partial(epochs="{{ params.epochs }}").expand(learning_rate=learning_rates()))


if __name__ == "__main__":
    print(train_digits())
