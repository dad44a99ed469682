"""What the API server says where its folder cannot be written."""

from __future__ import annotations

import pytest

from airflow_kubeflow_trainer.cluster.resources import CONFIG_MAPS
from airflow_kubeflow_trainer.exceptions import ApiError
from tests.local.api.harness import Server, path
from tests.local.disks import largest_file


async def test_a_write_that_finds_no_room_names_the_folder_and_changes_nothing(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    kept = await server.create(CONFIG_MAPS, "kept")
    before = await server.client.get(path(CONFIG_MAPS))
    with largest_file(0):
        with pytest.raises(ApiError) as refused:
            await server.create(CONFIG_MAPS, "refused")
        with pytest.raises(ApiError):
            await server.client.delete(path(CONFIG_MAPS, "kept"))
        assert await server.client.get(path(CONFIG_MAPS)) == before
    assert f"the cluster's folder {server.directory} cannot be written: " in str(refused.value)
    assert "free some space there" in str(refused.value)
    assert caplog.text.count("cannot be written") == 1
    assert "Traceback" not in caplog.text
    later = await server.create(CONFIG_MAPS, "later")
    assert int(later["metadata"]["resourceVersion"]) == int(kept["metadata"]["resourceVersion"]) + 1
