"""CustomTrainerOperator and @task.kubeflow_trainer while a DAG is parsed and rendered: {plain, partial, expand}."""

from __future__ import annotations

import ast
import datetime
import inspect
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG, BaseOperator, task
from airflow.sdk.definitions.mappedoperator import MappedOperator

from airflow_kubeflow_trainer import CustomTrainerOperator
from airflow_kubeflow_trainer.config import RuntimePatch, SecretRef
from airflow_kubeflow_trainer.decorators import kubeflow_trainer_task
from airflow_kubeflow_trainer.exceptions import ConfigError, ResultError
from airflow_kubeflow_trainer.operators.base import TrainJobOperator
from airflow_kubeflow_trainer.trainjob import remote
from tests.unit.custom import functions
from tests.unit.rendering import TaskInstance

RUNTIME = "torch-distributed"


def train(rate: Any, epochs: Any = 1) -> Any:
    return rate, epochs


class Upstream(BaseOperator):
    """A task that gives a value."""


def rendered(operator: Any, *, xcoms: dict[str, Any] | None = None, **context: Any) -> Any:
    """Prepare a task, or the first that a mapped one expands to, as Airflow's task runner does."""
    ti = TaskInstance(map_index=0 if operator.is_mapped else -1, xcoms=xcoms or {})
    ti.xcom_push = lambda key, value: ti.xcoms.update({key: value})
    prepared = operator.prepare_for_execution()
    values = {
        "ti": ti,
        "dag": operator.dag,
        "task": prepared,
        "params": {},
        "dag_run": SimpleNamespace(conf={}),
        "run_id": "r",
        "ds": "2026-01-31",
        **context,
    }
    prepared.render_template_fields(values, operator.dag.get_template_env())
    return values["task"]


def call_of(manifest: dict[str, Any]) -> dict[str, Any]:
    """What the function will be called with."""
    call: dict[str, Any] = json.loads(manifest["spec"]["trainer"]["args"][2].replace("$$", "$"))
    return {
        "args": [remote.read(value) for value in call["args"]],
        "kwargs": {name: remote.read(value) for name, value in call["kwargs"].items()},
    }


WAYS = ("operator", "operator partial", "operator expand", "decorator", "decorator partial", "decorator expand")


def parse(way: str, arguments: dict[str, Any], settings: dict[str, Any] | None = None, func: Any = train) -> Any:
    """Parse one task of the DAG that is being made."""
    settings = {"runtime": RUNTIME, **(settings or {})}
    decorated: Any = kubeflow_trainer_task(**settings, task_id="t") if way.startswith("decorator") else None
    settings |= {"task_id": "t", "func": func}
    match way:
        case "operator":
            return CustomTrainerOperator(**settings, func_args=arguments)
        case "operator partial":
            return CustomTrainerOperator.partial(**settings, func_args=arguments).expand(name=["a"])
        case "operator expand":
            return CustomTrainerOperator.partial(**settings).expand(func_args=[arguments])
        case "decorator":
            return decorated(func)(**arguments).operator
        case "decorator partial":
            first, *others = arguments
            partial = decorated(func).partial(**{name: arguments[name] for name in others})
            return partial.expand(**{first: [arguments[first]]}).operator
        case _:
            return decorated(func).expand_kwargs([arguments]).operator


@pytest.fixture(autouse=True)
def mapped_in_vain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare a partial that was never mapped, since that failed, Airflow's complaint about it."""
    monkeypatch.setattr("airflow.sdk.definitions.mappedoperator.OperatorPartial.__del__", lambda _: None)


@pytest.mark.parametrize("way", WAYS)
def test_the_function_is_called_with_what_its_author_says_however_he_says_it(way: str) -> None:
    start = datetime.datetime(2026, 1, 31, tzinfo=datetime.UTC)
    with DAG("d", params={"epochs": 3}) as dag:
        upstream = Upstream(task_id="u")
        operator = parse(way, {"rate": {"start": start, "from": upstream.output}, "epochs": "{{ params.epochs }}"})

    manifest = rendered(operator, xcoms={"u": 0.5}, params=dag.params).manifest()

    assert operator.upstream_task_ids == {"u"}
    assert call_of(manifest)["kwargs"] == {"rate": {"start": start, "from": 0.5}, "epochs": "3"}
    assert manifest["spec"]["trainer"]["command"][:2] == ["bash", "-c"]
    assert "torchrun" in manifest["spec"]["trainer"]["command"][2]
    assert manifest["spec"]["trainer"]["args"][1].startswith("def train(rate: Any, epochs: Any = 1)")


