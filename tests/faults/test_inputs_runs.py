"""Hostile run folders: files of the wrong kind, with wrong content, or linked to somewhere else.

Each case is put into one of two runs, without a record of its files: with one, any change would be noticed as such
before the content is read. The page of the damaged run must explain what is wrong, and every page must
show the other run as before.
"""

import io
import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.base.errors import StoreError
from core.records import BatchRecord
from core.runs.checksums import CHECKSUMS
from core.runs.folder import STATES
from core.runs.store import RunStore
from core.runs.transfer import export
from tests.faults.app import PAGES, app_on, assert_names, errors_on, open_page
from tests.made import made_record, made_run

HUGE = 10**15


def unrecorded(folder: Path) -> Path:
    """Delete the record of a run's files, as in a run from before there was one; return the folder."""
    (folder / CHECKSUMS).unlink(missing_ok=True)
    return folder


def with_values(file: str, /, **values: Any) -> Callable[[Path], None]:
    """Return a change that puts ``values`` into a JSON file."""

    def change(folder: Path) -> None:
        path = folder / file
        content = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps({**content, **values}))

    return change


def with_text(name: str, text: str) -> Callable[[Path], None]:
    """Return a change that writes ``text`` into a file."""
    return lambda folder: (folder / name).write_text(text)  # type: ignore[return-value]


