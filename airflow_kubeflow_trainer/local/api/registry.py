"""All operations on objects, without HTTP: what may be written, what becomes of it, and how an operation is refused."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from airflow_kubeflow_trainer.cluster.resources import Resource
from airflow_kubeflow_trainer.local.api import defaults, deletion, refusals
from airflow_kubeflow_trainer.local.api.deletion import DeleteOptions
from airflow_kubeflow_trainer.local.api.metadata import (
    born,
    carried_over,
    check_place,
    check_type,
    timestamp,
    wants_something_else,
)
from airflow_kubeflow_trainer.local.api.patches import apply_patch
from airflow_kubeflow_trainer.local.api.resources import SERVED, ServedResource
from airflow_kubeflow_trainer.local.api.store import Key, Store
from airflow_kubeflow_trainer.local.status import StatusError

Object = dict[str, Any]

log = logging.getLogger(__name__)


class Admit(Protocol):
    """Admission: checks and completes an object; see ``local.admission.admit``."""

    def __call__(
        self,
        *,
        operation: Any,
        resource: Resource,
        obj: Object,
        old: Object | None,
        lookup: Callable[[str, str | None, str], Object | None],
        field_validation: str,
    ) -> tuple[Object, list[str]]: ...


@dataclass(frozen=True, kw_only=True)
class WriteOptions:
    """What a client says about a write."""

    dry_run: bool = False
    field_validation: str = "Warn"


@dataclass(frozen=True)
class Written:
    """An object after a write, and what the client should be warned of."""

    object: Object
    warnings: tuple[str, ...] = ()


class Registry:
    """The objects of the cluster, and the rules by which they change."""

    def __init__(self, store: Store, admit: Admit) -> None:
        self.store = store
        self._admit = admit

    def get(self, served: ServedResource, namespace: str, name: str) -> Object:
        """Return an object.

        :raises StatusError: 404.
        """
        found = self.store.get(_key(served, namespace, name))
        if found is None:
            raise refusals.not_found(served, name)
        return found

    def create(self, served: ServedResource, namespace: str, body: Any, options: WriteOptions) -> Written:
        """Create an object in a namespace; the empty one for objects of the whole cluster."""
        obj = check_type(served, body)
        check_place(served, obj, namespace=namespace, name=None)
        obj = born(served, obj)
        plural, name = served.resource.plural, obj["metadata"]["name"]
        self._check_namespace(served, namespace, name)
        obj = defaults.first_status(plural, defaults.fill_in(plural, obj))
        key = _key(served, namespace, name)
        if self.store.get(key) is not None:
            raise refusals.already_exists(served, name)
        obj, warnings = self._admitted("CREATE", served, obj, None, options)
        return Written(obj if options.dry_run else self.store.put(key, obj), tuple(warnings))

    def update(self, served: ServedResource, namespace: str, name: str, body: Any, options: WriteOptions) -> Written:
        """Replace an object, except for its status where that is a subresource."""
        old = self.get(served, namespace, name)
        obj = check_type(served, body)
        check_place(served, obj, namespace=namespace, name=name)
        if served.defines_trainer and not obj["metadata"].get("resourceVersion"):
            problem = "Invalid value: 0: must be specified for an update"
            raise refusals.invalid(
                served, name, field="metadata.resourceVersion", reason="FieldValueInvalid", problem=problem
            )
        return self._change(served, obj, old, options)

    def update_status(
        self, served: ServedResource, namespace: str, name: str, body: Any, options: WriteOptions
    ) -> Written:
        """Replace an object's status and nothing else."""
        old = self.get(served, namespace, name)
        obj = check_type(served, body)
        check_place(served, obj, namespace=namespace, name=name)
        return self._change_status(served, obj, old, options)

    def patch(
        self,
        served: ServedResource,
        namespace: str,
        name: str,
        body: Any,
        options: WriteOptions,
        *,
        content_type: str,
        status: bool = False,
    ) -> Written:
        """Patch an object, or its status only."""
        old = self.get(served, namespace, name)
        patched = apply_patch(old, body, content_type=content_type, custom=served.defines_trainer)
        obj = check_type(served, patched)
        check_place(served, obj, namespace=namespace, name=name)
        change = self._change_status if status else self._change
        return change(served, obj, old, options)

    def delete(self, served: ServedResource, namespace: str, name: str, options: DeleteOptions) -> tuple[Object, bool]:
        """Delete an object, or begin to.

        :return: the object, and whether it is gone.
        """
        obj = self.get(served, namespace, name)
        deletion.check_preconditions(served, obj, options)
        marked = deletion.marked(served, obj, options)
        if served.resource.plural == "namespaces" and not options.dry_run:
            self._empty_namespace(obj)
            return obj, self.store.get(_key(served, "", name)) is None
        if options.dry_run:
            return marked or obj, marked is None
        key = _key(served, namespace, name)
        if marked is None:
            return self._remove(key), True
        return (self.store.put(key, marked) if marked != obj else obj), False

    def bind(self, namespace: str, name: str, body: Any, options: WriteOptions) -> None:
        """Assign a pod to the node that a Binding names."""
        served = SERVED["pods"]
        pod = self.get(served, namespace, name)
        node = ((body.get("target") or {}) if isinstance(body, dict) else {}).get("name")
        if not node:
            raise StatusError(
                422, "Invalid", f'Binding "{name}" is invalid: target.name: Required value', details={"name": name}
            )
        if pod["metadata"].get("deletionTimestamp"):
            raise _binding_conflict(name, f"pod {name} is being deleted, cannot be assigned to a host")
        if pod["spec"].get("nodeName"):
            raise _binding_conflict(name, f'pod {name} is already assigned to node "{pod["spec"]["nodeName"]}"')
        if not options.dry_run:
            self.store.put(_key(served, namespace, name), {**pod, "spec": {**pod["spec"], "nodeName": node}})

    def _change(self, served: ServedResource, obj: Object, old: Object, options: WriteOptions) -> Written:
        obj = carried_over(served, obj, old)
        if served.has_status:
            obj = _with_status(obj, old)
        obj = defaults.fill_in(served.resource.plural, obj)
        obj, warnings = self._admitted("UPDATE", served, obj, old, options)
        if served.has_generation and wants_something_else(served, obj, old):
            obj["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
        return Written(self._save(served, obj, old, options), tuple(warnings))

    def _change_status(self, served: ServedResource, obj: Object, old: Object, options: WriteOptions) -> Written:
        # Only for its checks: of the metadata, a status update changes nothing.
        carried_over(served, obj, old)
        return Written(self._save(served, _with_status(old, obj), old, options))

    def _admitted(
        self, operation: str, served: ServedResource, obj: Object, old: Object | None, options: WriteOptions
    ) -> tuple[Object, list[str]]:
        return self._admit(
            operation=operation,
            resource=served.resource,
            obj=obj,
            old=old,
            lookup=self._lookup,
            field_validation=options.field_validation,
        )

    def _lookup(self, plural: str, namespace: str | None, name: str) -> Object | None:
        return self.store.get(Key(plural, namespace or "", name))

    def _check_namespace(self, served: ServedResource, namespace: str, name: str) -> None:
        if not served.resource.namespaced:
            return
        found = self.store.get(Key("namespaces", "", namespace))
        if found is None:
            raise refusals.namespace_not_found(namespace)
        if found["metadata"].get("deletionTimestamp"):
            message = f'{served.qualified_name} "{name}" is forbidden: unable to create new content in namespace '
            raise StatusError(403, "Forbidden", f"{message}{namespace} because it is being terminated")

    def _save(self, served: ServedResource, obj: Object, old: Object, options: WriteOptions) -> Object:
        if obj == old or options.dry_run:
            return obj
        metadata = old["metadata"]
        key = _key(served, metadata.get("namespace", ""), metadata["name"])
        if deletion.is_over(obj):
            return self._remove(key, obj)
        return self.store.put(key, obj)

    def _empty_namespace(self, namespace: Object) -> None:
        """Delete all that is in a namespace; the last object takes the namespace with it."""
        name = namespace["metadata"]["name"]
        marks = {"deletionTimestamp": timestamp(), "deletionGracePeriodSeconds": 0}
        terminating = {**namespace, "metadata": {**namespace["metadata"], **marks}, "status": {"phase": "Terminating"}}
        self.store.put(Key("namespaces", "", name), terminating)
        for served in SERVED.values():
            if served.resource.namespaced:
                for obj in list(self.store.objects(served.resource.plural, name)):
                    self.delete(served, name, obj["metadata"]["name"], DeleteOptions())
        self._end_namespace(name)

    def _end_namespace(self, name: str) -> None:
        key = Key("namespaces", "", name)
        namespace = self.store.get(key)
        if namespace is None or "deletionTimestamp" not in namespace["metadata"]:
            return
        if not any(next(self.store.objects(plural, name), None) for plural in SERVED):
            self.store.delete(key)

    def _remove(self, key: Key, last: Object | None = None) -> Object:
        removed = self.store.delete(key)
        self._end_namespace(key.namespace)
        version = removed["metadata"]["resourceVersion"]
        return {**last, "metadata": {**last["metadata"], "resourceVersion": version}} if last else removed


def _key(served: ServedResource, namespace: str, name: str) -> Key:
    return Key(served.resource.plural, namespace if served.resource.namespaced else "", name)


def _with_status(obj: Object, other: Object) -> Object:
    """Return the one object with the other's status."""
    rest = {key: value for key, value in obj.items() if key != "status"}
    return {**rest, "status": other["status"]} if "status" in other else rest


def _binding_conflict(name: str, problem: str) -> StatusError:
    message = f'Operation cannot be fulfilled on pods/binding "{name}": {problem}'
    return StatusError(409, "Conflict", message, details={"name": name, "kind": "pods/binding"})
