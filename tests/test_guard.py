"""The guard's rules: which names, pages and settings it accepts, and the headers it adds."""

import asyncio
import base64
import hashlib
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from core.guard import Access, Guard, script_hashes, security_headers

HERE = "127.0.0.1:8501"
HUB = {"RESNET_LAB_PUBLIC_ADDRESS": "https://hub.example.org/user/ann/proxy/8501/"}


def status(access: Access, host: str, *origins: str, scheme: str = "http") -> int:
    """Return the status of a refusal, or 200."""
    refusal = access.refusal([host], origins, scheme)
    return int(refusal.status) if refusal else 200


@pytest.mark.parametrize("host", [HERE, "localhost:8501", "LOCALHOST.:9000", "[::1]:8501", "127.0.0.1", "localhost"])
def test_a_server_for_this_computer_answers_to_its_own_names(host):
    assert status(Access.of("127.0.0.1"), host) == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8501",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "192.168.1.9:8501",
        "2130706433",
        "127.0.0.1@evil.example",
        "localhost:80:80",
        "localhost/",
        "localhost evil",
        "",
    ],
)
def test_a_server_for_this_computer_answers_to_no_other_name(host):
    assert status(Access.of("127.0.0.1"), host) == 400


def test_a_request_has_exactly_one_host():
    access = Access.of("127.0.0.1")
    for hosts in ([], [HERE, "evil.example"], [HERE, HERE]):
        refusal = access.refusal(hosts, [], "http")
        assert refusal is not None
        assert refusal.status == 400


@pytest.mark.parametrize("address", ["0.0.0.0", "192.168.1.9", None, ""])
def test_a_server_for_others_answers_to_ip_addresses_and_to_names_of_this_computer(monkeypatch, address):
    monkeypatch.setattr("socket.gethostname", lambda: "Lab-PC.example.org")
    access = Access.of(address)
    for host in ("192.168.1.9:8501", "[fe80::1]:8501", "lab-pc:8501", "lab-pc.example.org", "lab-pc.local:8501", HERE):
        assert status(access, host) == 200, host
    assert status(access, "evil.example:8501") == 400


def test_more_names_can_be_allowed():
    access = Access.of("127.0.0.1", ["lab.example", "*.school.example"])
    assert [status(access, host) for host in ("lab.example", "a.school.example", "school.example", "x.example")] == [
        200,
        200,
        400,
        400,
    ]
    assert status(Access.of("127.0.0.1", ["*"]), "anything.example") == 200


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "http://127.0.0.1",
        "http://127.0.0.1:9999",
        "https://127.0.0.1:8501",
        "http://localhost:8501",
        "http://127.0.0.1:8501.evil.example",
        "http://evil.example/http://127.0.0.1:8501",
        "null",
        "file://",
        "",
    ],
)
def test_a_page_of_another_scheme_host_or_port_is_foreign(origin):
    assert status(Access.of("127.0.0.1"), HERE, origin) == 403
    assert status(Access.of("127.0.0.1"), HERE, f"http://{HERE}", origin) == 403


def test_a_page_of_the_same_address_is_not_foreign_and_neither_is_a_program():
    access = Access.of("127.0.0.1")
    assert status(access, HERE, f"http://{HERE}") == 200
    assert status(access, HERE) == 200
    assert status(access, "localhost", "http://localhost:80") == 200
    assert status(access, "localhost:443", "https://localhost", scheme="https") == 200


@pytest.mark.parametrize("host", ["hub.example.org", "127.0.0.1:8501"])
def test_behind_a_proxy_the_public_address_is_accepted_whatever_host_the_proxy_sends(host):
    access = Access.of("127.0.0.1", environ=HUB)
    assert access.origins == ("https://hub.example.org",)
    assert status(access, host, "https://hub.example.org") == 200
    assert status(access, host, "http://hub.example.org:8000") == 403
    assert status(access, host, "https://other.example.org") == 403
    assert access.public == ("https://hub.example.org",)


