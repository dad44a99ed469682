"""Which lines of a log tell of progress, and which do not."""

from __future__ import annotations

import json
import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_kubeflow_trainer.trainjob.progress import MAX_RECORD_BYTES, Progress, Recorder


def heard(*lines: str) -> Progress:
    progress = Progress()
    for second, line in enumerate(lines, start=1):
        progress.feed(line, float(second))
    return progress


def latest(progress: Progress) -> dict[str, float]:
    return {name: metric.latest for name, metric in progress.metrics.items()}


@pytest.mark.parametrize(
    ("line", "metrics", "position"),
    [
        pytest.param(
            "1|12|Loss: 1.79:  48%|####8     | 12/25 [00:03<00:04,  3.2it/s]",
            {"loss": 1.79},
            (12, None, 0.48),
            id="TorchTune's bar",
        ),
        pytest.param(
            "Step 12 | loss:1.59 lr:0.001 tokens_per_second_per_gpu:1922.2 grad_norm:0.5 ",
            {"loss": 1.59, "lr": 0.001, "tokens_per_second_per_gpu": 1922.2, "grad_norm": 0.5},
            (12, None, None),
            id="TorchTune's logger",
        ),
        pytest.param("Step 3 | loss:nan ", {"loss": math.nan}, (3, None, None), id="a loss that is not a number"),
        pytest.param(
            "{'loss': 2.31, 'grad_norm': 1.5, 'learning_rate': 4.75e-05, 'epoch': 0.5}",
            {"loss": 2.31, "grad_norm": 1.5, "learning_rate": 4.75e-05},
            (None, None, 0.5),
            id="transformers 4",
        ),
        pytest.param(
            "{'loss': '2.31', 'learning_rate': '4.75e-05', 'epoch': '0.5'}",
            {"loss": 2.31, "learning_rate": 4.75e-05},
            (None, None, 0.5),
            id="transformers 5",
        ),
        pytest.param("{'loss': nan, 'epoch': 0.5}", {"loss": math.nan}, (None, None, 0.5), id="nan in a dict"),
        pytest.param(
            "[rank0]: {'eval_loss': 2.0, 'note': 'fine', 'epoch': 1.0}",
            {"eval_loss": 2.0},
            (None, None, 1.0),
            id="a dict after torchrun's prefix",
        ),
        pytest.param(
            'kubeflow-trainer: {"step": 10, "total_steps": 100, "loss": 1.2, "epoch": 0.5, "total_epochs": 5}',
            {"loss": 1.2},
            (10, 100, 0.5),
            id="the protocol",
        ),
        pytest.param(
            'INFO kubeflow-trainer: {"step": 10, "metrics": {"step": 7, "val/acc": "0.5"}}',
            {"step": 7.0, "val/acc": 0.5},
            (10, None, None),
            id="the protocol behind a logger's prefix, with metrics apart",
        ),
        pytest.param("step=10 loss=1.2 lr=3e-4", {"loss": 1.2, "lr": 3e-4}, (10, None, None), id="key=value"),
        pytest.param("loss=1.2, acc=0.5", {"loss": 1.2, "acc": 0.5}, (None, None, None), id="pairs without a step"),
        pytest.param(
            "Epoch 2/5, step 30/100, loss: 0.71 - val_accuracy: 0.9",
            {"loss": 0.71, "val_accuracy": 0.9},
            (30, 100, 2.0),
            id="a loop of one's own",
        ),
        pytest.param(
            "Train Epoch: 2 [32000/64000 (50%)]\tloss=0.2187",
            {"loss": 0.2187},
            (None, None, 1.5),
            id="Kubeflow's MNIST example",
        ),
        pytest.param(
            '{"step": 4, "loss": 0.5, "ts": 1767225600.5, "level": "info"}',
            {"loss": 0.5},
            (4, None, None),
            id="JSON",
        ),
        pytest.param(
            "Epoch 1:  50%|#####     | 5/10 [00:01<00:01, 4.2it/s, v_num=0, train_loss=1.230]",
            {"train_loss": 1.23},
            (15, None, 1.5),
            id="Lightning's bar",
        ),
        pytest.param("\x1b[32mstep=3 \x1b[1mloss=0.5\x1b[0m", {"loss": 0.5}, (3, None, None), id="in colours"),
    ],
)
def test_a_line_that_tells_of_progress(
    line: str, metrics: dict[str, float], position: tuple[int | None, int | None, float | None]
) -> None:
    progress = heard(line)

    assert latest(progress) == pytest.approx(metrics, nan_ok=True)
    assert (progress.step, progress.total_steps, progress.epoch) == position


