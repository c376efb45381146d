"""Attacks on a real server: foreign names and pages, paths out of folders, forged uploads, links that change things."""

import http.client
import re
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

from tests.conftest import Server, start_server
from tests.made import made_run

HEADERS = {
    "content-security-policy": "frame-ancestors 'self'",
    "x-frame-options": "SAMEORIGIN",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "microphone=()",
}
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}
STREAM = "/_stcore/stream"
UPLOAD = "/_stcore/upload_file/{session}/file"
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE")


@dataclass
class Answer:
    """The answer to a request; names of headers in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def assert_secured(self) -> None:
        """Check that it has every security header once."""
        for name, value in HEADERS.items():
            assert value in self.headers.get(name, ""), (self.status, name)


@dataclass
class Lab:
    """A server, and a way to send it any request."""

    server: Server
    run_id: str

    @property
    def host(self) -> str:
        return self.server.url.removeprefix("http://")

    def ask(
        self, path: str, method: str = "GET", headers: dict[str, str] | None = None, body: bytes | None = None
    ) -> Answer:
        """Send exactly this path and these headers."""
        line = http.client.HTTPConnection(self.host, timeout=30)
        line._validate_path = lambda path: None  # type: ignore[attr-defined]  # what no browser would send
        line.request(method, path, body, headers or {})
        reply = line.getresponse()
        headers_of = {name.lower(): value for name, value in reply.getheaders()}
        assert len(headers_of) == len(reply.getheaders()) or "set-cookie" in headers_of
        answer = Answer(reply.status, headers_of, reply.read() if reply.status != 101 else b"")
        line.close()
        return answer


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    server = start_server(tmp_path_factory.mktemp("lab"))
    yield Lab(server, made_run(server.store, epochs=3, name="mine"))
    server.kill()


# --- headers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200),
        ("/run?run=x", 200),
        ("/no/such/page", None),
        ("/static/js/none.js", None),
        ("/app/static/plotly.min.js", 200),
        ("/app/static/none.js", 404),
        ("/_stcore/health", 200),
        ("/_stcore/host-config", 200),
        ("/_stcore/none", None),
        ("/_stcore/agent/interact", None),
        ("/_stcore/bidi-components/none/none.js", None),
        ("/component/none/none.js", 404),
        ("/media/none.png", 404),
        ("//evil.example/x", 400),
        ("/..%2f..%2fetc/passwd", None),
        ("/%00", None),
    ],
)
def test_every_answer_has_the_security_headers(lab, path, status):
    answer = lab.ask(path)
    answer.assert_secured()
    assert status in (None, answer.status)
    assert answer.status < 500


def test_scripts_and_styles_of_the_page_have_them_too(lab):
    found = re.findall(r'(?:src|href)="\./(static/[^"]+)"', lab.ask("/").body.decode())
    assert len(found) > 10
    for path in (found[0], found[1], found[-1]):
        answer = lab.ask(f"/{path}")
        assert answer.status == 200
        answer.assert_secured()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", ["/", "/_stcore/health", UPLOAD, "/app/static/plotly.min.js"])
def test_every_method_is_answered_with_the_headers_and_none_fails(lab, method, path):
    answer = lab.ask(path, method)
    answer.assert_secured()
    assert answer.status < 500
    if method in ("PATCH", "TRACE"):
        assert answer.status in (404, 405)


def test_a_page_cannot_run_scripts_of_others(lab):
    policy = dict(part.split(" ", 1) for part in lab.ask("/").headers["content-security-policy"].split("; "))
    assert "'unsafe-inline'" not in policy["script-src"]
    assert policy["object-src"] == "'none'"
    assert policy["default-src"] == "'self'"
    assert not re.search(r"https?:|\*", " ".join(policy.values()))


def test_handshakes_of_websockets_have_the_headers_accepted_or_not(lab):
    accepted = lab.ask(STREAM, headers={**UPGRADE, "Origin": lab.server.url})
    assert accepted.status == 101
    accepted.assert_secured()
    for path, origin in ((STREAM, "http://evil.example"), ("/_stcore/none", lab.server.url)):
        refused = lab.ask(path, headers={**UPGRADE, "Origin": origin})
        assert refused.status == 403
        refused.assert_secured()


# --- other names and other pages ------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/_stcore/health", "/app/static/plotly.min.js", STREAM])
@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "localhost.evil.example", "x@127.0.0.1"])
def test_a_foreign_host_is_refused_everywhere(lab, path, host):
    name = host.format(port=lab.host.partition(":")[2])
    answer = lab.ask(path, headers={**(UPGRADE if path == STREAM else {}), "Host": name})
    answer.assert_secured()
    assert answer.status == 400
    assert b"RESNET_LAB_PUBLIC_ADDRESS" in answer.body
    assert b"Traceback" not in answer.body


@pytest.mark.parametrize("headers", [UPGRADE, {}])
@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "http://127.0.0.1",
        "http://127.0.0.1:1",
        "http://localhost:{port}",
        "http://localhost:1",
        "https://127.0.0.1:{port}",
        "ws://127.0.0.1:{port}",
        "null",
        "",
    ],
)
def test_a_page_of_another_origin_gets_neither_websocket_nor_answer(lab, headers, origin):
    name = origin.format(port=lab.host.partition(":")[2])
    answer = lab.ask(STREAM if headers else "/_stcore/health", headers={**headers, "Origin": name})
    assert answer.status == 403
    assert "access-control-allow-origin" not in answer.headers


def test_forwarding_headers_open_nothing(lab):
    forwarded = {
        "X-Forwarded-Host": "evil.example",
        "Forwarded": "host=evil.example",
        "X-Original-Host": "evil.example",
    }
    assert lab.ask(STREAM, headers={**UPGRADE, **forwarded, "Origin": "http://evil.example"}).status == 403
    assert lab.ask("/", headers={**forwarded, "Host": "evil.example"}).status == 400


def test_a_program_without_an_origin_may_connect(lab):
    assert lab.ask(STREAM, headers=UPGRADE).status == 101


# --- paths ----------------------------------------------------------------------------------------

WAYS_UP = (
    "../",
    "..%2f",
    "%2e%2e/",
    "%2e%2e%2f",
    "%252e%252e%252f",
    "..\\",
    "..%5c",
    "..%00/",
    "....//",
    "%c0%ae%c0%ae/",
)
#: How many folders up, and a file there: the folder of the project is up to three up, that of the system further.
TARGETS = [(count, name) for count in (1, 2, 3) for name in ("serve.py", ".streamlit/config.toml")] + [
    (8, "etc/passwd")
]
FOLDERS = ("app/static", "static", "static/js", "media", "component", "component/a", "_stcore/bidi-components/a")


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("up", WAYS_UP)
def test_no_path_leads_out_of_a_folder(lab, folder, up):
    for count, target in TARGETS:
        answer = lab.ask(f"/{folder}/{up * count}{target}")
        assert answer.status < 500
        assert not re.search(rb"import |allowedHosts|root:", answer.body), (up * count, target)


def test_no_folder_is_listed(lab):
    for folder in ("/app/static/", "/app/static", "/app/static/%2e", "/static/js/", "/media/"):
        assert not re.search(rb"plotly\.min\.js|Directory listing", lab.ask(folder).body), folder


# --- uploads --------------------------------------------------------------------------------------


def form(name: str, content: bytes = b"x") -> tuple[dict[str, str], bytes]:
    """Return headers and body of a form with one file."""
    body = (
        f'--b\r\nContent-Disposition: form-data; name="f"; filename="{name}"\r\n\r\n'.encode()
        + content
        + b"\r\n--b--\r\n"
    )
    return {"Content-Type": "multipart/form-data; boundary=b"}, body


@dataclass
class Session:
    """An open page: its id, and a valid XSRF token."""

    id: str
    token: str

    def headers(self) -> dict[str, str]:
        return {"X-Xsrftoken": self.token, "Cookie": f"_streamlit_xsrf={self.token}"}


@pytest.fixture
def session(lab: Lab) -> Iterator[Session]:
    """A page that is open as long as the test."""
    with urllib.request.urlopen(f"{lab.server.url}/_stcore/health") as reply:
        cookie = re.search(r"_streamlit_xsrf=([^;]+)", str(reply.headers))
    assert cookie
    with connect(f"ws://{lab.host}{STREAM}", origin=lab.server.url, max_size=None) as line:  # type: ignore[arg-type]
        request = BackMsg()
        request.rerun_script.page_name = "classify"
        line.send(request.SerializeToString())
        while True:
            message = ForwardMsg.FromString(line.recv(timeout=60))  # type: ignore[arg-type]
            if message.WhichOneof("type") == "new_session":
                break
        yield Session(message.new_session.initialize.session_id, cookie[1])


def upload(lab: Lab, session: str, headers: dict[str, str], name: str = "a.png", content: bytes = b"x") -> Answer:
    """Upload a file to the field of a page."""
    about, body = form(name, content)
    return lab.ask(UPLOAD.format(session=session), "PUT", {**about, **headers}, body)


def test_a_file_is_accepted_from_the_page_itself_and_from_no_other(lab, session):
    own, good = {"Origin": lab.server.url}, session.headers()
    assert upload(lab, session.id, good | own).status == 204
    assert upload(lab, session.id, good).status == 204
    assert upload(lab, session.id, own).status == 403  # no token
    assert upload(lab, session.id, {"X-Xsrftoken": session.token}).status == 403  # no cookie
    assert upload(lab, session.id, good | {"X-Xsrftoken": "2|0|0|0"}).status == 403
    assert upload(lab, "another-session", good).status == 400
    for origin in ("http://evil.example", "http://localhost:1", "null"):
        assert upload(lab, session.id, good | {"Origin": origin}).status == 403
        assert lab.ask(UPLOAD.format(session=session.id), "DELETE", good | {"Origin": origin}).status == 403
        assert lab.ask(UPLOAD.format(session=session.id), "OPTIONS", {"Origin": origin}).status == 403
    assert lab.ask(UPLOAD.format(session=session.id), "DELETE").status == 403


def test_a_file_that_is_too_large_is_refused(lab, session):
    assert upload(lab, session.id, session.headers(), content=bytes(11 << 20)).status == 413


@pytest.mark.parametrize("name", ["a\0.png", "../../a.png", "C:\\a.png", "a" * 5_000 + ".png", "\u202egnp.exe", ""])
def test_a_strange_name_is_no_failure(lab, session, name):
    assert upload(lab, session.id, session.headers(), name).status in (204, 400)


# --- links ----------------------------------------------------------------------------------------


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file of a runs folder, but for caches and locks."""
    files = [path for path in folder.rglob("*") if path.is_file() and ".cache" not in path.parts]
    return {str(path): path.read_bytes() for path in files if not path.name.endswith("lock")}


