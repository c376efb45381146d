"""The app: its list of pages. What each page shows is in pages/, what it does in core/."""

import streamlit as st

from core import server
from core.base import paths
from core.base.errors import LabError
from core.base.paths import PROJECT
from core.jobs.worker import ensure_worker
from core.server import publish_plotly
from pages.parts.actions import forget_problems
from pages.parts.shared import error_box, literal

# A residual block: layers with a shortcut around them. An inline image, because a browser tab would load a named icon
# from another server.
ICON = (
    '<svg viewBox="0 0 32 32" fill="none" stroke="#1c9696" stroke-width="3" stroke-linecap="round">'
    '<path d="M4 22h6M22 22h6M6 22V12a6 6 0 0 1 6-6h8a6 6 0 0 1 6 6v10"/>'
    '<rect x="10" y="16" width="12" height="12" rx="3" fill="#1c9696"/></svg>'
)

st.set_page_config(page_title="ResNet Lab", page_icon=ICON, layout="wide")
st.logo(ICON, size="large")
st.html(PROJECT / "pages" / "style.css")

# For `streamlit run app.py`, which has no launcher. Both do their work once per process.
try:
    paths.check()
    worker = ensure_worker()
    publish_plotly(PROJECT)
except LabError as error:
    error_box(error)
    st.stop()


def redirect_to_run() -> None:
    """Keep links to /live working, the former address of the page Run."""
    st.switch_page("pages/run.py", query_params={name: st.query_params.get_all(name) for name in st.query_params})


page = st.navigation(
    [
        st.Page(
            "pages/home.py",
            title="Home",
            icon=":material/home:",
            default=True,
            help="Running and queued runs, the latest results, and the best ones.",
        ),
        st.Page(
            "pages/new_run.py",
            title="New run",
            icon=":material/add_circle:",
            help="Choose a preset, change its settings, and start training.",
        ),
        st.Page(
            "pages/run.py",
            title="Run",
            icon=":material/show_chart:",
            help="One run’s accuracy, loss and log, during training and afterwards.",
        ),
        st.Page(
            "pages/compare.py",
            title="Compare",
            icon=":material/compare_arrows:",
            help="All runs in one table; curves, settings and accuracy of the selected ones.",
        ),
        st.Page(
            "pages/studies.py",
            title="Studies",
            icon=":material/science:",
            help="Train one recipe with several values of a setting, and see what the setting does.",
        ),
        st.Page(
            "pages/leaderboard.py",
            title="Leaderboard",
            icon=":material/leaderboard:",
            help="Your runs among published results on CIFAR-10.",
        ),
        st.Page(
            "pages/dataset.py",
            title="Dataset",
            icon=":material/photo_library:",
            help="Browse the images, and preview augmentation and data splits.",
        ),
        st.Page(
            "pages/classify.py",
            title="Classify",
            icon=":material/image_search:",
            help="Classify your own images with a trained network.",
        ),
        st.Page(redirect_to_run, title="Run", url_path="live", visibility="hidden"),
    ]
)
if st.session_state.get("open_page") != page.url_path:
    st.session_state["open_page"] = page.url_path
    forget_problems()
# Set by a page that opens another one: a toast of its own would vanish with the page.
if done := st.session_state.pop("done", None):
    st.toast(done, icon=":material/check:")
if warning := server.warning(st.get_option("server.address"), st.get_option("server.enableXsrfProtection")):
    st.warning(literal(warning), icon=":material/lan:")
if worker.trouble:
    error_box(f"Some queued runs could not start: {worker.trouble} Retrying.")
page.run()
