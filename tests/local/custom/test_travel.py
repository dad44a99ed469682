"""A function goes through Kubernetes' expansion and a real bash to another Python, and comes out as it was written."""

from __future__ import annotations

import asyncio
import datetime
import inspect
import json
import math
import subprocess
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_kubeflow_trainer.config.function import TrainingFunction, read_function
from airflow_kubeflow_trainer.config.payload import encode
from airflow_kubeflow_trainer.exceptions import ConfigError, ResultError
from airflow_kubeflow_trainer.local.kubelet.expansion import expand
from airflow_kubeflow_trainer.operators.calls import encoded
from airflow_kubeflow_trainer.operators.rendered import to_yaml
from airflow_kubeflow_trainer.trainjob.script import LONGEST_ARGUMENT, Call, function_command
from tests.local.custom.running import ENVIRONMENT, call, run
from tests.unit.custom import functions

HOLDS_ITSELF: list[Any] = []
HOLDS_ITSELF.append(HOLDS_ITSELF)


def locally(func: Any, *args: Any, **kwargs: Any) -> Any:
    result = func(*args, **kwargs)
    return asyncio.run(result) if inspect.iscoroutine(result) else result


@pytest.mark.parametrize(
    ("name", "args", "kwargs"),
    [
        pytest.param("plain", (2,), {"epochs": 4}, id="by position and name"),
        pytest.param("plain", (), {"rate": 0.5}, id="default"),
        pytest.param("shell_and_kubernetes_look_alike", (), {}, id="what shells and Kubernetes would read"),
        pytest.param("nested", (3, 4, 5), {"a": "$(x)"}, id="nested"),
        pytest.param("annotated", (1,), {}, id="annotations of names that stay behind"),
        pytest.param("decorated", (1,), {}, id="decorators, taken off"),
        pytest.param("recursive", (5,), {}, id="recursive"),
        pytest.param("coroutine", ("x",), {}, id="async def"),
        pytest.param("caught", (), {}, id="comprehensions and handlers"),
        pytest.param("indented", (), {}, id="indented"),
    ],
)
def test_it_returns_there_what_it_returns_here(tmp_path: Path, name: str, args: Any, kwargs: Any) -> None:
    func = getattr(functions, name)
    expected = locally(inspect.unwrap(func), *args, **kwargs)

    assert run(tmp_path, call(func, *args, **kwargs)).result == expected


def test_globals_of_its_own_are_its_own(tmp_path: Path) -> None:
    assert run(tmp_path, call(functions.globals_of_its_own, 1)).result == [2, "training_function"]


