"""The files that pages consist of, sent from memory; what a page needs later, the browser loads early.

A page loads a hundred small files. Streamlit reads each from the disk, which costs the server 3 ms; from memory it is a
third of that. The address of a file changes with its content, so browsers may keep it.
"""

import mimetypes
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_FOREVER = (b"cache-control", b"public, immutable, max-age=31536000")


class Assets:
    """ASGI middleware: send the ``files`` by address, and let each page tell the browser what to load ``early``.

    ``early`` holds addresses relative to the page with the parameters of a Link header.
    """

    def __init__(self, app: "ASGIApp", files: Mapping[str, Path], early: Iterable[tuple[str, str]]):
        self.app = app
        self.files = files
        self.answers: dict[str, tuple[bytes, list[tuple[bytes, bytes]]]] = {}
        self.links = [(b"link", f"<{address}>; {kind}".encode()) for address, kind in early]

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answer a request."""
        if scope["type"] != "http" or scope["method"] != "GET":
            return await self.app(scope, receive, send)
        if answer := self._answer(scope["path"]):
            content, headers = answer
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            return await send({"type": "http.response.body", "body": content})

        async def send_with_links(message: "Message") -> None:
            if message["type"] == "http.response.start":
                headers = message["headers"]
                if any(name == b"content-type" and value.startswith(b"text/html") for name, value in headers):
                    message = {**message, "headers": [*headers, *self.links]}
            await send(message)

        return await self.app(scope, receive, send_with_links)

    def _answer(self, address: str) -> tuple[bytes, list[tuple[bytes, bytes]]] | None:
        """Return a file with its headers; None if it is none of ours or cannot be read, so that the app answers."""
        if address in self.files and address not in self.answers:
            path = self.files[address]
            try:
                content = path.read_bytes()
            except OSError:
                return None
            kind, size = mimetypes.guess_type(path.name)[0] or "application/octet-stream", str(len(content))
            headers = [(b"content-type", kind.encode()), (b"content-length", size.encode()), _FOREVER]
            self.answers[address] = content, headers
        return self.answers.get(address)
