"""Quantities as Kubernetes reads them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from airflow_kubeflow_trainer.local.quantity import canonical_quantity, parse_quantity
from airflow_kubeflow_trainer.local.trainer import quantities


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2", 2),
        ("500m", Decimal("0.5")),
        (".5", Decimal("0.5")),
        ("2.", 2),
        ("1Gi", 2**30),
        ("1E", 10**18),
        ("1e3", 1000),
        ("-1", -1),
    ],
)
def test_a_quantity_is_a_number(text: str, value: Decimal) -> None:
    assert parse_quantity(text) == value


@pytest.mark.parametrize("text", ["", "abc", "1.2.3", "1e3Ki", "1gi", "Gi", "1 Gi", "²", "nan"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a Kubernetes quantity such as 500m, 2 or 1Gi"):
        parse_quantity(text)
    with pytest.raises(ValueError, match="is not a Kubernetes quantity"):
        quantities.whole(text)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("0.5", "500m"),
        ("1000m", "1"),
        ("1500000k", "1500M"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("512Ki", "512Ki"),
        ("0Gi", "0"),
        ("1e3", "1e3"),
        ("1.5e9", "1500e6"),
        ("-1", "-1"),
        (2**31, "2147483648"),
        ("9" * 40, str(2**63 - 1)),
    ],
)
def test_a_quantity_is_written_as_kubernetes_writes_it(text: str | int, written: str) -> None:
    assert canonical_quantity(text) == written
    assert canonical_quantity(written) == written
