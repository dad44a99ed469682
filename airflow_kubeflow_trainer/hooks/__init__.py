"""From an Airflow connection to a cluster."""

DEFAULT_CONN_ID = "kubernetes_default"