@pytest.mark.parametrize("way", WAYS)
def test_settings_may_be_models_templates_and_short_forms(way: str) -> None:
    settings = {
        "num_nodes": "{{ 1 + 1 }}",
        "num_proc_per_node": 4,
        "resources_per_node": {"gpu": 1, "memory": "{{ ds }}Gi"},
        "env": {"TOKEN": SecretRef("hf", key="token"), "DAY": "{{ ds }}"},
        "packages_to_install": ["torchvision=={{ ds }}"],
        "image": "registry/{{ ds }}",
        "runtime_patches": [RuntimePatch(manager="example.com/x")],
    }
    with DAG("d"):
        operator = parse(way, {"rate": 1}, settings)

    trainer = rendered(operator, ds="7").manifest()["spec"]["trainer"]

    assert (trainer["numNodes"], trainer["numProcPerNode"], trainer["image"]) == (2, 4, "registry/7")
    assert trainer["resourcesPerNode"]["limits"] == {"nvidia.com/gpu": "1", "memory": "7Gi"}
    assert trainer["env"] == [
        {"name": "PYTHONUNBUFFERED", "value": "1"},
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "hf", "key": "token"}}},
        {"name": "DAY", "value": "7"},
    ]
    assert "pip install" in trainer["command"][2] and "torchvision==7" in trainer["command"][2]


@pytest.mark.parametrize("native", [False, True], ids=["text", "native"])
@pytest.mark.parametrize("way", WAYS)
def test_templated_arguments_have_the_types_that_the_dag_gives_them(way: str, native: bool) -> None:
    with DAG("d", params={"rate": 0.01}, render_template_as_native_obj=native) as dag:
        operator = parse(way, {"rate": "{{ params.rate }}"})

    manifest = rendered(operator, params=dag.params).manifest()

    assert call_of(manifest)["kwargs"] == {"rate": 0.01 if native else "0.01"}


@pytest.mark.parametrize("way", WAYS)
def test_what_the_function_asks_of_the_context_is_filled_in(way: str) -> None:
    def asking(rate: Any, ds: Any, params: Any = None, logical_date: Any = None, run_id: Any = None) -> Any: ...

    when = datetime.datetime(2026, 1, 31, tzinfo=datetime.UTC)
    with DAG("d", params={"a": 1}):
        operator = parse(way, {"rate": 1}, func=asking)

    manifest = rendered(operator, logical_date=when, params={"a": 1}).manifest()

    expected = {"rate": 1, "ds": "2026-01-31", "params": {"a": 1}, "logical_date": when, "run_id": "r"}
    assert call_of(manifest)["kwargs"] == expected


def wrong(**settings: Any) -> Callable[[str], Any]:
    return lambda way: parse(way, {"rate": 1}, settings)


