"""The initializer images as programs: fetch a data set or a model into the workspace, then end.

They read the environment variables of Kubeflow Trainer's own initializers and leave the same files in the same places.
Beside their ``hf://`` and ``s3://`` there is ``file://``, for what lies on this machine.
"""
