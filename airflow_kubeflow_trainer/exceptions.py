"""What can go wrong, as one tree; each class exists because somebody catches it differently.

    KubeflowTrainerError
    ├── ConfigError                     a field of ours is wrong; found before anything was sent
    ├── ClusterUnreachableError         no answer from the API server
    ├── ApiError                        the API server answered with an error
    │   ├── UnauthorizedError           401: the credentials are not accepted
    │   ├── ForbiddenError              403: not permitted, or refused by an admission webhook
    │   ├── NotFoundError               404
    │   ├── ConflictError               409: exists already, was changed in between, or is another object by now
    │   └── ExpiredError                410: the resourceVersion is too old
    └── TrainJobError                   a TrainJob did not do what was asked
        ├── TrainJobRejectedError       the cluster refused to create it; the admission's own words
        ├── TrainJobNotStartedError     it never began to train (queue, image, scheduling, volume)
        ├── TrainJobTimeoutError        it ran longer than it was allowed to
        ├── TrainJobDeletedError        somebody deleted it while the task waited
        ├── TrainJobMissingError        a sensor waited for it, and it never appeared
        ├── TrainJobSucceededError      it ended well, where a sensor awaited something else
        ├── ResultError                 it succeeded, but what its function returned did not arrive
        └── TrainJobFailedError         it ended as failed
            ├── UserCodeError           the training process ended with an error of its own
            ├── OutOfMemoryError        a container was killed for its memory
            ├── InitializerError        the data set or the model could not be fetched
            └── InfrastructureError     eviction, a lost node, the Hub out of order: worth another try

Retry policies may rely on this: InfrastructureError, TrainJobNotStartedError and ClusterUnreachableError are worth
another try, UserCodeError and ConfigError are not. docs/failures.md says which failure is which.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class KubeflowTrainerError(Exception):
    """Base of all errors that this package raises on purpose."""


class ConfigError(KubeflowTrainerError, ValueError):
    """A field is wrong. The message names the field, what was wrong, and what would be right."""


class ClusterUnreachableError(KubeflowTrainerError, ConnectionError):
    """The API server could not be reached, or did not answer in time."""


class ApiError(KubeflowTrainerError):
    """The API server answered with a Kubernetes Status object that is a failure.

    :param status: HTTP status code.
    :param reason: the Status' ``reason``, for example ``NotFound``; the empty string where there was none.
    :param message: the Status' ``message``, as it is.
    :param details: the Status' ``details``: name, kind, causes, retryAfterSeconds.
    """

    def __init__(self, status: int, reason: str, message: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(f"{status} {reason}: {message}" if reason else f"{status}: {message}")
        self.status = status
        self.reason = reason
        self.message = message
        self.details: dict[str, Any] = dict(details or {})


class UnauthorizedError(ApiError):
    """401."""


class ForbiddenError(ApiError):
    """403: missing permission, or an admission webhook's refusal."""


class NotFoundError(ApiError):
    """404."""


class ConflictError(ApiError):
    """409: ``reason`` tells AlreadyExists from Conflict. 422 where a patch names the uid of another object."""


class ExpiredError(ApiError):
    """410: list again."""


_BY_STATUS: dict[int, type[ApiError]] = {
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    410: ExpiredError,
}


def api_error(status: int, reason: str, message: str, details: Mapping[str, Any] | None = None) -> ApiError:
    """Return the ApiError of the class that belongs to an HTTP status."""
    fields = {cause.get("field") for cause in (details or {}).get("causes") or ()}
    # In a patch a uid is a condition; where it does not hold, Kubernetes says that the field is immutable.
    kind = ConflictError if status == 422 and fields == {"metadata.uid"} else _BY_STATUS.get(status, ApiError)
    return kind(status, reason, message, details)


def words_of(error: BaseException) -> str:
    """Say what an error says, with its class where that is none of ours: a TimeoutError says nothing of its own."""
    if isinstance(error, KubeflowTrainerError):
        return str(error)
    return ": ".join(word for word in (type(error).__name__, str(error)) if word)


class TrainJobError(KubeflowTrainerError):
    """A TrainJob did not do what was asked of it."""


class TrainJobRejectedError(TrainJobError):
    """The cluster refused to create the TrainJob."""


class TrainJobNotStartedError(TrainJobError):
    """The TrainJob never began to train."""


class TrainJobTimeoutError(TrainJobError):
    """The TrainJob did not end in the time that it was given."""


class TrainJobDeletedError(TrainJobError):
    """The TrainJob was deleted while the task waited for it."""


class TrainJobMissingError(TrainJobError):
    """The TrainJob that was waited for never appeared."""


class TrainJobSucceededError(TrainJobError):
    """The TrainJob ended well, and something else was awaited of it: to fail, or to be suspended."""


class ResultError(TrainJobError):
    """The training succeeded, but what its function returned could not be handed over."""


class TrainJobFailedError(TrainJobError):
    """The TrainJob ended as failed."""


class UserCodeError(TrainJobFailedError):
    """The training process ended with an error of its own."""


class OutOfMemoryError(TrainJobFailedError):
    """A container, a GPU or a node had less memory than the training used."""


class InitializerError(TrainJobFailedError):
    """The data set's or the model's initializer failed."""


class InfrastructureError(TrainJobFailedError):
    """What the training rests on failed: a pod was taken away, a node or GPU lost, the Hub or S3 out of order."""
