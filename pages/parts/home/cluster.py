"""Where runs train: this computer, or a Ray cluster; what the cluster has, and who can use it."""

import streamlit as st

from core.jobs.ray_process import (
    chosen_cluster,
    cluster_name,
    cluster_trouble,
    read_report,
    what_is_exposed,
    what_is_there,
)
from core.runs.storage import Storage
from core.runs.store import RunStore
from pages.parts.actions import act
from pages.parts.shared import error_box, literal

HERE, CLUSTER = "This computer", "Ray cluster"
ADDRESS_HELP = (
    "The address of the cluster’s head node, such as 192.168.1.20:6379, or “auto” for the cluster that this computer "
    "belongs to. docs/cluster.md describes how to start one."
)


def cluster_box(store: RunStore) -> None:
    """Show where queued runs train, and let the person choose another place."""
    address = chosen_cluster(store)
    if address:
        _trouble(store)
    place = cluster_name(address) if address else "this computer"
    with st.expander(f"Where runs train: {literal(place)}", icon=":material/hub:", key="cluster_box"):
        _choice(store, address)
        if address:
            _cluster(store, address)


def _choice(store: RunStore, address: str | None) -> None:
    row = st.container(horizontal=True, vertical_alignment="bottom")
    with row:
        where = st.segmented_control(
            "Train queued runs on", (HERE, CLUSTER), default=CLUSTER if address else HERE, required=True, key="where"
        )
        if where == CLUSTER:
            typed = st.text_input("Address", address or "auto", key="cluster_address", help=ADDRESS_HELP, width=260)
        else:
            typed = None
        wanted = typed.strip() if typed is not None else None
        st.button(
            "Save place",
            key="save_place",
            icon=":material/save:",
            disabled=wanted == address,
            on_click=act,
            args=(lambda: Storage(store).change(cluster=wanted), "Saved. Runs that train now stay where they are."),
        )


@st.fragment(run_every=5)
def _trouble(store: RunStore) -> None:
    """Show why the cluster cannot be used."""
    if trouble := cluster_trouble(store):
        error_box(trouble)


@st.fragment(run_every=5)
def _cluster(store: RunStore, address: str) -> None:
    """Show what the cluster has, and who else can use it."""
    report = read_report(store)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(literal(what_is_there(report, address)))
        if report is not None and report.dashboard and report.of(address):
            st.link_button("Open Ray dashboard", report.dashboard, icon=":material/open_in_new:")
    if report is not None and report.of(address):
        st.caption(literal(what_is_exposed(report)))
