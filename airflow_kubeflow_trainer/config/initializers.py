"""Where the data set and the model come from: what Trainer's initializers fetch before the training begins."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self
from urllib.parse import urlparse

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from airflow_kubeflow_trainer.config import messages
from airflow_kubeflow_trainer.config.base import ConfigModel, field_check, is_pending, is_rendered
from airflow_kubeflow_trainer.config.environment import Environment
from airflow_kubeflow_trainer.config.plain import attributes
from airflow_kubeflow_trainer.config.secrets import SecretRef
from airflow_kubeflow_trainer.config.text import from_text

_URI = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://\S*")
_SECRETS = ("access_token", "access_key_id", "secret_access_key")
_EXAMPLES = {"hf": "hf://owner/name", "s3": "s3://bucket/path", "cache": "cache://schema/table"}
_READABLE = "would be readable by all who may read TrainJobs or Airflow's templates"


def _check_pattern(pattern: str, info: ValidationInfo[Any]) -> str:
    # Trainer's initializers get all as one variable, and part it at commas (trainer pkg/initializers/utils/utils.py).
    if "," in pattern and not is_pending(pattern, info):
        raise ValueError(f"{pattern!r} must not have a comma, which parts two patterns: give each as one of the list")
    return pattern


IgnorePatterns = list[Annotated[str, AfterValidator(_check_pattern)]]


class _Source(ConfigModel):
    scheme: ClassVar[str | None] = None
    """What storage_uri begins with; None where any scheme will do."""
    token_variable: ClassVar[str | None] = None
    """Variable that takes ``SecretRef(name, key=...)``; None where one key is not enough."""

    storage_uri: str = Field(min_length=1, max_length=2048)
    """What to fetch, for example ``hf://owner/name``."""
    secret_ref: SecretRef | None = None
    """The Secret with the credentials. Default: none."""
    env: Environment = Field(default_factory=dict)
    """More environment variables for the initializer."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_literal_secrets(cls, data: Any) -> Any:
        for name in _SECRETS:
            if isinstance(data, dict) and data.get(name) is not None:
                raise messages.about(
                    name,
                    f"{_READABLE}. Put it into a Secret under the key {name.upper()}, and write "
                    'secret_ref=SecretRef("that-secret")',
                )
        return data

    @field_check("storage_uri")
    def _check_uri(cls, value: str) -> str:
        if cls.scheme == "hf" and "://" not in value:
            value = f"hf://{value}"
        if not _URI.fullmatch(value) or not value.startswith(f"{cls.scheme}:" if cls.scheme else ""):
            raise ValueError(f"{value!r} must be a URI that begins with {cls.scheme or 'its scheme'}://")
        named = urlparse(value).netloc if cls.scheme else value.partition("://")[2]
        if not named:
            raise ValueError(f"{value!r} must say what to fetch, such as {_EXAMPLES[cls.scheme or 's3']}")
        return value

    @field_validator("secret_ref", mode="before")
    @classmethod
    def _refuse_text(cls, value: Any, info: ValidationInfo[Any]) -> Any:
        if isinstance(value, str) and not is_pending(value, info):
            raise ValueError('must name a Secret: SecretRef("its-name"), or SecretRef("its-name", key="token")')
        return value

    @field_check("env")
    def _refuse_secrets_in_env(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name in _SECRETS:
            if isinstance(value.get(name.upper()), str):
                raise ValueError(f"{name.upper()} must be SecretRef(name, key=...): as text, it {_READABLE}")
        return value

    @model_validator(mode="after")
    def _check_key(self, info: ValidationInfo[Any]) -> Self:
        if self.scheme is None and is_pending(self.storage_uri, info):
            # It will be another class once the URI is known.
            return self
        if isinstance(self.secret_ref, SecretRef) and self.secret_ref.key and not self.token_variable:
            raise messages.about(
                "secret_ref",
                f"one key is not enough here. Name the whole Secret, SecretRef({self.secret_ref.name!r}), "
                'or give each variable its own: env={"ACCESS_KEY_ID": SecretRef(name, key=...), ...}',
            )
        return self

    def variables(self) -> dict[str, Any]:
        """Give the initializer's environment: Trainer names each variable as its field, in upper case."""
        settings = {
            name.upper(): getattr(self, name) for name in type(self).model_fields if name not in _Source.model_fields
        }
        found: dict[str, Any] = {
            name: ",".join(value) if isinstance(value, list) else str(value)
            for name, value in settings.items()
            if value is not None
        }
        if self.secret_ref is not None and self.secret_ref.key and self.token_variable:
            found[self.token_variable] = self.secret_ref
        return found | self.env


class DatasetInitializer(_Source):
    """A data set from any URI that the runtime's initializer understands."""


class ModelInitializer(_Source):
    """A model from any URI that the runtime's initializer understands."""


class HuggingFaceDatasetInitializer(DatasetInitializer):
    """A data set from the Hugging Face Hub: ``hf://owner/name[/path]``.

    A private one takes its token from ``secret_ref=SecretRef("hf-token", key="token")``.
    """

    scheme: ClassVar[str | None] = "hf"
    token_variable: ClassVar[str | None] = "ACCESS_TOKEN"

    ignore_patterns: IgnorePatterns | None = None
    """Files that are not fetched, as shell patterns. Default: none."""

    @field_check("storage_uri")
    def _check_repository(cls, value: str) -> str:
        owner, _, name = value.removeprefix("hf://").partition("/")
        if not (owner and name):
            raise ValueError(
                f"{value!r} must name owner and data set, hf://owner/name: Trainer's initializer fails without"
            )
        return value


