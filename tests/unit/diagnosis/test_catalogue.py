"""Each cause is known by the real message of the system that says it, and by no other's."""

from __future__ import annotations

import errno
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from diagnosis import provoking
from diagnosis.failing import FAILURES
from diagnosis.quoted import QUOTED, Quoted
from hypothesis import given
from hypothesis import strategies as st

from airflow_kubeflow_trainer.trainjob.diagnosis import judging, tracebacks
from airflow_kubeflow_trainer.trainjob.diagnosis.catalogue import CATALOGUE, Source

ENTRIES = {entry.name: entry for entry in CATALOGUE}
RECORDED: dict[str, Any] = json.loads(provoking.RECORDED.read_text())


def entry_of(name: str) -> str:
    """A recording is called as its entry; after a slash follows which of several it is."""
    return name.partition("/")[0]


def found_in(lines: list[str]) -> str:
    finding = judging.judge_lines(lines)
    return finding.entry.name if finding is not None and finding.entry is not None else ""


@pytest.mark.parametrize("name", sorted(RECORDED))
def test_what_real_programs_wrote_as_they_failed_names_the_cause(name: str) -> None:
    assert found_in(RECORDED[name]["lines"]) == entry_of(name)


@pytest.mark.parametrize("name", sorted(FAILURES["python"]))
def test_a_program_that_fails_now_names_the_cause(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = provoking.lines_of(FAILURES["python"][name])

    assert found_in(lines) == entry_of(name)


def test_everything_that_can_be_provoked_was_recorded() -> None:
    wanted = {name for group, failures in FAILURES.items() if group != "python" for name in failures}

    assert wanted == set(RECORDED)


@pytest.mark.parametrize(
    "quoted", [pytest.param(quoted, id=f"{quoted.entry}: {quoted.text[:40]}") for quoted in QUOTED]
)
def test_what_stands_in_a_systems_source_names_the_cause(quoted: Quoted) -> None:
    entry = ENTRIES[quoted.entry]
    if entry.source is Source.EXCEPTION:
        frames = ["Traceback (most recent call last):", '  File "train.py", line 1, in <module>']
        assert found_in([*frames, *quoted.text.split("\n")]) == quoted.entry
    elif entry.source is Source.OUTPUT:
        assert found_in([quoted.text]) == quoted.entry
    else:
        finding = judging.match(entry.source, quoted.text)
        assert finding is not None and finding.entry is entry
        assert not re.search(r"\{\w+\}", finding.says + finding.remedy)


@pytest.mark.parametrize(
    ("paths", "says"),
    [
        pytest.param([], "A disk is full", id="none"),
        pytest.param(["/workspace/output/x"], "A disk is full: /workspace/output/x", id="one"),
        pytest.param(["/tmp/x", None, "/workspace/output/x"], "A disk is full: /workspace/output/x", id="copied"),
    ],
)
def test_a_full_disk_is_named_by_the_file_that_was_to_be_written(paths: list[str | None], says: str) -> None:
    error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), *paths)

    finding = judging.match(Source.EXCEPTION, f"OSError: {error}")

    assert finding is not None and finding.says == says


def test_every_cause_has_a_message_that_is_real() -> None:
    shown = {quoted.entry for quoted in QUOTED} | {entry_of(name) for name in RECORDED}
    shown |= {entry_of(name) for name in FAILURES["python"]}

    assert set(ENTRIES) - shown == set()
    assert shown - set(ENTRIES) <= {""}
    assert len(ENTRIES) == len(CATALOGUE) >= 30


def messages() -> list[tuple[str, Source, str, str]]:
    """Every message of the above as its entry meets it: its entry, where it stands, its text, its frames."""
    found = [(quoted.entry, ENTRIES[quoted.entry].source, quoted.text, "") for quoted in QUOTED]
    for name, recording in RECORDED.items():
        for chain in tracebacks.fatal_chains(recording["lines"]):
            found += [(entry_of(name), Source.EXCEPTION, raised.text, raised.frames) for raised in chain.raised]
    return found


def test_no_message_is_covered_by_two_entries_of_one_rank() -> None:
    for name, source, text, frames in messages():
        fitting = [
            entry
            for entry in CATALOGUE
            if entry.source is source and entry.frames in frames and entry.pattern.match(text)
        ]
        best = max(((bool(entry.frames), entry.weight) for entry in fitting), default=None)
        names = [entry.name for entry in fitting if (bool(entry.frames), entry.weight) == best]
        assert len(names) <= 1, (name, text, names)


@pytest.mark.parametrize("entry", [pytest.param(entry, id=entry.name) for entry in CATALOGUE])
def test_each_cause_and_remedy_is_a_sentence(entry: Any) -> None:
    for sentence in (entry.says, entry.remedy):
        assert sentence == sentence.strip() and not sentence.endswith(".")
        assert len(sentence) < 260


def unmarked() -> list[str]:
    """Name the recordings without a rank's own mark, which torch sets as a process dies."""
    return [name for name, was in RECORDED.items() if all(one.rank is None for one in tracebacks.read(was["lines"]))]


@pytest.mark.parametrize("name", unmarked())
def test_a_failure_that_a_program_got_over_is_no_cause(name: str) -> None:
    went_on = [f"1|{step}|Loss: 1.{step}:  {step}%|#| {step}/500" for step in range(60)]
    chains = tracebacks.fatal_chains([*RECORDED[name]["lines"], *went_on])

    assert chains == []


@given(words=st.text(alphabet=st.characters(blacklist_categories=["Cs"]), max_size=200), source=st.sampled_from(QUOTED))
def test_a_message_within_other_words_is_no_cause(words: str, source: Quoted) -> None:
    """A training prints its data, and that may be anything."""
    lines = [f"prompt: {source.text}".replace("\n", " "), words.replace("Traceback", "")]

    finding = judging.judge_lines(lines)

    assert finding is None or finding.entry is None


@given(lines=st.lists(st.text(max_size=80), max_size=60))
def test_whatever_a_log_holds_it_is_read(lines: list[str]) -> None:
    judging.judge_lines(lines)


@given(data=st.data())
def test_tracebacks_that_are_cut_anywhere_are_read(data: st.DataObject) -> None:
    lines = RECORDED[data.draw(st.sampled_from(sorted(RECORDED)))]["lines"]
    start = data.draw(st.integers(0, len(lines)))
    finding = judging.judge_lines(lines[start : data.draw(st.integers(start, len(lines)))])

    assert finding is None or finding.says