def asks_for_ti(rate: Any, ti: Any = None) -> Any: ...


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        pytest.param(lambda way: parse(way, {"rate": object()}), r"rate.*a object cannot travel", id="argument"),
        pytest.param(
            lambda way: parse(way, {"rate": 1, "epochs": {1}}), r"epochs.*a set cannot travel", id="second argument"
        ),
        pytest.param(lambda way: parse(way, {"rate": 1}, func=functions.uses_a_global), "BATCH_SIZE", id="function"),
        pytest.param(
            lambda way: parse(way, {"rate": 1}, func=asks_for_ti), "asks for 'ti', an object of Airflow's", id="ti"
        ),
        pytest.param(wrong(num_nodes=0), "^num_nodes: must be at least 1, not 0", id="nodes"),
        pytest.param(wrong(num_proc_per_node="x"), "^num_proc_per_node: must be an integer", id="processes"),
        pytest.param(
            wrong(resources_per_node={"gpus": 1}), "^resources_per_node: 'gpus' is no resource", id="resources"
        ),
        pytest.param(wrong(env={"PET_NNODES": "1"}), "^env: PET_NNODES is set by Trainer", id="reserved"),
        pytest.param(wrong(packages_to_install="torch"), "^packages_to_install: must be a list", id="text of packages"),
        pytest.param(
            wrong(packages_to_install=["--pre"]), "^packages_to_install: '--pre' names no package", id="option"
        ),
        pytest.param(
            wrong(pip_index_urls=["https://me:secret@pypi.example/simple"]),
            "^pip_index_urls: an address with a password",
            id="password",
        ),
        pytest.param(wrong(max_restarts=-1), "^max_restarts", id="an argument of all operators"),
    ],
)
def test_mistakes_are_refused_at_parse(way: str, mistake: Callable[[str], Any], message: str) -> None:
    with DAG("d"), pytest.raises(ConfigError, match=message) as refused:
        mistake(way)
    assert "secret" not in str(refused.value).replace("Secret", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param({"func": train, "command": ["x"]}, "command: func brings a command of its own", id="two commands"),
        pytest.param(
            {"func_args": {"x": 1}, "command": ["x"]}, "func_args: is for a function", id="arguments of nothing"
        ),
        pytest.param(
            {"packages_to_install": ["x"], "image": "y"}, "packages_to_install: is for a function", id="packages"
        ),
        pytest.param({}, "func: give a function, or image, command or args", id="nothing"),
        pytest.param(
            {"func": train, "func_args": {"rte": 1}}, r"func_args: train\(\) got an unexpected.*'rte'", id="misspelt"
        ),
        pytest.param({"func": train}, r"func_args: train\(\) needs 'rate'", id="missing"),
        pytest.param(
            {"func": train, "func_args": [1]}, r"func_args: must be a dict of arguments by name, not \[1\]", id="a list"
        ),
    ],
)
@pytest.mark.parametrize("mapped", [False, True], ids=["plain", "mapped"])
def test_what_does_not_go_together_is_refused(mapped: bool, arguments: dict[str, Any], message: str) -> None:
    arguments = {"task_id": "t", "runtime": RUNTIME, **arguments}
    kind = CustomTrainerOperator
    make = (lambda **given: kind.partial(**given).expand(name=["a"])) if mapped else kind

    with DAG("d"), pytest.raises(ConfigError, match=f"^{message}"):
        make(**arguments)


def test_what_is_wrong_with_a_mapped_decorated_task_is_refused_at_parse() -> None:
    decorated = kubeflow_trainer_task(runtime=RUNTIME)(train)

    with DAG("d"):
        with pytest.raises(ConfigError, match=r"train\(\) needs 'rate'"):
            decorated.expand(epochs=[1])
        with pytest.raises(ConfigError, match=r"train\(\) needs 'rate'"):
            decorated.partial(epochs=1).expand_kwargs([{"rate": 1}, {}])
        with pytest.raises(TypeError, match="'nodes'"):
            decorated.override(nodes=2).expand(rate=[1])


def test_a_task_is_mapped_over_the_items_of_a_dict_whatever_its_keys() -> None:
    with DAG("d"):
        operator = kubeflow_trainer_task(runtime=RUNTIME)(train).expand(rate={8: 0.1}).operator

    assert call_of(rendered(operator).manifest())["kwargs"] == {"rate": (8, 0.1)}


def test_further_arguments_may_be_called_as_a_key_of_the_context() -> None:
    def takes_more(rate: Any, **params: Any) -> Any: ...

    with DAG("d"):
        operator = parse("operator", {"rate": 1, "depth": 2}, func=takes_more)

    assert call_of(rendered(operator, params={"a": 1}).manifest())["kwargs"] == {"rate": 1, "depth": 2}


@pytest.mark.parametrize(
    ("runtime", "launcher"),
    [
        ("torch-distributed", "torchrun"),
        ("deepspeed-distributed", "mpirun"),
        ("mlx-distributed", "mpirun"),
        ("jax-distributed", "python"),
        ("xgboost-distributed", "python"),
    ],
)
def test_without_a_cluster_a_function_is_started_as_the_stock_runtime_does(runtime: str, launcher: str) -> None:
    with DAG("d"):
        command = parse("operator", {"rate": 1}, {"runtime": runtime}).manifest()["spec"]["trainer"]["command"]

    last_line = command[-1].splitlines()[-1].split()
    assert launcher == (command[0] if command[0] == "mpirun" else last_line[1])


def test_what_a_mapped_task_hides_is_refused_before_anything_is_submitted() -> None:
    with DAG("d"):
        operator = CustomTrainerOperator.partial(task_id="t", runtime=RUNTIME, func=train).expand(
            func_args=Upstream(task_id="u").output
        )
    assert isinstance(operator, MappedOperator)
    operator.partial_kwargs["func"] = functions.uses_a_global
    prepared = operator.unmap({"func_args": {}})

    with pytest.raises(ConfigError, match="BATCH_SIZE"):
        prepared.manifest()


