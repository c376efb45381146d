"""RunStore: ids, locks, the queue, the trash, and what happens when a folder is damaged or a disk is full."""

import contextlib
import errno
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from core.base.errors import ConfigError, Conflict, LabError, RunBusy, StoreError
from core.base.strict_json import without_check
from core.config.run_config import RunConfig
from core.records import BatchRecord
from core.runs import folder as folder_module
from core.runs import shelf
from core.runs.checksums import CHECKSUMS
from core.runs.folder import RunFolder, Status
from core.runs.shelf import new_id
from core.runs.store import RunStore
from tests.made import change_file, made_record, made_run, many_times

PROJECT = Path(__file__).parents[2]
UNKNOWN = "20200101-000000-aaaa"
HOSTILE = [
    "../x",
    "..",
    ".",
    "",
    "/etc/passwd",
    "a/../../b",
    "20261124-093000-k7fa/..",
    "20261124-093000-k7fa\n",
    "20261124-093000-k7fa\0",
    "\0",
    "２０２６1124-093000-k7fa",
    "20261124-093000-K7FA",
    "%2e%2e%2f",
    "~",
    ".trash",
    "C:\\x",
    "x" * 100_000,
]


@contextlib.contextmanager
def another_process_holds(store: RunStore, run_id: str) -> Iterator[subprocess.Popen[str]]:
    """A real second process that holds the run's lock until the block ends."""
    program = (
        "import sys\n"
        "from core.runs.store import RunStore\n"
        "with RunStore(sys.argv[1]).run(sys.argv[2]).hold():\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    arguments = [sys.executable, "-c", program, str(store.root), run_id]
    with subprocess.Popen(arguments, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout and other.stdin
        assert other.stdout.readline() == "held\n"
        try:
            yield other
        finally:
            other.stdin.close()


def running(store: RunStore, **changes: object) -> str:
    """A run whose status.json says running, whoever holds it."""
    run_id = made_run(store, epochs=2)
    store.run(run_id).write_status(replace(store.run(run_id).status(), state="running", finished_at=None, **changes))
    return run_id


def damage(store: RunStore, run_id: str, name: str, content: str | bytes) -> None:
    path = store.root / run_id / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def files(store: RunStore, run_id: str) -> dict[str, bytes]:
    """The files of a run, without temporary ones and their record, which may list what was not written."""
    paths = [path for path in store.run(run_id).path.iterdir() if path.suffix != ".tmp" and path.name != CHECKSUMS]
    return {path.name: path.read_bytes() for path in paths}


# --- making and finding runs ----------------------------------------------------------------------


def test_a_new_run_waits_with_everything_it_was_given(store: RunStore, tmp_path: Path) -> None:
    config = RunConfig().replace({"train.epochs": 7, "train.lr": 0.3})
    about = {"tags": ("a", "b"), "note": "why", "parent": UNKNOWN, "study": "s1"}
    run_id = store.create(config, name=" my run ", files={"last.pt": b"state"}, **about)
    assert store.run(run_id).config() == config
    meta, status = store.run(run_id).meta(), store.run(run_id).status()
    assert (meta.name, meta.tags, meta.note, meta.parent, meta.study) == ("my run", ("a", "b"), "why", UNKNOWN, "s1")
    assert meta.created_at > 1e9 and not meta.reference
    assert (status.state, status.epoch, status.epochs) == ("queued", 0, 7) and status.active
    assert store.run(run_id).last_state().read_bytes() == b"state"
    assert json.loads((store.run(run_id).path / "config.json").read_text())["schema"] == 1


def test_an_impossible_config_makes_no_run(store: RunStore) -> None:
    with pytest.raises(ConfigError, match=r"model\.depth"):
        store.create(RunConfig().replace({"model.depth": 9}))
    assert store.ids() == []
    assert not store.cache_folder.exists()


def test_no_reader_meets_half_a_run(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    write = folder_module.write_json

    def look_and_write(path: Path, content: dict[str, object]) -> None:
        seen.append(store.ids())
        write(path, content)

    monkeypatch.setattr(folder_module, "write_json", look_and_write)
    run_id = store.create(RunConfig())
    assert seen == [[], [], []]
    assert store.ids() == [run_id]


@pytest.mark.parametrize("name", ["config.json", "meta.json", "status.json"])
def test_a_full_disk_leaves_no_half_run(store: RunStore, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    kept = made_run(store)
    move = os.replace

    def full(source: str, target: Path) -> None:
        if Path(target).name == name:
            raise OSError(errno.ENOSPC, "No space left on device")
        move(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(StoreError, match=f"{name} could not be written in new-.*: the disk is full"):
        store.create(RunConfig())
    assert store.ids() == [kept]
    assert list(store.cache_folder.iterdir()) == []


@pytest.mark.parametrize("step", ["fsync", "replace", "fdopen"])
def test_a_full_disk_leaves_a_run_as_it_was(store: RunStore, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    run_id = made_run(store)
    before = files(store, run_id)

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, step, refuse)
    for write in (
        lambda: store.run(run_id).write_status(Status(state="failed")),
        lambda: store.run(run_id).annotate(name="other"),
        lambda: store.run(run_id).write_file("last.pt", b"state"),
        lambda: store.run(run_id).write_records([]),
    ):
        with pytest.raises(StoreError, match="the disk is full"):
            write()
    monkeypatch.undo()
    assert before == files(store, run_id) and store.frame().loc[0, "state"] == "finished"


def test_ids_sort_by_time_and_are_safe_names(store: RunStore) -> None:
    made = [store.create(RunConfig()) for _ in range(5)]
    assert store.ids() == made[::-1] == sorted(made, reverse=True)
    assert all(re.fullmatch(r"[0-9]{8}-[0-9]{6}-[a-z0-9]{4}", run_id) for run_id in made)
    early, later = new_id(1_700_000_000.0), new_id(1_700_000_000.01)
    assert early < later < new_id(1_700_000_001.0)


@pytest.mark.parametrize("run_id", HOSTILE)
def test_no_other_text_than_an_id_touches_a_path(store: RunStore, run_id: str) -> None:
    made_run(store)
    for ask in (store.run, store.metrics, store.trash.restore, store.trash.put, store.queue.enqueue):
        with pytest.raises(StoreError, match="is not a run id") as caught:
            ask(run_id)
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 200
    with pytest.raises(StoreError):
        store.find(run_id)


def test_a_run_is_found_by_any_name_it_goes_by(store: RunStore) -> None:
    first, second = made_run(store, name="baseline"), made_run(store, name="other")
    assert store.find("latest") == second
    assert store.find(first) == store.find(first[-4:]) == store.find("baseline") == first
    with pytest.raises(StoreError, match=f"“{first[:8]}” matches 2 ids: {second}, {first}"):
        store.find(first[:8])
    with pytest.raises(StoreError, match=r"There is no run “abc”; `resnet-lab list` lists the ids\."):
        store.find("abc")
    with pytest.raises(StoreError, match=f"There is no run {UNKNOWN}"):
        store.find(UNKNOWN)


def test_an_empty_text_finds_no_run(store: RunStore) -> None:
    made_run(store)
    with pytest.raises(StoreError, match="There is no run “”"):
        store.find("")


def test_without_runs_there_is_no_latest(store: RunStore) -> None:
    with pytest.raises(StoreError, match="There is no run “latest”"):
        store.find("latest")


def test_the_error_names_the_trash_for_a_deleted_run(store: RunStore) -> None:
    run_id = made_run(store)
    store.trash.put(run_id)
    with pytest.raises(StoreError, match="It is in the trash; restore it first"):
        store.find(run_id)


def test_other_files_and_folders_are_ignored(store: RunStore) -> None:
    run_id = made_run(store)
    (store.root / "notes").mkdir()
    (store.root / "20261124-093000-k7fa").write_text("a file")
    assert store.ids() == [run_id]


def test_a_deleted_folder_of_runs_is_an_error(tmp_path: Path) -> None:
    store = RunStore(tmp_path / "runs")
    store.root.rmdir()
    with pytest.raises(StoreError, match="cannot be read"):
        store.ids()


def test_a_file_in_place_of_the_folder_of_runs_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(StoreError, match="runs could not be written"):
        RunStore(tmp_path / "runs")


# --- locks and states -----------------------------------------------------------------------------


def test_a_lock_of_another_process_is_respected(store: RunStore) -> None:
    run_id = made_run(store, state="stopped")
    assert not store.run(run_id).held()
    with another_process_holds(store, run_id):
        assert store.run(run_id).held()
        busy = f"Another process is working on run {run_id}; wait for it or stop it first."
        with pytest.raises(RunBusy, match=busy), store.run(run_id).hold():
            pass
        with pytest.raises(RunBusy, match="is running; stop it before deleting it"):
            store.trash.put(run_id)
        with pytest.raises(RunBusy):
            store.queue.enqueue(run_id)
    assert not store.run(run_id).held()
    assert store.ids() == [run_id]
    with store.run(run_id).hold():
        assert store.run(run_id).held()


def test_a_run_whose_process_was_killed_reads_as_interrupted(store: RunStore) -> None:
    run_id = running(store)
    with another_process_holds(store, run_id) as other:
        assert store.run(run_id).status().state == "running"
        assert store.frame().loc[0, "state"] == "running"
        assert store.queue.mark_interrupted() == []
        other.kill()
        other.wait()
        assert store.run(run_id).status().state == "interrupted"
        assert store.frame().loc[0, "state"] == "interrupted"
    assert store.run(run_id).stored_status().state == "running", "reading changes nothing"


def test_dead_runs_are_marked_once_and_say_why(store: RunStore) -> None:
    finished, dead = made_run(store), running(store, heartbeat=123.0)
    damage(store, dead, "progress.json", "{}")
    assert store.queue.mark_interrupted() == [dead]
    status = store.run(dead).stored_status()
    assert (status.state, status.finished_at, status.epoch) == ("interrupted", 123.0, 2)
    assert status.error == "The program that trained this run ended before the run did."
    assert "marked interrupted" in store.run(dead).log()
    assert store.run(dead).progress() is None
    assert store.queue.mark_interrupted() == []
    assert store.run(finished).status().state == "finished"


def test_a_dead_run_that_was_to_be_discarded_goes_to_the_trash(store: RunStore) -> None:
    run_id = running(store)
    damage(store, run_id, "stop", "discard")
    assert store.queue.mark_interrupted() == [run_id]
    assert store.ids() == [] and store.trash.ids() == [run_id]


def test_a_damaged_run_does_not_keep_the_others_from_being_marked(store: RunStore) -> None:
    dead = running(store)
    damage(store, made_run(store), "status.json", "{")
    assert store.queue.mark_interrupted() == [dead]


def test_runs_at_work_do_not_hold_up_the_search_for_dead_ones(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock of a run that works is given the time of a reader's glance, not that of a person who waits."""
    patience = []
    hold = RunFolder.hold

    def note(run: RunFolder, seconds: float = 99.0) -> contextlib.AbstractContextManager[None]:
        patience.append(seconds)
        return hold(run, seconds)

    living, dead = running(store), running(store)
    with another_process_holds(store, living):
        monkeypatch.setattr(RunFolder, "hold", note)
        assert store.queue.mark_interrupted() == [dead]
    assert len(patience) == 2 and max(patience) <= 0.1


def test_what_dead_programs_left_half_done_is_cleaned_up(store: RunStore) -> None:
    run_id = made_run(store)
    store.trash.put(made_run(store))
    left = [
        store.run(run_id).path / ".last.pt.0a1b2c3d.tmp",
        store.root / ".local.json.0a1b2c3d.tmp",
        store.cache_folder / f"new-{UNKNOWN}",
        store.trash.folder / f".gone-{UNKNOWN}",
    ]
    for path in left:
        path.mkdir(parents=True) if path.suffix != ".tmp" else path.write_text("half")
        os.utime(path, (1.0, 1.0))
    store.queue.mark_interrupted()
    assert not any(path.exists() for path in left)
    assert store.ids() == [run_id] and len(store.trash.ids()) == 1 and len(store.run(run_id).records()) == 4


def test_runs_of_a_dead_laboratory_continue_on_the_cluster_unless_someone_stopped_them(store: RunStore) -> None:
    away, at_home, stopped, waiting = (running(store, queued_at=float(at), on_cluster=at != 1) for at in range(4))
    store.queue.cancel(store.create(RunConfig()))  # a run that a person stopped
    damage(store, stopped, "stop", "keep")
    store.queue.enqueue(waiting)
    assert store.queue.take_up() == []  # not before it is certain that they are dead
    assert sorted(store.queue.mark_interrupted()) == sorted([away, at_home, stopped])
    assert "continues" in (store.run(away).status().error or "")
    assert "continues" not in (store.run(at_home).status().error or "")
    assert store.queue.take_up() == [away]
    assert store.queue.ids() == [away, waiting]
    assert store.run(away).status().error is None
    assert store.run(stopped).status().state == store.run(at_home).status().state == "interrupted"
    assert store.queue.take_up() == []


def test_a_status_names_a_cluster_only_while_a_run_is_there(store: RunStore) -> None:
    """Earlier versions refuse a status with a field that they do not know."""
    run_id = running(store, on_cluster=True)
    assert '"on_cluster": true' in (store.run(run_id).path / "status.json").read_text()
    store.queue.enqueue(run_id)
    assert "on_cluster" not in (store.run(run_id).path / "status.json").read_text()


def test_an_interrupted_run_has_the_epochs_on_disk(store: RunStore) -> None:
    """Killed between an epoch's record and the state that tells of it."""
    run_id = running(store)
    store.run(run_id).append_record(made_record(3))
    store.queue.mark_interrupted()
    status = store.run(run_id).status()
    assert (status.epoch, status.best_epoch, status.best_val_accuracy) == (3, 3, made_record(3).val_accuracy)


def test_a_run_created_held_is_held_from_the_start(store: RunStore) -> None:
    with store.create_held(RunConfig(), name="mine") as run_id:
        assert store.queue.ids() == [run_id] and store.run(run_id).meta().name == "mine"
        assert store.run(run_id).held()
        with pytest.raises(RunBusy), store.run(run_id).hold():
            pass
    assert not store.run(run_id).held()


# --- stopping -------------------------------------------------------------------------------------


def test_a_waiting_run_is_stopped_at_once(store: RunStore) -> None:
    run_id = store.create(RunConfig())
    store.queue.request_stop(run_id)
    assert store.run(run_id).status().state == "stopped"
    assert store.queue.ids() == [] and store.run(run_id).stop_request() is None


def test_a_waiting_run_is_discarded_at_once(store: RunStore) -> None:
    run_id = store.create(RunConfig())
    store.queue.request_stop(run_id, keep=False)
    assert store.trash.ids() == [run_id] and store.ids() == []


@pytest.mark.parametrize(("keep", "word"), [(True, "keep"), (False, "discard")])
def test_a_running_run_is_asked_to_stop(store: RunStore, keep: bool, word: str) -> None:
    run_id = running(store)
    with another_process_holds(store, run_id):
        assert store.run(run_id).stop_request() is None
        store.queue.request_stop(run_id, keep=keep)
        assert store.run(run_id).stop_request() == word
        assert store.run(run_id).status().state == "stopping"
    store.run(run_id).clear_stop()
    assert store.run(run_id).stop_request() is None


def test_a_run_that_begins_while_it_is_stopped_is_asked_like_a_running_one(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = store.create(RunConfig())

    @contextlib.contextmanager
    def taken(run: RunFolder) -> Iterator[None]:
        run.write_status(replace(run.stored_status(), state="running"))
        raise RunBusy("Another process is working on it.")
        yield

    with another_process_holds(store, run_id):
        monkeypatch.setattr(RunFolder, "hold", taken)
        store.queue.request_stop(run_id)
        assert store.run(run_id).status().state == "stopping"


@pytest.mark.parametrize("state", ["finished", "stopped", "failed", "interrupted"])
def test_only_a_waiting_or_running_run_can_be_stopped(store: RunStore, state: str) -> None:
    run_id = made_run(store, state=state)
    with pytest.raises(StoreError, match=f"is {state}; only a waiting or running one can be stopped"):
        store.queue.request_stop(run_id)


# --- the queue ------------------------------------------------------------------------------------


def test_the_queue_is_in_the_order_of_queueing_and_survives(store: RunStore) -> None:
    first, second, third = (store.create(RunConfig()) for _ in range(3))
    store.queue.request_stop(first)
    store.queue.enqueue(first)
    damage(store, second, "status.json", "{")
    assert RunStore(store.root).queue.ids() == [third, first]


def test_a_clock_that_is_set_back_changes_no_order(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    first, second = store.create(RunConfig()), store.create(RunConfig())
    store.queue.request_stop(first)
    store.queue.enqueue(first)
    for hours in (1, 23):
        monkeypatch.setattr(time, "time", lambda hours=hours: now - 3600 * hours)
        made = store.create(RunConfig())
        assert store.ids()[0] == store.find("latest") == made
        assert store.queue.ids()[-1] == made
    assert store.queue.ids()[:2] == [second, first]
    assert len(set(store.ids())) == 4


def test_a_run_called_by_a_time_that_never_was_stops_no_other(store: RunStore) -> None:
    for name in ("20269999-999999-aaaa", "99991231-235959-zzzz", "20261124-093000-0000"):
        made_run(store)
        (store.root / store.ids()[0]).rename(store.root / name)
        made = store.create(RunConfig())
        assert store.run(made).status().state == "queued"
        assert store.run(made).id == made


def test_a_queue_is_seen_to_change_by_another_program(store: RunStore) -> None:
    run_id = made_run(store, state="stopped")
    assert store.queue.ids() == store.queue.ids() == []
    RunStore(store.root).queue.enqueue(run_id)
    assert store.queue.ids() == [run_id]
    RunStore(store.root).queue.request_stop(run_id)
    assert store.queue.ids() == []


@pytest.mark.parametrize("state", ["stopped", "failed", "interrupted", "running", "stopping"])
def test_a_run_that_did_not_end_well_can_be_queued_again(store: RunStore, state: str) -> None:
    run_id = made_run(store, state=state)
    damage(store, run_id, "stop", "keep")
    store.queue.enqueue(run_id)
    status = store.run(run_id).status()
    assert (status.state, status.epoch, status.error, status.finished_at) == ("queued", 4, None, None)
    assert store.run(run_id).stop_request() is None


@pytest.mark.parametrize("state", ["finished", "queued"])
def test_a_finished_or_waiting_run_is_not_queued_again(store: RunStore, state: str) -> None:
    run_id = made_run(store, state=state)
    with pytest.raises(StoreError, match=f"is {state}; only a run that stopped, failed or was interrupted"):
        store.queue.enqueue(run_id)


# --- what is inside a run -------------------------------------------------------------------------


def test_a_torn_last_line_is_left_out_and_then_closed(store: RunStore) -> None:
    run_id = made_run(store, epochs=2)
    store.run(run_id).append_record(made_record(3))
    path = store.run(run_id).path / "metrics.jsonl"
    os.truncate(path, path.stat().st_size - 40)
    assert [record.epoch for record in store.run(run_id).records()] == [1, 2]
    assert list(store.metrics(run_id)["epoch"]) == [1, 2]
    store.run(run_id).append_record(made_record(3))
    assert [record.epoch for record in store.run(run_id).records()] == [1, 2, 3]
    assert list(store.metrics(run_id)["epoch"]) == [1, 2, 3]


def test_epochs_whose_state_was_not_kept_are_cut(store: RunStore) -> None:
    run_id = made_run(store, epochs=4)
    before = store.run(run_id).records()
    store.run(run_id).write_records(before[:2])
    assert store.run(run_id).records() == before[:2]
    store.run(run_id).write_records([])
    assert store.run(run_id).records() == []


def test_there_are_no_weights_before_the_first_epoch(store: RunStore) -> None:
    run_id = made_run(store, epochs=0, state="queued")
    assert (
        store.run(run_id).last_state() is None and store.run(run_id).records() == [] and store.run(run_id).log() == ""
    )
    with pytest.raises(StoreError, match="has no weights yet"):
        store.run(run_id).best_weights()
    store.run(run_id).write_file("best.safetensors", b"weights")
    assert store.run(run_id).best_weights().read_bytes() == b"weights"


def test_writing_the_environment_keeps_the_name(store: RunStore) -> None:
    run_id = made_run(store, name="mine")
    store.run(run_id).write_environment({"torch": "2"})
    assert store.run(run_id).meta().environment == {"torch": "2"} and store.run(run_id).meta().name == "mine"


def test_result_and_progress_are_read_as_written(store: RunStore) -> None:
    run_id = made_run(store)
    assert store.run(run_id).result() is None and store.run(run_id).progress() is None
    store.run(run_id).write_result({"best": {"accuracy": 0.5}})
    progress = BatchRecord(5, 9, 3, 8, 1.5, 0.5, 0.1, 900.0, 60.0)
    store.run(run_id).write_progress(progress)
    assert store.run(run_id).result() == {"best": {"accuracy": 0.5}} and store.run(run_id).progress() == progress


@pytest.mark.parametrize("name", ["config.json", "meta.json", "status.json", "result.json"])
@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "3", b"\xff\xfe\x00", '{"unknown": 1}', '{"state": "dancing", "schema": 9}', "[" * 100_000],
)
def test_a_damaged_file_is_a_sentence_and_the_other_runs_are_listed(
    store: RunStore, name: str, content: str | bytes
) -> None:
    bad, good = made_run(store), made_run(store)
    damage(store, bad, name, content)
    run = store.run(bad)
    read = {"config.json": run.config, "meta.json": run.meta, "status.json": run.status}.get(name)
    if read:
        with pytest.raises(StoreError, match=bad) as caught:
            read()
        assert str(caught.value).endswith((".", ")."))
    rows = store.frame().set_index("id")
    assert list(rows.index) == [good, bad]
    assert rows.loc[good, "state"] == "finished"
    if read:
        assert rows.loc[bad, "state"] == "damaged" and bad in rows.loc[bad, "error"]


@pytest.mark.parametrize("line", ['{"epoch": 9}', '{"epoch": 9, "val_accuracy": "high"}', "[1]", "x", "[" * 100_000])
def test_a_damaged_line_of_metrics_is_skipped(store: RunStore, line: str) -> None:
    run_id = made_run(store, epochs=2)
    with (store.run(run_id).path / "metrics.jsonl").open("a") as file:
        file.write(line + "\n")
    store.run(run_id).checksums.record()
    store.run(run_id).append_record(made_record(3))
    assert [record.epoch for record in store.run(run_id).records()] == [1, 2, 3]
    assert store.frame().loc[0, "last_val_accuracy"] == made_record(3).val_accuracy


@pytest.mark.parametrize("name", ["config.json", "meta.json", "status.json"])
def test_the_error_names_a_missing_file(store: RunStore, name: str) -> None:
    run_id = made_run(store)
    (store.run(run_id).path / name).unlink()
    assert store.frame().loc[0, "error"] == f"Run {run_id} has no {name}; its folder is incomplete."


# --- what a person adds, and the trash ------------------------------------------------------------


def test_a_run_is_renamed_and_noted(store: RunStore) -> None:
    run_id = made_run(store, name="old")
    store.run(run_id).annotate(name="new", tags=[" a ", ""], note="because", pinned=True)
    meta = store.run(run_id).meta()
    assert (meta.name, meta.tags, meta.note, meta.pinned) == ("new", ("a",), "because", True)
    with pytest.raises(StoreError, match="owner of a run cannot be changed"):
        store.run(run_id).annotate(owner="me")


def test_tags_are_added_and_removed(store: RunStore) -> None:
    run_id = made_run(store, tags=("old", "kept"))
    store.run(run_id).retag([" new ", "kept", ""], ["old"])
    assert store.run(run_id).meta().tags == ("kept", "new")


DECOMPOSED, COMPOSED = "Cafe\u0301", "Caf\xe9"  # an é of two characters, and of one


@pytest.mark.parametrize("reference", [False, True])
def test_a_letter_is_written_in_one_way(store: RunStore, reference: bool) -> None:
    about = {"name": DECOMPOSED, "note": DECOMPOSED, "tags": (DECOMPOSED, COMPOSED, " ", f" {COMPOSED} ")}
    run_id = made_run(store, **about)
    assert (store.run(run_id).meta().name, store.run(run_id).meta().note) == (COMPOSED, COMPOSED)
    assert json.loads((store.run(run_id).path / "meta.json").read_text())["tags"] == [COMPOSED]
    if reference:
        change_file(store, run_id, "meta.json", reference=True)
    run = store.run(run_id)
    run.annotate(name=f"{DECOMPOSED} 2", shown={"name": COMPOSED})
    run.annotate(note=DECOMPOSED, shown={"note": "what another window has replaced by the same"})
    run.retag([DECOMPOSED, f"{DECOMPOSED}s"], [])
    assert (run.meta().name, run.meta().note) == (f"{COMPOSED} 2", COMPOSED)
    assert run.meta().tags == (COMPOSED, f"{COMPOSED}s")
    run.retag([], [f"{DECOMPOSED}s"])
    assert store.summary(run_id).meta.tags == (COMPOSED,)


def test_two_forms_of_a_tag_in_an_older_file_are_one(store: RunStore) -> None:
    run_id = made_run(store)
    change_file(store, run_id, "meta.json", tags=[DECOMPOSED, "b", COMPOSED], note=DECOMPOSED)
    assert (store.summary(run_id).meta.tags, store.summary(run_id).meta.note) == ((COMPOSED, "b"), COMPOSED)


@pytest.mark.parametrize("kind", ["own", "reference"])
def test_no_tag_of_four_processes_is_lost(store: RunStore, kind: str) -> None:
    run_id = made_run(store, tags=("old",), reference=kind == "reference")
    program = (
        "import sys\n"
        "from core.runs.store import RunStore\n"
        "run = RunStore(sys.argv[1]).run(sys.argv[2])\n"
        "for tag in range(25):\n"
        "    run.retag([f'{sys.argv[3]}-{tag}'], ['old'])\n"
    )
    many_times(program, 4, store.root, run_id)
    tags = store.run(run_id).meta().tags
    assert set(tags) == {f"{process}-{tag}" for process in range(4) for tag in range(25)}
    assert len(tags) == 100


@pytest.mark.parametrize("field", ["name", "note"])
@pytest.mark.parametrize("reference", [False, True])
def test_a_text_that_changed_since_it_was_shown_is_not_overwritten(
    store: RunStore, field: str, reference: bool
) -> None:
    run_id = made_run(store, reference=reference)
    run = store.run(run_id)
    run.annotate(**{field: "first"})
    run.annotate(shown={field: "first"}, **{field: "newer"})
    with pytest.raises(Conflict, match=r"“newer”.*“mine”") as caught:
        run.annotate(shown={field: "first"}, **{field: "mine"})
    assert (caught.value.stored, caught.value.wanted) == ("newer", "mine")
    assert getattr(run.meta(), field) == "newer"
    run.annotate(shown={field: "first"}, **{field: "newer"})  # what the person wants is there already
    run.annotate(shown={field: caught.value.stored}, **{field: "mine"})
    assert getattr(run.meta(), field) == "mine"


def test_labels_distinguish_the_runs_in_the_trash(store: RunStore) -> None:
    run_id, damaged = made_run(store, name="gone"), made_run(store)
    for deleted in (run_id, damaged):
        store.trash.put(deleted)
    (store.trash.folder / damaged / "meta.json").write_text("[")
    accuracy = f"{100 * made_record(4).val_accuracy:.2f} %"
    assert store.trash.labels() == {damaged: f"damaged · {damaged}", run_id: f"gone · {accuracy} validation · {run_id}"}


@pytest.fixture
def reference(store: RunStore) -> str:
    """A run that came with the program."""
    run_id = made_run(store, name="published", tags=("ours",))
    change_file(store, run_id, "meta.json", reference=True)
    return run_id


def test_a_reference_run_is_read_only_and_its_notes_are_kept_elsewhere(store: RunStore, reference: str) -> None:
    before = {path.name: path.read_bytes() for path in store.run(reference).path.iterdir() if path.name != ".lock"}
    for act in (store.trash.put, store.queue.enqueue):
        with pytest.raises(StoreError, match="came with the program; it cannot be"):
            act(reference)
    assert store.frame().loc[0, "name"] == "published"
    store.run(reference).annotate(name="mine")
    store.run(reference).annotate(pinned=True)
    assert (store.run(reference).meta().name, store.run(reference).meta().pinned) == ("mine", True)
    assert store.run(reference).meta().tags == ("ours",)
    assert store.frame().loc[0, "name"] == "mine", "the table shows the change"
    store.run(reference).annotate(tags=["theirs"])
    assert store.run(reference).meta().tags == ("theirs",)
    assert before == {
        path.name: path.read_bytes() for path in store.run(reference).path.iterdir() if path.name in before
    }
    assert (store.root / ".local.json").is_file()


@pytest.mark.parametrize("content", ["{", "[]", "3", '{"RUN": 3}', '{"RUN": {"colour": "red"}}', '{"RUN": "text"}'])
def test_a_damaged_local_file_loses_what_was_added_alone(store: RunStore, reference: str, content: str) -> None:
    (store.root / ".local.json").write_text(content.replace("RUN", reference))
    assert store.run(reference).meta().name == "published"
    assert store.frame().loc[0, "name"] == "published"


@pytest.mark.parametrize("content", ["{", "[]", "3"])
def test_a_damaged_local_file_is_not_written_over(store: RunStore, reference: str, content: str) -> None:
    (store.root / ".local.json").write_text(content)
    with pytest.raises(StoreError, match=r"\.local\.json in the folder of the runs is damaged"):
        store.run(reference).annotate(pinned=True)
    assert (store.root / ".local.json").read_text() == content


def test_a_damaged_entry_of_the_local_file_is_replaced_alone(store: RunStore, reference: str) -> None:
    (store.root / ".local.json").write_text(json.dumps({reference: 3, "other": {"note": "kept"}}))
    store.run(reference).annotate(note="new")
    content = without_check(json.loads((store.root / ".local.json").read_text()))
    assert content == {reference: {"note": "new"}, "other": {"note": "kept"}}


def test_trash_and_restore(store: RunStore) -> None:
    kept, thrown = made_run(store), made_run(store)
    store.trash.put(thrown)
    assert store.ids() == [kept] and store.trash.ids() == [thrown]
    store.trash.restore(thrown)
    assert store.ids() == [thrown, kept] and store.trash.ids() == []
    assert len(store.run(thrown).records()) == 4


def test_a_waiting_run_comes_back_stopped(store: RunStore) -> None:
    run_id = store.create(RunConfig())
    store.trash.put(run_id)
    store.trash.restore(run_id)
    assert store.run(run_id).status().state == "stopped" and store.queue.ids() == []


def test_a_damaged_run_can_be_deleted(store: RunStore) -> None:
    run_id = made_run(store)
    damage(store, run_id, "status.json", "{")
    damage(store, run_id, "meta.json", "{")
    store.trash.put(run_id)
    assert store.trash.ids() == [run_id]


def test_a_run_outside_the_trash_cannot_be_restored(store: RunStore) -> None:
    assert store.trash.ids() == []
    with pytest.raises(StoreError, match="is not in the trash"):
        store.trash.restore(UNKNOWN)


def test_restoring_never_overwrites(store: RunStore) -> None:
    run_id = made_run(store)
    store.trash.put(run_id)
    (store.root / run_id).mkdir()
    with pytest.raises(StoreError, match="exists already; nothing was restored"):
        store.trash.restore(run_id)
    assert store.trash.ids() == [run_id]


def test_emptying_the_trash_returns_the_bytes_freed(store: RunStore) -> None:
    kept, thrown = made_run(store), made_run(store)
    store.run(thrown).write_file("last.pt", b"x" * 10_000)
    store.trash.put(thrown)
    size = sum(path.stat().st_size for path in (store.trash.folder / thrown).iterdir())
    assert store.trash.size() == size
    assert store.trash.empty() == size > 10_000
    assert store.trash.size() == 0 and list(store.trash.folder.iterdir()) == []
    assert store.trash.ids() == [] and store.ids() == [kept]
    assert store.trash.empty() == 0


@pytest.mark.parametrize("relative", [True, False])
def test_a_run_that_is_a_link_goes_to_the_trash_and_back_as_a_link(
    store: RunStore, tmp_path: Path, relative: bool
) -> None:
    run_id = made_run(store, name="linked")
    target = tmp_path / "elsewhere"
    place = store.run(run_id).path.rename(target) and store.root / run_id
    place.symlink_to(os.path.relpath(target, store.root) if relative else target, target_is_directory=True)
    before = sorted(path.name for path in target.iterdir())
    assert store.run(run_id).meta().name == "linked"
    store.trash.put(run_id)
    assert store.ids() == [] and store.trash.ids() == [run_id]
    assert "linked" in store.trash.labels()[run_id]
    assert store.trash.size() < 1_000, "the target is not deleted with the link"
    store.trash.restore(run_id)
    assert store.ids() == [run_id] and store.trash.ids() == []
    assert store.run(run_id).meta().name == "linked" and place.is_symlink()
    store.trash.put(run_id)
    assert store.trash.empty() < 1_000
    assert store.trash.ids() == [] and not os.path.lexists(place)
    assert set(before) <= {path.name for path in target.iterdir()}
    assert not list(store.trash.folder.glob(f"*{run_id}"))


def test_a_link_in_the_trash_whose_target_is_gone_can_be_restored_and_deleted(store: RunStore, tmp_path: Path) -> None:
    run_id = made_run(store)
    target = tmp_path / "elsewhere"
    store.run(run_id).path.rename(target)
    (store.root / run_id).symlink_to(target, target_is_directory=True)
    store.trash.put(run_id)
    target.rename(tmp_path / "away")
    assert store.trash.ids() == [run_id] == list(store.trash.labels())
    store.trash.restore(run_id)
    (tmp_path / "away").rename(target)
    assert store.ids() == [run_id]
    store.trash.put(run_id)
    target.rename(tmp_path / "away")
    store.trash.empty()
    assert store.trash.ids() == [] and (tmp_path / "away").is_dir()


def test_restoring_overwrites_no_link(store: RunStore, tmp_path: Path) -> None:
    run_id = made_run(store)
    store.trash.put(run_id)
    (store.root / run_id).symlink_to(tmp_path / "nothing")
    with pytest.raises(StoreError, match="exists"):
        store.trash.restore(run_id)
    assert store.trash.ids() == [run_id] and (store.root / run_id).is_symlink()


def test_what_cannot_be_deleted_keeps_nothing_else_in_the_trash(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_ids = [made_run(store) for _ in range(3)]
    for run_id in run_ids:
        store.trash.put(run_id)
    remove = shelf.remove

    def failing(path: Path) -> None:
        if path.name.endswith(run_ids[1]):
            raise PermissionError(13, "Permission denied")
        remove(path)

    monkeypatch.setattr(shelf, "remove", failing)
    with pytest.raises(StoreError, match=r"freed.*permi"):
        store.trash.empty()
    assert not [run_id for run_id in run_ids if (store.trash.folder / run_id).exists()]


def test_every_refusal_is_a_lab_error() -> None:
    assert issubclass(RunBusy, StoreError) and issubclass(StoreError, LabError)


def test_what_several_write_into_one_runs_papers_at_once_is_all_there(store: RunStore) -> None:
    run_id = made_run(store)
    changes = [
        lambda: store.run(run_id).annotate(name="a name"),
        lambda: store.run(run_id).annotate(note="a note"),
        lambda: store.run(run_id).annotate(pinned=True),
        lambda: RunStore(store.root).run(run_id).write_environment({"threads": 2}),
    ]
    for _ in range(10):
        store.run(run_id).annotate(name="", note="", pinned=False)
        store.run(run_id).write_environment({})
        with ThreadPoolExecutor(len(changes)) as at_once:
            for done in [at_once.submit(change) for change in changes]:
                done.result()
        meta = store.run(run_id).meta()
        assert (meta.name, meta.note, meta.pinned, meta.environment) == ("a name", "a note", True, {"threads": 2})
