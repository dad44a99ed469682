"""Calls a function that has come with its TrainJob. Runs in the containers, with the standard library alone.

python run.py FUNCTION.py CALL.json TERMINATION_LOG
"""

from __future__ import annotations
import __future__

import ast
import asyncio
import base64
import contextlib
import datetime
import decimal
import inspect
import io
import json
import linecache
import math
import os
import sys
import traceback
import types
from pathlib import Path
from typing import Any

TAG = "__type__"
LONGEST_MESSAGE = 4096  # bytes that Kubernetes keeps
LONGEST_TRACEBACK = 1500
RANKS = ("RANK", "OMPI_COMM_WORLD_RANK", "JAX_PROCESS_ID", "DMLC_TASK_ID")

READERS: dict[str, Any] = {
    "float": float,
    "datetime": datetime.datetime.fromisoformat,
    "date": datetime.date.fromisoformat,
    "time": datetime.time.fromisoformat,
    "timedelta": lambda parts: datetime.timedelta(*parts),
    "Path": Path,
    "Decimal": decimal.Decimal,
    "bytes": base64.b64decode,
    "tuple": lambda items: tuple(map(read, items)),
    "dict": lambda items: {key: read(item) for key, item in items.items()},
}


def main(function_file: str, call_file: str, message_file: str) -> None:
    """Call the function; rank 0 leaves its result to whoever waits."""
    # The image's working directory, as with `python -m`; not our own, whose files might bear a module's name.
    sys.path[0] = ""
    source = Path(function_file).read_bytes().decode()
    call = json.loads(Path(call_file).read_bytes())
    try:
        function = load(source, call, function_file)
        result = function(*map(read, call["args"]), **{key: read(value) for key, value in call["kwargs"].items()})
        if inspect.iscoroutine(result):
            result = asyncio.run(result)
    except SystemExit as error:
        if error.code not in (None, 0):
            raise
        result = None
    except (Exception, asyncio.CancelledError) as error:
        explain(error, message_file)
        sys.exit(1)
    rank = next((os.environ[name] for name in RANKS if name in os.environ), "0")
    if rank == "0":
        write(message_file, answer(result, call["function"] + "()"))


def load(source: str, call: dict[str, Any], function_file: str) -> Any:
    """Define the function with the lines and the file name that its author knows."""
    name, file, line = call["function"], call["file"], call["line"]
    indented = source[:1].isspace()
    above = "\n" * (line - 2) + "if True:\n" if indented else "\n" * (line - 1)
    linecache.cache[file] = (len(source), None, ["\n"] * (line - 1) + io.StringIO(source).readlines(), file)
    definition = ast.parse(above + source, file).body[0]
    if indented:
        definition = definition.body[0]
    flags = __future__.annotations.compiler_flag if call["lazy_annotations"] else 0
    code = compile(ast.Module([definition], []), file, "exec", flags, dont_inherit=True)
    module = sys.modules["training_function"] = types.ModuleType("training_function")
    module.__file__ = function_file
    exec(code, module.__dict__)
    return module.__dict__[name]


def read(value: Any) -> Any:
    """Turn tagged JSON into what it stands for."""
    if isinstance(value, list):
        return [read(item) for item in value]
    if not isinstance(value, dict):
        return value
    if TAG in value:
        return READERS[value[TAG]](value["value"])
    return {key: read(item) for key, item in value.items()}


def answer(result: Any, name: str) -> str:
    """Write down a result, or why it cannot be handed over. The training is done: no reason to fail, and repeat it."""
    try:
        text = json.dumps({"result": plain(result, name)}, separators=(",", ":"))
    except RecursionError:
        return json.dumps({"error": f"what {name} returned holds itself, or is nested too deeply for JSON"})
    except Exception as error:  # whatever an object of somebody else's does when it is asked for its value
        return json.dumps({"error": f"{error}"[: LONGEST_MESSAGE // 8]})
    if len(text) <= LONGEST_MESSAGE:
        return text
    size = f"{name} returned {len(text)} bytes of JSON, and Kubernetes hands over {LONGEST_MESSAGE}"
    return json.dumps({"error": f"{size}; return less, or write it to a volume and return where it is"})


def plain(value: Any, where: str) -> Any:
    """Turn a result into JSON."""
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        value = value.item()  # of NumPy, or a tensor
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        # As the record of the training has them: Airflow's XComs have no such numbers.
        return float(value) if math.isfinite(value) else json.dumps(float(value))
    if isinstance(value, (list, tuple)):
        return [plain(item, f"{where}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: plain(item, f"{where}[{key!r}]") for key, item in value.items()}
    what = "a dict with keys that are no text" if isinstance(value, dict) else "a " + type(value).__qualname__
    raise TypeError(
        f"{where} is {what}, which JSON does not have; return text, numbers, True, False, None, lists or dicts"
    )


def explain(error: BaseException, message_file: str) -> None:
    """Show the traceback without our own lines; the first process that fails also leaves it to whoever waits."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename == __file__:
        frames = frames.tb_next
    words = "".join(traceback.format_exception_only(type(error), error)).strip()
    if len(words) > LONGEST_TRACEBACK // 2:
        words = words[: LONGEST_TRACEBACK // 2] + "..."
    path = "".join(traceback.format_tb(frames))
    if len(path) > LONGEST_TRACEBACK // 2:
        path = "  ...\n" + path[-LONGEST_TRACEBACK // 2 :].partition("\n")[2]
    write(message_file, "Traceback (most recent call last):\n" + path + words if path else words, only_first=True)
    with contextlib.suppress(ValueError):  # The function may have closed it.
        sys.stdout.flush()
    sys.stderr.write("".join(traceback.format_exception(type(error), error, frames)))
    sys.stderr.flush()


def write(message_file: str, text: str, *, only_first: bool = False) -> None:
    """Leave the termination message."""
    try:
        if not only_first or Path(message_file).stat().st_size == 0:
            Path(message_file).write_text(text, encoding="utf-8", errors="replace")
    except OSError as error:
        sys.stderr.write(f"{message_file} cannot be written: {error}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
