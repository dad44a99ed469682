"""Of arguments that nobody thought of, an operator builds what the real Trainer admits, or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from airflow.sdk import DAG
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from airflow_kubeflow_trainer import BuiltinTrainerOperator, CustomTrainerOperator
from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi
from airflow_kubeflow_trainer.exceptions import ConfigError
from tests.control_plane.plane import ControlPlane
from tests.control_plane.test_admission_drawn import ODD, Path
from tests.control_plane.test_built import COMMON, CUSTOM
from tests.unit.samples import SAMPLES, written

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

SEEDS: list[tuple[type[BuiltinTrainerOperator | CustomTrainerOperator], dict[str, Any]]] = [
    *(
        (BuiltinTrainerOperator, {"runtime": "torchtune-llama3.2-1b", **written(sample, "dict"), **more})
        for sample in SAMPLES.values()
        for more in ({}, COMMON)
    ),
    *((CustomTrainerOperator, {"runtime": "torch-distributed", **sample, **COMMON}) for sample in CUSTOM.values()),
]
KEYS = st.one_of(
    st.sampled_from(
        ["", "a", "A b", "1a", "A=B", "a" * 63, "a" * 64, "a.b/c", "gpu", "gpus", "limits.cpu", "PET_NNODES"]
    ),
    st.text(),
)


def places(value: Any, path: Path = ()) -> Iterator[Path]:
    """All that lies in arguments, of long lists the first."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from places(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value[:3]):
            yield from places(item, (*path, index))


def changed(value: Any, path: Path, *, item: Any = None, key: Any = None) -> Any:
    """A copy with something else at a place, or, of a dict, with it by another key."""
    here, rest = path[0], path[1:]
    new = changed(value[here], rest, item=item, key=key) if rest else value[here] if key is not None else item
    if isinstance(value, list):
        return [*value[:here], new, *value[here + 1 :]]
    name = key if key is not None and not rest else here
    return {name if each == here else each: new if each == here else other for each, other in value.items()}


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_what_is_built_is_admitted(plane: ControlPlane, data: st.DataObject) -> None:
    operator, arguments = data.draw(st.sampled_from(SEEDS), label="seed")
    for _ in range(data.draw(st.integers(1, 2), label="changes")):
        path = data.draw(st.sampled_from(sorted(places(arguments), key=str)), label="place")
        if len(path) > 1 and isinstance(path[-1], str) and data.draw(st.booleans(), label="its key"):
            arguments = changed(arguments, path, key=data.draw(KEYS, label="key"))
        else:
            odd = st.one_of(ODD, st.text(), st.integers(), st.floats())
            arguments = changed(arguments, path, item=data.draw(odd, label="value"))
    try:
        with DAG("d"):
            manifest = operator(task_id="t", **arguments).manifest()
    except ConfigError as error:
        note(str(error))
        return

    async with plane.client() as client:
        await TrainJobApi(client, namespace="default").create(manifest, dry_run=True)