def opened(lab: Lab, page: str, query: str = "", origin: str | None = None) -> list[ForwardMsg]:
    """Open a page over a WebSocket, and return all messages until its script has ended."""
    messages = []
    own = origin or lab.server.url
    with connect(f"ws://{lab.host}{STREAM}", origin=own, max_size=None) as line:  # type: ignore[arg-type]
        request = BackMsg()
        request.rerun_script.page_name, request.rerun_script.query_string = page, query
        line.send(request.SerializeToString())
        # A script that was rerun before its end is followed by another.
        while (
            not messages
            or messages[-1].script_finished != ForwardMsg.FINISHED_SUCCESSFULLY
            or (messages[-1].WhichOneof("type") != "script_finished")
        ):
            messages.append(ForwardMsg.FromString(line.recv(timeout=60)))  # type: ignore[arg-type]
    return messages


def test_opening_an_address_changes_nothing(lab):
    before = contents(lab.server.store.root)
    names = ("run", "runs", "with", "from", "study", "trash", "delete")
    query = "&".join(f"{name}={lab.run_id}" for name in names) + "&stop=true&start=true&discard=true&extend=5"
    for page in ("", "new_run", "run", "live", "compare", "studies", "leaderboard", "dataset", "classify"):
        lab.ask(f"/{page}?{query}")
        opened(lab, page, query)
    assert contents(lab.server.store.root) == before


# --- without the guard ----------------------------------------------------------------------------


def test_without_the_guard_a_foreign_page_gets_a_refusal_in_place_of_a_page(serve):
    server = serve("app.py")
    lab = Lab(server, made_run(server.store, name="mine"))
    foreign = str(opened(lab, "compare", origin="http://localhost:1"))
    assert "may not use this server" in foreign
    assert "mine" not in foreign
    assert "mine" in str(opened(lab, "compare"))
