"""The guard before the server: an ASGI middleware that refuses foreign requests and adds headers to every answer.

There is no sign-in, so it keeps out other web pages, not other people: whoever reaches the address may do everything.
Forwarding headers are not read; behind a proxy, ``RESNET_LAB_PUBLIC_ADDRESS`` says what address browsers show.
"""

import base64
import hashlib
import ipaddress
import os
import re
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from core.base.text import one_line
from core.server import LOCAL

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

PUBLIC_ADDRESS = "RESNET_LAB_PUBLIC_ADDRESS"
FRAME_ANCESTORS = "RESNET_LAB_FRAME_ANCESTORS"
#: A request header that the guard adds, so that a page can tell whether there is a guard.
MARK = "x-resnet-lab-guard"

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?")
#: A page that may frame the app: an address without a path, or a scheme of its own such as ``vscode-webview:``.
_ANCESTOR = re.compile(r"https?://(\*\.)?[A-Za-z0-9._-]+(:[0-9]{1,5})?|(?!https?:)[a-z][a-z0-9+.-]*:")
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_STARTS = ("http.response.start", "websocket.accept", "websocket.http.response.start")
_HEAD_END = b"\r\n\r\n"
_INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


# --- who may use the server ------------------------------------------------------------------------


@dataclass(frozen=True)
class Refusal:
    """Why a request is refused: an HTTP status and a sentence."""

    status: HTTPStatus
    sentence: str


@dataclass(frozen=True)
class Access:
    """What a server accepts.

    ``names``: host names that it answers to, each may begin with ``*.``; ``*`` alone means any. ``any_ip``: whether it
    answers to every IP address too, which no DNS rebinding can imitate. ``origins``: public addresses whose pages may
    talk to it, besides its own pages. ``ancestors``: pages that may frame the app, besides its own. ``problems``:
    sentences about settings that could not be read, and are not used.
    """

    names: tuple[str, ...] = LOCAL
    any_ip: bool = False
    origins: tuple[str, ...] = ()
    ancestors: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, address: str | None, allowed_hosts: Sequence[str] = (), environ: Mapping[str, str] = os.environ
    ) -> "Access":
        """Return what a server accepts that listens on ``address`` (``None``: on all of the computer's addresses).

        ``allowed_hosts`` are more names, from Streamlit's setting ``server.allowedHosts``.
        """
        origins, unread = _public_origins(_words(environ.get(PUBLIC_ADDRESS, "")))
        ancestors = _words(environ.get(FRAME_ANCESTORS, ""))
        wrong = [word for word in ancestors if not _ANCESTOR.fullmatch(word)]
        local = address in LOCAL
        own = () if local else (address or "", *_names_of_this_computer())
        public = [urlsplit(origin).hostname or "" for origin in origins]
        return cls(
            names=tuple(dict.fromkeys(filter(None, (*LOCAL, *own, *map(str.lower, allowed_hosts), *public)))),
            any_ip=not local,
            origins=tuple(origins),
            ancestors=tuple(word for word in ancestors if word not in wrong),
            problems=(
                *_problem(PUBLIC_ADDRESS, unread, "an address such as https://lab.example.org"),
                *_problem(FRAME_ANCESTORS, wrong, "the address of a page without its path, as https://example.org"),
            ),
        )

    def refusal(self, hosts: Sequence[str], origins: Sequence[str], scheme: str) -> Refusal | None:
        """Return why a request is refused, or None.

        ``hosts`` and ``origins`` are the values of its headers Host and Origin; ``scheme`` is http or https. A browser
        always sends one Host, and an Origin with each WebSocket and each request that could change something.
        """
        host = _parsed(hosts[0]) if len(hosts) == 1 else None
        if host is None or not self._answers_to(host[0]):
            name = one_line(hosts[0], 80) if hosts else "no name"
            return Refusal(
                HTTPStatus.BAD_REQUEST,
                f"This server does not answer to the name {name}. Open it at its own address, or set {PUBLIC_ADDRESS} "
                "to the address that your browser shows (see docs/settings.md).",
            )
        own = _origin(scheme, *host)
        if all(_normal(origin) in (own, *self.origins) for origin in origins):
            return None
        page = one_line(origins[0], 80)
        return Refusal(
            HTTPStatus.FORBIDDEN,
            f"The page at {page} may not use this server. If you see ResNet Lab itself there, through a proxy, set "
            f"{PUBLIC_ADDRESS} to that address (see docs/settings.md).",
        )

    def _answers_to(self, name: str) -> bool:
        return (self.any_ip and _is_ip(name)) or any(_matches(name, pattern) for pattern in self.names)

    @property
    def public(self) -> tuple[str, ...]:
        """The public addresses that are not this computer's."""
        return tuple(origin for origin in self.origins if urlsplit(origin).hostname not in LOCAL)


