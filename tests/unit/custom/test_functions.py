"""What a training function may be, and what is refused with which remedy, while a DAG is parsed."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from airflow_kubeflow_trainer.config.function import read_function
from airflow_kubeflow_trainer.exceptions import ConfigError
from tests.unit.custom import functions


def made(source: str, name: str = "train") -> Any:
    """A function whose source is nowhere."""
    module: dict[str, Any] = {}
    exec(source, module)
    return module[name]


REFUSED = {
    "lambda": (lambda x: x, "is a lambda; write it as a function"),
    "built in": (len, r"len\(\) is built in"),
    "partial": (functools.partial(functions.plain, 1), r"functools.partial; give its function plain\(\)"),
    "bound method": (functions.Trainer().fit, r"Trainer.fit\(\) is a method, whose object would stay"),
    "method": (functions.Trainer.fit, r"Trainer.fit\(\) is a method"),
    "class": (functions.Trainer, "Trainer is a class"),
    "callable object": (functions.Trainer(), "an object of Trainer that can be called"),
    "text": ("train.py", "must be a function, not 'train.py'"),
    "generator": (functions.generator, r"generator\(\) is a generator, of which nothing would run"),
    "async generator": (functions.async_generator, "is a generator"),
    "no source": (made("def train(): pass"), "is not to be found"),
    "closure over a module": (functions.make_closure(), r"math \(line \d+\): import it inside, by 'import math'"),
    "closure over a value": (functions.make_closure(), r"rate \(line \d+\): .* an argument of closure\(\)"),
    "closure that is changed": (functions.make_counter(), r"n \(line \d+\): .* an argument of counter\(\)"),
    "wrapped by a decorator that does not say of what": (
        functions.decorated_in_silence,
        r"decorated_in_silence\(\), given to .* write '@functools.wraps\(function\)' in it above wrapper\(\)",
    ),
    "global": (functions.uses_a_global, r"BATCH_SIZE \(line \d+\): make it an argument"),
    "imported module": (functions.uses_an_import, r"osp \(line \d+\): import it inside, by 'import posixpath as osp'"),
    "two imports": (functions.uses_an_import, r"; collections \(line \d+\): import it inside, by 'import collections'"),
    "imported name": (functions.uses_a_class, "'from collections import OrderedDict as Ordered'"),
    "another function": (functions.uses_a_neighbour, r"helper .*define it inside of uses_a_neighbour\(\)"),
    "default": (functions.default_of_a_global, "BATCH_SIZE"),
    "in a class within": (functions.uses_in_nested, "BATCH_SIZE"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_run_elsewhere_is_refused_with_the_remedy(case: str) -> None:
    func, message = REFUSED[case]

    with pytest.raises(ConfigError, match=f"^func: .*{message}"):
        read_function(func)


def test_a_static_method_passes() -> None:
    assert read_function(functions.Trainer.static).name == "static"


def test_a_name_is_reported_where_it_is_used_first() -> None:
    with pytest.raises(ConfigError) as refused:
        read_function(functions.uses_a_global)

    assert f"BATCH_SIZE (line {functions.uses_a_global.__code__.co_firstlineno + 1})" in str(refused.value)
