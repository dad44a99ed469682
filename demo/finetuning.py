"""One run of the DAG `finetune_llm`: what it is given, and what it shows by Airflow's REST API while it goes on."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from demo import training_log
from demo.airflow_api import TASK_ENDED, AirflowApi, LogLine
from demo.model import ARCHITECTURE
from demo.screen import Screen, StepBar

DAG_ID = "finetune_llm"
TASK_ID = "finetune"
CLAIM = "models"
STEPS = 25
_POLL_SECONDS = 2.0
_PHASE = re.compile(r"^TrainJob \S+: (Queued|Starting|Initializing|Running|Succeeded|Failed)\b")


class FinetuningError(RuntimeError):
    """The training did not do what it was to do."""


@dataclass
class Finetuning:
    """A run that has ended."""

    run_id: str
    state: str = ""
    losses: dict[int, float] = field(default_factory=dict)
    phases: dict[str, datetime] = field(default_factory=dict)
    lines: Sequence[LogLine] = ()

    def seconds(self, begin: str, end: str) -> float | None:
        """Seconds from the begin of one phase to the begin of another; None where the run did not have both."""
        if begin not in self.phases or end not in self.phases:
            return None
        return (self.phases[end] - self.phases[begin]).total_seconds()


def parameters(*, model: Path, dataset: Path, cuda: bool) -> dict[str, Any]:
    """The DAG's parameters for SmolLM2 on this machine; all others keep their defaults."""
    files = "/workspace/model"
    return {
        "model": model.as_uri(),
        "dataset": dataset.as_uri(),
        "dataset_format": "json",
        "steps": STEPS,
        "learning_rate": 2e-3,
        "device": "cuda" if cuda else "cpu",
        "dtype": "bf16" if cuda else "fp32",
        "resources": {"gpu": 1} if cuda else {"cpu": os.cpu_count() or 1, "memory": "4Gi"},
        # The runtime's recipe is for Qwen2.5: these say what SmolLM2 is instead. Its files have the same names.
        "overrides": {
            "model": "torchtune.models.llama3_2.lora_llama3_2",
            **{f"model.{name}": value for name, value in ARCHITECTURE.items()},
            "model.lora_attn_modules": ["q_proj", "v_proj", "output_proj"],
            "model.apply_lora_to_mlp": True,
            "model.lora_rank": 8,
            "model.lora_alpha": 16,
            "checkpointer.model_type": "LLAMA3_2",
            "tokenizer": "torchtune.models.qwen2.qwen2_tokenizer",
            "tokenizer.special_tokens_path": f"{files}/tokenizer.json",
            "tokenizer.max_seq_len": 96,
        },
        "claim": CLAIM,
    }


def follow(api: AirflowApi, run_id: str, *, screen: Screen, timeout: float = 1200.0) -> Finetuning:
    """Show the run until it has ended. Raises FinetuningError after `timeout` seconds."""
    run = Finetuning(run_id)
    deadline = time.monotonic() + timeout
    with screen.steps(STEPS) as bar:
        for state, lines in _readings(api, run_id):
            run.lines = lines
            if state != run.state:
                screen.say(f"Airflow: task {TASK_ID} is {state or 'waiting'}")
                run.state = state
            _show_phases(run, screen)
            _show_loss(run, bar)
            if time.monotonic() > deadline:
                raise FinetuningError(f"the task is still {state} after {timeout:g} s")
    return run


def _readings(api: AirflowApi, run_id: str) -> Iterator[tuple[str, list[LogLine]]]:
    """State and log again and again, until the last reading of a task that has ended."""
    while True:
        task = api.task(DAG_ID, run_id, TASK_ID)
        state = task["state"] or ""
        started = task["try_number"] > 0 and task["start_date"]
        yield state, api.log(DAG_ID, run_id, TASK_ID, try_number=task["try_number"]) if started else []
        if state in TASK_ENDED:
            return
        time.sleep(_POLL_SECONDS)


def _show_phases(run: Finetuning, screen: Screen) -> None:
    for line in run.lines:
        found = _PHASE.match(line.text)
        if found and found[1] not in run.phases:
            run.phases[found[1]] = datetime.fromisoformat(line.timestamp)
            screen.say(line.text)


def _show_loss(run: Finetuning, bar: StepBar) -> None:
    run.losses = training_log.losses(line.text for line in run.lines)
    if run.losses:
        step, loss = next(reversed(run.losses.items()))
        bar.update(step, loss)
