"""What waits in a triggerer while a task is deferred."""
