"""The app: its list of pages. What each page shows is in pages/, what it does in core/."""

import streamlit as st

from core import server
from core.base import descriptors, paths
from core.base.errors import LabError
from core.base.paths import PROJECT
from core.guard import MARK, Access
from core.jobs.ray_process import cluster_trouble
from core.jobs.worker import ensure_worker
from core.search.driver import ensure_driver
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

#: What `streamlit run app.py` cannot do; serve.py can.
UNGUARDED = (
    "This server was started with `streamlit run app.py`, so other web pages can frame this one and mislead your "
    "clicks. Start it with `make run` or `streamlit run serve.py`."
)

st.set_page_config(page_title="ResNet Lab", page_icon=ICON, layout="wide")
st.logo(ICON, size="large")
st.html(PROJECT / "pages" / "style.css")

address = st.get_option("server.address")
access = Access.of(address, st.get_option("server.allowedHosts"))
headers, scheme = st.context.headers, "https" if st.get_option("server.sslCertFile") else "http"
if headers and MARK not in headers:
    # `streamlit run app.py` has no guard: only this check, and Streamlit's own.
    if refusal := access.refusal(headers.get_all("Host"), headers.get_all("Origin"), scheme):
        st.error(literal(refusal.sentence), icon=":material/block:")
        st.stop()
    st.warning(literal(UNGUARDED), icon=":material/gpp_maybe:")

# For `streamlit run app.py`, which has no launcher. Both do their work once per process.
try:
    paths.check()
    descriptors.prepare()
    worker = ensure_worker()
    ensure_driver()
    publish_plotly(PROJECT)
except LabError as error:
    error_box(error)
    st.stop()


def redirect_to_run() -> None:
    """Keep links to /live working, the former address of the page Run."""
    st.switch_page("pages/run.py", query_params={name: st.query_params.get_all(name) for name in st.query_params})


#: File, title, icon and description of each page.
PAGES = (
    ("home", "Home", "home", "Running and queued runs, the latest results, and the best ones."),
    ("new_run", "New run", "add_circle", "Choose a preset, change its settings, and start training."),
    ("run", "Run", "show_chart", "One run’s accuracy, loss and log, during training and afterwards."),
    (
        "compare",
        "Compare",
        "compare_arrows",
        "All runs in one table; curves, settings and accuracy of the selected ones.",
    ),
    (
        "inspect",
        "Inspect",
        "troubleshoot",
        "Which images a network gets wrong, how sure it is, and where two networks disagree.",
    ),
    (
        "studies",
        "Studies",
        "science",
        "Train one recipe with several values of a setting, and see what the setting does.",
    ),
    (
        "search",
        "Search",
        "manage_search",
        "Let a sampler choose the settings of the next run, and confirm the best ones with new seeds.",
    ),
    ("report", "The report", "fact_check", "Each claim of the report, with the evidence for and against it."),
    ("leaderboard", "Leaderboard", "leaderboard", "Your runs among published results on CIFAR-10."),
    ("dataset", "Dataset", "photo_library", "Browse the images, and preview augmentation and data splits."),
    ("classify", "Classify", "image_search", "Classify your own images with a trained network."),
)
page = st.navigation(
    [
        *(
            st.Page(f"pages/{file}.py", title=title, icon=f":material/{icon}:", help=help, default=file == "home")
            for file, title, icon, help in PAGES
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
warning = server.warning(address, st.get_option("server.enableXsrfProtection"), access.public)
for text in filter(None, (*access.problems, warning)):
    st.warning(literal(text), icon=":material/lan:")
if worker.read_only:
    st.warning(literal(worker.read_only), icon=":material/lock:")
elif worker.trouble:
    error_box(f"Some queued runs could not start: {worker.trouble} Retrying.")
elif page.url_path and (trouble := cluster_trouble(worker.store)):  # Home says it with the settings of the cluster
    error_box(f"Queued runs cannot start: {trouble}")
page.run()
