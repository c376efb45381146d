"""Tables of runs and epochs: only what changed is read, and the figures are the right ones."""

import errno
import hashlib
import json
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from core.base import files
from core.base.errors import StoreError
from core.config.presets import PRESETS
from core.config.run_config import LATER, SETTINGS, RunConfig
from core.records import HEALTH, BatchRecord, EpochRecord
from core.runs import checksums, epochs
from core.runs import table as table_runs
from core.runs.epochs import CURVE_POINTS, METRICS, parse_record, thin_curve
from core.runs.folder import RunFolder
from core.runs.store import RunStore
from core.runs.summary import EpochSummary, RunSummary, TestResult, fingerprint, labels, title
from core.runs.table import CURVE, SUMMARY, Reader
from tests.made import change_file, made_record, made_run


def write(store: RunStore, run_id: str, *records: EpochRecord, **more: Any) -> None:
    """Write a metrics.jsonl in place, as older versions and other programs may."""
    path = store.run(run_id).path / "metrics.jsonl"
    path.write_text("".join(json.dumps(asdict(record) | more) + "\n" for record in records))
    store.run(run_id).checksums.record()


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The epochs of the lines that were parsed since it was last cleared."""
    parsed: list[int] = []

    def parse(line: bytes) -> EpochRecord | None:
        found = parse_record(line)
        parsed.append(found.epoch if found else 0)
        return found

    monkeypatch.setattr(epochs, "parse_record", parse)
    return parsed


# --- epochs ---------------------------------------------------------------------------------------


def test_a_second_look_reads_new_lines_alone(store: RunStore, read: list[int]) -> None:
    run_id = made_run(store, epochs=3)
    store.metrics(run_id)
    assert read == [1, 2, 3]
    read.clear()
    assert list(store.metrics(run_id)["epoch"]) == [1, 2, 3]
    assert read == []
    store.run(run_id).append_record(made_record(4))
    assert list(store.metrics(run_id)["epoch"]) == [1, 2, 3, 4]
    assert read == [4]


def test_a_line_that_is_still_being_written_is_read_when_it_is_whole(store: RunStore) -> None:
    run_id = made_run(store, epochs=1)
    path = store.run(run_id).path / "metrics.jsonl"
    line = path.read_text()
    path.write_text(line[:40])
    assert store.metrics(run_id).empty
    path.write_text(line[:-1])
    assert store.metrics(run_id).empty
    path.write_text(line)
    assert list(store.metrics(run_id)["epoch"]) == [1]


def test_a_file_that_shrank_or_was_replaced_is_read_anew(store: RunStore, read: list[int]) -> None:
    run_id = made_run(store, epochs=4)
    assert len(store.metrics(run_id)) == 4
    write(store, run_id, made_record(1), made_record(2))
    assert list(store.metrics(run_id)["epoch"]) == [1, 2]
    store.run(run_id).write_records(store.run(run_id).records()[:1])  # replaces the file
    for epoch in (2, 3, 4, 5):
        store.run(run_id).append_record(made_record(epoch, val_loss=9.0))
    read.clear()
    table = store.metrics(run_id)
    assert list(table["epoch"]) == [1, 2, 3, 4, 5] == read
    assert list(table["val_loss"][1:]) == [9.0] * 4


def test_without_epochs_the_columns_are_there_all_the_same(store: RunStore) -> None:
    run_id = made_run(store, epochs=0)
    assert list(store.metrics(run_id).columns) == list(METRICS)
    assert store.metrics(run_id).empty


def test_every_figure_is_in_its_column(store: RunStore) -> None:
    run_id = made_run(store, epochs=2)
    table, record = store.metrics(run_id), made_record(2)
    for name in METRICS:
        assert table[name][1] == getattr(record, name), name


def test_epochs_of_an_earlier_version_have_no_health(store: RunStore) -> None:
    run_id = made_run(store, epochs=0)
    old = {name: value for name, value in vars(made_record(1)).items() if name not in HEALTH}
    store.run(run_id).checksums.append("metrics.jsonl", json.dumps(old).encode() + b"\n")
    (record,) = store.run(run_id).records()
    assert (record.grad_norm, record.update_ratio, record.dead_relus) == (None, [], None)
    table = store.metrics(run_id)
    assert table["grad_norm"].isna().all() and table["dead_relus"].dtype == float


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("grad_norm", 0),
        ("grad_norm", None),
        ("update_ratio", []),
        ("update_ratio", [0.1, None, 0.0, 2.0, 1e-9]),
        ("dead_relus", 1.0),
    ],
)
def test_health_that_makes_sense_is_read(field: str, value: object) -> None:
    record = parse_record(json.dumps(vars(made_record(1)) | {field: value}).encode())
    assert record is not None
    assert str(getattr(record, field)) == str(value).replace("None, 0.0", "nan, 0.0")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("grad_norm", -1.0),
        ("grad_norm", "2"),
        ("grad_norm", True),
        ("update_ratio", [0.1]),
        ("update_ratio", [0.1, 0.1, 0.1, 0.1, -0.1]),
        ("update_ratio", [0.1, 0.1, 0.1, 0.1, "0.1"]),
        ("update_ratio", 0.1),
        ("update_ratio", None),
        ("dead_relus", 1.5),
        ("dead_relus", -0.1),
        ("dead_relus", [0.1]),
    ],
)
def test_health_that_makes_no_sense_is_no_record(field: str, value: object) -> None:
    assert parse_record(json.dumps(vars(made_record(1)) | {field: value}).encode()) is None


def test_fields_of_a_later_version_are_ignored(store: RunStore) -> None:
    run_id = made_run(store)
    write(store, run_id, made_record(1), gradient_norm=2.0)
    assert list(store.metrics(run_id).columns) == list(METRICS)


def test_changing_a_table_changes_no_other(store: RunStore) -> None:
    run_id = made_run(store, epochs=2)
    first = store.metrics(run_id)
    first["val_accuracy"] = 0.0
    assert store.metrics(run_id)["val_accuracy"][0] == made_record(1).val_accuracy


@pytest.mark.parametrize("line", [b"", b"{", b"3", b"{}", b'{"epoch": "1"}', b'{"epoch": 1}', b"\xff", b"[" * 100_000])
def test_a_damaged_line_is_not_a_record(line: bytes) -> None:
    assert parse_record(line) is None


def test_a_diverged_epoch_is_a_record_and_strict_json(store: RunStore) -> None:
    run_id = made_run(store, epochs=0)
    write(store, run_id, made_record(1, train_loss=math.inf, val_loss=math.nan))  # as older versions wrote it
    store.run(run_id).append_record(made_record(2, val_loss=math.nan, val_loss_by_class=[1.0, math.nan]))
    table = store.metrics(run_id)
    assert math.isinf(table["train_loss"][0]) and table["val_loss"].isna().tolist() == [True, True]
    assert math.isnan(store.run(run_id).records()[1].val_loss_by_class[1])
    assert "NaN" not in (store.run(run_id).path / "metrics.jsonl").read_text().splitlines()[1]


# --- best and last --------------------------------------------------------------------------------


def with_accuracies(*accuracies: float) -> list[EpochRecord]:
    return [made_record(epoch, val_accuracy=accuracy) for epoch, accuracy in enumerate(accuracies, 1)]


def test_best_is_the_first_of_equals() -> None:
    assert EpochSummary.of(with_accuracies(0.5, 0.7, 0.7, 0.6)).best_epoch == 2
    assert EpochSummary.of(with_accuracies(0.1)).best_epoch == 1


def test_best_and_last_and_lowest_are_their_own_epochs() -> None:
    records = [
        made_record(1, val_accuracy=0.5, val_loss=0.4, val_objective=3.0),
        made_record(2, val_accuracy=0.8, val_loss=1.5, val_objective=2.5),
        made_record(3, val_accuracy=0.6, val_loss=1.1, val_objective=2.0),
    ]
    found = EpochSummary.of(records)
    assert (found.best_epoch, found.best_val_accuracy, found.best_val_loss) == (2, 0.8, 1.5)
    assert found.best_val_objective == 2.5
    assert (found.last_epoch, found.last_val_accuracy, found.last_val_loss) == (3, 0.6, 1.1)
    assert (found.min_val_loss_epoch, found.min_val_loss, found.min_val_objective) == (1, 0.4, 2.0)
    assert (found.last_train_loss, found.seconds) == (records[2].train_loss, records[2].seconds)
    assert EpochSummary.of([]) is None


def test_a_diverged_epoch_is_not_the_lowest() -> None:
    found = EpochSummary.of([made_record(1, val_loss=math.nan), made_record(2, val_loss=2.0)])
    assert (found.min_val_loss_epoch, found.min_val_loss) == (2, 2.0)


# --- small curves ---------------------------------------------------------------------------------


def test_a_short_curve_is_whole_and_a_long_one_keeps_its_ends() -> None:
    assert thin_curve([]) == ()
    assert thin_curve(with_accuracies(0.5)) == (0.5,)
    assert thin_curve(with_accuracies(0.5, 0.12346, 0.7)) == (0.5, 0.1235, 0.7)
    long = thin_curve(with_accuracies(*(epoch / 1000 for epoch in range(1, 201))))
    assert len(long) == CURVE_POINTS and (long[0], long[-1]) == (0.001, 0.2)
    assert list(long) == sorted(set(long))


def test_a_row_has_its_runs_curve(store: RunStore) -> None:
    made_run(store, epochs=3)
    made_run(store, epochs=0, state="queued")
    (store.run(made_run(store)).path / "config.json").write_text("{")
    expected = tuple(round(made_record(epoch).val_accuracy, 4) for epoch in (1, 2, 3))
    assert store.frame()[CURVE].tolist() == [(), (), expected]


# --- the table of runs ----------------------------------------------------------------------------


def test_a_row_describes_a_run(store: RunStore) -> None:
    config = RunConfig().replace({"train.epochs": 9, "train.lr": 0.3, "data.classes": ("deer", "dog")})
    run_id = made_run(store, epochs=2, config=config, name="pair", tags=("a",), note="why")
    store.run(run_id).write_result({"best": {"accuracy": 0.81, "loss": 0.5}, "last": {"accuracy": 0.8}})
    frame = store.frame()
    assert list(frame.columns) == [*SUMMARY, *(path for path in SETTINGS if path not in LATER), CURVE, *LATER]
    row = frame.loc[0]
    assert (row["id"], row["name"], row["state"], row["tags"], row["note"]) == (
        run_id,
        "pair",
        "finished",
        ("a",),
        "why",
    )
    assert (row["epoch"], row["epochs"], row["best_epoch"]) == (2, 9, 2)
    assert row["best_val_accuracy"] == made_record(2, 2).val_accuracy
    assert (row["test_accuracy"], row["test_loss"], row["selected_on"]) == (0.81, 0.5, "held-out")
    assert (row["train.lr"], row["data.classes"]) == (0.3, ("deer", "dog"))
    assert row["signature"] == config.signature()


def test_runs_are_newest_first_and_none_are_a_table_too(store: RunStore) -> None:
    assert (
        list(store.frame().columns) == [*SUMMARY, *(path for path in SETTINGS if path not in LATER), CURVE, *LATER]
        and store.frame().empty
    )
    made = [made_run(store, epochs=1) for _ in range(3)]
    assert list(store.frame()["id"]) == made[::-1]


def test_a_row_is_made_anew_when_its_files_change_and_only_then(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = made_run(store, epochs=1), made_run(store, epochs=1)
    store.frame()
    made: list[str] = []
    make = Reader._read

    def count(reader: Reader, run: RunFolder) -> RunSummary:
        made.append(run.id)
        return make(reader, run)

    monkeypatch.setattr(Reader, "_read", count)
    store.frame()
    assert made == []
    store.run(first).annotate(name="new")
    assert store.frame().set_index("id").loc[first, "name"] == "new"
    store.run(second).append_record(made_record(2))
    assert store.frame().set_index("id").loc[second, "last_val_loss"] == made_record(2).val_loss
    store.run(second).write_result({"best": {"accuracy": 0.7}})
    assert store.frame().set_index("id").loc[second, "test_accuracy"] == 0.7
    assert made == [first, second, second]


def test_a_deleted_run_leaves_the_table(store: RunStore) -> None:
    run_id = made_run(store)
    assert len(store.frame()) == 1
    store.trash.put(run_id)
    assert store.frame().empty
    store.trash.restore(run_id)
    assert list(store.frame()["id"]) == [run_id]


def test_a_run_can_be_deleted_while_the_table_is_made(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = made_run(store, state="running")
    store.frame()
    store.trash.put(run_id)
    monkeypatch.setattr(store._shelf, "ids", lambda: [run_id])
    assert list(store.frame()["id"]) == [run_id]


@pytest.mark.parametrize("content", ['{"best": 3}', '{"best": null}', "{}", "[]"])
def test_a_strange_result_does_not_hide_the_run(store: RunStore, content: str) -> None:
    run_id = made_run(store)
    (store.run(run_id).path / "result.json").write_text(content)
    row = store.frame().loc[0]
    assert row["id"] == run_id and pd.isna(row["test_accuracy"])


def test_a_damaged_run_has_a_row_that_says_so(store: RunStore) -> None:
    good, bad = made_run(store), made_run(store)
    change_file(store, bad, "config.json", schema=2)
    rows = store.frame().set_index("id")
    assert rows.loc[bad, "state"] == "damaged"
    assert "newer ResNet Lab" in rows.loc[bad, "error"]
    assert rows.loc[good, "state"] == "finished" and pd.notna(rows.loc[good, "best_val_accuracy"])


def test_two_stores_see_each_others_runs(store: RunStore) -> None:
    other = RunStore(store.root)
    assert other.frame().empty
    run_id = made_run(store, epochs=1)
    assert list(other.frame()["id"]) == [run_id]
    store.run(run_id).append_record(made_record(2))
    assert len(other.metrics(run_id)) == 2


def test_epochs_that_cannot_be_read_are_a_damaged_run(store: RunStore) -> None:
    run_id = made_run(store, epochs=0)
    (store.run(run_id).path / "metrics.jsonl").mkdir()
    row = store.frame().loc[0]
    assert row["state"] == "damaged" and f"metrics.jsonl in {run_id} cannot be read" in row["error"]
    with pytest.raises(StoreError, match="cannot be read"):
        store.metrics(run_id)


# --- what a new server need not read --------------------------------------------------------------


def summaries(store: RunStore) -> Path:
    return store.cache_folder / "summaries.json"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ids of the runs whose metrics.jsonl was opened to be read since it was last cleared."""
    found: list[str] = []

    def count(path: Path, *args: Any) -> bytes:
        found.extend([path.parent.name] * (path.name == "metrics.jsonl"))
        return files.read_file(path, *args)

    monkeypatch.setattr(checksums, "read_file", count)
    return found


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is written at every change."""
    monkeypatch.setattr(table_runs, "_WRITE_EVERY", 0.0)


def test_a_new_server_opens_no_epochs_of_runs_that_did_not_change(store: RunStore, opened: list[str]) -> None:
    config = RunConfig().replace({"train.epochs": 9, "data.classes": ("deer", "dog")})
    ids = [made_run(store, config=config, tags=("a",), note="ä"), made_run(store, state="failed"), made_run(store)]
    store.run(ids[2]).append_record(made_record(5, val_loss=math.nan, train_loss=math.inf))
    opened.clear()
    before = store.frame()
    assert sorted(opened) == sorted(ids)
    opened.clear()
    after = RunStore(store.root).frame()
    pd.testing.assert_frame_equal(after, before)
    assert after.map(type).equals(before.map(type)), "tuples stay tuples"
    assert opened == []


def test_a_new_server_reads_a_changed_run_again_and_that_one_alone(store: RunStore, opened: list[str]) -> None:
    changed, renamed, _ = (made_run(store) for _ in range(3))
    store.frame()
    store.run(changed).append_record(made_record(5))
    store.run(renamed).annotate(name="new")
    opened.clear()
    rows = RunStore(store.root).frame().set_index("id")
    assert rows.loc[changed, "last_val_accuracy"] == made_record(5).val_accuracy
    assert rows.loc[renamed, "name"] == "new"
    assert sorted(opened) == sorted([changed, renamed])


@pytest.mark.usefixtures("at_once")
def test_the_file_follows_changes_and_is_left_alone_without(store: RunStore, opened: list[str]) -> None:
    run_id = made_run(store)
    store.frame()
    store.run(run_id).append_record(made_record(5))
    store.frame()
    written = summaries(store).stat().st_ino
    opened.clear()
    assert RunStore(store.root).frame().loc[0, "last_val_accuracy"] == made_record(5).val_accuracy
    store.frame()
    assert opened == [] and summaries(store).stat().st_ino == written


def test_many_changes_are_written_together(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(table_runs, "monotonic", lambda: now)
    run_id = made_run(store)
    store.frame()
    first = summaries(store).read_text()
    store.run(run_id).annotate(name="new")
    store.frame()
    assert summaries(store).read_text() == first
    now += table_runs._WRITE_EVERY
    store.frame()
    assert '"new"' in summaries(store).read_text()


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("state", ["queued", "running", "stopping"])
def test_a_run_that_waits_or_works_is_not_written_down(store: RunStore, state: str) -> None:
    active = made_run(store, state=state)
    store.frame()
    assert not summaries(store).exists()
    store.run(active).append_record(made_record(5))
    store.frame()
    assert not summaries(store).exists(), "nor does an epoch of it cause a writing"
    resting = made_run(store)
    store.frame()
    assert list(json.loads(summaries(store).read_text().splitlines()[1])["rows"]) == [resting]


@pytest.mark.parametrize("content", ["", '{"format": ', "[]", "3", "[" * 100_000])
def test_a_damaged_file_is_not_used(store: RunStore, content: str) -> None:
    made_run(store)
    before = store.frame()
    summaries(store).write_text(content)
    pd.testing.assert_frame_equal(RunStore(store.root).frame(), before)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"rows": {', '"runs": {'),
        ('"rows": {', '"rows": 3, "runs": {'),
        ('"lr"', '"rate"'),
        ('"id": "2', '"id": "3'),
        ('"format": "', '"format": "x'),
    ],
)
def test_a_file_with_other_things_in_it_is_not_used(store: RunStore, old: str, new: str) -> None:
    made_run(store)
    before = store.frame()
    text = summaries(store).read_text().splitlines()[1]
    assert old in text
    changed = text.replace(old, new).replace("finished", "failed")
    summaries(store).write_text(f"{hashlib.sha256(changed.encode()).hexdigest()}\n{changed}")
    pd.testing.assert_frame_equal(RunStore(store.root).frame(), before)


def test_a_file_in_which_a_digit_was_changed_is_not_used(store: RunStore) -> None:
    made_run(store)
    before = store.frame()
    text = summaries(store).read_text()
    digit = f"{made_record(4).val_accuracy}"[:6]
    assert digit in text
    summaries(store).write_text(text.replace(digit, "0.9999"))
    pd.testing.assert_frame_equal(RunStore(store.root).frame(), before)


def test_summaries_of_another_version_are_not_used(
    store: RunStore, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = made_run(store)
    store.frame()
    opened.clear()
    monkeypatch.setattr(table_runs, "CURVE_POINTS", 7)
    RunStore(store.root).frame()
    assert opened == [run_id]


@pytest.mark.usefixtures("at_once")
def test_a_deleted_run_leaves_no_row_in_the_file(store: RunStore) -> None:
    kept, thrown = made_run(store), made_run(store)
    store.frame()
    assert thrown in summaries(store).read_text()
    store.trash.put(thrown)
    assert list(RunStore(store.root).frame()["id"]) == [kept]
    assert thrown not in summaries(store).read_text()


@pytest.mark.usefixtures("at_once")
def test_the_cache_need_not_be_writable(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = made_run(store)

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(files.os, "replace", full)
        assert list(store.frame()["id"]) == [run_id]
    assert not summaries(store).exists() and not list(store.cache_folder.glob("*.tmp"))
    store.cache_folder.rmdir()
    store.cache_folder.write_text("a file where the folder should be")
    assert list(RunStore(store.root).frame()["id"]) == [run_id]


def test_a_new_server_shows_what_was_added_to_a_reference_run(store: RunStore, opened: list[str]) -> None:
    reference, own = made_run(store, name="published"), made_run(store)
    change_file(store, reference, "meta.json", reference=True)
    store.frame()
    store.run(reference).annotate(name="mine", tags=["theirs"])
    opened.clear()
    rows = RunStore(store.root).frame().set_index("id")
    assert (rows.loc[reference, "name"], rows.loc[reference, "tags"]) == ("mine", ("theirs",))
    assert rows.loc[own, "state"] == "finished" and opened == []


def test_a_run_that_was_mended_is_shown_at_once(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = made_run(store)
    with monkeypatch.context() as patched:  # as when reading was not permitted, which the files' times do not show
        patched.setattr(files.os, "open", lambda *_: (_ for _ in ()).throw(PermissionError(13, "denied")))
        assert store.frame().loc[0, "state"] == "damaged"
    assert store.frame().loc[0, ["id", "state"]].tolist() == [run_id, "finished"]


def test_the_table_keeps_no_epochs_in_memory(store: RunStore) -> None:
    asked, other = made_run(store), made_run(store)
    store.metrics(asked)
    store.frame()
    assert [path.parent.name for path in store._epochs._cursors] == [asked]
    store.run(other).append_record(made_record(5))
    assert len(store.metrics(other)) == 5


def test_one_run_is_summarized_without_reading_the_others(store: RunStore) -> None:
    good, bad = made_run(store), made_run(store)
    (store.root / bad / "config.json").write_text("{")
    assert store.summary(good) == store.summaries()[0]
    for run_id in (bad, "20200101-000000-abcd", "../../etc/passwd"):
        with pytest.raises(StoreError):
            store.summary(run_id)


def test_the_fingerprint_changes_with_what_a_page_shows(store: RunStore) -> None:
    run_id = made_run(store, 2, state="running")
    with store.run(run_id).hold():
        seen = [fingerprint(store.runs())]
        store.run(run_id).write_progress(BatchRecord(3, 4, 3, 9, 1.5, 0.5, 0.1, 900.0, 60.0))
        assert fingerprint(store.runs()) == seen[0], "within an epoch nothing is drawn anew"
        store.run(run_id).write_status(replace(store.run(run_id).stored_status(), epoch=3))
        seen.append(fingerprint(store.runs()))
        store.run(run_id).annotate(name="another name")
        seen.append(fingerprint(store.runs()))
    seen.append(fingerprint(store.runs()))  # nobody holds it: interrupted
    made_run(store, 1)
    seen.append(fingerprint(store.runs()))
    assert len(set(seen)) == len(seen)


def test_a_record_may_lack_the_values_by_class():
    line = json.dumps({name: value for name, value in asdict(made_record(1)).items() if not name.endswith("_by_class")})
    assert parse_record(line.encode()) == made_record(1, val_loss_by_class=[], val_accuracy_by_class=[])


# --- summaries ------------------------------------------------------------------------------------


def test_a_summary_has_what_the_folder_says(store: RunStore) -> None:
    config = RunConfig().replace({"data.classes": ("deer", "dog")})
    run_id = made_run(store, epochs=2, config=config, name="pair", tags=("a",))
    store.run(run_id).write_result({"best": {"accuracy": 0.81, "loss": 0.5}})
    (run,) = store.summaries()
    assert (run.id, run.name, run.state, run.config, run.signature) == (
        run_id,
        "pair",
        "finished",
        config,
        config.signature(),
    )
    assert (run.meta, run.status) == (store.run(run_id).meta(), store.run(run_id).status())
    assert (run.epochs.best_epoch, run.epochs.best_val_accuracy) == (2, made_record(2, 2).val_accuracy)
    assert run.test == TestResult(0.81, 0.5) and run.test_images == 2_000
    assert RunStore(store.root).summaries() == [run], "kept summaries are the same"


@pytest.mark.parametrize(
    ("validation", "result", "on_test", "on_held_out"),
    [
        ("held-out", {"best": {"accuracy": 0.81}}, 0.81, made_record(4).val_accuracy),
        ("held-out", None, None, made_record(4).val_accuracy),
        ("test", None, made_record(4).val_accuracy, None),
    ],
)
def test_which_accuracy_counts(
    store: RunStore, validation: str, result: Any, on_test: float | None, on_held_out: float | None
) -> None:
    run_id = made_run(store, config=RunConfig().replace({"data.validation": validation}))
    if result:
        store.run(run_id).write_result(result)
    (run,) = store.summaries()
    assert (run.accuracy_on_test, run.accuracy_on_held_out, run.selected_on) == (on_test, on_held_out, validation)


def test_without_epochs_no_accuracy_counts(store: RunStore) -> None:
    made_run(store, epochs=0, state="queued")
    (run,) = store.summaries()
    assert (run.epochs, run.test, run.accuracy_on_test, run.accuracy_on_held_out, run.curve) == (None,) * 4 + ((),)


def test_a_damaged_run_is_in_a_list_of_its_own(store: RunStore) -> None:
    good, bad = made_run(store), made_run(store)
    (store.run(bad).path / "config.json").write_text("{")
    assert [run.id for run in store.summaries()] == [good]
    assert [(run.id, "config.json" in run.error) for run in store.damaged()] == [(bad, True)]


def test_labels_distinguish_runs_of_one_name(store: RunStore) -> None:
    first, second = made_run(store, name="a"), made_run(store, name="a")
    assert labels(store.summaries()) == {first: f"a ({first[-4:]})", second: f"a ({second[-4:]})"}


def test_an_unnamed_run_is_called_what_it_trains_and_its_seeds_alike(store: RunStore) -> None:
    config = PRESETS["quick"].config.replace({"model.depth": 8, "train.epochs": 30})
    seeds = [made_run(store, config=config.replace({"train.seed": seed})) for seed in range(2)]
    name = "quick · depth 8 · 30 epochs"
    assert {title(run) for run in store.summaries()} == {name}
    assert labels(store.summaries()) == {run_id: f"{name} · seed {seed}" for seed, run_id in enumerate(seeds)}
    assert labels([store.summary(seeds[1])]) == {seeds[1]: name}


def test_runs_of_one_name_are_told_apart_by_what_differs(store: RunStore) -> None:
    runs = [made_run(store, name="sweep", config=RunConfig().replace({"train.lr": lr})) for lr in (0.1, 0.2)]
    assert [labels(store.summaries())[run_id] for run_id in runs] == [
        "sweep · learning rate 0.1",
        "sweep · learning rate 0.2",
    ]
