"""What a DAG file needs to name a cluster; the hook itself is loaded when it is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_kubeflow_trainer.config.arguments import namespace_name, optional_text

if TYPE_CHECKING:
    from airflow_kubeflow_trainer.hooks.trainer import KubeflowTrainerHook


class ReachesCluster:
    """A task with arguments that name a cluster, as those of :class:`KubeflowTrainerHook`."""

    kubernetes_conn_id: str | None
    namespace: str | None
    in_cluster: bool | None
    config_file: str | None
    cluster_context: str | None

    @property
    def cluster(self) -> dict[str, Any]:
        """The hook's arguments: names only."""
        return {
            "kubernetes_conn_id": optional_text(self.kubernetes_conn_id, field="kubernetes_conn_id"),
            "namespace": namespace_name(self.namespace),
            "in_cluster": self.in_cluster,
            "config_file": self.config_file,
            "cluster_context": self.cluster_context,
        }

    def hook(self) -> KubeflowTrainerHook:
        """Make the hook that this task's fields describe."""
        from airflow_kubeflow_trainer.hooks.trainer import KubeflowTrainerHook

        return KubeflowTrainerHook(**self.cluster)
