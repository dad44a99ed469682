"""Service accounts that may do just so much, and the Role that the documentation gives them."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.control_plane.plane import ControlPlane

_RBAC = "rbac.authorization.k8s.io"

Rule = Mapping[str, Sequence[str]]
"""A rule of a Role: `apiGroups`, `resources`, `verbs`."""
_PAGE = (Path(__file__).parents[2] / "docs" / "permissions.md").read_text()
ROLE, CLUSTER_ROLE = (yaml.safe_load(block)["rules"] for block in re.findall(r"```yaml\n(.*?)```", _PAGE, re.DOTALL))
"""What the documentation says that operators, sensors and triggers need."""


def documented_token(plane: ControlPlane, namespace: str) -> str:
    """A token of a service account that may do what the documentation says, and nothing else."""
    return service_account_token(plane, namespace, ROLE, cluster_rules=CLUSTER_ROLE)


def service_account_token(
    plane: ControlPlane,
    namespace: str,
    rules: Sequence[Rule],
    *,
    cluster_rules: Sequence[Rule] = (),
    name: str = "airflow",
) -> str:
    """Make a service account and return a token of it, as TokenRequest gives it.

    :param rules: what it may do in its namespace.
    :param cluster_rules: what it may do in all of them; its ClusterRole bears the namespace's name and its own.
    """
    accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    plane.call("create", accounts, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}})
    _grant(plane, f"/namespaces/{namespace}", "Role", name, (namespace, name), rules)
    if cluster_rules:
        _grant(plane, "", "ClusterRole", f"{namespace}-{name}", (namespace, name), cluster_rules)
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
    return str(plane.call("create", f"{accounts}/{name}/token", request)["status"]["token"])


def _grant(
    plane: ControlPlane, scope: str, kind: str, name: str, account: tuple[str, str], rules: Sequence[Rule]
) -> None:
    namespace, user = account
    base = f"/apis/{_RBAC}/v1{scope}/{kind.lower()}"
    common: dict[str, Any] = {"apiVersion": f"{_RBAC}/v1", "metadata": {"name": name}}
    plane.call("create", f"{base}s", {**common, "kind": kind, "rules": list(rules)})
    binding = {
        **common,
        "kind": f"{kind}Binding",
        "roleRef": {"apiGroup": _RBAC, "kind": kind, "name": name},
        "subjects": [{"kind": "ServiceAccount", "namespace": namespace, "name": user}],
    }
    plane.call("create", f"{base}bindings", binding)


def permissions(rules: list[dict[str, Any]]) -> set[tuple[str, str]]:
    return {(resource, verb) for rule in rules for resource in rule["resources"] for verb in rule["verbs"]}


def without(rules: list[dict[str, Any]], resource: str, verb: str) -> list[dict[str, Any]]:
    """The rules without one permission."""
    fewer = copy.deepcopy(rules)
    for rule in fewer:
        if resource in rule["resources"]:
            rule["verbs"].remove(verb)
    return [rule for rule in fewer if rule["verbs"]]
