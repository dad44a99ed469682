"""Real programs that fail: each function in here brings about one failure, by the library's own code."""

from __future__ import annotations

from diagnosis.failing import buckets, hub, programs, recipes, tables, tensors, together
from diagnosis.failing.registry import FAILURES

__all__ = ["FAILURES", "buckets", "hub", "programs", "recipes", "tables", "tensors", "together"]
