"""The storage settings delete what is old, a day after noting it, and nothing because of a wrong clock."""

import errno
import json
import os
import re
import time
from dataclasses import replace
from unittest.mock import Mock

import pytest
from filelock import FileLock

from core.base.errors import StoreError
from core.config.run_config import RunConfig
from core.runs.storage import DAY, Sizes, Storage, StorageSettings
from core.runs.store import RunStore
from core.study.store import StudyStore
from core.study.study import Axis, Study
from tests.made import change_file, made_run

YEAR = 365 * DAY


@pytest.fixture
def storage(store: RunStore) -> Storage:
    return Storage(store)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch):
    """Return a function that sets the clock ahead by seconds from the true time."""
    true = time.time

    def ahead(seconds: float) -> None:
        monkeypatch.setattr(time, "time", lambda: true() + seconds)

    return ahead


def finished(store: RunStore, ago: float = 0.0, state: str = "finished", **about: object) -> str:
    """Return a run with a saved state that ended ``ago`` seconds ago."""
    run_id = made_run(store, state=state, **about)  # type: ignore[arg-type]
    run, at = store.run(run_id), time.time() - ago
    run.write_file("last.pt", b"state" * 1_000)
    run.write_status(replace(run.stored_status(), finished_at=at))
    os.utime(run.path / "last.pt", (at, at))
    return run_id


def test_nothing_is_deleted_unless_asked(store, storage, clock):
    store.trash.put(finished(store))
    finished(store, ago=9 * YEAR)
    for days in range(0, 2_000, 500):
        clock(days * DAY)
        assert storage.tidy() is None
    assert len(store.trash.ids()) == 1 and storage.settings() == StorageSettings(None, None)


def test_the_trash_is_emptied_of_what_is_old(store, storage, clock):
    old, young = finished(store), finished(store)
    storage.change(empty_trash_after=7)
    store.trash.put(old)
    clock(6.5 * DAY)
    store.trash.put(young)
    assert storage.tidy() is None and storage.due().trash == ()
    clock(7.1 * DAY)
    assert storage.due().trash == (old,)
    assert storage.tidy() is None, "it is noted first"
    clock(7.5 * DAY)
    assert storage.tidy() is None, "a second look on the same day"
    clock(8.1 * DAY)
    assert "1" in storage.tidy()
    assert store.trash.ids() == [young]
    clock(15 * DAY)
    storage.tidy()
    clock(16 * DAY)
    storage.tidy()
    assert store.trash.ids() == []
    assert [path.name for path in store.trash.folder.iterdir()] == []


def test_studies_in_the_trash_are_deleted_with_the_runs(store, storage, clock):
    studies = StudyStore(store)
    study = Study("rates", RunConfig(), (Axis("train.lr", (0.1, 0.2)),))
    old, young, kept = (studies.create(study) for _ in range(3))
    run_id = finished(store)
    size = storage.sizes().trash
    studies.trash.put(old)
    store.trash.put(run_id)
    assert storage.sizes().trash > size == 0
    for days in (0, 900, 901):
        clock(days * DAY)
        assert storage.tidy() is None, "nobody asked"
    clock(0)
    storage.change(empty_trash_after=7)
    clock(7.1 * DAY)
    studies.trash.put(young)
    assert (storage.due().studies, storage.due().trash) == ((old,), (run_id,))
    assert storage.tidy() is None, "it is noted first"
    clock(8.1 * DAY)
    assert "1 run and 1 study" in storage.tidy()
    assert studies.trash.ids() == [young] and studies.ids() == [kept] and store.trash.ids() == []
    clock(15 * DAY)
    assert "1 study" in storage.notice(storage.due())
    storage.tidy()
    clock(16 * DAY)
    storage.tidy()
    assert [path.name for path in studies.trash.folder.iterdir()] == [] and studies.ids() == [kept]


def test_what_an_earlier_version_noted_as_due_still_counts(store, storage, clock):
    run_id = finished(store)
    storage.change(empty_trash_after=7)
    store.trash.put(run_id)
    clock(8.1 * DAY)
    store.cache_folder.mkdir(exist_ok=True)
    (store.cache_folder / "due.json").write_text(json.dumps({run_id: time.time() - DAY}))
    assert "1 run" in storage.tidy()


def test_a_changed_note_of_what_is_due_makes_it_wait_longer(store, storage, clock):
    storage.change(empty_trash_after=7)
    store.trash.put(finished(store))
    clock(8.1 * DAY)
    assert storage.tidy() is None
    notes = store.cache_folder / "due.json"
    (content,) = re.findall(r": ([0-9.]+)", notes.read_text())
    notes.write_text(notes.read_text().replace(content, str(float(content) - DAY)))
    assert storage.tidy() is None and len(store.trash.ids()) == 1


def test_states_of_finished_runs_are_deleted(store, storage, clock):
    old, young = finished(store, ago=31 * DAY), finished(store, ago=DAY)
    stopped = finished(store, ago=YEAR, state="stopped")
    reference = finished(store, ago=YEAR)
    change_file(store, reference, "meta.json", reference=True)
    storage.change(delete_states_after=30)
    before = storage.sizes()
    assert before.states == 2 * 5_000
    storage.tidy()
    clock(DAY)
    assert "5 kB freed" in storage.tidy()
    assert [run_id for run_id in store.ids() if store.run(run_id).last_state() is None] == [old]
    assert {young, stopped, reference} <= set(store.ids())
    assert storage.sizes().states == 5_000
    assert "cannot be extended" in store.run(old).log()
    assert store.summary(old).state == "finished" and store.run(old).records()


