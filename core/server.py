"""The server's address, and the static files that browsers load from it."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from core import plotly_js
from core.base.errors import Once
from core.base.files import os_errors_as_store_errors, write_atomically
from core.base.paths import PROJECT

#: Addresses and names that only this computer can reach.
LOCAL = ("127.0.0.1", "localhost", "::1")


def warning(address: str | None, xsrf_protection: bool = True, public: Sequence[str] = ()) -> str | None:
    """Return the warning to show on every page if others can reach the server; ``None`` if they cannot.

    Without an ``address`` Streamlit listens on all of the computer's addresses. ``public`` are addresses at which a
    proxy shows it to others.
    """
    warnings, reachable = [], ""
    if address not in LOCAL:
        reachable = f"listens on {address or 'every address of this computer'}"
    elif public:
        reachable = f"is open to others at {', '.join(public)}"
    if reachable:
        warnings.append(
            f"This server {reachable}, and ResNet Lab has no sign-in. Everyone who can reach it can see, start and "
            "delete runs. To keep it to yourself, start it without another address."
        )
    if not xsrf_protection:
        warnings.append(
            "XSRF protection is off, so other web sites could send files here. Start the server without that option."
        )
    return " ".join(warnings) or None


def allowed_hosts(address: str | None, names: Sequence[str] = LOCAL) -> Sequence[str]:
    """Return Streamlit's ``server.allowedHosts``: the names it answers to, which it checks for WebSockets only.

    ``*`` means any: it has no pattern for IP addresses. :mod:`core.guard` checks the names of all requests.
    """
    return names if address in LOCAL else ("*",)


def once_per_kind() -> Callable[[asyncio.AbstractEventLoop, dict[str, Any]], None]:
    """Return a handler for what fails in an event loop outside a request: it reports each kind of error once.

    Without it, a server that has no descriptor left for a connection prints an error every second.
    """
    reported = Once()

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if error is None or reported.is_new(error):
            loop.default_exception_handler(context)

    return handle


def publish_plotly(project: Path = PROJECT) -> Path:
    """Write our bundle of plotly.js into the ``static`` folder of ``project``, where the server looks for it.

    Return its path. A file of the right size is kept. Raises StoreError if the file cannot be written.
    """
    path, content = project / "static" / "plotly.min.js", plotly_js.bundle()
    if not path.is_file() or path.stat().st_size != len(content):
        with os_errors_as_store_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
    return path