class HuggingFaceModelInitializer(ModelInitializer):
    """A model from the Hugging Face Hub: ``hf://owner/name``.

    A gated one takes its token from ``secret_ref=SecretRef("hf-token", key="token")``.
    """

    scheme: ClassVar[str | None] = "hf"
    token_variable: ClassVar[str | None] = "ACCESS_TOKEN"

    ignore_patterns: IgnorePatterns | None = None
    """Files that are not fetched, as shell patterns. Default: Trainer's, ``*.msgpack *.h5 *.bin *.pt *.pth``."""


class S3DatasetInitializer(DatasetInitializer):
    """A data set from S3: ``s3://bucket/path``.

    ``secret_ref=SecretRef("s3")`` names a Secret with the keys ACCESS_KEY_ID and SECRET_ACCESS_KEY.
    """

    scheme: ClassVar[str | None] = "s3"

    ignore_patterns: IgnorePatterns | None = None
    """Files that are not fetched, as shell patterns. Default: none."""
    endpoint: str | None = None
    """URL of the S3 server. Default: AWS."""
    region: str | None = None
    """Default: the client's."""
    role_arn: str | None = None
    """Role to assume. Default: none."""


class S3ModelInitializer(ModelInitializer):
    """A model from S3: ``s3://bucket/path``; credentials as for :class:`S3DatasetInitializer`."""

    scheme: ClassVar[str | None] = "s3"

    ignore_patterns: IgnorePatterns | None = None
    """Files that are not fetched, as shell patterns. Default: Trainer's, ``*.msgpack *.h5 *.bin *.pt *.pth``."""
    endpoint: str | None = None
    """URL of the S3 server. Default: AWS."""
    region: str | None = None
    """Default: the client's."""
    role_arn: str | None = None
    """Role to assume. Default: none."""


class DataCacheInitializer(DatasetInitializer):
    """A table of the distributed data cache: ``cache://schema/table``.

    It needs a runtime whose dataset-initializer mounts a volume named ``initializer``.
    """

    scheme: ClassVar[str | None] = "cache"

    metadata_loc: str = Field(min_length=1)
    """Path of the Iceberg table's metadata file."""
    num_data_nodes: int = Field(ge=2)
    """Data nodes of the cache."""
    head_cpu: str | None = None
    """CPU of the cache's head. Default: Trainer's, 1."""
    head_mem: str | None = None
    """Memory of the cache's head. Default: Trainer's, 1Gi."""
    worker_cpu: str | None = None
    """CPU of each data node. Default: Trainer's, 2."""
    worker_mem: str | None = None
    """Memory of each data node. Default: Trainer's, 2Gi."""
    iam_role: str | None = None
    """Role that may read metadata_loc. Default: none."""

    @field_check("storage_uri")
    def _check_table(cls, value: str) -> str:
        if value.removeprefix("cache://").count("/") != 1:
            raise ValueError(f"{value!r} must name schema and table: cache://schema/table")
        return value

    def variables(self) -> dict[str, Any]:
        found = super().variables()
        # The head is one more, as the Kubeflow SDK counts.
        return {"CLUSTER_SIZE": str(int(found.pop("NUM_DATA_NODES")) + 1), **found}


class Initializer(ConfigModel):
    """What is fetched before the training begins."""

    dataset: DatasetInitializer | None = None
    """Where the data set comes from; it lies under /workspace/dataset. Default: what the runtime says."""
    model: ModelInitializer | None = None
    """Where the model comes from; it lies under /workspace/model. Default: what the runtime says."""

    @field_validator("dataset", mode="before")
    @classmethod
    def _choose_dataset(cls, value: Any, info: ValidationInfo) -> Any:
        return _choose(value, DatasetInitializer, _DATASETS, info)

    @field_validator("model", mode="before")
    @classmethod
    def _choose_model(cls, value: Any, info: ValidationInfo) -> Any:
        return _choose(value, ModelInitializer, _MODELS, info)


_DATASETS: Mapping[str, type[DatasetInitializer]] = {
    "hf": HuggingFaceDatasetInitializer,
    "s3": S3DatasetInitializer,
    "cache": DataCacheInitializer,
}
_MODELS: Mapping[str, type[ModelInitializer]] = {"hf": HuggingFaceModelInitializer, "s3": S3ModelInitializer}


def _choose(
    value: Any, general: type[_Source], by_scheme: Mapping[str, type[_Source]], info: ValidationInfo[Any]
) -> Any:
    """Find the class that a dict or a foreign object means, by its URI's scheme, else by its fields."""
    if value is None or isinstance(value, _Source) or is_pending(value, info):
        return value
    if is_rendered(info):
        value = from_text(value, dict)
    data = (
        {"storage_uri": value} if isinstance(value, str) else attributes(value, kind=f"a URI, {general.__name__}(...)")
    )
    uri = data.get("storage_uri")
    if is_pending(uri, info):
        kinds = (general, *by_scheme.values())
        return next((kind for kind in kinds if data.keys() <= kind.model_fields.keys()), general).nested(data, info)
    scheme, separator, _ = str(uri).partition("://")
    # As the Kubeflow SDK does: without a scheme, it is Hugging Face's.
    return by_scheme.get(scheme if separator else "hf", general).nested(data, info)