# Whatever a source may hold: no NUL, no lone surrogates, and line ends as Python's files have them.
sources = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r"), max_size=200)
tricky = st.lists(
    st.sampled_from(
        ["$", "$$", "$(x)", "$$(x)", "(", ")", "`id`", "\\", "'", '"', "\n", "EOF", "\t", " ", "é", "${x}", "#"]
    )
).map("".join)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), tricky, st.binary(), st.decimals(allow_nan=False),
    st.datetimes(timezones=st.none() | st.just(datetime.UTC)), st.dates(), st.times(), st.timedeltas(),
    sources.filter(bool).map(lambda text: PurePosixPath("/x", text)),
)  # fmt: skip
keys = st.text(max_size=5) | tricky | st.just("__type__")
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(keys, inner), max_leaves=10
)


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal, types and nan included."""
    if isinstance(one, PurePosixPath):
        return isinstance(other, PurePosixPath) and str(one) == str(other)
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return math.copysign(1, one) == math.copysign(1, other) and (
            one == other or (math.isnan(one) and math.isnan(other))
        )
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


@settings(max_examples=60)
@given(source=sources | tricky, arguments=st.lists(values, max_size=3), named=st.dictionaries(keys, values, max_size=3))
def test_any_source_and_any_arguments_arrive_as_they_are(
    source: str, arguments: list[Any], named: dict[str, Any]
) -> None:
    from airflow_kubeflow_trainer.trainjob import remote

    function = TrainingFunction(name="train", source=source, file="f.py", line=1, lazy_annotations=False)
    command, args = function_command(Call(function, *encoded(arguments, named)), policy="torch")
    # The script's first lines write the files; torchrun is not asked here.
    shell = [expand(word, ENVIRONMENT) for word in (*command, *args)]
    shell[2] = (
        shell[2].partition("exec torchrun")[0] + 'cat "$folder/function.py"; printf "\\0"; cat "$folder/call.json"'
    )

    done = subprocess.run(shell, capture_output=True, check=True)

    arrived, _, text = done.stdout.partition(b"\0")
    assert arrived.decode() == source
    received = json.loads(text)
    assert same([remote.read(value) for value in received["args"]], arguments)
    assert same({name: remote.read(value) for name, value in received["kwargs"].items()}, named)


def test_the_script_can_be_read_in_the_manifest() -> None:
    command, args = function_command(
        call(functions.nested, 3), policy="torch", packages=["torchvision"], index_urls=["https://pypi.example/simple"]
    )

    shown = to_yaml({"trainer": {"command": command, "args": args}})

    for line in read_function(functions.nested).source.splitlines():
        assert line in [
            shown_line.strip() if not line.startswith(" ") else shown_line[4:] for shown_line in shown.splitlines()
        ]
    assert "python -m pip install" in shown
    assert yaml.safe_load(shown)["trainer"]["args"] == args


def test_an_exception_is_shown_with_the_authors_file_and_line(tmp_path: Path) -> None:
    def train() -> None:
        def step() -> None:
            raise ValueError("no good: $(x)")

        print("before")  # noqa: T201
        step()

    ended = run(tmp_path, call(train))

    line = train.__code__.co_firstlineno
    assert ended.code == 1
    assert ended.out == "before\n"
    expected = [
        "Traceback (most recent call last):",
        f'  File "{__file__}", line {line + 5}, in train',
        "    step()",
        f'  File "{__file__}", line {line + 2}, in step',
        '    raise ValueError("no good: $(x)")',
        "ValueError: no good: $(x)",
    ]
    assert [text for text in ended.err.splitlines() if "^^" not in text] == expected
    assert [text for text in ended.message.splitlines() if "^^" not in text] == expected


def test_modules_in_the_images_working_directory_can_be_imported_whatever_they_are_called(tmp_path: Path) -> None:
    (tmp_path / "run.py").write_text("VALUE = 7")

    def train() -> int:
        import run  # type: ignore[import-not-found]

        value: int = run.VALUE
        return value

    assert run(tmp_path, call(train)).result == 7


@pytest.mark.parametrize("closed", ["stdout", "stderr"])
def test_an_exception_is_told_though_the_function_has_closed_its_output(tmp_path: Path, closed: str) -> None:
    def train(closed: str) -> None:
        import sys

        getattr(sys, closed).close()
        raise ValueError("too late")

    ended = run(tmp_path, call(train, closed))

    assert ended.code == 1
    assert ended.message.endswith("ValueError: too late")
    assert "run.py" not in ended.message + ended.err


def test_a_coroutine_that_was_cancelled_is_an_exception_like_others(tmp_path: Path) -> None:
    async def train() -> None:
        import asyncio

        raise asyncio.CancelledError

    ended = run(tmp_path, call(train))

    assert ended.code == 1
    assert ended.message.endswith("CancelledError")
    assert "run.py" not in ended.err


def test_lines_end_where_python_ends_them(tmp_path: Path) -> None:
    source = "def train():\n    text = 'a\x0cb\u2028c\x85d'\n    raise ValueError(text)\n"
    function = TrainingFunction(name="train", source=source, file="mine.py", line=1, lazy_annotations=False)

    assert 'File "mine.py", line 3, in train\n    raise ValueError(text)\n' in run(tmp_path, Call(function, (), {})).err


def test_of_several_processes_the_first_that_fails_explains(tmp_path: Path) -> None:
    def train() -> None:
        from pathlib import Path

        Path("message").write_text("another one's words")
        raise ValueError

    assert run(tmp_path, call(train)).message == "another one's words"


def test_a_long_traceback_keeps_its_beginning_and_its_end(tmp_path: Path) -> None:
    def train(n: int) -> None:
        if n == 0:
            raise ValueError("x" * 100_000)
        train(n - 1)

    message = run(tmp_path, call(train, 100)).message

    assert len(message) < 2000
    assert message.startswith("Traceback")
    assert "ValueError: xxx" in message


def test_only_rank_0_says_what_it_returned(tmp_path: Path) -> None:
    assert run(tmp_path, call(functions.plain, 1), rank=1).message == ""


@pytest.mark.parametrize(("code", "expected"), [("None", 0), ("0", 0), ("3", 3), ("'words'", 1)])
def test_sys_exit_means_what_it_means(tmp_path: Path, code: str, expected: int) -> None:
    def train(code: str) -> None:
        import sys

        sys.exit(eval(code))

    ended = run(tmp_path, call(train, code))

    assert ended.code == expected
    assert bool(ended.message) == (expected == 0)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("None", id="None"),
        pytest.param("{'loss': 0.5, 'n': [1, True, None, 'é']}", id="JSON"),
        pytest.param("{'__type__': 1}", id="a key like a tag"),
    ],
)
def test_what_json_has_comes_back(tmp_path: Path, value: str) -> None:
    def train(value: str) -> object:
        return eval(value)

    assert run(tmp_path, call(train, value)).result == eval(value)


def test_numbers_of_numpy_and_of_torch_come_back(tmp_path: Path) -> None:
    def train() -> dict[str, object]:
        import numpy as np

        return {"accuracy": np.float32(0.5), "n": np.int64(3), "nan": float("nan"), "pair": (1, 2)}

    result = run(tmp_path, call(train)).result

    assert result == {"accuracy": 0.5, "n": 3, "nan": "NaN", "pair": [1, 2]}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        pytest.param(
            "{'a': [object()]}", r"train\(\)\['a'\]\[0\] is a object, which JSON does not have", id="an object"
        ),
        pytest.param("{1: 2}", r"train\(\) is a dict with keys that are no text", id="a key"),
        pytest.param(
            "[value := []] and value.append(value) or value", r"what train\(\) returned holds itself", id="a circle"
        ),
        pytest.param("10 ** 5000", "Exceeds the limit", id="a number that Python does not write"),
        pytest.param(
            "type('Meta', (), {'ndim': 0, 'item': lambda self: 1 / 0})()", "division by zero", id="no value to be had"
        ),
        pytest.param(
            "'x' * 5000", r"train\(\) returned 5013 bytes of JSON, and Kubernetes hands over 4096", id="too much"
        ),
    ],
)
def test_what_cannot_come_back_is_said_and_does_not_repeat_the_training(
    tmp_path: Path, value: str, message: str
) -> None:
    def train(value: str) -> object:
        return eval(value)

    ended = run(tmp_path, call(train, value))

    with pytest.raises(ResultError, match=message):
        _ = ended.result


def test_a_source_that_is_too_large_is_refused_with_its_size() -> None:
    function = TrainingFunction(
        name="train", source="#" * (LONGEST_ARGUMENT + 1), file="f", line=1, lazy_annotations=False
    )

    with pytest.raises(ConfigError, match=r"func: the source of train\(\): 131072 bytes, and a process takes 131071"):
        function_command(Call(function, (), {}), policy="torch")
    with pytest.raises(ConfigError, match=r"the arguments of plain\(\): \d{6} bytes"):
        function_command(call(functions.plain, "x" * LONGEST_ARGUMENT), policy="torch")


def test_the_largest_source_that_is_accepted_runs(tmp_path: Path) -> None:
    text = "def train():\n    return 1\n#"
    function = TrainingFunction(
        name="train", source=text + "$" * (LONGEST_ARGUMENT - len(text)), file="f", line=1, lazy_annotations=False
    )

    assert run(tmp_path, Call(function, (), {})).result == 1


@pytest.mark.parametrize(
    ("value", "message"),
    [
        pytest.param({"a": {1, 2}}, r"argument rate.a: a set cannot travel", id="a set"),
        pytest.param([object()], r"argument rate.0: a object cannot travel", id="an object"),
        pytest.param({1: 2}, "argument rate: the key 1 must be text", id="a key"),
        pytest.param(HOLDS_ITSELF, "argument rate: holds itself", id="a list in itself"),
        pytest.param(np.bool_(True), "argument rate: a numpy.bool cannot travel", id="NumPy's bool is not Python's"),
    ],
)
def test_what_cannot_travel_is_refused_by_its_name(value: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        call(functions.plain, rate=value)


def test_numbers_in_enums_travel_as_what_they_are() -> None:
    import enum

    class Mode(enum.StrEnum):
        FAST = "fast"

    class Key(str, enum.Enum):  # noqa: UP042 (of which str() gives the name)
        MODE = "mode"

    assert encode({Key.MODE: Mode.FAST, "d": Decimal("0.10")}, field="x", rendered=True) == {
        "mode": "fast",
        "d": {"__type__": "Decimal", "value": "0.10"},
    }
