"""What a TrainJob is: pure functions and values. No I/O, no Airflow, no Kubernetes client."""
