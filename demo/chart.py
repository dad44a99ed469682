"""The loss curve as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from statistics import fmean

from demo.training_log import WINDOW


def draw(curve: Mapping[int, float], path: Path, *, title: str) -> Path:
    """Write a PNG with one point for each step, and the mean of the last five."""
    # Takes a second, once, at the end.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 3.6), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    steps, values = list(curve), list(curve.values())
    smooth = [fmean(values[max(0, index - WINDOW + 1) : index + 1]) for index in range(len(values))]
    axes.plot(steps, values, color="#9db8ea", linewidth=1.0, marker="o", markersize=3.0, label="each step")
    axes.plot(steps, smooth, color="#1f4fb5", linewidth=2.2, label=f"mean of the last {WINDOW}")
    axes.legend(frameon=False)
    axes.set(title=title, xlabel="step", ylabel="loss")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    return path
