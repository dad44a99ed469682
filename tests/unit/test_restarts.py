"""Which failures come again, and when restarts are used up."""

from __future__ import annotations

from typing import Any

import pytest
from podobjects import pod_object, running, terminated

from airflow_kubeflow_trainer.trainjob.pods import Pod, Termination
from airflow_kubeflow_trainer.trainjob.restarts import FailedRuns, why_not_again

IMPORT = """Traceback (most recent call last):
  File "<string>", line 1, in <module>
ModuleNotFoundError: No module named 'peft'"""
# Written by torch 2.13's torchrun, shortened.
TORCHRUN = """[rank0]: Traceback (most recent call last):
[rank0]:   File "/workspace/train.py", line 12, in <module>
[rank0]:     main()
[rank0]: ValueError: too many values to unpack (expected 2)
E1128 10:00:00.000000 12 torch/distributed/elastic/multiprocessing/api.py:984] failed (exitcode: 1) local_rank: 0
Traceback (most recent call last):
  File "/usr/local/bin/torchrun", line 7, in <module>
    sys.exit(main())
torch.distributed.elastic.multiprocessing.errors.ChildFailedError:
============================================================"""
CHAINED = """Traceback (most recent call last):
  File "a.py", line 1, in <module>
KeyError: 'text'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "a.py", line 3, in <module>
RuntimeError: bad row"""
NETWORK = """Traceback (most recent call last):
  File "a.py", line 1, in <module>
torch.distributed.DistNetworkError: The client socket has timed out after 600000ms"""
WARNED = """ValueError: this line is data, and has no traceback
Step 4 | loss: 1.0"""


@pytest.mark.parametrize(
    ("failure", "log", "words"),
    [
        pytest.param(Termination(1, "Error", ""), IMPORT, "ModuleNotFoundError", id="a module that is not there"),
        pytest.param(Termination(1, "Error", ""), TORCHRUN, "ValueError", id="below torchrun's own traceback"),
        pytest.param(Termination(1, "Error", ""), CHAINED, "KeyError", id="the first of a chain"),
        pytest.param(Termination(127, "Error", ""), "sh: 1: tune: not found", "not found", id="no such command"),
        pytest.param(Termination(128, "StartError", "exec: no such file"), "", "cannot be started", id="no program"),
        pytest.param(Termination(1, "Error", ""), NETWORK, None, id="a connection that broke"),
        pytest.param(Termination(137, "OOMKilled", ""), IMPORT, None, id="out of memory"),
        pytest.param(Termination(137, "Error", ""), IMPORT, None, id="killed, after an error that was caught"),
        pytest.param(Termination(1, "Error", ""), WARNED, None, id="no traceback"),
        pytest.param(Termination(7, "Error", ""), "", None, id="a code of its own"),
    ],
)
def test_an_error_of_code_or_data_is_not_tried_again_and_others_are(
    failure: Termination, log: str, words: str | None
) -> None:
    reason = why_not_again(failure, log.splitlines(), failed_runs=1, max_restarts=None)

    assert reason is None if words is None else reason is not None and words in reason


@pytest.mark.parametrize(("runs", "allowed", "over"), [(1, 0, True), (1, 1, False), (2, 1, True), (7, 6, True)])
def test_restarts_are_counted_where_their_number_is_given(runs: int, allowed: int, over: bool) -> None:
    reason = why_not_again(Termination(1, "Error", ""), IMPORT.splitlines(), failed_runs=runs, max_restarts=allowed)

    assert (reason is not None) is over


def test_runs_are_counted_across_restarts_in_place_and_pods_that_replace_others() -> None:
    runs = FailedRuns()
    back_off: dict[str, Any] = {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "last_state": terminated(1)}

    assert runs.see(Pod.from_object(pod_object("a", state=terminated(1)))) == 1
    assert runs.see(Pod.from_object(pod_object("a", restarts=1, **back_off))) == 2
    assert runs.see(Pod.from_object(pod_object("a", restarts=2, state=running(), last_state=terminated(1)))) == 2
    assert runs.see(Pod.from_object(pod_object("b", phase="Failed", state=terminated(1)))) == 3
    assert runs.see(Pod.from_object(pod_object("c", index=1, phase="Failed", state=terminated(1)))) == 1


BACK_OFF = {"waiting": {"reason": "CrashLoopBackOff"}}
LOST, REMOVED = (terminated(137, reason=reason) for reason in ("ContainerStatusUnknown", "RestartingAllContainers"))


@pytest.mark.parametrize(
    ("state", "last_state", "restarts", "last_run", "ended_run"),
    [
        pytest.param(running(), None, 0, -1, -1, id="the first runs"),
        pytest.param(terminated(1), None, 0, -1, 0, id="the first has ended"),
        pytest.param(running(), terminated(1), 2, 1, 1, id="another one runs"),
        pytest.param(terminated(1), terminated(1), 2, 1, 2, id="another one has ended"),
        pytest.param(BACK_OFF, terminated(1), 2, 2, 2, id="it waits, and a restart to come is not counted"),
        pytest.param({"waiting": {}}, terminated(1), 2, 1, 1, id="another one is created"),
        pytest.param(BACK_OFF, LOST, 2, 1, 1, id="its node lost it, which is counted at once"),
        pytest.param(BACK_OFF, REMOVED, 2, 1, 1, id="its node removed it, which is counted at once"),
    ],
)
def test_which_run_a_status_is_about(
    state: dict[str, Any], last_state: dict[str, Any] | None, restarts: int, last_run: int, ended_run: int
) -> None:
    """As the kubelet counts (convertToAPIContainerStatuses)."""
    container = Pod.from_object(pod_object(state=state, last_state=last_state, restarts=restarts)).main

    assert container is not None
    assert (container.last_run, container.ended_run) == (last_run, ended_run)