def test_a_public_address_of_this_computer_is_not_public():
    access = Access.of("127.0.0.1", environ={"RESNET_LAB_PUBLIC_ADDRESS": "http://localhost:8888"})
    assert status(access, HERE, "http://localhost:8888") == 200
    assert access.public == ()


@pytest.mark.parametrize(
    ("variable", "word"),
    [
        ("RESNET_LAB_PUBLIC_ADDRESS", "hub.example.org"),
        ("RESNET_LAB_PUBLIC_ADDRESS", "https://a b;c"),
        ("RESNET_LAB_PUBLIC_ADDRESS", "*"),
        ("RESNET_LAB_FRAME_ANCESTORS", "*"),
        ("RESNET_LAB_FRAME_ANCESTORS", "https:"),
        ("RESNET_LAB_FRAME_ANCESTORS", "https://a.example;script-src"),
        ("RESNET_LAB_FRAME_ANCESTORS", "https://a.example/page"),
        ("RESNET_LAB_FRAME_ANCESTORS", "'unsafe-inline'"),
    ],
)
def test_a_setting_that_cannot_be_read_is_ignored_and_named(variable, word):
    access = Access.of("127.0.0.1", environ={variable: word})
    assert variable in access.problems[0]
    assert access.ancestors == ()
    assert status(access, HERE, "https://hub.example.org") == 403


def test_pages_that_may_frame_the_app_are_a_setting():
    environ = {"RESNET_LAB_FRAME_ANCESTORS": "https://school.example:8443, vscode-webview: https://*.hub.example"}
    access = Access.of("127.0.0.1", environ=environ)
    assert access.problems == ()
    headers = security_headers(access.ancestors)
    expected = "frame-ancestors 'self' https://school.example:8443 vscode-webview: https://*.hub.example"
    assert headers["content-security-policy"].endswith(expected)
    assert "x-frame-options" not in headers
    assert security_headers()["x-frame-options"] == "SAMEORIGIN"


def test_inline_scripts_are_allowed_by_their_hash():
    digest = base64.b64encode(hashlib.sha256(b"\n x=1 ").digest()).decode()
    html = '<script>\n x=1 </script><script src="a.js"></script>'
    assert script_hashes(html) == [f"'sha256-{digest}'"]
    assert f"'sha256-{digest}'" in security_headers(scripts=script_hashes(html))["content-security-policy"]


def run(answer: Coroutine[Any, Any, None]) -> None:
    """Run ``answer`` to its end in a thread of its own: this one may have the event loop of a browser test."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, answer).result()


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 1_000])
def test_the_name_of_a_file_loses_its_nul_bytes_and_the_file_keeps_its_own(size):
    """However the form is cut into messages."""
    head, content = b'--b\r\nContent-Disposition: form-data; filename="a\0b\0.png"', b"\r\n\r\n\0P\0\r\n\r\n\0\r\n--b--"
    form = head + content
    parts = [form[at : at + size] for at in range(0, len(form), size)]
    messages = iter([{"type": "http.request", "body": part, "more_body": True} for part in parts])
    got = b""

    async def receive():
        return next(messages)

    async def app(scope, receive, send):
        nonlocal got
        for _ in parts:
            got += (await receive())["body"]

    scope = {"type": "http", "scheme": "http", "headers": [(b"host", b"localhost")]}
    run(Guard(app, Access())(scope, receive, lambda message: None))
    assert got == head.replace(b"\0", b"_") + content


def test_an_app_that_fails_is_answered_with_the_headers_and_its_error_goes_on():
    sent = []

    async def send(message):
        sent.append(message)

    async def app(scope, receive, send):
        raise RuntimeError("secret")

    scope = {"type": "http", "scheme": "http", "headers": [(b"host", b"localhost")]}
    with pytest.raises(RuntimeError):
        run(Guard(app, Access())(scope, lambda: None, send))
    assert sent[0]["status"] == 500
    assert b"x-frame-options" in dict(sent[0]["headers"])
    assert b"secret" not in sent[1]["body"]
