"""The same TrainJob comes out, however its configuration was written and whatever Airflow did with it on the way.

{model, dict, object like the SDK's} x {plain, partial, expand, expand_kwargs} x {literal, Jinja, XComArg} for every
field of every config class, in DAGs with and without native rendering, through Airflow's own parsing, mapping and
rendering.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from airflow.sdk import DAG, BaseOperator
from airflow.sdk.definitions.param import ParamsDict
from rendering import render
from samples import SAMPLES, Part, map_fields, map_items, parts, without_each, written

from airflow_kubeflow_trainer import BuiltinTrainerOperator
from airflow_kubeflow_trainer import config as public
from airflow_kubeflow_trainer.config.base import ConfigModel
from airflow_kubeflow_trainer.exceptions import ConfigError
from airflow_kubeflow_trainer.trainjob.identity import TaskIdentity

FORMS = ("model", "dict", "SDK object")
WAYS = ("plain", "partial", "expand", "expand_kwargs")
SOURCES = {
    "literal": None,
    "Jinja in items": map_items,
    "Jinja in fields": map_fields,
    "XComArgs in items": map_items,
    "XComArgs in fields": map_fields,
}
FIXED: dict[str, Any] = {"task_id": "t", "runtime": "torchtune-llama3.2-1b"}


class Upstream(BaseOperator):
    """A task that gives a value."""


pytestmark = [
    pytest.mark.filterwarnings("ignore:output is not set:UserWarning"),
    pytest.mark.filterwarnings("ignore:config.dataset_preprocess_config:UserWarning"),
]


class Values(dict[str, Any]):
    """The values that templates stand for, by names of their own."""

    def put(self, value: Any) -> str:
        name = f"value_{len(self)}"
        self[name] = written(value, "dict")
        return name


def make(sample: str, form: str, way: str, source: str, *, native: bool) -> tuple[Any, Values]:
    """Parse a DAG with one task; give the task, and the values that its templates stand for."""
    values = Values()
    with DAG("d", render_template_as_native_obj=native) as dag:

        def later(path: str, value: Any) -> Any:
            if "~" in path:
                return value  # Of a key that is deleted there is nothing to be told later.
            name = values.put(value)
            return Upstream(task_id=name).output if source.startswith("XComArgs") else f"{{{{ params.{name} }}}}"

        change = SOURCES[source]
        given = written(SAMPLES[sample] if change is None else change(SAMPLES[sample], later), form)
        match way:
            case "plain":
                operator = BuiltinTrainerOperator(**FIXED, **given)
            case "partial":
                operator = BuiltinTrainerOperator.partial(**FIXED, **given).expand(name=["a"])
            case "expand":
                each = {name: [value] for name, value in given.items()}
                operator = BuiltinTrainerOperator.partial(**FIXED, name="a").expand(**each)
            case _:
                operator = BuiltinTrainerOperator.partial(**FIXED, name="a").expand_kwargs([given])
        dag.params = ParamsDict(values)
    return operator, values


def manifest(operator: BuiltinTrainerOperator) -> dict[str, Any]:
    operator.name = "a"
    return operator.manifest(TaskIdentity(dag_id="d", run_id="r", task_id="t", map_index=-1, try_number=1))


def plainly(arguments: dict[str, Any]) -> dict[str, Any]:
    with DAG("d"):
        return manifest(BuiltinTrainerOperator(**FIXED, **written(arguments, "model")))


CASES = list(itertools.product(FORMS, WAYS, SOURCES))


@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize(("form", "way", "source"), CASES, ids=[", ".join(case) for case in CASES])
def test_the_same_trainjob_comes_out(sample: str, form: str, way: str, source: str) -> None:
    expected = plainly(SAMPLES[sample])

    for native in (False, True):
        operator, values = make(sample, form, way, source, native=native)

        assert operator.upstream_task_ids == (set(values) if source.startswith("XComArgs") else set())
        assert manifest(render(operator, params=values, xcoms=values)) == expected


@pytest.mark.parametrize("sample", SAMPLES)
def test_no_field_is_dropped_in_silence(sample: str) -> None:
    expected = plainly(SAMPLES[sample])

    dropped = []
    for name, arguments in without_each(SAMPLES[sample]):
        try:
            if plainly(arguments) == expected:
                dropped.append(name)
        except ConfigError:
            continue  # It must be given.

    assert dropped == []


def classes(kind: type[ConfigModel] = ConfigModel) -> Iterator[type[ConfigModel]]:
    for found in kind.__subclasses__():
        yield from (found, *classes(found))


def test_the_samples_set_every_field_of_every_config_class() -> None:
    found = [each for sample in SAMPLES.values() for each in parts(sample)]
    here = {(each.kind, name) for each in found for name in each.fields}
    authors = [kind for kind in classes() if kind.__name__ in public.__all__]

    missing = [f"{kind.__name__}.{name}" for kind in authors for name in kind.model_fields if (kind, name) not in here]

    assert missing == []
    assert {each.kind for each in found if isinstance(each, Part)} <= set(authors)
