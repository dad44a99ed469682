"""Whether all is as it should be when everything is over."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from airflow_kubeflow_trainer.trainjob.ended import Ended
from airflow_kubeflow_trainer.trainjob.identity import TaskIdentity
from airflow_kubeflow_trainer.trainjob.phase import Phase, phase_of
from airflow_kubeflow_trainer.trainjob.pods import seconds

RESTARTED = "was restarted in place"
TOOK_OVER = "took over"


Try = tuple[str, int]
"""Airflow's id and its number: a worker that dies before a task begins to resume leaves its id to the next try.

So a run may end as a try whose number is one more than that of the TrainJob that it waited for; the id is the same.
"""


def wrong_owners(trainjobs: Iterable[Mapping[str, Any]], tries: Mapping[str, Try]) -> list[str]:
    """Say which TrainJobs are nobody's, or one too many.

    :param tries: the last try of each run that was to end well.
    """
    found, owned, of_run = [], defaultdict(list), defaultdict(list)
    for trainjob in trainjobs:
        name = trainjob["metadata"]["name"]
        identity = TaskIdentity.of(trainjob)
        if identity is None:
            found.append(f"{name} is nobody's")
            continue
        owned[identity.ti_id, identity.try_number].append(trainjob)
        phase = phase_of(trainjob, trainer_job="node").phase
        of_run[identity.run_id].append((identity.ti_id, identity.try_number, phase))
        if not phase.final:
            found.append(f"{name} goes on, and its try ({identity}) does not")
    for (_, number), several in owned.items():
        if len(several) > 1:
            found.append(f"one try ({number}) has {[each['metadata']['name'] for each in several]}")
    return found + [
        f"run {run} succeeded, and no TrainJob of its last try {last} did; there are "
        + ", ".join(f"{phase} of {(ti_id, number)}" for ti_id, number, phase in of_run[run])
        for run, last in tries.items()
        if (last[0], Phase.SUCCEEDED) not in [(ti_id, phase) for ti_id, _, phase in of_run[run]]
    ]


def side_by_side(trainjobs: Iterable[Mapping[str, Any]]) -> list[str]:
    """Say which TrainJobs of one task began before the one before had ended: a try does not begin before that."""
    found, tasks = [], defaultdict(list)
    for trainjob in trainjobs:
        identity, ended = TaskIdentity.of(trainjob), Ended.of(trainjob)
        if identity is not None and ended is not None:
            began = seconds(trainjob["metadata"]["creationTimestamp"]) or 0.0
            key = identity.dag_id, identity.run_id, identity.task_id, identity.map_index
            tasks[key].append((began, seconds(ended.ended_at) or 0.0, ended.name))
    for all_of_one in tasks.values():
        for (_, end, earlier), (began, _, later) in itertools.pairwise(sorted(all_of_one)):
            if began < end:
                found.append(f"{later} began {end - began:.0f} s before {earlier}, of an earlier try, had ended")
    return found


def doubled(log: Iterable[str], wanted: Iterable[str]) -> list[str]:
    """Say which lines of a training are there more than once; what ran again after a mark is counted anew."""
    return [f"{line} {count} times" for run in _runs(log, wanted) for line, count in run.items() if count > 1]


def missing(log: Iterable[str], wanted: Iterable[str]) -> list[str]:
    """Say which lines the last run of a training lacks."""
    wanted = list(wanted)
    last = _runs(log, wanted)[-1]
    return [f"{line} is missing" for line in wanted if line not in last]


def _runs(log: Iterable[str], wanted: Iterable[str]) -> list[Counter[str]]:
    runs: list[Counter[str]] = [Counter()]
    wanted = set(wanted)
    for line in log:
        if RESTARTED in line or TOOK_OVER in line:
            runs.append(Counter())
        elif line in wanted:
            runs[-1][line] += 1
    return runs
