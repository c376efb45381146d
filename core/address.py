"""Who can reach the server: this machine alone, unless another address was chosen; what has to be said then.

The address is Streamlit's own setting, ``server.address``, by its environment variable in the README.
"""

from collections.abc import Sequence

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
