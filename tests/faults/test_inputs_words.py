"""Hostile text in page addresses, names, command-line arguments and settings."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import server as server_module
from core.base.errors import SettingError
from core.base.paths import check, data_folder, data_source, runs_folder
from core.base.text import one_line
from core.cli.main import main
from pages.parts.shared import literal, sentence
from tests.faults.app import PAGES, app_on, assert_names, errors_on, new_app, open_page
from tests.made import made_run

# --- addresses ------------------------------------------------------------------------------------

WORDS = {
    "path outside the folder": "../../etc/passwd",
    "encoded path outside the folder": "%2e%2e%2f..%00",
    "HTML": "<img src=x onerror=alert(1)>",
    "remote image": "![x](https://evil.example/pixel.png)",
    "link and icon": "[x](javascript:alert(1)) :material/home: $x$",
    "ten thousand characters": "x" * 10_000,
    "all languages": "日本語 ‮abc \u0000 🙂 \u2028",
    "half a character": "\ud800",
    "commas": "," * 500,
    "empty": "",
}
NAMES = ("run", "runs", "with", "from", "x", "smoothing", "span", "sort", "q", "columns", "a", "picture", "study")


@pytest.mark.parametrize("page", PAGES)
def test_no_address_is_a_traceback_on_any_page(store, monkeypatch, page):
    run_id = made_run(store, name="a run")
    app = app_on(store, monkeypatch)
    for word in WORDS.values():
        if word.isprintable() or word.isascii():
            open_page(app, page, **dict.fromkeys(NAMES, word))
    open_page(app, page, **{name: [run_id, "../x", run_id] for name in NAMES})
    assert store.ids() == [run_id]


@pytest.mark.parametrize("word", [word for name, word in WORDS.items() if name not in ("empty", "half a character")])
def test_an_unknown_run_is_named_and_never_markup(store, monkeypatch, word):
    made_run(store)
    app = open_page(app_on(store, monkeypatch), "run", run=word)
    assert_names(errors_on(app), one_line(word, 60))
    assert len(errors_on(app)) < 300
    assert not re.search(r"(?<!\\)[<\[]|:(?=\w)(?<!\\:)", app.error[0].value)


# --- names ----------------------------------------------------------------------------------------


@given(st.text(max_size=60))
def test_any_text_is_shown_verbatim(text):
    shown = literal(text)
    plain = re.sub(r"\\(.)", r"\1", shown).replace("\N{WORD JOINER}", "")
    assert plain == one_line(text, 2_000).replace("\N{WORD JOINER}", "")
    shown.encode()
    assert not re.search(r"(?<!\\)(\\\\)*[<>\[\]`$*|&#~]", shown)


def test_only_code_in_a_message_is_markup():
    assert sentence("No *x*; `resnet-lab list` shows <b>.") == r"No \*x\*; `resnet-lab list` shows \<b\>."
    assert "\N{WORD JOINER}material" in sentence(":material/home:")
    assert ":\N{WORD JOINER}smile" in literal(":smile:").replace("\\", "")


# --- arguments ------------------------------------------------------------------------------------

TRAIN = ["train", "--preset", "quick"]
#: Command lines that cannot be used, their exit code, and what the message must name.
ARGUMENTS = {
    "path outside the folder": (["show", "../../etc"], 1, ["“../../etc”"]),
    "run of ten thousand characters": (["show", "x" * 10_000], 1, ["“xxxx"]),
    "run that recolours the terminal": (["show", "\x1b[31m\x07"], 1, ["“[31m”"]),
    "bytes that are not text": (["show", "\udcff\udcfe"], 1, ["“”"]),
    "text as seeds": ([*TRAIN, "--seeds", "many"], 2, ["--seeds", "“many”"]),
    "huge number of seeds": ([*TRAIN, "--seeds", "9" * 5000], 2, ["--seeds", "999"]),
    "a billion seeds": ([*TRAIN, "--seeds", "1000000000"], 2, ["--seeds", "1,000"]),
    "infinite setting": ([*TRAIN, "--set", "train.lr=1e999"], 1, ["train.lr", "number"]),
    "config without end": (["train", "--config", "/dev/zero"], 1, ["/dev/zero", "JSON"]),
    "image without end": (["classify", "latest", "/dev/zero"], 1, ["“latest”"]),
}


@pytest.mark.parametrize(("words", "code", "named"), ARGUMENTS.values(), ids=ARGUMENTS.keys())
def test_an_unusable_argument_is_explained(store, capsys, words, code, named):
    try:
        ended = main([*words, "--runs", str(store.root)])
    except SystemExit as end:
        ended = int(end.code or 0)
    error = capsys.readouterr().err
    assert ended == code, error[-300:]
    assert_names(error.splitlines()[-1], *named)
    assert "\x1b" not in error and store.ids() == []


# --- settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize("variable", ["RESNET_LAB_RUNS", "RESNET_LAB_DATA", "RESNET_LAB_CIFAR10"])
def test_an_unknown_home_folder_is_explained_on_every_page(store, monkeypatch, variable):
    monkeypatch.setenv("RESNET_LAB_RUNS", str(store.root))
    monkeypatch.setenv(variable, "~nobody-here/runs")
    with pytest.raises(SettingError):
        check()
    app = new_app(monkeypatch)
    assert not app.exception and not app.title
    assert_names(errors_on(app), variable, "“~nobody-here/runs”")


@pytest.mark.parametrize("under", ["", "/runs"])
def test_a_file_as_the_runs_folder_is_explained_and_kept(tmp_path, monkeypatch, capsys, under):
    (tmp_path / "file").write_text("mine")
    monkeypatch.setenv("RESNET_LAB_RUNS", f"{tmp_path}/file{under}")
    assert main(["list"]) == 1
    assert_names(capsys.readouterr().err, "file", "folder")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("page", ["dataset", "new_run", "classify"])
@pytest.mark.parametrize("value", ["{tmp}/file", "{tmp}/<b>:material/home:", "{tmp}/" + "x" * 300])
def test_an_impossible_data_folder_shows_no_traceback(store, monkeypatch, tmp_path, page, value):
    from core.data import cifar10

    available = cifar10.available
    (tmp_path / "file").write_text("mine")
    app = app_on(store, monkeypatch)
    monkeypatch.setattr(cifar10, "available", available)
    monkeypatch.setenv("RESNET_LAB_DATA", value.format(tmp=tmp_path))
    open_page(app, page)
    if page != "classify":
        assert [button.key for button in app.button if button.key == "get-data"] == ["get-data"]
    assert (tmp_path / "file").read_text() == "mine"


def test_empty_settings_mean_the_defaults(monkeypatch):
    for variable in ("RESNET_LAB_RUNS", "RESNET_LAB_DATA", "RESNET_LAB_CIFAR10"):
        monkeypatch.setenv(variable, "")
    assert (runs_folder().name, data_folder().name, data_source()) == ("runs", "resnet-lab", None)


# --- the address of the server --------------------------------------------------------------------


@pytest.mark.parametrize("here", ["127.0.0.1", "localhost", "::1"])
def test_this_machine_alone_needs_no_warning(here):
    assert server_module.warning(here) is None
    assert "*" not in server_module.allowed_hosts(here)


@pytest.mark.parametrize(
    ("address", "named"),
    [
        ("0.0.0.0", "0.0.0.0"),
        ("127.0.0.2", "127.0.0.2"),
        ("lab.example", "lab.example"),
        (None, "every"),
        ("", "every"),
    ],
)
def test_any_other_address_shows_a_warning(store, monkeypatch, address, named):
    import streamlit as st_

    option = st_.get_option
    monkeypatch.setattr(st_, "get_option", lambda name: address if name == "server.address" else option(name))
    assert_names(errors_on(app_on(store, monkeypatch)), named, "delete")
    assert server_module.allowed_hosts(address) == ("*",)


def test_streamlit_is_configured_to_keep_others_out():
    import tomllib

    from core.base.paths import PROJECT

    server = tomllib.loads((PROJECT / ".streamlit" / "config.toml").read_text())["server"]
    assert (server["address"], server["enableXsrfProtection"], server["maxUploadSize"]) == ("127.0.0.1", True, 10)
    assert server["allowedHosts"] == list(server_module.LOCAL)
    assert_names(server_module.warning("127.0.0.1", xsrf_protection=False), "XSRF")
