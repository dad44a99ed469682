"""What operators do on a worker, on the real control plane, where they may do what the documentation says, no more.

The tests are those that the local cluster goes through too.
"""

# ruff: noqa: F401 - what is imported here is run here

from __future__ import annotations

import json

import pytest

from airflow_kubeflow_trainer.hooks.trainer import KubeflowTrainerHook
from tests.control_plane.access import documented_token
from tests.control_plane.plane import ControlPlane
from tests.local.operators.conftest import outside_of_a_task_runner, task
from tests.local.operators.test_both_ways import (
    test_a_trainjob_that_is_gone_when_its_task_resumes_is_not_missed,
)
from tests.local.operators.test_execution import (
    test_a_creation_whose_answer_was_lost_is_not_repeated,
    test_a_kill_that_comes_after_the_end_keeps_what_was_trained,
    test_a_new_try_ends_what_an_earlier_one_left_running,
    test_a_signal_during_the_creation_leaves_nothing_behind,
    test_a_task_that_waits_on_the_worker_ends_with_its_trainjob,
    test_a_trainjob_that_outlives_its_time_is_not_left_to_itself,
    test_a_try_that_runs_twice_submits_once,
    test_a_worker_that_is_told_to_end_deletes_its_trainjob,
    test_what_becomes_of_a_trainjob_that_ended,
)
from tests.local.operators.test_refusing import (
    test_a_queue_or_suspension_that_would_hang_is_refused_with_the_remedy,
    test_a_runtime_that_does_not_exist_is_named_with_those_that_do,
    test_a_strangers_trainjob_is_not_adopted,
    test_a_trainjob_that_cannot_be_suspended_or_resumed_is_left_as_it_is,
    test_the_admissions_words_reach_the_user_as_they_are,
)

pytestmark = [pytest.mark.usefixtures("node"), pytest.mark.timeout(180)]


@pytest.fixture
def hook(plane: ControlPlane, namespace: str, monkeypatch: pytest.MonkeyPatch) -> KubeflowTrainerHook:
    """The hook of a connection that may do what the documentation says, and nothing else."""
    extra = {"kube_config": plane.kubeconfig_for(documented_token(plane, namespace)), "namespace": namespace}
    monkeypatch.setenv("AIRFLOW_CONN_TEST_CLUSTER", json.dumps({"conn_type": "kubernetes", "extra": extra}))
    return KubeflowTrainerHook("test_cluster")
