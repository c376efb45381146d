"""A small proxy that shows a server below a prefix which it strips, as JupyterHub and code-server do."""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

PREFIX = "/user/ann/proxy/8501"


def head_of(line: socket.socket) -> bytes:
    """Return what a browser sends up to the first empty line, and perhaps more."""
    head = b""
    while b"\r\n\r\n" not in head and (part := line.recv(65_536)):
        head += part
    return head


def stripped(head: bytes, host: str | None) -> bytes | None:
    """Return a request without the prefix in its path, or None if it has none. ``host`` replaces its Host."""
    first, _, rest = head.partition(b"\r\n")
    method, path, version = first.split(b" ", 2)
    if not path.startswith(PREFIX.encode() + b"/"):
        return None
    if host:
        rest = re.sub(rb"(?im)^host:[^\r]*", b"Host: " + host.encode(), rest, count=1)
    if b"pgrade: websocket" not in rest:  # one request for each connection, so that only its head is read
        rest = re.sub(rb"(?im)^connection:[^\r]*", b"Connection: close", rest, count=1)
    return b" ".join((method, path.removeprefix(PREFIX.encode()), version)) + b"\r\n" + rest


def pump(source: socket.socket, target: socket.socket) -> None:
    """Copy everything from one connection to the other."""
    with suppress(OSError):
        while part := source.recv(65_536):
            target.sendall(part)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def serve_one(line: socket.socket, port: int, host: str | None) -> None:
    """Pass one request on, and its answer back."""
    with closing(line), suppress(OSError):
        request = stripped(head_of(line), host)
        if request is None:
            line.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        with socket.create_connection(("127.0.0.1", port)) as server:
            server.sendall(request)
            back = threading.Thread(target=pump, args=(server, line), daemon=True)
            back.start()
            pump(line, server)
            back.join()


@contextmanager
def proxy(port: int, listener: socket.socket, host: str | None = None) -> Iterator[None]:
    """Show the server at ``port`` on ``listener``, below :data:`PREFIX`; ``host`` replaces the Host of requests."""

    def accept() -> None:
        with suppress(OSError):
            while True:
                line, _ = listener.accept()
                threading.Thread(target=serve_one, args=(line, port, host), daemon=True).start()

    listener.listen(64)
    threading.Thread(target=accept, daemon=True).start()
    try:
        yield
    finally:
        listener.close()
