"""Names that Trainer, JobSet and the Job controller put on objects."""

from __future__ import annotations

from typing import Final

ANCESTOR_LABEL: Final = "trainer.kubeflow.org/trainjob-ancestor-step"
TRAINER_ANCESTOR: Final = "trainer"
DATASET_INITIALIZER: Final = "dataset-initializer"
MODEL_INITIALIZER: Final = "model-initializer"
NODE: Final = "node"
INITIALIZER_VOLUME: Final = "initializer"

SUPPORT_LABEL: Final = "trainer.kubeflow.org/support"
DEPRECATED: Final = "deprecated"
DEPRECATION_POLICY_URL: Final = (
    "https://trainer.kubeflow.org/en/latest/operator-guides/runtime.html#runtime-deprecation-policy"
)

TRAINER_PORT: Final = 29500
TUNE_RUN: Final = ["tune", "run"]

TRAINJOB_CONTROLLER: Final = "trainer.kubeflow.org/trainjob-controller"

JOBSET_PREFIX: Final = "jobset.sigs.k8s.io/"
JOBSET_NAME_LABEL: Final = "jobset.sigs.k8s.io/jobset-name"
JOBSET_UID_LABEL: Final = "jobset.sigs.k8s.io/jobset-uid"
REPLICATED_JOB_LABEL: Final = "jobset.sigs.k8s.io/replicatedjob-name"
PRIORITY_LABEL: Final = "jobset.sigs.k8s.io/priority"

COMPLETION_INDEX: Final = "batch.kubernetes.io/job-completion-index"
JOB_NAME_LABEL: Final = "batch.kubernetes.io/job-name"
JOB_UID_LABEL: Final = "batch.kubernetes.io/controller-uid"
