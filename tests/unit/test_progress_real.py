"""Progress read from what real programs print: TorchTune itself, and tqdm as Hugging Face's Trainer uses it."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tinymodel import llama
from tqdm import tqdm

from airflow_kubeflow_trainer.trainjob.progress import Progress

EPOCHS, STEPS_PER_EPOCH = 2, 4
SETTINGS: dict[str, Any] = {
    "device": "cpu",
    "dtype": "fp32",
    "seed": 0,
    "dataset": "torchtune.datasets.instruct_dataset",
    "dataset.source": "json",
    "dataset.split": "train",
    "optimizer": "torch.optim.AdamW",
    "optimizer.lr": 1e-3,
    "batch_size": 4,
    "gradient_accumulation_steps": 1,
    "epochs": EPOCHS,
    "max_steps_per_epoch": STEPS_PER_EPOCH,
    **{key: value for key, value in llama.OVERRIDES.items() if not key.startswith("tokenizer.")},
}


def feed(progress: Progress, output: bytes) -> None:
    for second, line in enumerate(output.split(b"\n"), start=1):
        progress.feed(line.decode(errors="replace"), float(second))


def torchtune_output(folder: Path, metric_logger: list[str]) -> bytes:
    model = llama.write_model(folder / "model")
    rows = llama.write_rows(folder / "dataset") / "rows.json"
    settings = SETTINGS | {
        "output_dir": folder / "output",
        "checkpointer.checkpoint_dir": model,
        "tokenizer.path": model / "original" / "tokenizer.model",
        "tokenizer.special_tokens_path": model / "special_tokens.json",
        "dataset.data_files": rows,
    }
    arguments = [f"{key}={value}" for key, value in settings.items()]
    recipe = ["run", "full_finetune_single_device", "--config", "llama3_2/1B_full_single_device"]
    tune = Path(sys.executable).with_name("tune")
    done = subprocess.run(
        [tune, *recipe, *arguments, *metric_logger], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    assert done.returncode == 0, done.stdout.decode()
    return done.stdout


@pytest.mark.parametrize(
    ("metric_logger", "metrics"),
    [
        pytest.param([], {"loss"}, id="its own logger, which writes to a file"),
        pytest.param(
            ["metric_logger._component_=torchtune.training.metric_logging.StdoutLogger", "~metric_logger.log_dir"],
            {"loss", "lr", "tokens_per_second_per_gpu"},
            id="its logger to stdout",
        ),
    ],
)
def test_a_real_run_of_torchtune_is_understood(tmp_path: Path, metric_logger: list[str], metrics: set[str]) -> None:
    progress = Progress()

    feed(progress, torchtune_output(tmp_path, metric_logger))

    steps = EPOCHS * STEPS_PER_EPOCH
    assert (progress.step, progress.total_steps, progress.percent) == (steps, steps, 100.0)
    assert (progress.epoch, progress.total_epochs) == (2.0, 2.0)
    assert progress.metrics.keys() == metrics
    for name in metrics:
        series = progress.metrics[name].series
        assert [point.x for point in series.points(1000)] == list(range(1, steps + 1)), name
    loss = progress.metrics["loss"].series
    assert loss.first is not None
    assert loss.last is not None
    assert loss.last.y < loss.first.y < 10
    assert progress.restarts == []


class HuggingFace:
    """What transformers 5.23's ProgressCallback prints, made by the same calls of the same tqdm."""

    def __init__(self, max_steps: int) -> None:
        self.screen = io.StringIO()
        self._bar = tqdm(total=max_steps, file=self.screen, mininterval=0.0)

    def log(self, **logs: float) -> None:
        # on_log: floats become strings, and the bar makes room for the line.
        self._bar.write(str({name: f"{value:.4g}" for name, value in logs.items()}), file=self.screen)

    def step(self) -> None:
        self._bar.update(1)

    def evaluate(self, batches: int, **logs: float) -> None:
        with tqdm(total=batches, leave=False, file=self.screen, mininterval=0.0) as bar:
            for _ in range(batches):
                bar.update(1)
        self.log(**logs)

    def end(self) -> bytes:
        self._bar.close()
        return self.screen.getvalue().encode()


def test_the_trainer_of_hugging_face_is_understood_with_evaluations_in_between() -> None:
    printed = HuggingFace(max_steps=20)
    for step in range(1, 21):
        printed.step()
        if step % 2 == 0:
            printed.log(loss=4.2 - step / 10, grad_norm=2.2, learning_rate=5e-05, epoch=step / 10)
        if step % 10 == 0:
            printed.evaluate(50, eval_loss=4.1, eval_runtime=0.02, epoch=step / 10)
    printed.log(train_runtime=1.1, train_loss=3.0, epoch=2.0)
    progress = Progress()

    feed(progress, printed.end())

    assert (progress.step, progress.total_steps, progress.percent) == (20, 20, 100.0)
    assert (progress.epoch, progress.total_epochs) == (2.0, 2.0)
    loss = [(point.x, round(point.y, 3)) for point in progress.metrics["loss"].series.points(100)]
    assert loss == [(step, round(4.2 - step / 10, 3)) for step in range(2, 21, 2)]
    assert [point.x for point in progress.metrics["eval_loss"].series.points(100)] == [10, 20]
    assert progress.metrics["train_loss"].latest == 3.0
    assert progress.restarts == []


def test_bars_of_downloads_and_data_sets_are_not_taken_for_the_training() -> None:
    screen = io.StringIO()
    for words in ("Map", "Loading checkpoint shards", "Generating train split", "model.safetensors"):
        for _ in tqdm(range(7), desc=words, file=screen, mininterval=0.0):
            pass
    progress = Progress()

    feed(progress, screen.getvalue().encode())

    assert (progress.step, progress.percent, progress.as_of) == (None, None, None)