# --- reading addresses ----------------------------------------------------------------------------


def _words(text: str) -> list[str]:
    return text.replace(",", " ").split()


def _problem(variable: str, words: Iterable[str], expected: str) -> list[str]:
    return [f"{variable} has “{one_line(word, 80)}”, which is ignored: write {expected}." for word in words]


def _public_origins(words: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the origins of public addresses, whose paths do not matter, and the words that are no addresses."""
    origins, unread = [], []
    for word in words:
        origin = _normal(word)
        if origin is None:
            unread.append(word)
        else:
            origins.append(origin)
    return origins, unread


def _normal(address: str) -> str | None:
    """Return the origin of an address: scheme, host, and port unless it is the usual one. None if it has none."""
    scheme, separator, rest = address.lower().partition("://")
    host = _parsed(rest.partition("/")[0])
    return _origin(scheme, *host) if separator and scheme in _DEFAULT_PORTS and host else None


def _parsed(host: str) -> tuple[str, str] | None:
    """Return name and port ("" if it is not given) of a Host header, or None if it is malformed."""
    match = _HOST.fullmatch(host.lower())
    return (match[1].strip("[]").rstrip("."), match[2] or "") if match else None


def _origin(scheme: str, name: str, port: str) -> str:
    host = f"[{name}]" if ":" in name else name
    return f"{scheme}://{host}" + (f":{port}" if port and port != _DEFAULT_PORTS.get(scheme) else "")


def _matches(name: str, pattern: str) -> bool:
    return pattern in ("*", name) or (pattern.startswith("*.") and name.endswith(pattern[1:]))


def _is_ip(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _names_of_this_computer() -> tuple[str, ...]:
    """Return the names by which others may know this computer, from its own settings."""
    name = socket.gethostname().lower()
    return (name, name.partition(".")[0], f"{name.partition('.')[0]}.local")


# --- headers --------------------------------------------------------------------------------------


def script_hashes(html: str) -> list[str]:
    """Return the sources that allow exactly the inline scripts of a page, for a Content-Security-Policy."""
    digests = (hashlib.sha256(script.encode()).digest() for script in _INLINE_SCRIPT.findall(html))
    return [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]


def security_headers(ancestors: Iterable[str] = (), scripts: Iterable[str] = ()) -> dict[str, str]:
    """Return the security headers of every answer.

    ``ancestors``: pages that may frame the app besides its own. ``scripts``: more sources of scripts.
    """
    others = list(ancestors)
    policy = {
        "default-src": ["'self'"],
        # blob: Streamlit runs the JavaScript of our components from there. 'unsafe-eval': Plotly compiles what draws
        # parallel coordinates. Scripts in the page itself are refused, but for those of Streamlit's own page.
        "script-src": ["'self'", "blob:", "'unsafe-eval'", *scripts],
        # Streamlit and Plotly write their styles into the page.
        "style-src": ["'self'", "'unsafe-inline'"],
        "img-src": ["'self'", "data:", "blob:"],
        "font-src": ["'self'", "data:"],
        "media-src": ["'self'", "blob:"],
        "object-src": ["'none'"],
        "base-uri": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'self'", *others],
    }
    headers = {
        "content-security-policy": "; ".join(f"{name} {' '.join(sources)}" for name, sources in policy.items()),
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "cross-origin-opener-policy": "same-origin",
        "permissions-policy": "camera=(self), microphone=(), geolocation=(), payment=(), usb=()",
    }
    # The older header can name no other pages.
    return headers if others else {**headers, "x-frame-options": "SAMEORIGIN"}


# --- the middleware -------------------------------------------------------------------------------


class Guard:
    """ASGI middleware: refuse requests that ``access`` does not allow, and add security headers to every answer."""

    def __init__(self, app: "ASGIApp", access: Access, scripts: Iterable[str] = ()):
        self.app = app
        self.access = access
        headers = security_headers(access.ancestors, scripts)
        self.headers = [(name.encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answer a request."""
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        answer = _Answer(self.headers, scope, send)
        scheme = "https" if scope["scheme"] in ("https", "wss") else "http"
        hosts = _values(scope, b"host")
        if refusal := self.access.refusal(hosts, _values(scope, b"origin"), scheme):
            return await answer.refuse(refusal)
        try:
            await self.app(_admitted(scope, f"{scheme}://{hosts[0]}"), _Upload(receive).receive, answer.send)
        except Exception:
            await answer.fail()
            raise  # the server writes it into its log
        return None


class _Answer:
    """One answer on its way out; every kind of beginning gets the ``headers``."""

    def __init__(self, headers: Sequence[tuple[bytes, bytes]], scope: "Scope", send: "Send"):
        self.headers = headers
        self.socket = scope["type"] == "websocket"
        self.begun = False
        self._send = send

    async def send(self, message: "Message") -> None:
        """Send a message of the app."""
        if message["type"] == "websocket.close" and not self.begun:  # the server would answer without our headers
            return await self.refuse(Refusal(HTTPStatus.FORBIDDEN, "The connection was refused."))
        if message["type"] in _STARTS:
            self.begun = True
            own = {name for name, _ in self.headers}
            kept = [(name, value) for name, value in message.get("headers", ()) if name.lower() not in own]
            message = {**message, "headers": [*kept, *self.headers]}
        return await self._send(message)

    async def refuse(self, refusal: Refusal) -> None:
        """Answer with a status and a sentence."""
        kind = "websocket.http.response" if self.socket else "http.response"
        body = f"{refusal.sentence}\n".encode()
        about = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
        await self.send({"type": f"{kind}.start", "status": int(refusal.status), "headers": about})
        await self._send({"type": f"{kind}.body", "body": body})

    async def fail(self) -> None:
        """Answer that the app failed, unless an answer has begun."""
        if not self.begun:
            await self.refuse(Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "The server failed; its log says why."))


