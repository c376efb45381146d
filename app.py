"""The app: which pages there are. Everything else is in pages/ (what is seen) and core/ (what is done)."""

import streamlit as st

from core import server
from core.base import paths
from core.base.errors import LabError
from core.base.paths import PROJECT
from core.jobs.worker import ensure_worker
from core.server import publish_plotly
from pages.parts.shared import error_box, literal

# A residual block: the way through the layers, and the shortcut around them. Drawn here, because the
# named icons are fetched from another server when they are to be a tab's.
ICON = (
    '<svg viewBox="0 0 32 32" fill="none" stroke="#1c9696" stroke-width="3" stroke-linecap="round">'
    '<path d="M4 22h6M22 22h6M6 22V12a6 6 0 0 1 6-6h8a6 6 0 0 1 6 6v10"/>'
    '<rect x="10" y="16" width="12" height="12" rx="3" fill="#1c9696"/></svg>'
)

st.set_page_config(page_title="ResNet Lab", page_icon=ICON, layout="wide")
st.logo(ICON, size="large")
st.html(PROJECT / "pages" / "style.css")

# `streamlit run app.py` has no launcher: both are done once and cost nothing afterwards.
try:
    paths.check()
    worker = ensure_worker()
    publish_plotly(PROJECT)
except LabError as error:
    error_box(error)
    st.stop()

page = st.navigation(
    [
        st.Page(
            "pages/home.py",
            title="Home",
            icon=":material/home:",
            default=True,
            help="What trains now, what waits, the newest and the best runs.",
        ),
        st.Page(
            "pages/new_run.py",
            title="New run",
            icon=":material/add_circle:",
            help="Choose a recipe, change what you like, start.",
        ),
        st.Page(
            "pages/run.py",
            title="Live",
            icon=":material/show_chart:",
            help="A run's curves and figures while it trains, and after.",
        ),
        st.Page(
            "pages/compare.py",
            title="Compare",
            icon=":material/compare_arrows:",
            help="Runs side by side: curves, settings that differ, whether a gap is real.",
        ),
        st.Page(
            "pages/studies.py",
            title="Studies",
            icon=":material/science:",
            help="One setting over several values and seeds, as one object; the report’s four among them.",
        ),
        st.Page(
            "pages/leaderboard.py",
            title="Leaderboard",
            icon=":material/leaderboard:",
            help="Published results on the ten classes, and this machine’s among them.",
        ),
        st.Page(
            "pages/dataset.py",
            title="Dataset",
            icon=":material/photo_library:",
            help="The pictures, what augmentation does to them, how a split divides them.",
        ),
        st.Page(
            "pages/classify.py",
            title="Classify",
            icon=":material/image_search:",
            help="Drop pictures on a trained network.",
        ),
    ]
)
# What a page says as it sends the person to another would be lost with it; it is said here.
if done := st.session_state.pop("done", None):
    st.toast(done, icon=":material/check:")
if warning := server.warning(st.get_option("server.address"), st.get_option("server.enableXsrfProtection")):
    st.warning(literal(warning), icon=":material/lan:")
if worker.trouble:
    error_box(f"Not all that waits can be trained; it is tried again every moment: {worker.trouble}")
page.run()
