"""The launcher behind `make run`: `streamlit run serve.py`.

A page runs only when a browser looks at it. This server starts the worker before that, so that runs
whose process died are marked interrupted and the queue goes on with nobody looking.
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

# Streamlit takes a folder named pages/ for its automatic menu until app.py has called st.navigation.
# The first address asked of a fresh server may be /live?run=…, which would then be shown without app.py.
PagesManager.uses_pages_directory = False

# .streamlit/config.toml allows this machine's own names. Whoever chose another address is reached by other names.
config.set_option("server.allowedHosts", server.allowed_hosts(st.get_option("server.address")))

# The folder static/ has to be there when the server looks for it.
with contextlib.suppress(LabError):
    publish_plotly(PROJECT)


@contextlib.asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[dict[str, Any]]:
    """Start the worker and say where the app is. The thread is a daemon: it ends with the server."""
    with contextlib.suppress(LabError):  # a folder that cannot be used: every page says so
        ensure_worker()
    if warning := server.warning(st.get_option("server.address"), st.get_option("server.enableXsrfProtection")):
        print(warning, flush=True)
    print(f"ResNet Lab is at http://{st.get_option('server.address')}:{st.get_option('server.port')}", flush=True)
    yield {}


app = st.App(PROJECT / "app.py", lifespan=lifespan)
