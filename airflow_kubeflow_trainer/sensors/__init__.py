"""Sensors: tasks that wait for TrainJobs which somebody else runs."""
