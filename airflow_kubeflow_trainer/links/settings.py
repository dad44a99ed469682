"""What Airflow's configuration says about us. Every process of Airflow imports this, so it imports nothing."""

from __future__ import annotations

SECTION = "kubeflow_trainer"
TAB_OPTION = "training_tab"
"""Where the Training tab is switched off."""
TAB_ROUTE = "trainjob"
"""What the address of a task instance's Training tab ends with."""


def has_tab() -> bool:
    """Whether there is a Training tab."""
    from airflow.configuration import conf

    return bool(conf.getboolean(SECTION, TAB_OPTION, fallback=True))


def address(option: str) -> str:
    """Give a template of an address; empty where there is none."""
    from airflow.configuration import conf

    return str(conf.get(SECTION, option, fallback=None) or "")


def airflows_own_address() -> str:
    """Give the address of Airflow's pages, with a slash at its end; empty where the configuration has none."""
    from airflow.configuration import conf

    base = str(conf.get("api", "base_url", fallback=None) or "")
    return f"{base.rstrip('/')}/" if base else ""
