"""The command line: ``python -m airflow_kubeflow_trainer``, and ``airflow kubeflow-trainer`` from Airflow 3.2 on.

One module for each command, with a function ``run(options)`` that returns an exit code; it is imported when its command
is given, so that no command pays for what another needs. Airflow is imported only where a DAG or a connection is named.
"""
