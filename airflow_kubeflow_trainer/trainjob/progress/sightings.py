"""What the cluster shows of a TrainJob besides its log: phases, pods, events; each kept in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from airflow_kubeflow_trainer.trainjob.phase import Phase, PhaseReport
from airflow_kubeflow_trainer.trainjob.pods import Pod, Termination, seconds

MAX_PHASES = 30
MAX_PODS = 64
MAX_EVENTS = 60
GONE = "Gone"


class Phases:
    """The phases of a TrainJob, each with its beginning and its end."""

    def __init__(self) -> None:
        self._entries: list[dict[str, Any]] = []

    @property
    def current(self) -> str | None:
        """The phase that it is in; None before the first is known."""
        return self._entries[-1]["phase"] if self._entries else None

    @property
    def running_since(self) -> float | None:
        """When it began to run; a suspension after that makes it begin anew."""
        since: float | None = None
        for entry in self._entries:
            if entry["phase"] == Phase.QUEUED:
                since = None
            elif entry["phase"] == Phase.RUNNING and since is None:
                since = entry["since"]
        return since

    def restore(self, entries: Iterable[Mapping[str, Any]] | None) -> None:
        self._entries = [dict(entry) for entry in entries or ()]

    def see(self, report: PhaseReport, at: float) -> None:
        """Take note of a phase; the one that it is in already only gets new words."""
        words = ": ".join(word for word in (report.reason, report.message) if word)
        last = self._entries[-1] if self._entries else None
        if last is not None and last["phase"] == report.phase.value:
            last["reason"] = words or last["reason"]
            return
        # A clock that is behind the one before it must not make a phase end before it began.
        at = round(at if last is None else max(at, last["since"]), 3)
        if last is not None:
            last["until"] = at
        self._entries.append({"phase": report.phase.value, "since": at, "until": None, "reason": words})
        # The first tells when it began, the last where it is; a job that is preempted again and again has many.
        del self._entries[1 : max(1, len(self._entries) - MAX_PHASES + 1)]

    def to_list(self, limit: int) -> list[dict[str, Any]]:
        return [*self._entries[:1], *self._entries[1:][-(limit - 1) :]]


class Pods:
    """The pods of a TrainJob as they were last seen; those that failed stay when others have to go."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[str, Any]] = {}
        self._left_out: set[str] = set()

    def restore(self, rows: Iterable[Mapping[str, Any]] | None) -> None:
        self._rows = {row["name"]: dict(row) for row in rows or ()}

    def see(self, pod: Pod, *, gone: bool) -> None:
        known = self._rows.get(pod.name)
        if known is None and len(self._rows) >= MAX_PODS and not self._make_room(pod):
            self._left_out.add(pod.name)
            return
        row = _row(pod)
        if gone and not _has_ended(row):
            row["state"] = GONE
        self._rows[pod.name] = row

    def to_list(self, limit: int) -> list[dict[str, Any]]:
        rows = sorted(self._rows.values(), key=_importance)[:limit]
        return sorted(rows, key=lambda row: (row["since"], row["job"], row["index"], row["name"]))

    def left_out(self, limit: int) -> int:
        """How many pods there are besides those of :meth:`to_list`."""
        return len(self._left_out) + max(0, len(self._rows) - limit)

    def _make_room(self, pod: Pod) -> bool:
        least = max(self._rows.values(), key=_importance)
        if _importance(_row(pod)) >= _importance(least):
            return False
        del self._rows[least["name"]]
        self._left_out.add(least["name"])
        self._left_out.discard(pod.name)
        return True


class Events:
    """Events about a TrainJob and what belongs to it; equal ones are counted, not repeated."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str, str], dict[str, Any]] = {}

    def restore(self, rows: Iterable[Mapping[str, Any]] | None) -> None:
        for row in rows or ():
            self._rows[row["object"], row["reason"], row["message"]] = dict(row)

    def see(self, event: Mapping[str, Any]) -> None:
        about = event.get("involvedObject") or {}
        key = f"{about.get('kind', '')}/{about.get('name', '')}", event.get("reason") or "", event.get("message") or ""
        known = self._rows.pop(key, None)
        count = max(_count(event), known["count"] if known else 0)
        at = max(_event_moment(event), known["at"] if known else 0.0)
        self._rows[key] = {
            "at": at,
            "type": event.get("type") or "Normal",
            "object": key[0],
            "reason": key[1],
            "message": key[2],
            "count": count,
        }
        if len(self._rows) > MAX_EVENTS:
            del self._rows[min(self._rows, key=self._worth)]

    def to_list(self, limit: int) -> list[dict[str, Any]]:
        kept = sorted(self._rows, key=self._worth, reverse=True)[:limit]
        return sorted((self._rows[key] for key in kept), key=lambda row: float(row["at"]))

    def _worth(self, key: tuple[str, str, str]) -> tuple[bool, float]:
        return self._rows[key]["type"] == "Warning", self._rows[key]["at"]


def _row(pod: Pod) -> dict[str, Any]:
    main = pod.main
    end = main.failure or main.terminated if main is not None else None
    return {
        "name": pod.name,
        "job": pod.job,
        "index": pod.index,
        "node": pod.node,
        "state": _state(pod),
        "restarts": main.restart_count if main is not None else 0,
        "exit_code": end.exit_code if end is not None else None,
        "reason": pod.disrupted or (_end_words(end) if end is not None else "") or pod.trouble,
        "container": main.name if main is not None else None,
        "since": pod.created_at,
    }


def _state(pod: Pod) -> str:
    """Say in one word what a pod does, as kubectl would."""
    main = pod.main
    if pod.stopping:
        return "Terminating"
    if pod.disrupted:
        return pod.disrupted.split(":")[0]
    if main is not None and main.terminated is not None:
        return main.terminated.reason or ("Completed" if main.terminated.exit_code == 0 else "Error")
    if main is not None and main.running:
        return "Running"
    words = pod.trouble or (main.waiting if main is not None else "")
    return words.split(":")[0] or pod.phase


def _end_words(end: Termination) -> str:
    named = end.reason if end.reason not in ("Error", "Completed") else ""
    return ": ".join(word for word in (named, end.message) if word)


def _has_ended(row: Mapping[str, Any]) -> bool:
    return row["exit_code"] is not None and row["state"] != "Running"


def _importance(row: Mapping[str, Any]) -> tuple[bool, bool, int]:
    """Sort those first that have failed, then those that are there, each by rank."""
    return not (row["exit_code"] or row["restarts"]), row["state"] == GONE, row["index"]


def _count(event: Mapping[str, Any]) -> int:
    return int((event.get("series") or {}).get("count") or event.get("count") or 1)


def _event_moment(event: Mapping[str, Any]) -> float:
    # Controllers of the newer events API leave lastTimestamp null.
    series = event.get("series") or {}
    metadata = event.get("metadata") or {}
    moments = series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime")
    return seconds(next(filter(None, (*moments, metadata.get("creationTimestamp"))), None)) or 0.0
