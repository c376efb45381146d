"""Tables of runs and epochs: only what changed is read, and the figures are the right ones."""

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from core import frames
from core.config import KNOBS, RunConfig
from core.frames import METRICS, SUMMARY, Reader, parse_record, summarize
from core.store import RunStore
from tests.made import made_record, made_run


def write(path: Path, *records: dict[str, Any]) -> None:
    path.write_text("".join(json.dumps(one) + "\n" for one in records))


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The epochs of the lines that were parsed since it was last cleared."""
    parsed: list[int] = []

    def parse(line: bytes) -> dict[str, Any] | None:
        record = parse_record(line)
        parsed.append(record["epoch"] if record else 0)
        return record

    monkeypatch.setattr(frames, "parse_record", parse)
    return parsed


# --- epochs ---------------------------------------------------------------------------------------


def test_a_second_look_reads_new_lines_alone(store: RunStore, read: list[int]) -> None:
    run_id = made_run(store, epochs=3)
    store.metrics(run_id)
    assert read == [1, 2, 3]
    read.clear()
    assert list(store.metrics(run_id)["epoch"]) == [1, 2, 3]
    assert read == []
    store.append_record(run_id, made_record(4))
    assert list(store.metrics(run_id)["epoch"]) == [1, 2, 3, 4]
    assert read == [4]


def test_a_line_that_is_still_being_written_is_read_when_it_is_whole(tmp_path: Path) -> None:
    path, reader = tmp_path / "metrics.jsonl", Reader()
    line = json.dumps(made_record(1)) + "\n"
    path.write_text(line[:40])
    assert reader.metrics(path).empty
    path.write_text(line[:-1])
    assert reader.metrics(path).empty
    path.write_text(line)
    assert list(reader.metrics(path)["epoch"]) == [1]


def test_a_file_that_shrank_or_was_replaced_is_read_anew(store: RunStore, read: list[int]) -> None:
    run_id = made_run(store, epochs=4)
    path = store.folder(run_id) / "metrics.jsonl"
    assert len(store.metrics(run_id)) == 4
    write(path, made_record(1), made_record(2))
    assert list(store.metrics(run_id)["epoch"]) == [1, 2]
    store.cut_records(run_id, 1)  # replaces the file
    for epoch in (2, 3, 4, 5):
        store.append_record(run_id, made_record(epoch) | {"val_loss": 9.0})
    read.clear()
    table = store.metrics(run_id)
    assert list(table["epoch"]) == [1, 2, 3, 4, 5] == read
    assert list(table["val_loss"][1:]) == [9.0] * 4


def test_without_epochs_the_columns_are_there_all_the_same(store: RunStore) -> None:
    run_id = made_run(store, epochs=0)
    assert list(store.metrics(run_id).columns) == list(METRICS)
    assert store.metrics(run_id).empty
    assert Reader().metrics(store.root / "nowhere").empty


def test_every_figure_is_in_its_column(store: RunStore) -> None:
    run_id = made_run(store, epochs=2)
    table, record = store.metrics(run_id), made_record(2)
    for name in METRICS:
        assert table[name][1] == record[name], name


def test_a_later_programs_figures_are_kept_at_the_end(tmp_path: Path) -> None:
    write(tmp_path / "metrics.jsonl", made_record(1) | {"gradient_norm": 2.0})
    table = Reader().metrics(tmp_path / "metrics.jsonl")
    assert list(table.columns) == [*METRICS, "gradient_norm"]


def test_changing_a_table_changes_no_other(store: RunStore) -> None:
    run_id = made_run(store, epochs=2)
    first = store.metrics(run_id)
    first["val_accuracy"] = 0.0
    assert store.metrics(run_id)["val_accuracy"][0] == made_record(1)["val_accuracy"]


@pytest.mark.parametrize("line", [b"", b"{", b"3", b"{}", b'{"epoch": "1"}', b'{"epoch": 1}', b"\xff", b"[" * 100_000])
def test_what_is_no_record_is_none(line: bytes) -> None:
    assert parse_record(line) is None


def test_a_diverged_epoch_is_a_record(tmp_path: Path) -> None:
    write(tmp_path / "metrics.jsonl", made_record(1) | {"train_loss": math.inf, "val_loss": math.nan})
    table = Reader().metrics(tmp_path / "metrics.jsonl")
    assert math.isinf(table["train_loss"][0]) and math.isnan(table["val_loss"][0])


# --- best and last --------------------------------------------------------------------------------


def with_accuracies(*accuracies: float) -> list[dict[str, Any]]:
    return [made_record(at) | {"val_accuracy": one} for at, one in enumerate(accuracies, 1)]


def test_best_is_the_first_of_equals() -> None:
    assert summarize(with_accuracies(0.5, 0.7, 0.7, 0.6))["best_epoch"] == 2
    assert summarize(with_accuracies(0.1))["best_epoch"] == 1


def test_best_and_last_and_lowest_are_their_own_epochs() -> None:
    records = with_accuracies(0.5, 0.8, 0.6)
    records[0]["val_loss"], records[1]["val_loss"], records[2]["val_loss"] = 0.4, 1.5, 1.1
    records[0]["val_objective"], records[1]["val_objective"], records[2]["val_objective"] = 3.0, 2.0, 2.5
    told = summarize(records)
    assert (told["best_epoch"], told["best_val_accuracy"], told["best_val_loss"]) == (2, 0.8, 1.5)
    assert (told["last_val_accuracy"], told["last_val_loss"]) == (0.6, 1.1)
    assert (told["min_val_loss"], told["min_val_objective"]) == (0.4, 2.0)
    assert told["last_train_loss"] == records[2]["train_loss"] and told["seconds"] == records[2]["seconds"]
    assert summarize([]) == {}


# --- the table of runs ----------------------------------------------------------------------------


def test_a_row_tells_a_run(store: RunStore) -> None:
    config = RunConfig().replace({"train.epochs": 9, "train.lr": 0.3, "data.classes": ("deer", "dog")})
    run_id = made_run(store, epochs=2, config=config, name="pair", tags=("a",), note="why")
    store.write_result(run_id, {"best": {"accuracy": 0.81, "loss": 0.5}, "last": {"accuracy": 0.8}})
    frame = store.frame()
    assert list(frame.columns) == [*SUMMARY, *KNOBS]
    row = frame.loc[0]
    assert (row["id"], row["name"], row["state"], row["tags"], row["note"]) == (
        run_id, "pair", "finished", ("a",), "why",
    )  # fmt: skip
    assert (row["epoch"], row["epochs"], row["best_epoch"]) == (2, 9, 2)
    assert row["best_val_accuracy"] == made_record(2, 2)["val_accuracy"]
    assert (row["test_accuracy"], row["test_loss"], row["selected_on"]) == (0.81, 0.5, "held-out")
    assert (row["train.lr"], row["data.classes"]) == (0.3, ("deer", "dog"))
    assert row["signature"] == config.signature()


def test_runs_are_newest_first_and_none_are_a_table_too(store: RunStore) -> None:
    assert list(store.frame().columns) == [*SUMMARY, *KNOBS] and store.frame().empty
    made = [made_run(store, epochs=1) for _ in range(3)]
    assert list(store.frame()["id"]) == made[::-1]


def test_a_row_is_made_anew_when_its_files_change_and_only_then(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = made_run(store, epochs=1), made_run(store, epochs=1)
    store.frame()
    made: list[str] = []
    make = Reader._make_row

    def count(reader: Reader, store: RunStore, run_id: str) -> dict[str, Any]:
        made.append(run_id)
        return make(reader, store, run_id)

    monkeypatch.setattr(Reader, "_make_row", count)
    store.frame()
    assert made == []
    store.annotate(first, name="new")
    assert store.frame().set_index("id").loc[first, "name"] == "new"
    store.append_record(second, made_record(2))
    assert store.frame().set_index("id").loc[second, "last_val_loss"] == made_record(2)["val_loss"]
    store.write_result(second, {"best": {"accuracy": 0.7}})
    assert store.frame().set_index("id").loc[second, "test_accuracy"] == 0.7
    assert made == [first, second, second]


def test_a_deleted_run_leaves_the_table(store: RunStore) -> None:
    run_id = made_run(store)
    assert len(store.frame()) == 1
    store.trash(run_id)
    assert store.frame().empty
    store.restore(run_id)
    assert list(store.frame()["id"]) == [run_id]


def test_a_run_deleted_while_the_table_is_made_is_no_crash(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = made_run(store, state="running")
    store.frame()
    store.trash(run_id)
    monkeypatch.setattr(store, "ids", lambda: [run_id])
    assert list(store.frame()["id"]) == [run_id]


@pytest.mark.parametrize("content", ['{"best": 3}', '{"best": null}', "{}", "[]"])
def test_a_strange_result_does_not_hide_the_run(store: RunStore, content: str) -> None:
    run_id = made_run(store)
    (store.folder(run_id) / "result.json").write_text(content)
    row = store.frame().loc[0]
    assert row["id"] == run_id and pd.isna(row["test_accuracy"])


def test_a_damaged_run_has_a_row_that_says_so(store: RunStore) -> None:
    good, bad = made_run(store), made_run(store)
    (store.folder(bad) / "config.json").write_text('{"schema": 2}')
    rows = store.frame().set_index("id")
    assert rows.loc[bad, "state"] == "damaged"
    assert "newer ResNet Lab" in rows.loc[bad, "error"]
    assert rows.loc[good, "state"] == "finished" and pd.notna(rows.loc[good, "best_val_accuracy"])


def test_two_stores_see_each_others_runs(store: RunStore) -> None:
    other = RunStore(store.root)
    assert other.frame().empty
    run_id = made_run(store, epochs=1)
    assert list(other.frame()["id"]) == [run_id]
    store.append_record(run_id, made_record(2))
    assert len(other.metrics(run_id)) == 2
