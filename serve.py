"""The launcher behind `make run`: `streamlit run serve.py`.

A page runs only when a browser opens it. This launcher starts the worker with the server, so that runs of a dead
process are marked as interrupted and the queue continues without a browser.
"""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import streamlit as st
from streamlit import config
from streamlit.runtime.pages_manager import PagesManager

from core import server
from core.base.errors import LabError
from core.base.paths import PROJECT
from core.jobs.worker import ensure_worker
from core.server import publish_plotly

# Until app.py calls st.navigation, Streamlit builds its own menu from the folder pages/. It would serve the first
# request of a new server, say /run?run=…, without app.py.
PagesManager.uses_pages_directory = False

# .streamlit/config.toml allows the names of this machine only. Another address needs other names.
config.set_option("server.allowedHosts", server.allowed_hosts(st.get_option("server.address")))

# The server looks for the folder static/ when it starts.
with contextlib.suppress(LabError):
    publish_plotly(PROJECT)


@contextlib.asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[dict[str, Any]]:
    """Start the worker and print the app's address. The worker is a daemon thread: it ends with the server."""
    with contextlib.suppress(LabError):  # every page shows the reason
        ensure_worker()
    if warning := server.warning(st.get_option("server.address"), st.get_option("server.enableXsrfProtection")):
        print(warning, flush=True)
    print(f"ResNet Lab is at http://{st.get_option('server.address')}:{st.get_option('server.port')}", flush=True)
    yield {}


app = st.App(PROJECT / "app.py", lifespan=lifespan)