@pytest.mark.parametrize(
    "line",
    [
        "",
        "Loading model from /workspace/model: 3 shards, 2.5 GB",
        "INFO 2026-01-01 12:00:00 main.py:42 rank=0 world_size=8 port=29500",
        "Optimizer: AdamW(lr=0.001, betas=(0.9, 0.999), eps=1e-08, weight_decay: 0.01)",
        "lr=0.001 weight_decay=0.01",
        "Loss is initialized.",
        "loss function: CEWithChunkedOutputLoss, reduction=mean",
        "The loss: 5 of them were tried before",
        "Step 3 of the installation: version=2",
        "NCCL INFO Channel 00/08 : 0 1 2 3 step=4",
        "{'enabled': False, 'steps': 5}",
        "here is {'loss': 1.0, 'epoch': 1} as an example",
        '{"level": "info", "msg": "connected", "port": 8080}',
        '{"step": 4, "elapsed": 3.2}',
        'kubeflow-trainer: {"step": 10',
        "kubeflow-trainer: [1, 2]",
        "Downloading: 48%|####8     | 12/25 [00:03<00:04,  3.2MB/s]",
        "epoch=1 file=12 size=30",
        "Saved checkpoint at step 500: size=1234",
    ],
)
def test_a_line_that_only_looks_like_it(line: str) -> None:
    progress = heard(line)

    assert progress.metrics == {}
    assert progress.as_of is None


MARKS = (
    "1|12|Loss: ",
    "Step 3 | ",
    "loss:",
    "{'loss': ",
    "'epoch': '",
    "kubeflow-trainer: {",
    "Epoch: [",
    "epoch ",
    "step",
)
SIGNS = ("}", "'", '"', "=", "-", "|", "]", "/", ": ", ",", "[[[[", "\r", "\x1b[A", "48%|", " 12/25 [", " [1/0 ")
NUMBERS = ("nan", "inf", "0", "1e999", "9" * 400, "\u00b2", "\u0663", "\ud800")
PIECES = st.sampled_from([*MARKS, *SIGNS, *NUMBERS, "with resolved config:", "epochs: 3"])
TEXTS = st.one_of(st.text(), st.lists(PIECES, max_size=30).map("".join))


@given(lines=st.lists(st.tuples(TEXTS, st.floats(0, 2e9)), max_size=40), at=st.integers(0, 20))
def test_no_text_makes_it_raise_or_grow(lines: list[tuple[str, float]], at: int) -> None:
    recorder = Recorder(name="job", namespace="ml", uid="1")
    for number, (line, timestamp) in enumerate(lines):
        if number == at:
            recorder.see_restart("pod", timestamp)
        recorder.progress.feed(line, timestamp)

    written = json.dumps(recorder.to_record(2e9), allow_nan=False)

    assert len(written) <= MAX_RECORD_BYTES


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("Step 1 | " + "a:1 " * 300_000, id="a million characters after a mark"),
        pytest.param("{'loss': '1', " * 20_000, id="a dict that never ends"),
        pytest.param("kubeflow-trainer: " + "[" * 100_000, id="brackets"),
        pytest.param('{"step":' * 50_000, id="objects in objects"),
        pytest.param("loss=" * 100_000, id="names without values"),
        pytest.param("epoch " * 100_000 + "loss=1", id="epochs without numbers"),
        pytest.param(" " * 200_000 + "48%|", id="blanks before a bar"),
    ],
)
def test_a_hostile_line_costs_no_more_than_a_long_one(line: str) -> None:
    began = time.process_time()
    for _ in range(20):
        heard(line)

    assert time.process_time() - began < 1.0
