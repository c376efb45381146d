"""The record of a run's files: what it notices, what it forgives, and how it is kept."""

import itertools
import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from core.base.errors import StoreError
from core.runs import checksums as checksums_module
from core.runs.checksums import CHECKSUMS, Checksums
from core.runs.store import RunStore
from tests.made import made_progress, made_record, made_run

FILES = ("config.json", "meta.json", "status.json", "metrics.jsonl", "result.json", "log.txt", "best.safetensors")


@pytest.fixture
def run_id(store: RunStore) -> str:
    """A finished run with every kind of file, and a tidy record."""
    run_id = made_run(store)
    run = store.run(run_id)
    run.write_result({"best": {"accuracy": 0.5, "loss": 1.0}})
    run.append_log("Finished.")
    run.write_file("best.safetensors", random.Random(0).randbytes(5_000))
    run.write_file("last.pt", random.Random(1).randbytes(9_000))
    run.tidy_record(at_work=False)
    return run_id


def use(store: RunStore, run_id: str) -> list[str]:
    """Read everything in a run the way the program does; return what is said about damage."""
    said = []
    run = RunStore(store.root).run(run_id)
    for read in (run.config, run.meta, run.status, run.result, run.records):
        try:
            read()
        except StoreError as error:
            said.append(str(error))
    for name in ("best.safetensors", "last.pt", "log.txt"):
        said += filter(None, [run.checksums.problem(name)])
    return said