def test_a_container_of_ones_own_runs_as_it_is() -> None:
    with DAG("d"):
        operator = CustomTrainerOperator(
            task_id="t",
            runtime="jax-distributed",
            image="me/train:1",
            command=["python", "-m", "me"],
            args=["--x={{ ds }}", "$HOME"],
        )

    trainer = rendered(operator).manifest()["spec"]["trainer"]

    assert (trainer["image"], trainer["command"], trainer["args"]) == (
        "me/train:1",
        ["python", "-m", "me"],
        ["--x=2026-01-31", "$HOME"],
    )


def test_without_func_or_command_a_runtime_of_ones_own_runs_what_it_says() -> None:
    with DAG("d"):
        operator = CustomTrainerOperator(task_id="t", runtime="my-runtime")

    assert "command" not in operator.manifest()["spec"]["trainer"]


def finished(operator: Any, **event: Any) -> Any:
    ended = {"cause": None, "name": "n", "namespace": "ns", "result": None, "returned": None, **event}
    pushed: dict[str, Any] = {}
    context = {"ti": SimpleNamespace(xcom_push=lambda key, value: pushed.update({key: value}))}
    return operator.result_of(context, ended), pushed


def test_the_result_is_the_functions_and_the_models_place_is_beside_it() -> None:
    with DAG("d"):
        operator = parse("operator", {"rate": 1})

    assert finished(operator, returned='{"result":[1]}', result={"claim_name": "c"}) == (
        [1],
        {"output": {"claim_name": "c"}},
    )
    with pytest.raises(ResultError, match="pods may not be listed"):
        finished(operator)
    with pytest.raises(ResultError, match="termination message of rank 0 .* is ''"):
        finished(operator, returned="")


def test_the_decorator_is_airflows_own_and_behaves_as_others_do() -> None:
    assert task.kubeflow_trainer is kubeflow_trainer_task

    with DAG("d") as dag:

        @task.kubeflow_trainer(runtime=RUNTIME, num_nodes=2)
        def fit(rate: float) -> dict[str, float]:
            """Fits."""
            return {"accuracy": rate}

        first = fit.override(task_id="other", num_nodes=3, retries=4)(0.1)
        second = fit(first["accuracy"])
        third = fit(rate=second["accuracy"])

    assert dag.task_ids == ["other", "fit", "fit__1"]
    operator = dag.get_task("other")
    assert (operator.num_nodes, operator.retries, operator.multiple_outputs, operator.doc_md) == (3, 4, True, "Fits.")
    assert third.operator.upstream_task_ids == {"fit"}
    assert second.operator.num_nodes == 2


def test_editors_are_told_of_every_argument_of_the_operator() -> None:
    tree = ast.parse(inspect.getsource(inspect.getmodule(kubeflow_trainer_task)))  # type: ignore[arg-type]
    # The first of both: what runs stands in the `else`.
    told = next(node for node in ast.walk(tree) if getattr(node, "name", "") == kubeflow_trainer_task.__name__)
    assert isinstance(told, ast.FunctionDef)

    arguments = {
        name
        for operator in (CustomTrainerOperator, TrainJobOperator)
        for name in inspect.signature(operator.__init__).parameters
    }
    assert arguments - {argument.arg for argument in told.args.kwonlyargs} == {
        "self", "kwargs", "func", "func_args", "command", "args"
    }  # fmt: skip


def test_a_decorated_function_has_no_command_beside_it() -> None:
    with pytest.raises(ConfigError, match="command: the decorated function is what runs"), DAG("d"):
        parse("decorator", {"rate": 1}, {"command": ["x"]})


@pytest.mark.parametrize("way", WAYS)
def test_a_dag_with_numbers_that_are_not_finite_can_be_stored_shown_and_run(way: str) -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    with DAG("d", schedule=None) as dag:
        operator = parse(way, {"rate": {"worst": [float("inf")]}, "epochs": float("nan")})

    json.dumps(DagSerialization.to_dict(dag), allow_nan=False)
    ready = rendered(operator)
    json.dumps([getattr(ready, field) for field in ready.template_fields], allow_nan=False, default=str)
    kwargs = call_of(ready.manifest())["kwargs"]
    assert kwargs["rate"] == {"worst": [float("inf")]}
    assert str(kwargs["epochs"]) == "nan"
