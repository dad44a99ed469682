"""Training functions as people write them, good and bad, in a module with imports and variables of its own."""

# ruff: noqa
# fmt: off

import collections
import functools
import os.path as osp
import typing
from collections import OrderedDict as Ordered
from decimal import Decimal

BATCH_SIZE = 32


class Settings:
    pass


def helper():
    return 1


def decorate(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)
    return wrapper


def plain(rate, *, epochs=3):
    return rate * epochs


def shell_and_kubernetes_look_alike(text="$(cmd) $HOME $$ ${x} `id` \\ \\$"):
    """$(PET_NNODES) $$(PET_NNODES) $é $"""
    here = '''
EOF
EOM
  'EOF'
'''
    pattern = r"^\$(\w+)\\(['\"])$"
    return [text, here, pattern, f"{text!r:>10}", "tab	and \t", "ünïcödé ☃ \x00"]


def nested(n: int = 2, *more: "int", **named) -> dict:
    import math

    def square(x: float) -> float:
        return math.pow(x, 2)

    class Point:
        origin = 0
        def __init__(self, x):
            self.x = x + Point.origin

    total = sum(square(i) for i in range(n))
    return {"total": total, "x": Point(1).x, "more": list(more), "named": named}


def annotated(lr: Decimal, s: Settings = None, t: "typing.Any" = 1) -> Settings:
    def inner(a: Ordered) -> Settings:
        kept: Settings = a
        return kept
    return str(inner(lr))


@decorate
@decorate
def decorated(x):
    return x + 1


def decorate_in_silence(function):
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)
    return wrapper


@decorate_in_silence
def decorated_in_silence(x):
    return x + 1


def make_counter():
    n = 0
    def counter():
        nonlocal n
        n += 1
    return counter


def globals_of_its_own(x):
    global counter
    counter = x
    def up():
        global counter
        counter += 1
    up()
    return [counter, __name__]


def recursive(n):
    return 1 if n == 0 else n * recursive(n - 1)


async def coroutine(x):
    import asyncio
    await asyncio.sleep(0)
    return x


def caught():
    try:
        import no_such_module
    except ImportError as error:
        return [str(error), [e for e in "ab"], {k: v for k, v in [(1, 2)]}[1], (lambda q: q)(3)]


if True:
    def indented():
        text = """
  as it stands
	"""
        # a comment
        return text


def uses_a_global():
    return BATCH_SIZE


def uses_an_import():
    return osp.join("a", collections.deque())


def uses_a_class():
    return Ordered()


def uses_a_neighbour():
    return helper()


def default_of_a_global(size=BATCH_SIZE):
    return size


def uses_in_nested():
    class A:
        size = BATCH_SIZE
    return [A for _ in range(3)]


def make_closure():
    rate = 0.1
    import math
    def closure():
        return math.floor(rate)
    return closure


def generator():
    yield 1


async def async_generator():
    yield 1


class Trainer:
    def fit(self):
        return 1

    @staticmethod
    def static(x):
        return x

    def __call__(self):
        return 1
