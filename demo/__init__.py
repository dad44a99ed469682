"""`python -m demo`: a real Airflow fine-tunes a real language model through a TrainJob, on this machine."""
