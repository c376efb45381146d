"""The launcher behind `make run`: `streamlit run serve.py`.

A page runs only when a browser opens it. This launcher starts the worker with the server, so that runs of a dead
process are marked as interrupted and the queue continues without a browser. It puts a guard before the server, which
keeps out other web pages.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import streamlit as st
from starlette.middleware import Middleware

from core import plotly_js, server
from core.assets import Assets
from core.base import descriptors
from core.base.errors import LabError
from core.base.kept import Kept
from core.base.paths import PROJECT, runs_folder
from core.guard import Access, Guard, script_hashes
from core.jobs.worker import ensure_worker
from core.search.driver import ensure_driver
from core.server import publish_plotly
from pages.parts import internals
from pages.parts.shared import show_failure

internals.ignore_pages_folder()

ADDRESS = st.get_option("server.address")
ACCESS = Access.of(ADDRESS, st.get_option("server.allowedHosts"))
internals.set_server_option("server.allowedHosts", server.allowed_hosts(ADDRESS, ACCESS.names))

# The server looks for the folder static/ when it starts.
with contextlib.suppress(LabError):
    publish_plotly(PROJECT)

FILES = {**internals.page_files(), "/app/static/plotly.min.js": PROJECT / "static" / "plotly.min.js"}
EARLY = [(f"app/static/plotly.min.js?v={plotly_js.version()}", "rel=preload; as=script")]


@contextlib.asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[dict[str, Any]]:
    """Start the worker and print the app's address. The worker is a daemon thread: it ends with the server."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(server.once_per_kind())
    descriptors.prepare(loop)
    with contextlib.suppress(LabError):  # every page shows the reason
        ensure_worker()
        ensure_driver()
        Kept(runs_folder() / ".cache" / "kept").sweep()
    warning = server.warning(ADDRESS, st.get_option("server.enableXsrfProtection"), ACCESS.public)
    address = f"ResNet Lab is at http://{ADDRESS}:{st.get_option('server.port')}"
    for text in filter(None, (*ACCESS.problems, warning, address)):
        with contextlib.suppress(OSError, ValueError):  # the terminal is gone; the server works without it
            print(text, flush=True)
    yield {}


app = st.App(
    PROJECT / "app.py",
    lifespan=lifespan,
    middleware=[
        Middleware(Guard, access=ACCESS, scripts=script_hashes(internals.page_html())),
        Middleware(Assets, files=FILES, early=EARLY),
    ],
    on_script_error=show_failure,
)