class _Upload:
    """A request on its way in. Streamlit cannot read a file's name with a NUL byte; it gets a "_" in its place.

    The name is in the head of the form, which ends with an empty line; the file after it is not touched.
    """

    def __init__(self, receive: "Receive"):
        self._receive = receive
        self._last: bytes | None = b""  # end of the head so far, None after its end

    async def receive(self) -> "Message":
        """Return the next message of the browser."""
        message = await self._receive()
        if self._last is None or not (body := message.get("body")):
            return message
        end = (self._last + body).find(_HEAD_END)
        length = len(body) if end < 0 else max(0, end - len(self._last))
        self._last = None if end >= 0 else (self._last + body)[1 - len(_HEAD_END) :]
        return {**message, "body": body[:length].replace(b"\0", b"_") + body[length:]}


def _values(scope: "Scope", name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name]


def _admitted(scope: "Scope", own: str) -> "Scope":
    """Return a request as the app gets it: marked, and from a page of its ``own`` address if it is from any page."""
    kept = [(name, value) for name, value in scope["headers"] if name.lower() not in (b"origin", MARK.encode())]
    if _values(scope, b"origin"):
        kept.append((b"origin", own.encode("latin-1")))
    return {**scope, "headers": [*kept, (MARK.encode(), b"on")]}