def test_a_copied_state_counts_from_the_copy(store, storage, clock):
    """An import or a restored backup has an old time of finishing, but its state has just arrived."""
    run_id = finished(store, ago=YEAR)
    os.utime(store.run(run_id).path / "last.pt")
    storage.change(delete_states_after=30)
    assert storage.due().states == ()


def test_a_moment_of_a_wrong_clock_deletes_nothing(store, storage, clock):
    trashed, kept = finished(store), finished(store)
    store.trash.put(trashed)
    storage.change(empty_trash_after=1, delete_states_after=1)
    for wrong in (10 * YEAR, -10 * YEAR, 0.0, 10 * YEAR, 0.0):
        clock(wrong)
        assert storage.tidy() is None
        clock(wrong + 3_600)
        assert storage.tidy() is None
    clock(0.9 * DAY)  # the right clock is not behind what the wrong one noted
    assert storage.tidy() is None
    assert store.trash.ids() == [trashed] and store.run(kept).last_state()


def test_what_was_deleted_while_the_clock_was_wrong_is_counted_anew(store, storage, clock):
    past, future = finished(store), finished(store)
    clock(-30 * YEAR)
    store.trash.put(past)
    clock(30 * YEAR)
    store.trash.put(future)
    storage.change(empty_trash_after=7)
    for days in (0, 1, 2, 6):
        clock(days * DAY)
        assert storage.tidy() is None
    clock(7.1 * DAY)
    storage.tidy()
    clock(8.1 * DAY)
    storage.tidy()
    assert store.trash.ids() == [future]


def test_what_an_earlier_version_deleted_is_counted_from_now(store, storage, clock):
    run_id = finished(store, ago=YEAR)
    store.trash.put(run_id)
    (store.trash.folder / f".deleted-{run_id}").unlink()
    storage.change(empty_trash_after=7)
    storage.tidy()
    clock(DAY)
    assert storage.tidy() is None
    clock(8 * DAY)
    storage.tidy()
    clock(9 * DAY)
    storage.tidy()
    assert store.trash.ids() == []


def test_restored_and_deleted_again_counts_from_the_second_time(store, storage, clock):
    run_id = finished(store)
    store.trash.put(run_id)
    first = store.trash.deleted_at(run_id)
    store.trash.restore(run_id)
    assert store.trash.deleted_at(run_id) is None
    clock(DAY)
    store.trash.put(run_id)
    assert first is not None and store.trash.deleted_at(run_id) == pytest.approx(first + DAY, abs=5)


def test_settings_that_were_changed_meanwhile_count(store, storage, clock):
    store.trash.put(finished(store))
    storage.change(empty_trash_after=1)
    clock(2 * DAY)
    storage.tidy()
    storage.change(empty_trash_after=None)
    clock(4 * DAY)
    storage.tidy()
    storage.change(empty_trash_after=1)
    clock(5 * DAY)
    assert storage.tidy() is None, "noted before the setting was off"
    assert len(store.trash.ids()) == 1


def test_a_run_that_cannot_be_changed_does_not_keep_the_others(store, storage, clock):
    first, second = finished(store, ago=YEAR), finished(store, ago=YEAR)
    storage.change(delete_states_after=1)
    storage.tidy()
    clock(DAY)
    with store.run(first).hold(), pytest.raises(StoreError, match=first):
        storage.tidy()
    assert store.run(first).last_state() and store.run(second).last_state() is None


@pytest.mark.parametrize("value", [0, -1, 3_651, 1.5, True, "7"])
def test_days_that_are_not_allowed_are_refused(storage, value):
    storage.change(empty_trash_after=30)
    with pytest.raises(StoreError, match="3,650"):
        storage.change(delete_states_after=value)
    assert storage.settings() == StorageSettings(30, None)


@pytest.mark.parametrize("value", [0, -1, 65, 1.5, True, "2"])
def test_a_number_of_runs_at_once_that_is_not_allowed_is_refused(storage, value):
    storage.change(runs_at_once=3)
    with pytest.raises(StoreError, match="64"):
        storage.change(runs_at_once=value)
    assert storage.settings() == StorageSettings(runs_at_once=3)


def test_settings_of_an_earlier_version_leave_the_number_of_runs_to_the_laboratory(store, storage):
    (store.root / ".settings.json").write_text('{"empty_trash_after": 7, "delete_states_after": null}')
    assert storage.settings() == StorageSettings(7, None, None)


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"other": 1}', '{"empty_trash_after": 0}', '{"empty_trash_after": "1"}']
)
def test_damaged_settings_delete_nothing_and_can_be_saved_again(store, storage, clock, content):
    store.trash.put(finished(store))
    (store.root / ".settings.json").write_text(content)
    clock(YEAR)
    with pytest.raises(StoreError, match=r"\.settings\.json"):
        storage.tidy()
    assert len(store.trash.ids()) == 1
    assert storage.change(delete_states_after=9) == StorageSettings(None, 9)
    assert storage.settings() == StorageSettings(None, 9)


def test_sizes_are_those_of_the_files(store, storage):
    run_id, trashed = finished(store), finished(store)
    store.trash.put(trashed)
    sizes = storage.sizes()
    assert isinstance(sizes, Sizes) and sizes.free > 0
    assert sizes.runs == sum(path.stat().st_size for path in store.run(run_id).path.iterdir())
    assert sizes.trash == sum(path.stat().st_size for path in (store.trash.folder / trashed).iterdir())
    assert sizes.states == 5_000


def test_settings_that_may_only_be_read_stay(storage, monkeypatch):
    monkeypatch.setattr(FileLock, "acquire", Mock(side_effect=PermissionError(errno.EACCES, "Permission denied")))
    with pytest.raises(StoreError, match="can only be read here"):
        storage.change(runs_at_once=1)
    assert storage.settings().runs_at_once is None
