"""Create, update and delete objects as Kubernetes does. Nothing here awaits: each call is one step."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from airflow_kubeflow_trainer.local.api import defaults, errors, immutable, metadata, required, resources
from airflow_kubeflow_trainer.local.api.deletion import DeleteOptions, check_preconditions, marked, may_go
from airflow_kubeflow_trainer.local.api.metadata import Object
from airflow_kubeflow_trainer.local.api.resources import NAMESPACES, PODS, ApiResource
from airflow_kubeflow_trainer.local.api.store import Store, Stored

_UNDELETABLE = ("default",)


class Admit(Protocol):
    """Checks a write and fills in defaults; see :func:`airflow_kubeflow_trainer.local.admission.admit`."""

    def __call__(
        self,
        *,
        operation: Literal["CREATE", "UPDATE"],
        resource: ApiResource,
        obj: Object,
        old: Object | None,
        lookup: Callable[[str, str | None, str], Object | None],
        field_validation: str,
    ) -> tuple[Object, list[str]]: ...


@dataclass(frozen=True, kw_only=True)
class WriteOptions:
    """Options of a create, update or patch."""

    dry_run: bool = False
    field_validation: str = "Warn"


@dataclass(frozen=True)
class Written:
    """The object as it is after a write, and what the client should be warned of."""

    object: Object
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Place:
    """Where an object is: its resource, namespace ("" for cluster-wide ones) and name."""

    resource: ApiResource
    namespace: str
    name: str


class Registry:
    """All writes go through here."""

    def __init__(self, store: Store, admit: Admit) -> None:
        self._store = store
        self._admit = admit
        if store.get(NAMESPACES, ("", "default")) is None:
            body = {"metadata": {"name": "default"}}
            self.create(NAMESPACES, "", body, WriteOptions())

    def get(self, place: Place) -> Stored:
        """Return an object.

        :raises StatusError: 404.
        """
        found = self._store.get(place.resource, (place.namespace, place.name))
        if found is None:
            raise errors.not_found(place.resource, place.name)
        return found

    def create(self, resource: ApiResource, namespace: str, body: Any, options: WriteOptions) -> Written:
        """Create an object.

        :raises StatusError: 400, 403, 409 or 422; 404 where the namespace does not exist.
        """
        obj = metadata.check_body(resource, copy.deepcopy(body), namespace=namespace, name=None)
        self._check_namespace(resource, obj)
        obj = metadata.for_create(resource, obj)
        obj = defaults.fill_in(obj)
        # With its status, which mutating webhooks see.
        obj, warnings = self._admit(
            operation="CREATE",
            resource=resource,
            obj=obj,
            old=None,
            lookup=self._lookup,
            field_validation=options.field_validation,
        )
        if resource.custom and resource.has_status:
            obj.pop("status", None)
        required.check(obj)
        name = obj["metadata"]["name"]
        if self._store.get(resource, (namespace, name)) is not None:
            raise errors.already_exists(resource, name)
        return Written(obj if options.dry_run else self._store.put(resource, obj).object, warnings)

    def replace(self, place: Place, body: Any, options: WriteOptions, *, status: bool = False) -> Written:
        """Replace an object, or its status alone.

        :raises StatusError: 400, 404, 409 or 422.
        """
        new = metadata.check_body(place.resource, copy.deepcopy(body), namespace=place.namespace, name=place.name)
        return self._update(place, new, options, status=status)

    def patch(
        self, place: Place, change: Callable[[Object], Any], options: WriteOptions, *, status: bool = False
    ) -> Written:
        """Replace an object, or its status alone, by what `change` makes of it.

        :raises StatusError: 400, 404, 409 or 422.
        """
        old = self.get(place).object
        new = metadata.check_body(place.resource, change(old), namespace=place.namespace, name=place.name)
        metadata.check_uid(place.resource, new, old)
        return self._update(place, new, options, status=status)

    def _update(self, place: Place, new: Object, options: WriteOptions, *, status: bool) -> Written:
        resource, old = place.resource, self.get(place).object
        metadata.check_versions(resource, new, old)
        warnings: list[str] = []
        if status:
            new = _with_status({**old}, new)
        else:
            new = defaults.fold_in(metadata.for_update(new, old))
            new = _with_status(new, old) if resource.has_status else new
            immutable.check(resource, new, old)
            new, warnings = self._admit(
                operation="UPDATE",
                resource=resource,
                obj=new,
                old=old,
                lookup=self._lookup,
                field_validation=options.field_validation,
            )
            new = metadata.next_generation(resource, new, old)
        if not options.dry_run and new != old:
            new = self._settle(resource, new)
        return Written(new, warnings)

    def delete(self, place: Place, options: DeleteOptions) -> tuple[Object, bool]:
        """Delete an object, or say that it is to go.

        :return: the object's last state, and whether it is gone.
        :raises StatusError: 403, 404 or 409.
        """
        resource, old = place.resource, self.get(place).object
        check_preconditions(resource, old, options)
        if resource is NAMESPACES and place.name in _UNDELETABLE:
            raise errors.forbidden(resource, place.name, "this namespace may not be deleted")
        doomed = marked(resource, old, options)
        if resource is NAMESPACES:
            doomed = {**doomed, "status": {**(doomed.get("status") or {}), "phase": "Terminating"}}
        if options.dry_run:
            return doomed, may_go(doomed)
        if options.orphan:
            self._release_dependents(old)
        if may_go(doomed) and resource is not PODS and not metadata.is_deleted(old):
            # Only what lingers shows when it was asked to go.
            doomed = self._remove(resource, old)
        elif doomed != old or may_go(doomed):
            doomed = self._settle(resource, doomed)
        if resource is NAMESPACES:
            self._empty(place.name)
        return doomed, self._store.get(resource, (place.namespace, place.name)) is None

    def _settle(self, resource: ApiResource, obj: Object) -> Object:
        """Store an object, or remove it if it is to go and nothing holds it back."""
        return self._remove(resource, obj) if may_go(obj) else self._store.put(resource, obj).object

    def _remove(self, resource: ApiResource, obj: Object) -> Object:
        gone = self._store.remove(resource, obj).object
        if resource.namespaced:
            self._finish_namespace(obj["metadata"]["namespace"])
        return gone

    def _check_namespace(self, resource: ApiResource, obj: Object) -> None:
        if not resource.namespaced:
            return
        name = obj["metadata"]["namespace"]
        namespace = self._store.get(NAMESPACES, ("", name))
        if namespace is None:
            raise errors.not_found(NAMESPACES, name)
        if metadata.is_deleted(namespace.object):
            why = f"unable to create new content in namespace {name} because it is being terminated"
            raise errors.forbidden(resource, obj["metadata"].get("name", ""), why)

    def _empty(self, namespace: str) -> None:
        """Delete what is in a namespace that is to go; the last object takes the namespace with it."""
        for resource in resources.SERVED:
            if resource.namespaced:
                for stored in self._store.all(resource, namespace=namespace):
                    self.delete(Place(resource, *stored.key), DeleteOptions())
        self._finish_namespace(namespace)

    def _finish_namespace(self, name: str) -> None:
        namespace = self._store.get(NAMESPACES, ("", name))
        if namespace is None or not metadata.is_deleted(namespace.object):
            return
        if not any(self._store.all(each, namespace=name) for each in resources.SERVED if each.namespaced):
            self._settle(NAMESPACES, {**namespace.object, "spec": {}})

    def _release_dependents(self, owner: Object) -> None:
        """Take an owner's name out of what it owns, so that nothing of it is collected."""
        uid = owner["metadata"]["uid"]
        for resource in resources.SERVED:
            for stored in self._store.all(resource):
                owners = stored.object["metadata"].get("ownerReferences") or []
                others = [reference for reference in owners if reference.get("uid") != uid]
                if len(others) < len(owners):
                    kept = {**stored.object["metadata"], "ownerReferences": others}
                    self._store.put(resource, {**stored.object, "metadata": kept})

    def _lookup(self, plural: str, namespace: str | None, name: str) -> Object | None:
        resource = resources.by_plural(plural)
        if resource is None:
            return None
        found = self._store.get(resource, ((namespace or "") if resource.namespaced else "", name))
        return None if found is None else found.object


def _with_status(obj: Object, source: Object) -> Object:
    """Return an object with another's status, or without one."""
    rest = {key: value for key, value in obj.items() if key != "status"}
    return {**rest, "status": source["status"]} if "status" in source else rest
