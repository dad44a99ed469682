"""``python -m airflow_kubeflow_trainer``: the command line."""

from __future__ import annotations

import sys

from airflow_kubeflow_trainer.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