def with_link(name: str, target: str) -> Callable[[Path], None]:
    """Return a change that replaces a file by a link to ``target``."""

    def change(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(target)

    return change


def with_pipe(name: str) -> Callable[[Path], None]:
    """Return a change that replaces a file by a pipe: reading it would never end."""

    def change(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)

    return change


def of_size(name: str, size: int) -> Callable[[Path], None]:
    """Return a change that makes a sparse file of ``size`` bytes."""

    def change(folder: Path) -> None:
        with (folder / name).open("wb") as file:
            file.truncate(size)

    return change


#: Changes that make a run unreadable, and what the message must name.
DAMAGED: dict[str, tuple[Callable[[Path], None], list[str]]] = {
    # meta.json
    "number as name": (with_values("meta.json", name=5), ["meta.json", "name", "5"]),
    "text as tags": (with_values("meta.json", tags="solo"), ["meta.json", "tags", "solo"]),
    "table as tag": (with_values("meta.json", tags=[{}]), ["meta.json", "tags"]),
    "NaN as time": (with_values("meta.json", created_at=float("nan")), ["meta.json", "nan"]),
    "time beyond all calendars": (with_values("meta.json", created_at=1e300), ["meta.json", "created_at", "1e+300"]),
    "list as environment": (with_values("meta.json", environment=[1]), ["meta.json", "environment"]),
    "unknown field": (with_values("meta.json", **{"<b>x": 1}), ["meta.json", "<b>x"]),
    # status.json
    "text as epoch": (with_values("status.json", epoch="two"), ["status.json", "epoch", "two"]),
    "negative epoch": (with_values("status.json", epoch=-1), ["status.json", "epoch", "-1"]),
    "huge epoch": (with_values("status.json", epoch=10**400), ["status.json", "epoch", "10000"]),
    "unknown state": (with_values("status.json", state="dancing"), ["status.json", "state", "dancing"]),
    "list as state": (with_values("status.json", state=["queued"]), ["status.json", "state", "queued"]),
    "text as queue time": (with_values("status.json", queued_at="now"), ["status.json", "queued_at", "now"]),
    "duplicate name": (with_text("status.json", '{"state": "queued", "state": "failed"}'), ["status.json", "state"]),
    # result.json
    "list as result": (with_values("result.json", best=[1]), ["result.json", "best"]),
    "accuracy above 1": (with_values("result.json", best={"accuracy": 91}), ["result.json", "accuracy", "best", "91"]),
    "text as loss": (with_values("result.json", last={"loss": "high"}), ["result.json", "loss", "last", "high"]),
    # links, pipes and huge files
    "link to a secret": (with_link("meta.json", "/etc/passwd"), ["meta.json", "link"]),
    "link to itself": (with_link("config.json", "config.json"), ["config.json", "link"]),
    "pipe as status": (with_pipe("status.json"), ["status.json"]),
    "pipe as result": (with_pipe("result.json"), ["result.json"]),
    "status of a terabyte": (of_size("status.json", 10**12), ["status.json", "16 MB"]),
    "epochs of a terabyte": (of_size("metrics.jsonl", 10**12), ["metrics.jsonl", "256 MB"]),
}

#: Changes that leave a run readable.
HARMLESS: dict[str, Callable[[Path], object]] = {
    "half a character in the name": with_values("meta.json", name="a\ud800b\x00\x1b[31m", note="\udfff"),
    "name of a megabyte": with_values("meta.json", name="x" * 2**20),
    "any values as environment": with_values(
        "meta.json", environment={"\ud800": ["\ud800", {"a": None}], "x": 10**400}
    ),
    "link as log": with_link("log.txt", "/etc/passwd"),
    "pipe as log": with_pipe("log.txt"),
    "log of a terabyte": of_size("log.txt", 10**12),
    "pipe as stop request": with_pipe("stop"),
    "folder as lock": lambda folder: ((folder / ".lock").unlink(missing_ok=True), (folder / ".lock").mkdir()),
    "more epochs than planned": with_values("status.json", epoch=HUGE, best_epoch=HUGE, state="running"),
    "result without an epoch": with_values("result.json", best={"accuracy": 0.5}),
    "epochs without values per class": lambda folder: (folder / "metrics.jsonl").write_text(
        "".join(
            json.dumps(
                {name: value for name, value in asdict(made_record(epoch)).items() if not name.endswith("_by_class")}
            )
            + "\n"
            for epoch in range(1, 5)
        )
    ),
}


@pytest.mark.parametrize(("change", "words"), DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_run_is_explained_and_the_rest_are_shown(store, monkeypatch, change, words):
    bad, good = made_run(store, name="the damaged run"), made_run(store, name="the intact run")
    change(unrecorded(store.root / bad))
    app = open_page(app_on(store, monkeypatch), "run", run=bad)
    assert_names(errors_on(app), bad, *words)
    assert app.selectbox(key="run").value == good
    rows = store.frame().set_index("id")
    assert (rows.loc[bad, "state"], rows.loc[good, "state"]) == ("damaged", "finished")


def test_every_page_opens_with_all_of_them_at_once(store, monkeypatch):
    for change in (*(change for change, _ in DAMAGED.values()), *HARMLESS.values()):
        change(unrecorded(store.root / made_run(store, name="another")))
    good = made_run(store, name="the intact run")
    app = app_on(store, monkeypatch)
    for page in PAGES:
        open_page(app, page)
    assert "the intact run" in {link.proto.label for link in open_page(app, "home").get("page_link")}
    assert store.run(good).status().state == "finished"
    open_page(app, "compare", runs=",".join(store.ids()))
    assert store.queue.ids() == [] and len(store.ids()) == len(DAMAGED) + len(HARMLESS) + 1


def test_a_result_without_epochs_is_ignored(store, monkeypatch):
    bad = made_run(store, name="the damaged run")
    (unrecorded(store.root / bad) / "metrics.jsonl").unlink()
    store.run(bad).write_result({"best": {"accuracy": 0.99, "loss": 0.1, "epoch": 4}})
    app = app_on(store, monkeypatch)
    for page in PAGES:
        open_page(app, page)
    assert store.frame()["test_accuracy"].isna().all()


@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS.keys())
def test_harmless_damage_hides_no_run(store, monkeypatch, change):
    run_id = made_run(store, name="a run", note="a note")
    change(unrecorded(store.root / run_id))
    app = open_page(app_on(store, monkeypatch), "run", run=run_id)
    assert app.selectbox(key="run").value == run_id
    assert len(store.metrics(run_id)) == 4
    for page in PAGES:
        open_page(app, page, run=run_id)


def test_a_link_as_log_neither_shows_nor_changes_its_target(store, monkeypatch, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("do not tell\n")
    run_id = made_run(store)
    with_link("log.txt", str(secret))(store.root / run_id)
    with pytest.raises(StoreError, match=r"log\.txt.*link"):
        store.run(run_id).log()
    with pytest.raises(StoreError, match=r"log\.txt.*link"):
        store.run(run_id).append_log("written by us")
    with_link("metrics.jsonl", str(secret))(store.root / run_id)
    with pytest.raises(StoreError, match=r"metrics\.jsonl.*link"):
        store.run(run_id).append_record(made_record(5))
    app = open_page(app_on(store, monkeypatch), "run", run=run_id)
    assert "do not tell" not in "".join(element.value for element in app.code)
    assert secret.read_text() == "do not tell\n"


@pytest.mark.parametrize("name", ["log.txt", "last.pt", "result.json"])
def test_an_export_never_follows_a_link(store, tmp_path, name):
    (tmp_path / "secret").write_text("do not tell\n")
    run_id = made_run(store)
    with_link(name, str(tmp_path / "secret"))(store.root / run_id)
    exported = io.BytesIO()
    with pytest.raises(StoreError) as caught:
        export(store, [run_id], exported)
    assert_names(caught.value, name, run_id, "link")
    assert b"do not tell" not in exported.getvalue()


def test_a_link_as_lock_empties_nothing_elsewhere(store, tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("a thesis")
    run_id = made_run(store, state="running")
    (store.root / run_id / ".lock").unlink(missing_ok=True)
    (store.root / run_id / ".lock").symlink_to(precious)
    assert store.run(run_id).status().state == "interrupted"
    with pytest.raises(StoreError, match=r"\.lock.*link"), store.run(run_id).hold():
        pass
    store.queue.mark_interrupted()
    assert precious.read_text() == "a thesis"


# --- metrics.jsonl --------------------------------------------------------------------------------

#: Lines of metrics.jsonl, after two valid epochs, that are not the next epoch.
LINES: dict[str, str] = {
    "truth value as epoch": json.dumps(asdict(made_record(3)) | {"epoch": True}),
    "epoch 0": json.dumps(asdict(made_record(3)) | {"epoch": 0}),
    "same epoch again": json.dumps(asdict(made_record(2)) | {"val_accuracy": 0.99}),
    "earlier epoch": json.dumps(asdict(made_record(1)) | {"val_accuracy": 0.99}),
    "accuracy of 91": json.dumps(asdict(made_record(3)) | {"val_accuracy": 91}),
    "NaN as accuracy": json.dumps(asdict(made_record(3)) | {"val_accuracy": float("nan")}),
    "infinite seconds": json.dumps(asdict(made_record(3)) | {"seconds": float("inf")}),
    "huge epoch": json.dumps(asdict(made_record(3)) | {"epoch": 10**400}),
    "text among classes": json.dumps(asdict(made_record(3)) | {"val_accuracy_by_class": ["high"]}),
    "nested list": json.dumps(asdict(made_record(3)) | {"val_loss_by_class": [[1.0]]}),
}


@pytest.mark.parametrize("line", LINES.values(), ids=LINES.keys())
def test_a_line_that_is_not_the_next_epoch_is_ignored(store, monkeypatch, line):
    run_id = made_run(store, epochs=2)
    with (unrecorded(store.root / run_id) / "metrics.jsonl").open("a") as file:
        file.write(line + "\n")
    app = open_page(app_on(store, monkeypatch), "run", run=run_id)
    best = f"{100 * made_record(2).val_accuracy:.2f} %"
    assert [metric.value for metric in app.metric][:2] == [best, best]
    store.run(run_id).append_record(made_record(3))
    assert [record.epoch for record in store.run(run_id).records()] == [1, 2, 3] == list(store.metrics(run_id)["epoch"])
    assert RunStore(store.root).frame().loc[0, "last_val_accuracy"] == made_record(3).val_accuracy


# --- progress.json --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("progress", "words"),
    [
        ({}, ["epoch"]),
        ({"batches": 0}, ["batches", "0"]),
        ({"batch": "x"}, ["batch", "x"]),
        ({"seconds_left": float("inf")}, ["seconds_left", "inf"]),
    ],
)
def test_damaged_progress_is_explained_until_the_next_batch(store, monkeypatch, progress, words):
    run_id = made_run(store, epochs=2, state="running")
    position = {"epoch": 3, "epochs": 4, "batch": 1, "batches": 9, "seconds_left": 1.0}
    valid = {**position, "loss": 1.0, "accuracy": 0.5, "lr": 0.1, "images_per_second": 1.0}
    path = store.run(run_id).path / "progress.json"
    path.write_text(json.dumps({**valid, **progress} if progress else {}))
    with store.run(run_id).hold():
        app = app_on(store, monkeypatch)
        assert not app.exception
        assert_names(errors_on(app), "progress.json", *words)
        assert_names(errors_on(open_page(app, "run", run=run_id)), "progress.json", *words)
        store.run(run_id).write_progress(BatchRecord(**valid | {"loss": float("nan")}))
        assert not errors_on(open_page(app, "run", run=run_id))


# --- generated inputs -----------------------------------------------------------------------------

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
_FILES = ("meta.json", "status.json", "config.json", "result.json", "progress.json")
_FIELDS = ("name", "tags", "created_at", "environment", "state", "epoch", "best_epoch", "error", "best", "train")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(_FILES), field=st.sampled_from(_FIELDS), value=_json)
def test_any_json_is_a_run_or_an_error(store, name, field, value):
    run_id = made_run(store, epochs=1)
    try:
        with_values(name, **{field: value})(unrecorded(store.root / run_id))
        run = store.run(run_id)
        for read in (run.meta, run.status, run.config, run.result, run.progress):
            try:
                read()
            except StoreError as error:
                assert run_id in str(error)
        row = store.frame().set_index("id").loc[run_id]
        assert row["state"] in (*STATES, "damaged")
        str(store.run(run_id).meta().name).encode() if row["state"] != "damaged" else None
    finally:
        store.trash.put(run_id)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(st.binary(max_size=40) | st.builds(lambda value: json.dumps(value).encode(), _json), max_size=5))
def test_any_lines_of_metrics_are_ignored_or_epochs(tmp_path, lines):
    store = RunStore(tmp_path / "runs")
    run_id = store.ids()[0] if store.ids() else made_run(store, epochs=1)
    path = unrecorded(store.root / run_id) / "metrics.jsonl"
    path.write_bytes(b"\n".join([*lines, json.dumps(asdict(made_record(1))).encode(), b""]))
    epochs = [record.epoch for record in store.run(run_id).records()]
    assert epochs == [1] == list(RunStore(store.root).metrics(run_id)["epoch"])