def flip(path: Path, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


def lines(store: RunStore, run_id: str) -> list[str]:
    return (store.root / run_id / CHECKSUMS).read_text().splitlines()


# --- noticed --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*FILES, "last.pt", CHECKSUMS])
def test_a_flipped_bit_is_noticed_in_the_file_that_has_it(store: RunStore, run_id: str, name: str) -> None:
    path = store.root / run_id / name
    sound = path.read_bytes()
    rng = random.Random(name)
    bits = {0, 8 * len(sound) - 1, *(rng.randrange(8 * len(sound)) for _ in range(40))}
    for bit in bits:
        flip(path, bit)
        said = use(store, run_id)
        assert said and all(text.startswith(f"{name} of run {run_id}") for text in said), bit
        assert all("damaged" in text or "belongs" in text for text in said) and "resnet-lab check" in said[0], bit
        assert set(store.run(run_id).checksums.problems()) == {name}, bit
        path.write_bytes(sound)
    assert use(store, run_id) == []


def test_bits_all_over_the_record_matter(store: RunStore, run_id: str) -> None:
    path = store.root / run_id / CHECKSUMS
    sound = path.read_bytes()
    for bit in range(0, 8 * len(sound), 11):
        flip(path, bit)
        with pytest.raises(StoreError, match=CHECKSUMS):
            Checksums(path.parent, run_id).read("config.json")
        path.write_bytes(sound)


def test_an_edited_digit_makes_a_damaged_run(store: RunStore, run_id: str) -> None:
    path = store.root / run_id / "metrics.jsonl"
    path.write_text(path.read_text().replace("7", "8", 1))
    row = store.frame().loc[0]
    assert row["state"] == "damaged" and "metrics.jsonl" in row["error"]
    with pytest.raises(StoreError, match=r"metrics\.jsonl.*SHA-256"):
        store.metrics(run_id)


@pytest.mark.parametrize("name", [*FILES, "last.pt"])
def test_a_file_of_another_run_is_noticed(store: RunStore, run_id: str, name: str) -> None:
    other = made_run(store, epochs=3, name="another")
    store.run(other).write_result({"best": {"accuracy": 0.6}})
    store.run(other).append_log("Stopped.")
    store.run(other).write_file("best.safetensors", b"other weights")
    store.run(other).write_file("last.pt", b"other state")
    shutil.copy(store.root / other / name, store.root / run_id / name)
    assert [text for text in use(store, run_id) if name in text]


def test_a_record_of_another_run_and_a_copied_folder_are_refused(store: RunStore, run_id: str) -> None:
    other = made_run(store)
    copy = "20260101-000000-2222"
    shutil.copytree(store.root / run_id, store.root / copy)
    with pytest.raises(StoreError, match=f"{copy} belongs to run {run_id}"):
        store.run(copy).config()
    shutil.copy(store.root / other / CHECKSUMS, store.root / run_id / CHECKSUMS)
    with pytest.raises(StoreError, match=f"{run_id} belongs to run {other}"):
        store.run(run_id).status()


def test_lines_of_another_runs_record_are_refused(store: RunStore, run_id: str) -> None:
    """Even together with the file that they list."""
    other = made_run(store, epochs=3)
    line = next(line for line in lines(store, other) if "metrics.jsonl" in line)
    shutil.copy(store.root / other / "metrics.jsonl", store.root / run_id / "metrics.jsonl")
    with (store.root / run_id / CHECKSUMS).open("a") as file:
        file.write(line + "\n")
    with pytest.raises(StoreError, match=f"{CHECKSUMS}.*damaged"):
        store.run(run_id).records()


def test_a_file_that_is_not_in_the_record_is_noticed(store: RunStore) -> None:
    run_id = made_run(store)
    (store.root / run_id / "result.json").write_text('{"best": {"accuracy": 0.99}}')
    with pytest.raises(StoreError, match=r"result\.json.*damaged"):
        store.run(run_id).result()


def test_a_damaged_log_is_shown_with_a_note_and_stays_damaged(store: RunStore, run_id: str) -> None:
    path = store.root / run_id / "log.txt"
    path.write_text(path.read_text().replace("Finished", "finished"))
    store.run(run_id).append_log("More.")
    log = store.run(run_id).log()
    assert "damaged" in log.splitlines()[0] and "finished" in log and "More." in log
    assert store.frame().loc[0, "state"] == "finished"


def test_a_bit_of_the_last_batch_is_noticed(store: RunStore) -> None:
    run_id = made_run(store, state="running")
    store.run(run_id).write_progress(made_progress())
    path = store.root / run_id / "progress.json"
    sound = path.read_bytes()
    for bit in range(0, 8 * len(sound), 7):
        flip(path, bit)
        try:
            assert store.run(run_id).progress() == made_progress(), bit
        except StoreError as error:
            assert "progress.json" in str(error)
        path.write_bytes(sound)
    assert store.run(run_id).progress() == made_progress()


# --- forgiven: writing that was cut short ---------------------------------------------------------


@pytest.mark.parametrize("name", ["metrics.jsonl", "log.txt"])
def test_a_line_that_was_cut_short_anywhere_is_no_damage(store: RunStore, name: str) -> None:
    run_id = made_run(store, epochs=1)
    append: Callable[[], None] = {
        "metrics.jsonl": lambda: store.run(run_id).append_record(made_record(len(store.run(run_id).records()) + 1)),
        "log.txt": lambda: store.run(run_id).append_log("a line"),
    }[name]
    path = store.root / run_id / name
    append()
    start, epochs = path.stat().st_size, len(store.run(run_id).records())
    append()
    content = path.read_bytes()
    for end in {*range(start, len(content), 9), len(content) - 1}:
        for left in (content[:end], content[:end].ljust(len(content), b"\0")):  # a power cut may leave zeros
            path.write_bytes(left)
            assert store.run(run_id).checksums.problem(name) is None, end
            assert len(store.run(run_id).records()) == epochs
    flip(path, 8 * (start - 1))
    assert store.run(run_id).checksums.problem(name), "the newline before the torn line"
    path.write_bytes(content[:-1] + b"\x0b")
    assert store.run(run_id).checksums.problem(name), "a newline that became another character"
    path.write_bytes(content[: start + 5])
    append()
    append()
    assert store.run(run_id).checksums.problem(name) is None
    assert path.read_bytes().startswith(content[: start + 5] + b"\n"), "the torn line was ended"


def test_a_first_line_that_was_cut_short_is_no_damage(store: RunStore) -> None:
    run_id = made_run(store, epochs=1)
    path = store.root / run_id / "metrics.jsonl"
    content = path.read_bytes()
    for end in (0, 1, len(content) - 1):
        path.write_bytes(content[:end])
        assert store.run(run_id).records() == []
    store.run(run_id).append_record(made_record(1))
    assert len(store.run(run_id).records()) == 1
    store.run(run_id).tidy_record(at_work=False)
    path.write_bytes(b"")
    with pytest.raises(StoreError, match="damaged"):
        store.run(run_id).records()


def test_a_record_whose_last_line_was_cut_short_anywhere_is_no_damage(store: RunStore) -> None:
    run_id = made_run(store)
    path = store.root / run_id / CHECKSUMS
    start = path.stat().st_size
    before = (store.root / run_id / "meta.json").read_bytes()
    store.run(run_id).annotate(name="renamed")
    content = path.read_bytes()
    for end, zeros in itertools.product({*range(start, len(content), 5), len(content) - 1}, (False, True)):
        path.write_bytes(content[:end].ljust(len(content) * zeros, b"\0"))
        (store.root / run_id / "meta.json").write_bytes(before)
        assert store.run(run_id).checksums.problems() == {}, end
        store.run(run_id).annotate(name="again")
        assert store.run(run_id).meta().name == "again"
        assert store.run(run_id).checksums.problems() == {}, end


def test_a_version_that_was_listed_and_never_written_is_no_damage(store: RunStore, run_id: str) -> None:
    run, path = store.run(run_id), store.root / run_id / "status.json"
    before = path.read_bytes()
    run.write_status(run.stored_status())
    for _ in range(3):  # crashes between the line and the file
        changed = RunStore(store.root).run(run_id)
        changed.write_status(changed.stored_status().__class__(state="stopped"))
        path.write_bytes(before)
        RunStore(store.root).run(run_id).tidy_record(at_work=True)
        assert use(store, run_id) == []


# --- kept -----------------------------------------------------------------------------------------


def test_a_finished_runs_record_has_a_line_for_each_file(store: RunStore, run_id: str) -> None:
    head, *rest = lines(store, run_id)
    assert head.split("  ")[:4] == ["resnet-lab-checksums-1", run_id, "recorded", "0"]
    assert sorted(line.split("  ")[2] for line in rest) == sorted([*FILES, "last.pt"])
    assert not store.run(run_id).checksums.recorded_later


def test_tidying_does_not_hide_damage(store: RunStore, run_id: str) -> None:
    flip(store.root / run_id / "best.safetensors", 77)
    (store.root / run_id / "stray.txt").write_text("from elsewhere")
    before = store.run(run_id).checksums.problems()
    store.run(run_id).tidy_record(at_work=True)
    assert store.run(run_id).checksums.problems() == before and set(before) == {"best.safetensors", "stray.txt"}


def test_a_folder_from_before_is_used_as_it_is_and_recorded_later(store: RunStore, run_id: str) -> None:
    path = store.root / run_id
    (path / CHECKSUMS).unlink()
    store.run(run_id).annotate(name="renamed")
    assert use(store, run_id) == [] and not (path / CHECKSUMS).exists()
    store.run(run_id).checksums.record(later=True)
    assert store.run(run_id).checksums.recorded_later
    flip(path / "meta.json", 100)
    assert len(use(store, run_id)) == 1
    store.run(run_id).tidy_record(at_work=False)
    assert store.run(run_id).checksums.recorded_later, "the mark stays"


def test_only_a_copy_made_during_training_may_be_newer_than_its_record(store: RunStore, run_id: str) -> None:
    path = store.root / run_id
    store.run(run_id).tidy_record(at_work=True)
    old = (path / CHECKSUMS).read_bytes()
    store.run(run_id).write_file("last.pt", b"newer")
    (path / CHECKSUMS).write_bytes(old)
    assert store.run(run_id).checksums.problem("last.pt")
    shutil.copytree(path, store.root / "copy" / run_id)
    copy = RunStore(store.root / "copy")
    assert use(copy, run_id) == []
    copy.run(run_id).tidy_record(at_work=False)
    assert copy.run(run_id).checksums.recorded_later
    flip(copy.root / run_id / "last.pt", 3)
    assert use(copy, run_id)


def test_a_reader_that_meets_a_tidied_record_looks_again(
    store: RunStore, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, run = checksums_module.read_file, store.run(run_id)

    def read_and_change(path: Path, *rest: int) -> bytes:
        content = read(path, *rest)
        if path.name == "meta.json":
            monkeypatch.undo()
            store.run(run_id).annotate(name="renamed")
            store.run(run_id).tidy_record(at_work=False)
        return content

    monkeypatch.setattr(checksums_module, "read_file", read_and_change)
    assert run.meta().name == "renamed"


def test_a_long_record_can_be_tidied(store: RunStore, run_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checksums_module, "LONG", 2_000)
    run = store.run(run_id)
    for _ in range(15):
        run.write_status(run.stored_status())
    assert run.checksums.long
    run.tidy_record(at_work=True)
    assert not run.checksums.long and use(store, run_id) == []


def test_a_log_is_hashed_once_by_the_process_that_appends_to_it(
    store: RunStore, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = store.run(run_id)
    run.append_log("first")
    monkeypatch.setattr(checksums_module, "read_file", lambda *_: pytest.fail("the log was read again"))
    run.append_log("second")
    monkeypatch.undo()
    with (store.root / run_id / "log.txt").open("a") as file:
        file.write("by hand\n")
    run.append_log("third")
    assert "damaged" in run.log(), "what others wrote is not recorded as ours"


def test_importing_and_creating_make_a_record(store: RunStore, tmp_path: Path) -> None:
    run_id = made_run(store)
    assert store.run(run_id).checksums.recorded and not store.run(run_id).checksums.recorded_later
    moved = tmp_path / "cache" / run_id
    moved.parent.mkdir()
    (store.root / run_id).rename(moved)
    os.unlink(moved / CHECKSUMS)
    store.adopt(moved)
    assert store.run(run_id).checksums.recorded and not store.run(run_id).checksums.recorded_later
    assert json.loads((store.root / run_id / "meta.json").read_text())["reference"] is False
