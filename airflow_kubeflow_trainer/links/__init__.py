"""The buttons under a task instance in Airflow's pages: to its Training tab, and to whatever else shows its TrainJob.

A link is made on the worker when the task defers, and again when it ends, and kept in an XCom: Airflow's API server
reads only that.
"""
