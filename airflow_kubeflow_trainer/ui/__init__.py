"""The Training tab in Airflow's own pages: what :mod:`airflow_kubeflow_trainer.trainjob.progress` has recorded, drawn.

It runs in Airflow's API server, reads Airflow's database, and asks no cluster and no log.
"""
