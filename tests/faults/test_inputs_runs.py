"""Run folders from elsewhere: files of the wrong kind, with the wrong things in them, or leading somewhere else.

Each case stands in the folder of a run beside a sound one. What is wrong is said in a sentence on the page that
was asked for the run, and every page shows the sound run as before.
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
from core.runs.store import RunStore
from core.runs.transfer import export
from tests.faults.opened import PAGES, app_on, opened, sentences
from tests.made import made_record, made_run

HUGE = 10**15


def with_values(file: str, /, **values: Any) -> Callable[[Path], None]:
    """Changes that put ``values`` into a JSON file."""

    def change(folder: Path) -> None:
        path = folder / file
        content = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps({**content, **values}))

    return change


def with_text(name: str, text: str) -> Callable[[Path], None]:
    """A file that holds ``text``."""
    return lambda folder: (folder / name).write_text(text)  # type: ignore[return-value]


def with_link(name: str, target: str) -> Callable[[Path], None]:
    """A link in place of a file."""

    def change(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(target)

    return change


def with_pipe(name: str) -> Callable[[Path], None]:
    """A pipe nobody writes into: to read it would never end."""

    def change(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)

    return change


def of_size(name: str, size: int) -> Callable[[Path], None]:
    """A file with so many bytes, none of them on the disk."""

    def change(folder: Path) -> None:
        with (folder / name).open("wb") as file:
            file.truncate(size)

    return change


DAMAGED: dict[str, tuple[Callable[[Path], None], str]] = {
    # meta.json
    "a number for a name": (with_values("meta.json", name=5), "“name” is 5, where text belongs"),
    "tags that are no list": (with_values("meta.json", tags="one"), "“tags” is “one”, where a list of texts belongs"),
    "a tag that is a table": (with_values("meta.json", tags=[{}]), "“tags” is [{}], where a list of texts belongs"),
    "no number for a time": (with_values("meta.json", created_at=float("nan")), "“created_at” is nan, where a number"),
    "a time beyond all calendars": (with_values("meta.json", created_at=1e300), "“created_at” is 1e+300"),
    "an environment without names": (with_values("meta.json", environment=[1]), "where names and values belongs"),
    "a field of another program": (with_values("meta.json", **{"<b>x": 1}), "it has no place for “<b>x”"),
    # status.json
    "a text for an epoch": (with_values("status.json", epoch="two"), "“epoch” is “two”, where a whole number belongs"),
    "an epoch below zero": (with_values("status.json", epoch=-1), "“epoch” is -1, where a whole number belongs"),
    "an epoch without end": (with_values("status.json", epoch=10**400), "“epoch” is 10000"),
    "an unknown state": (with_values("status.json", state="dancing"), "“state” is “dancing”, where one of queued"),
    "a list for a state": (with_values("status.json", state=["queued"]), "“state” is ['queued'], where one of queued"),
    "a queue place that is text": (with_values("status.json", queued_at="now"), "“queued_at” is “now”"),
    "names given twice": (with_text("status.json", '{"state": "queued", "state": "failed"}'), "names “state” twice"),
    # result.json
    "a result that is a list": (with_values("result.json", best=[1]), "“best” is [1], where a test evaluation belongs"),
    "an accuracy above one": (with_values("result.json", best={"accuracy": 91}), "“accuracy” of “best” is 91"),
    "a loss that is text": (with_values("result.json", last={"loss": "high"}), "“loss” of “last” is “high”"),
    # what stands where a file should
    "a link to a secret": (with_link("meta.json", "/etc/passwd"), "it is a link, and links are not followed"),
    "a link to itself": (with_link("config.json", "config.json"), "it is a link, and links are not followed"),
    "a pipe for a status": (with_pipe("status.json"), "status.json in RUN cannot be read: it is no file"),
    "a pipe for a result": (with_pipe("result.json"), "result.json in RUN cannot be read: it is no file"),
    "a status of a terabyte": (of_size("status.json", 10**12), "larger than the 16 MB such a file can have"),
    "epochs of a terabyte": (of_size("metrics.jsonl", 10**12), "larger than the 256 MB such a file can have"),
}  # fmt: skip

HARMLESS: dict[str, Callable[[Path], None]] = {
    "half a character in the name": with_values("meta.json", name="a\ud800b\x00\x1b[31m", note="\udfff"),
    "a name of a megabyte": with_values("meta.json", name="x" * 2**20),
    "an environment of anything": with_values(
        "meta.json", environment={"\ud800": ["\ud800", {"a": None}], "x": 10**400}
    ),
    "the log is a link": with_link("log.txt", "/etc/passwd"),
    "the log is a pipe": with_pipe("log.txt"),
    "the log is a terabyte": of_size("log.txt", 10**12),
    "the wish to stop is a pipe": with_pipe("stop"),
    "the lock is a folder": lambda folder: ((folder / ".lock").unlink(missing_ok=True), (folder / ".lock").mkdir()),
    "more epochs than planned": with_values("status.json", epoch=HUGE, best_epoch=HUGE, state="running"),
    "a result without an epoch": with_values("result.json", best={"accuracy": 0.5}),
    "epochs without figures by class": lambda folder: (folder / "metrics.jsonl").write_text(
        "".join(
            json.dumps({name: one[name] for name in one if not name.endswith("_by_class")}) + "\n"
            for one in (asdict(made_record(epoch)) for epoch in range(1, 5))
        )
    ),
}  # type: ignore[dict-item]


@pytest.mark.parametrize(("change", "sentence"), DAMAGED.values(), ids=DAMAGED.keys())
def test_what_is_wrong_with_a_run_is_said_and_the_others_are_shown(store, monkeypatch, change, sentence):
    bad, good = made_run(store, name="the bad one"), made_run(store, name="the sound one")
    change(store.root / bad)
    app = opened(app_on(store, monkeypatch), "run", run=bad)
    assert sentence.replace("RUN", bad) in sentences(app)
    assert bad in sentences(app) and "another run instead" in sentences(app)
    assert app.selectbox(key="live_run").value == good
    rows = store.frame().set_index("id")
    assert (rows.loc[bad, "state"], rows.loc[good, "state"]) == ("damaged", "finished")


def test_every_page_opens_with_all_of_them_at_once(store, monkeypatch):
    for change in (*(change for change, _ in DAMAGED.values()), *HARMLESS.values()):
        change(store.root / made_run(store, name="another"))
    good = made_run(store, name="the sound one")
    app = app_on(store, monkeypatch)
    for page in PAGES:
        opened(app, page)
    assert "the sound one" in {one.proto.label for one in opened(app, "home").get("page_link")}
    assert store.run(good).status().state == "finished"
    opened(app, "compare", runs=",".join(store.ids()))
    assert store.queue.ids() == [] and len(store.ids()) == len(DAMAGED) + len(HARMLESS) + 1


def test_a_result_whose_epochs_are_lost_is_none(store, monkeypatch):
    bad = made_run(store, name="the bad one")
    (store.root / bad / "metrics.jsonl").unlink()
    store.run(bad).write_result({"best": {"accuracy": 0.99, "loss": 0.1, "epoch": 4}})
    app = app_on(store, monkeypatch)
    for page in PAGES:
        opened(app, page)
    assert store.frame()["test_accuracy"].isna().all()


@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS.keys())
def test_what_costs_no_run_is_shown_as_far_as_it_can_be(store, monkeypatch, change):
    run_id = made_run(store, name="a run", note="a note")
    change(store.root / run_id)
    app = opened(app_on(store, monkeypatch), "run", run=run_id)
    assert app.selectbox(key="live_run").value == run_id
    assert len(store.metrics(run_id)) == 4
    for page in PAGES:
        opened(app, page, run=run_id)


def test_a_link_for_a_log_shows_and_changes_nothing_elsewhere(store, monkeypatch, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("do not tell\n")
    run_id = made_run(store)
    with_link("log.txt", str(secret))(store.root / run_id)
    with pytest.raises(StoreError, match="it is a link, and links are not followed"):
        store.run(run_id).log()
    with pytest.raises(StoreError, match="it is a link, and links are not followed"):
        store.run(run_id).append_log("written by us")
    with_link("metrics.jsonl", str(secret))(store.root / run_id)
    with pytest.raises(StoreError, match="it is a link"):
        store.run(run_id).append_record(made_record(5))
    app = opened(app_on(store, monkeypatch), "run", run=run_id)
    assert "do not tell" not in "".join(one.value for one in app.code)
    assert secret.read_text() == "do not tell\n"


@pytest.mark.parametrize("name", ["log.txt", "last.pt", "result.json"])
def test_a_link_takes_nothing_from_elsewhere_along(store, tmp_path, name):
    (tmp_path / "secret").write_text("do not tell\n")
    run_id = made_run(store)
    with_link(name, str(tmp_path / "secret"))(store.root / run_id)
    taken = io.BytesIO()
    with pytest.raises(StoreError, match=f"{name} in {run_id} cannot be read: it is a link"):
        export(store, [run_id], taken)
    assert b"do not tell" not in taken.getvalue()


def test_a_link_for_a_lock_empties_nothing_elsewhere(store, tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("a thesis")
    run_id = made_run(store, state="running")
    (store.root / run_id / ".lock").unlink(missing_ok=True)
    (store.root / run_id / ".lock").symlink_to(precious)
    assert store.run(run_id).status().state == "interrupted"
    with pytest.raises(StoreError, match=r"its file \.lock is a link; remove it"), store.run(run_id).hold():
        pass
    store.queue.mark_interrupted()
    assert precious.read_text() == "a thesis"


# --- metrics.jsonl --------------------------------------------------------------------------------

LINES: dict[str, str] = {
    "a truth value for an epoch": json.dumps(asdict(made_record(3)) | {"epoch": True}),
    "an epoch before the first": json.dumps(asdict(made_record(3)) | {"epoch": 0}),
    "an epoch twice": json.dumps(asdict(made_record(2)) | {"val_accuracy": 0.99}),
    "an earlier epoch": json.dumps(asdict(made_record(1)) | {"val_accuracy": 0.99}),
    "an accuracy of 91": json.dumps(asdict(made_record(3)) | {"val_accuracy": 91}),
    "an accuracy that is no number": json.dumps(asdict(made_record(3)) | {"val_accuracy": float("nan")}),
    "seconds without end": json.dumps(asdict(made_record(3)) | {"seconds": float("inf")}),
    "an epoch without end": json.dumps(asdict(made_record(3)) | {"epoch": 10**400}),
    "text among classes": json.dumps(asdict(made_record(3)) | {"val_accuracy_by_class": ["high"]}),
    "a list within a list": json.dumps(asdict(made_record(3)) | {"val_loss_by_class": [[1.0]]}),
}


@pytest.mark.parametrize("line", LINES.values(), ids=LINES.keys())
def test_a_line_that_is_no_further_epoch_is_passed_over(store, monkeypatch, line):
    run_id = made_run(store, epochs=2)
    with (store.root / run_id / "metrics.jsonl").open("a") as file:
        file.write(line + "\n")
    app = opened(app_on(store, monkeypatch), "run", run=run_id)
    best = f"{100 * made_record(2).val_accuracy:.2f} %"
    assert [one.value for one in app.metric][:2] == [best, best]
    store.run(run_id).append_record(made_record(3))
    assert [one.epoch for one in store.run(run_id).records()] == [1, 2, 3] == list(store.metrics(run_id)["epoch"])
    assert RunStore(store.root).frame().loc[0, "last_val_accuracy"] == made_record(3).val_accuracy


# --- progress.json --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("progress", "sentence"),
    [
        ({}, "“epoch” is None, where a whole number belongs"),
        ({"batches": 0}, "“batches” is 0, where a whole number belongs"),
        ({"batch": "x"}, "“batch” is “x”, where a whole number belongs"),
        ({"seconds_left": float("inf")}, "“seconds_left” is inf, where a number belongs"),
    ],
)
def test_a_damaged_progress_is_told_until_the_next_batch(store, monkeypatch, progress, sentence):
    run_id = made_run(store, epochs=2, state="running")
    sound = {
        "epoch": 3, "epochs": 4, "batch": 1, "batches": 9, "loss": 1.0, "accuracy": 0.5, "lr": 0.1,
        "images_per_second": 1.0, "seconds_left": 1.0,
    }  # fmt: skip
    path = store.run(run_id).path / "progress.json"
    path.write_text(json.dumps({**sound, **progress} if progress else {}))
    with store.run(run_id).hold():
        app = app_on(store, monkeypatch)
        assert not app.exception and sentence in sentences(app)
        assert sentence in sentences(opened(app, "run", run=run_id))
        store.run(run_id).write_progress(BatchRecord(**sound | {"loss": float("nan")}))
        assert not sentences(opened(app, "run", run=run_id))


# --- what nobody imagined -------------------------------------------------------------------------

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
_NAMES = ("meta.json", "status.json", "config.json", "result.json", "progress.json")
_FIELDS = (
    "name",
    "tags",
    "note",
    "created_at",
    "environment",
    "state",
    "epoch",
    "best_epoch",
    "error",
    "best",
    "train",
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(_NAMES), field=st.sampled_from(_FIELDS), value=_json)
def test_any_json_is_a_run_or_a_sentence(store, name, field, value):
    run_id = made_run(store, epochs=1)
    try:
        with_values(name, **{field: value})(store.root / run_id)
        run = store.run(run_id)
        for read in (run.meta, run.status, run.config, run.result, run.progress):
            try:
                read()
            except StoreError as error:
                assert run_id in str(error)
        row = store.frame().set_index("id").loc[run_id]
        assert row["state"] in (
            "finished",
            "damaged",
            "queued",
            "stopped",
            "failed",
            "running",
            "interrupted",
            "stopping",
        )
        str(store.run(run_id).meta().name).encode() if row["state"] != "damaged" else None
    finally:
        store.trash.put(run_id)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(st.binary(max_size=40) | st.builds(lambda one: json.dumps(one).encode(), _json), max_size=5))
def test_any_lines_of_metrics_are_passed_over_or_epochs(tmp_path, lines):
    store = RunStore(tmp_path / "runs")
    run_id = store.ids()[0] if store.ids() else made_run(store, epochs=1)
    path = store.root / run_id / "metrics.jsonl"
    path.write_bytes(b"\n".join([*lines, json.dumps(asdict(made_record(1))).encode(), b""]))
    assert (
        [one.epoch for one in store.run(run_id).records()] == [1] == list(RunStore(store.root).metrics(run_id)["epoch"])
    )
