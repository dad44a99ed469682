"""How a cluster is reached: credentials, requests, watch and logs. Asynchronous, and without Airflow."""
