"""What reading progress from a log costs: for each kind of line, and for the record that the Training tab shows."""

from __future__ import annotations

import json
import time

from airflow_kubeflow_trainer.trainjob.progress import Progress, Recorder

LINES = 100_000
KINDS = {
    "no progress in it": "2026-01-01 12:00:00,123 INFO trainer.py:120 reading shard {n} from /workspace/dataset",
    "words about a loss": "2026-01-01 12:00:00 loss function {n} is set: reduction=mean and others",
    "TorchTune's bar": "1|{n}|Loss: 1.793434:  48%|####8     | 12/2500 [00:03<00:04,  3.2it/s]",
    "TorchTune's logger": "Step {n} | loss:1.593434 lr:0.001 tokens_per_second_per_gpu:1922.27783203125 ",
    "Hugging Face's dict": "{{'loss': '{n}.154', 'grad_norm': '2.221', 'learning_rate': '4.75e-05', 'epoch': '0.2'}}",
    "key=value": "step={n} loss=1.25 lr=0.0003 acc=0.25",
    "the protocol": 'kubeflow-trainer: {{"step": {n}, "total_steps": 100000, "loss": 1.25}}',
}


def main() -> None:
    print(f"Processor time, mean of {LINES} lines\n")
    for kind, template in KINDS.items():
        lines = [template.format(n=number) for number in range(LINES)]
        print(f"  {kind:<24}{1e6 * feeding_seconds(lines) / LINES:>8.1f} us")
    seconds, size = record_cost(KINDS["TorchTune's logger"])
    print(f"\n  a record of {LINES} steps: {1e3 * seconds:.1f} ms, {size / 1024:.1f} KiB")


def feeding_seconds(lines: list[str]) -> float:
    """Seconds of processor time that feeding these lines takes."""
    progress = Progress()
    began = time.process_time()
    for number, line in enumerate(lines):
        progress.feed(line, float(number))
    return time.process_time() - began


def record_cost(template: str, *, rounds: int = 20) -> tuple[float, int]:
    """Seconds of processor time for one record, and its bytes."""
    recorder = Recorder(name="job", namespace="default", uid=None)
    for number in range(LINES):
        recorder.progress.feed(template.format(n=number), float(number))
    began = time.process_time()
    for _ in range(rounds):
        record = recorder.to_record(0.0)
    return (time.process_time() - began) / rounds, len(json.dumps(record))


if __name__ == "__main__":
    main()
