"""The server's address, and the static files that browsers load from it."""

from collections.abc import Sequence
from pathlib import Path

import plotly

from core.base.files import os_errors_as_store_errors, write_atomically
from core.base.paths import PROJECT

#: Addresses and names that reach this machine from itself alone.
HERE = ("127.0.0.1", "localhost", "::1")


def warning(address: str | None, xsrf_protection: bool = True) -> str | None:
    """What every page says of the address the server listens on; ``None`` where nobody else reaches it.

    Without an ``address`` Streamlit listens on all there are.
    """
    told = []
    if address not in HERE:
        told.append(
            f"This server listens on {address or 'every address of this computer'}. Everyone who reaches this address "
            "can start and delete runs and see all there is here. Start it without another address to keep it to "
            "yourself."
        )
    if not xsrf_protection:
        told.append(
            "XSRF protection is switched off: a web page elsewhere could send files here. Start the server "
            "without that option."
        )
    return " ".join(told) or None


def allowed_hosts(address: str | None) -> Sequence[str]:
    """Names by which a browser may ask for the app (``server.allowedHosts``); ``*`` is any."""
    return HERE if address in HERE else ("*",)


def publish_plotly(project: Path = PROJECT) -> Path:
    """Copy plotly.min.js into the ``static`` folder of ``project``; returns the copy's path.

    A copy of the same size is left alone. It must be a copy: the server refuses links that lead out of
    ``static/``. Raises StoreError when it cannot be written.
    """
    source = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
    copy = project / "static" / source.name
    if not copy.is_file() or copy.stat().st_size != source.stat().st_size:
        with os_errors_as_store_errors(copy):
            copy.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(copy, source.read_bytes())
    return copy
