"""How long a DAG file's imports take, beside those of bare Airflow and of KubernetesPodOperator.

Fresh interpreters, one of each kind in turn, so that a slow moment of the machine falls on all kinds alike; medians.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile

PROGRAMS = {
    "airflow.sdk": "from airflow.sdk import DAG",
    "BuiltinTrainerOperator": "from airflow.sdk import DAG\n"
    "from airflow_kubeflow_trainer import BuiltinTrainerOperator\n"
    "from airflow_kubeflow_trainer.config import LoraConfig, TorchTuneConfig",
    "KubernetesPodOperator": "from airflow.sdk import DAG\n"
    "from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator",
}
BASE = "airflow.sdk"
# The interpreter's own start is no import's cost.
TIMED = "import time\nstarted = time.perf_counter()\n{program}\nprint(time.perf_counter() - started)"


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory() as home:
        for program in PROGRAMS.values():
            seconds(program, home=home)  # writes byte code and Airflow's first-time files
        rounds = [
            {name: seconds(program, home=home) for name, program in PROGRAMS.items()} for _ in range(options.rounds)
        ]
    medians = {name: statistics.median(times[name] for times in rounds) for name in PROGRAMS}
    print(f"Import time, median of {options.rounds} interleaved runs\n")
    print(f"  {'what':<26}{'seconds':>9}{f'times {BASE}':>20}")
    for name, median in medians.items():
        print(f"  {name:<26}{median:>9.2f}{median / medians[BASE]:>20.2f}")


def seconds(program: str, *, home: str) -> float:
    """How long a program's imports take in a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", TIMED.format(program=program)],
        env={**os.environ, "AIRFLOW_HOME": home},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout.splitlines()[-1])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.import_cost", description=__doc__)
    parser.add_argument("--rounds", type=int, default=11, help="runs of each kind (default: %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
