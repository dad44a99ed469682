"""What Trainer makes of a TrainJob and its runtime: the template, the policies, the JobSet. Pure."""
