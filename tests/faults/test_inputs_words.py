"""Addresses, names, arguments and settings: text from anywhere in every place that takes or shows one."""

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
from tests.faults.opened import PAGES, app_on, fresh, opened, sentences
from tests.made import made_run

# --- addresses ------------------------------------------------------------------------------------

WORDS = {
    "a way out": "../../etc/passwd",
    "a way out, twice written": "%2e%2e%2f..%00",
    "a page's code": "<img src=x onerror=alert(1)>",
    "a picture from elsewhere": "![x](https://evil.example/pixel.png)",
    "a link and an icon": "[x](javascript:alert(1)) :material/home: $x$",
    "ten thousand characters": "x" * 10_000,
    "all languages": "日本語 ‮abc \u0000 🙂 \u2028",
    "half a character": "\ud800",
    "commas": "," * 500,
    "nothing": "",
}
NAMES = ("run", "runs", "with", "from", "x", "smoothing", "span", "sort", "q", "columns", "a", "picture", "study")


@pytest.mark.parametrize("page", PAGES)
def test_no_address_is_a_traceback_on_any_page(store, monkeypatch, page):
    run_id = made_run(store, name="a run")
    app = app_on(store, monkeypatch)
    for word in WORDS.values():
        if word.isprintable() or word.isascii():
            opened(app, page, **dict.fromkeys(NAMES, word))
    opened(app, page, **{name: [run_id, "../x", run_id] for name in NAMES})
    assert store.ids() == [run_id]


@pytest.mark.parametrize("word", [word for name, word in WORDS.items() if name not in ("nothing", "half a character")])
def test_a_run_that_is_not_there_is_told_and_never_markup(store, monkeypatch, word):
    made_run(store)
    app = opened(app_on(store, monkeypatch), "run", run=word)
    assert f"There is no run “{one_line(word, 60)}”" in sentences(app) and len(sentences(app)) < 300
    assert not re.search(r"(?<!\\)[<\[]|:(?=\w)(?<!\\:)", app.error[0].value)


# --- names ----------------------------------------------------------------------------------------


@given(st.text(max_size=60))
def test_any_text_is_shown_as_it_is(text):
    shown = literal(text)
    plain = re.sub(r"\\(.)", r"\1", shown).replace("\N{WORD JOINER}", "")
    assert plain == one_line(text, 2_000).replace("\N{WORD JOINER}", "")
    shown.encode()
    assert not re.search(r"(?<!\\)(\\\\)*[<>\[\]`$*|&#~]", shown)


def test_a_sentence_keeps_its_code_and_nothing_else():
    assert sentence("No *x*; `python -m core list` shows <b>.") == r"No \*x\*; `python -m core list` shows \<b\>."
    assert "\N{WORD JOINER}material" in sentence(":material/home:")


# --- arguments ------------------------------------------------------------------------------------

ARGUMENTS = {
    "a run that is a way out": (["show", "../../etc"], 1, "There is no run “../../etc”"),
    "a run of ten thousand characters": (["show", "x" * 10_000], 1, "There is no run “xxxx"),
    "a run that recolours the terminal": (["show", "\x1b[31m\x07"], 1, "There is no run “[31m”"),
    "bytes that are no text": (["show", "\udcff\udcfe"], 1, "There is no run “”"),
    "seeds that are words": (["train", "--preset", "quick", "--seeds", "many"], 2, "“many” is no whole number"),
    "seeds without end": (["train", "--preset", "quick", "--seeds", "9" * 5000], 2, "is no whole number of at least 1"),
    "a billion seeds": (["train", "--preset", "quick", "--seeds", "1000000000"], 2, "runs are too many; at most 1,000"),
    "a setting without end": (["train", "--preset", "quick", "--set", "train.lr=1e999"], 1, "train.lr: takes a number"),
    "a config that never ends": (["train", "--config", "/dev/zero"], 1, "/dev/zero is no JSON file"),
    "a picture that never ends": (["classify", "latest", "/dev/zero"], 1, "There is no run “latest”"),
}  # fmt: skip


@pytest.mark.parametrize(("words", "code", "told"), ARGUMENTS.values(), ids=ARGUMENTS.keys())
def test_an_argument_that_cannot_be_used_is_a_sentence(store, capsys, words, code, told):
    try:
        found = main([*words, "--runs", str(store.root)])
    except SystemExit as end:
        found = int(end.code or 0)
    said = capsys.readouterr().err
    assert (found, told in said) == (code, True), said[-300:]
    assert len(said.splitlines()[-1]) < 400 and "\x1b" not in said
    assert store.ids() == []


# --- settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize("variable", ["RESNET_LAB_RUNS", "RESNET_LAB_DATA", "RESNET_LAB_CIFAR10"])
def test_a_home_of_nobody_is_told_in_place_of_every_page(store, monkeypatch, variable):
    monkeypatch.setenv("RESNET_LAB_RUNS", str(store.root))
    monkeypatch.setenv(variable, "~nobody-here/runs")
    with pytest.raises(SettingError):
        check()
    app = fresh(monkeypatch)
    assert not app.exception and not app.title
    told = "says “~nobody-here/runs”, and nobody on this computer is called nobody-here; give the whole path"
    assert sentences(app).startswith(f"{variable} {told}")


@pytest.mark.parametrize("under", ["", "/runs"])
def test_a_file_for_the_folder_of_runs_is_told(tmp_path, monkeypatch, capsys, under):
    (tmp_path / "file").write_text("mine")
    monkeypatch.setenv("RESNET_LAB_RUNS", f"{tmp_path}/file{under}")
    assert main(["list"]) == 1
    assert "a file stands where a folder is needed; name another place or move the file" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("page", ["dataset", "new_run", "classify"])
@pytest.mark.parametrize("value", ["{tmp}/file", "{tmp}/<b>:material/home:", "{tmp}/" + "x" * 300])
def test_a_folder_of_images_that_cannot_be_is_no_traceback(store, monkeypatch, tmp_path, page, value):
    from core.data import cifar10

    available = cifar10.available
    (tmp_path / "file").write_text("mine")
    app = app_on(store, monkeypatch)
    monkeypatch.setattr(cifar10, "available", available)
    monkeypatch.setenv("RESNET_LAB_DATA", value.format(tmp=tmp_path))
    opened(app, page)
    if page != "classify":
        assert [one.label for one in app.button if one.key == "get-data"] == ["Get the data"]
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


ALL = "every address of this computer"


@pytest.mark.parametrize(
    ("other", "told"),
    [("0.0.0.0", "0.0.0.0"), ("127.0.0.2", "127.0.0.2"), ("lab.example", "lab.example"), (None, ALL), ("", ALL)],
)
def test_any_other_address_is_warned_of(store, monkeypatch, other, told):
    import streamlit as st_

    option = st_.get_option
    monkeypatch.setattr(st_, "get_option", lambda name: other if name == "server.address" else option(name))
    said = sentences(app_on(store, monkeypatch))
    assert f"This server listens on {told}. Everyone who reaches this address can start and delete runs" in said
    assert server_module.allowed_hosts(other) == ("*",)


def test_the_settings_that_keep_others_out_are_on():
    import tomllib

    from core.base.paths import PROJECT

    server = tomllib.loads((PROJECT / ".streamlit" / "config.toml").read_text())["server"]
    assert (server["address"], server["enableXsrfProtection"], server["maxUploadSize"]) == ("127.0.0.1", True, 10)
    assert server["allowedHosts"] == list(server_module.HERE)
    assert "XSRF protection is switched off" in server_module.warning("127.0.0.1", xsrf_protection=False)
