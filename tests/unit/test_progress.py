"""Where a training is, through restarts, replays, several ranks and several sources."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from airflow_kubeflow_trainer.trainjob.progress import Progress

CONFIG = ["Running Recipe with resolved config:", "", "batch_size: 4", "epochs: 2", "loss:", "  _component_: x", ""]


def bar(step: int, *, of: int = 100, loss: float = 1.0) -> str:
    epoch, done = (step - 1) // of + 1, (step - 1) % of + 1
    return f"{epoch}|{step}|Loss: {loss}:  {100 * done // of}%|###   | {done}/{of} [00:03<00:04,  3.2it/s]"


def curve(progress: Progress, name: str = "loss") -> list[tuple[float, float]]:
    return [(point.x, point.y) for point in progress.metrics[name].series.points(1000)]


def fed(progress: Progress, lines: Iterable[str], *, start: float = 0.0, every: float = 1.0) -> Progress:
    for number, line in enumerate(lines, start=1):
        progress.feed(line, start + number * every)
    return progress


def test_steps_percentage_and_remaining_time_go_over_all_epochs() -> None:
    progress = fed(Progress(), [*CONFIG, *(bar(step) for step in range(1, 151))], every=2.0)

    assert (progress.step, progress.total_steps, progress.percent) == (150, 200, 75.0)
    assert (progress.epoch, progress.total_epochs) == (1.5, 2.0)
    assert progress.per_second == pytest.approx(0.5)
    assert progress.remaining_seconds == pytest.approx(100.0)


def test_remaining_time_follows_the_pace_of_the_last_minutes_not_of_the_warm_up() -> None:
    progress = Progress()
    progress.feed(CONFIG[0], 0.0)
    progress.feed("epochs: 1", 0.0)
    fed(progress, (bar(step, of=1000) for step in range(1, 11)), every=60.0)
    fed(progress, (bar(step, of=1000) for step in range(11, 501)), start=600.0, every=1.0)

    assert progress.remaining_seconds == pytest.approx(500.0, rel=0.02)


def test_all_steps_of_a_bar_that_overwrote_itself_are_seen() -> None:
    progress = fed(Progress(), ["\r".join(bar(step, loss=9.0 - step) for step in range(1, 9))])

    assert curve(progress) == [(step, 9.0 - step) for step in range(1, 9)]


def test_a_training_that_resumes_from_a_checkpoint_after_a_restart_goes_on_from_there() -> None:
    progress = fed(Progress(), (bar(step, loss=50.0) for step in range(1, 41)))

    progress.restarted("job-node-0-0-abcde", 50.0)
    fed(progress, (bar(step, loss=2.0) for step in range(31, 36)), start=60.0)

    assert curve(progress) == [(step, 50.0 if step < 31 else 2.0) for step in range(1, 36)]
    assert progress.step == 35
    assert [(restart.at, restart.pod) for restart in progress.restarts] == [(50.0, "job-node-0-0-abcde")]


def test_remaining_time_after_a_restart_does_not_count_the_time_in_between() -> None:
    progress = fed(Progress(), [*CONFIG[:4], *(bar(step) for step in range(1, 41))])

    progress.restarted("pod", 50.0)
    fed(progress, (bar(step) for step in range(1, 21)), start=10_000.0, every=10.0)

    assert progress.remaining_seconds == pytest.approx(1800.0)


def test_a_training_that_starts_again_within_its_pod_is_noticed_without_being_told() -> None:
    progress = fed(Progress(), (bar(step, loss=50.0) for step in range(1, 61)))

    fed(progress, (bar(step, loss=2.0) for step in range(1, 31)), start=100.0)

    assert curve(progress) == [(step, 2.0) for step in range(1, 31)]
    assert [restart.pod for restart in progress.restarts] == [""]


def test_lines_that_are_told_again_change_nothing() -> None:
    lines = [bar(step, loss=float(step)) for step in range(1, 61)]
    progress = fed(Progress(), lines)

    fed(progress, lines)

    assert curve(progress) == [(step, float(step)) for step in range(1, 61)]
    assert progress.restarts == []


def test_ranks_that_lag_behind_one_another_are_no_restart() -> None:
    lines = [f"[rank{rank}] step={10 * turn} loss=1.0" for turn in range(1, 40) for rank in range(8)]
    # Each rank is a turn behind the one before it, now and then.
    swapped = [line for pair in zip(lines[8:], lines[:-8], strict=True) for line in pair]
    progress = fed(Progress(), swapped)

    assert progress.restarts == []
    assert [x for x, _ in curve(progress)] == [10.0 * turn for turn in range(2, 40)]


def test_lines_of_another_rank_that_come_late_and_many_at_once_are_no_restart() -> None:
    ahead = [f"step={step} loss=1.0" for step in range(20, 30)]
    late = [f"step={step} loss=9.0" for step in range(1, 13)]
    progress = fed(Progress(), [*ahead, *late, "step=30 loss=1.0", *late, "step=31 loss=1.0"])

    assert curve(progress) == [(step, 1.0) for step in range(20, 32)]
    assert progress.restarts == []


def test_of_several_who_tell_of_the_same_metric_the_training_framework_is_believed() -> None:
    lines = ["step=1 loss=99.0", "step=2 loss=99.0"]
    lines += [line for step in range(1, 6) for line in (bar(step, loss=2.0), f"step={10 * step} loss=99.0")]
    progress = fed(Progress(), lines)

    assert curve(progress) == [(step, 2.0) for step in range(1, 6)]


def test_the_protocol_counts_before_all_others() -> None:
    lines = [
        line
        for step in range(1, 6)
        for line in (bar(step), f'kubeflow-trainer: {{"step": {10 * step}, "total_steps": 100, "loss": 0.5}}')
    ]
    progress = fed(Progress(), lines)

    assert curve(progress) == [(10 * step, 0.5) for step in range(1, 6)]
    assert (progress.step, progress.percent) == (50, 50.0)


def test_what_a_training_says_of_its_own_remaining_time_counts() -> None:
    progress = fed(
        Progress(),
        [f'kubeflow-trainer: {{"step": {step}, "total_steps": 100, "remaining_seconds": 7}}' for step in range(1, 30)],
    )

    assert progress.remaining_seconds == 7.0


def status(percent: int, at: str, **metrics: Any) -> dict[str, Any]:
    # As transformers' KubeflowCallback reports it: every value is a string, and counts are among the metrics.
    return {
        "progressPercentage": percent,
        "estimatedRemainingSeconds": 90,
        "metrics": [{"name": name, "value": str(value)} for name, value in metrics.items()],
        "lastUpdatedTime": at,
    }


def test_the_trainer_status_of_a_trainjob_is_understood() -> None:
    progress = Progress()
    progress.see_status(status(0, "2026-01-01T00:00:00Z", total_steps=40))
    for step in (10, 20):
        reported = status(
            step, f"2026-01-01T00:00:{step}Z", loss=3 - step / 10, current_step=step, total_steps=40, current_epoch=0.5
        )
        progress.see_status(reported)
        # Every change of the TrainJob brings it again.
        progress.see_status(reported)
    told = status(50, "2026-01-01T00:00:20.5Z", reward=1)
    progress.see_status(told)
    progress.see_status(told)

    assert (progress.step, progress.total_steps, progress.percent, progress.epoch) == (20, 40, 50.0, 0.5)
    assert curve(progress, "reward") == [(1, 1.0)]
    assert progress.remaining_seconds == 90.0
    assert curve(progress) == [(10, 2.0), (20, 1.0)]
    assert progress.as_of == 1767225620.5


def test_a_trainer_that_reports_no_steps_is_believed_in_its_percentage() -> None:
    progress = Progress()

    progress.see_status(status(45, "2026-01-01T00:00:00Z", loss=0.2))

    assert (progress.percent, progress.step) == (45.0, None)


@pytest.mark.parametrize(
    "reported",
    [
        None,
        {},
        {"progressPercentage": 5},
        {"lastUpdatedTime": "yesterday", "metrics": None},
        {"lastUpdatedTime": "2026-01-01T00:00:00Z", "metrics": [{"name": "loss"}, {"value": "x"}]},
    ],
)
def test_a_trainer_status_that_says_nothing_is_passed_over(reported: dict[str, Any] | None) -> None:
    progress = Progress()

    progress.see_status(reported)

    assert progress.metrics == {}
    assert progress.percent is None


def test_a_log_counts_before_the_trainer_status_that_is_throttled() -> None:
    progress = Progress()
    fed(progress, [*CONFIG[:4], *(bar(step) for step in range(1, 51))], start=1767225600.0)

    progress.see_status(status(3, "2026-01-01T00:01:00Z", loss=7, current_step=5, total_steps=200, reward=0.5))

    assert (progress.step, progress.percent) == (50, 25.0)
    assert curve(progress)[-1] == (50, 1.0)
    assert curve(progress, "reward") == [(5, 0.5)]


def test_a_metric_without_steps_is_drawn_over_epochs_and_one_without_both_over_its_reports() -> None:
    over_epochs = fed(Progress(), [f"epoch={epoch} loss={9 - epoch}" for epoch in (1, 2, 3)])
    over_reports = fed(Progress(), [f"loss={9 - count}" for count in (1, 2, 3)])

    for progress, axis in ((over_epochs, "epoch"), (over_reports, "report")):
        assert progress.metrics["loss"].axis == axis
        assert curve(progress) == [(1, 8), (2, 7), (3, 6)]
