"""Operators: one task, one TrainJob."""
