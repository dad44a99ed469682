"""What the local cluster's command line refuses before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_kubeflow_trainer.local.__main__ import main


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["up", "--dir", "{file}"], "argument --dir: {file} is no folder"),
        (["up", "--image", "mine=/nowhere"], "argument --image: mine: /nowhere is no Python environment"),
        (["up", "--capacity", "nvidia.com/gpu=-1"], "argument --capacity: nvidia.com/gpu: -1 must not be negative"),
        (["up", "--env", "HF_ENDPOINT"], "argument --env: 'HF_ENDPOINT' must be NAME=VALUE"),
        (["up", "--restart-backoff-seconds", "soon"], "'soon' must be a number of seconds"),
        (["up", "--port", "70000"], "'70000' must be a number from 0 to 65535"),
        (["node", "cordon", ""], "argument name: a node has a name"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_makes_no_sense_is_refused_by_name(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file"
    file.touch()

    with pytest.raises(SystemExit) as ended:
        main([argument.format(file=file) for argument in arguments])

    assert ended.value.code == 2
    assert message.format(file=file) in capsys.readouterr().err
