"""Commands that look at a cluster: ps, logs, runtimes, check."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from airflow_kubeflow_trainer.local.cluster import LocalCluster
from airflow_kubeflow_trainer.trainjob.identity import TaskIdentity
from tests.local.cli.conftest import Run, TrainJobs

IDENTITY = TaskIdentity(dag_id="finetune", run_id="manual__1", task_id="llama", map_index=3, try_number=2)


def test_ps_shows_what_goes_on_and_with_all_what_has_ended_too(run: Run, trainjobs: TrainJobs) -> None:
    done = trainjobs.create("true")
    assert run("logs", "-f", done).code == 0
    going_on = trainjobs.create("exec sleep 60", annotations=IDENTITY.annotations())
    mine = ("-l", f"test={trainjobs.label}")

    assert [row["name"] for row in run("ps", *mine, "--output", "json").json] == [going_on]
    # Both may be of one second, which is all that Kubernetes tells of their age.
    by_name = {row["name"]: row for row in run("ps", *mine, "--all", "-o", "json").json}
    ended, other = by_name[done], by_name[going_on]
    assert (ended["name"], ended["phase"], ended["ended"], ended["task"]) == (done, "Succeeded", True, None)
    assert other["task"] == {
        "dag_id": "finetune",
        "run_id": "manual__1",
        "task_id": "llama",
        "map_index": 3,
        "try_number": 2,
        "ti_id": "",
    }
    header, line = run("ps", *mine).out.splitlines()
    assert header.split() == ["NAME", "PHASE", "NODES", "RUNTIME", "AGE", "TASK"]
    assert line.split()[0] == going_on
    assert line.rstrip().endswith("finetune.llama[3] manual__1 #2")


def test_where_there_is_nothing_to_list_one_line_says_so(run: Run, trainjobs: TrainJobs) -> None:
    run("logs", "-f", trainjobs.create("true"))

    answer = run("ps", "-l", f"test={trainjobs.label}")

    assert (answer.code, answer.out, answer.err) == (0, "", "No TrainJobs; 1 have ended: see them with --all\n")
    assert run("ps", "-l", "test=nothing-at-all", "-o", "json").json == []


def test_logs_follow_a_training_to_its_end(run: Run, trainjobs: TrainJobs) -> None:
    name = trainjobs.create("for n in 1 2 3; do echo step $n; sleep 0.3; done")

    answer = run("logs", "--follow", name)

    assert answer.code == 0
    assert answer.out == "step 1\nstep 2\nstep 3\n"
    assert "# Running" in answer.err
    assert answer.err.splitlines()[-1].startswith("# Succeeded")
    assert run("logs", name).out == answer.out


def test_logs_that_follow_a_training_that_fails_say_why_and_fail(run: Run, trainjobs: TrainJobs) -> None:
    answer = run("logs", "-f", trainjobs.create("echo last words; exit 7"))

    assert answer.code == 1
    assert "last words\n" in answer.out
    assert "exit code 7" in answer.err.splitlines()[-1]


def test_logs_as_json_are_one_object_a_line(run: Run, trainjobs: TrainJobs) -> None:
    name = trainjobs.create('echo "über \\"quotes\\""')
    run("logs", "-f", name)

    (line,) = run("logs", name, "-o", "json").out.splitlines()

    assert json.loads(line)["text"] == 'über "quotes"'
    assert json.loads(line)["pod"].startswith(f"{name}-node-0-0-")


def test_each_nodes_log_can_be_read(run: Run, trainjobs: TrainJobs) -> None:
    name = trainjobs.create("echo I am $JOB_COMPLETION_INDEX", trainer={"numNodes": 2})
    run("logs", "-f", name)

    assert run("logs", name, "--step", "node-1").out == "I am 1\n"
    assert run("logs", name, "--step", "node-0").out == "I am 0\n"


def test_a_step_that_there_is_not_is_told_with_those_that_there_are(run: Run, trainjobs: TrainJobs) -> None:
    name = trainjobs.create("true")
    run("logs", "-f", name)

    answer = run("logs", name, "--step", "model-initializer")

    assert answer.code == 4
    assert answer.err == (f"logs: TrainJob {name} has no pod of step model-initializer-0; its steps: node-0\n")


def test_runtimes_are_listed_with_what_they_ask_for(run: Run) -> None:
    rows = {row["name"]: row for row in run("runtimes", "-o", "json").json}

    assert rows["torchtune-llama3.2-1b"]["resources_per_node"] == {"limits": {"nvidia.com/gpu": 2}}
    assert rows["torchtune-llama3.2-1b"]["steps"] == ["dataset-initializer", "model-initializer", "node"]
    assert rows["torch-distributed"]["framework"] == "torch"
    assert "torchtune-llama3.2-1b" in run("runtimes").out


def test_check_says_what_it_found_of_a_kubeconfig_and_of_a_connection(
    run: Run, local_cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    extra = {"kube_config_path": str(local_cluster.kubeconfig)}
    monkeypatch.setenv("AIRFLOW_CONN_MY_CLUSTER", json.dumps({"conn_type": "kubernetes", "extra": extra}))

    by_file, by_connection = run("check", "--kubeconfig", str(local_cluster.kubeconfig)), run("check", "my_cluster")

    assert by_file.code == by_connection.code == 0
    assert by_file.out == by_connection.out
    assert "[ok] Kubeflow Trainer is 2.2 or later" in by_file.out
    assert all(finding["good"] for finding in run("check", "my_cluster", "-o", "json").json)


def test_a_connection_leads_to_its_cluster_and_namespace(
    run: Run, trainjobs: TrainJobs, local_cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = trainjobs.create("exec sleep 60")
    extra = {"kube_config_path": str(local_cluster.kubeconfig), "namespace": "elsewhere"}
    monkeypatch.setenv("AIRFLOW_CONN_MY_CLUSTER", json.dumps({"conn_type": "kubernetes", "extra": extra}))
    monkeypatch.setenv("KUBECONFIG", "/no/such/file")

    assert run("ps", "--conn-id", "my_cluster", "-o", "json").json == []
    assert name in run("ps", "--conn-id", "my_cluster", "-n", "default").out


def test_the_namespace_is_that_of_the_context_as_with_kubectl(
    run: Run, trainjobs: TrainJobs, local_cluster: LocalCluster, tmp_path: Path
) -> None:
    name = trainjobs.create("exec sleep 60")
    config = yaml.safe_load(local_cluster.kubeconfig.read_text())
    config["contexts"].append({"name": "other", "context": {**config["contexts"][0]["context"], "namespace": "other"}})
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    here = ("--kubeconfig", str(tmp_path / "config"))

    assert name in run("ps", *here).out
    assert name not in run("ps", *here, "--context", "other").out
    assert name in run("ps", *here, "--context", "other", "--namespace", "default").out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        pytest.param(["logs", "nothing"], 4, 'trainjobs.trainer.kubeflow.org "nothing" not found', id="no such job"),
        pytest.param(["ps", "--kubeconfig", "/no/such"], 2, "cannot be read from /no/such", id="no such kubeconfig"),
        pytest.param(["ps", "--context", "moon"], 2, "there is no context 'moon' in it; there are:", id="no context"),
        pytest.param(["ps", "--conn-id", "x", "--context", "y"], 2, "not both", id="two clusters"),
        pytest.param(["ps", "--conn-id", "nowhere"], 2, "there is no Airflow connection 'nowhere'", id="no connection"),
        pytest.param(["ps", "-l", "==="], 3, "", id="a selector that is none"),
        pytest.param(["ps", "--colour"], 2, "unrecognized arguments: --colour", id="no such option"),
    ],
)
def test_what_goes_wrong_has_an_exit_code_and_one_line(run: Run, arguments: list[str], code: int, words: str) -> None:
    answer = run(*arguments)

    assert (answer.code, answer.out) == (code, "")
    assert words in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.parametrize(
    ("server", "token", "words"),
    [
        pytest.param("https://127.0.0.1:1", None, "No answer from the cluster at https://127.0.0.1:1", id="no cluster"),
        pytest.param(None, "wrong", "Unauthorized", id="a token that is not accepted"),
    ],
)
def test_a_cluster_that_does_not_answer_us_is_another_exit_code(
    run: Run, local_cluster: LocalCluster, tmp_path: Path, server: str | None, token: str | None, words: str
) -> None:
    config = yaml.safe_load(local_cluster.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = server or config["clusters"][0]["cluster"]["server"]
    config["users"][0]["user"]["token"] = token or config["users"][0]["user"]["token"]
    (tmp_path / "config").write_text(yaml.safe_dump(config))

    answer = run("ps", "--kubeconfig", str(tmp_path / "config"))

    assert answer.code == 3
    assert words in answer.err


def command(local_cluster: LocalCluster, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "airflow_kubeflow_trainer", *arguments, "--kubeconfig", str(local_cluster.kubeconfig)]


def test_whoever_stops_reading_early_sees_no_error(trainjobs: TrainJobs, local_cluster: LocalCluster) -> None:
    name = trainjobs.create("yes | head -n 100000; exec sleep 60")
    follow = subprocess.Popen(
        command(local_cluster, "logs", "-f", name), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert follow.stdout is not None
    assert follow.stderr is not None

    assert follow.stdout.readline() == "y\n"
    follow.stdout.close()

    assert follow.wait(30) == 0
    assert [line for line in follow.stderr.read().splitlines() if not line.startswith("# ")] == []


def test_ctrl_c_ends_it_without_a_traceback(trainjobs: TrainJobs, local_cluster: LocalCluster) -> None:
    name = trainjobs.create("echo begun; exec sleep 60")
    follow = subprocess.Popen(
        command(local_cluster, "logs", "-f", name),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that runs the tests in its background lets them, and what they start, ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert follow.stdout is not None
    assert follow.stdout.readline() == "begun\n"

    follow.send_signal(signal.SIGINT)
    _, err = follow.communicate(timeout=30)

    assert follow.returncode == 130
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "arguments", [["ps"], ["runtimes"], ["check"], ["logs"], ["logs", "-f"], ["diagnose"]], ids=" ".join
)
def test_nothing_heavy_is_imported_where_a_kubeconfig_is_named(
    run: Run, trainjobs: TrainJobs, local_cluster: LocalCluster, arguments: list[str]
) -> None:
    name = [trainjobs.create("true")] if arguments[0] in ("logs", "diagnose") else []
    if name:
        # To its end: a container that is still to be made has no log.
        run("logs", "-f", *name)
    program = (
        "import sys; from airflow_kubeflow_trainer.cli.main import main; assert main(sys.argv[1:]) in (0, 1, 4); "
        "print(*{'airflow', 'kubernetes', 'kubernetes_asyncio', 'pydantic', 'torch'} & sys.modules.keys(), 'end')"
    )
    ours = ["--kubeconfig", str(local_cluster.kubeconfig)]

    done = subprocess.run(
        [sys.executable, "-c", program, *arguments, *name, *ours], check=True, capture_output=True, text=True
    )

    assert done.stdout.splitlines()[-1] == "end"
