"""Runs that travel: out as one .zip, in elsewhere whole and verified, and nothing else comes in with them."""

import io
import json
import stat
import struct
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.base.errors import StoreError
from core.base.paths import is_litter
from core.config import run_config
from core.runs import transfer
from core.runs.predictions import PREDICTIONS, predictions_bytes
from core.runs.store import RunStore
from core.runs.transfer import export, import_runs
from tests.made import change_file, made_run
from tests.runs.test_predictions import made_answers, made_predictions

ELSEWHERE = "20240101-120000-aaaa"


@pytest.fixture
def other(tmp_path: Path) -> RunStore:
    """A laboratory elsewhere."""
    return RunStore(tmp_path / "elsewhere")


def with_weights(store: RunStore, **about: Any) -> str:
    run_id = made_run(store, **about)
    store.run(run_id).write_file("best.safetensors", b"weights" * 100)
    store.run(run_id).write_file("last.pt", bytes(range(256)) * 40)
    store.run(run_id).write_result({"best": {"accuracy": 0.5}})
    store.run(run_id).append_log("Finished.")
    return run_id


def packed(store: RunStore, *run_ids: str) -> io.BytesIO:
    target = io.BytesIO()
    export(store, run_ids, target)
    return target


def contents(store: RunStore, run_id: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in store.run(run_id).path.iterdir() if path.name in transfer.FILES}


Members = list[tuple[zipfile.ZipInfo | str, bytes]]


def rewritten(archive: io.BytesIO, change: Callable[[dict[str, bytes]], Members | None]) -> io.BytesIO:
    """The .zip with other content: what ``change`` returns, or what it made of the files by name."""
    with zipfile.ZipFile(archive) as before:
        files = {name: before.read(name) for name in before.namelist()}
    members = change(files)
    target = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as after:
        warnings.simplefilter("ignore")  # zipfile itself warns of a name that is there twice
        for name, content in members if members is not None else files.items():
            after.writestr(name, content)
    return target


# --- out and in -----------------------------------------------------------------------------------


def test_runs_arrive_as_they_left(store: RunStore, other: RunStore) -> None:
    first, second = with_weights(store, name="one", tags=("t",), note="why"), with_weights(store, state="failed")
    there = made_run(other, name="there")
    before = contents(other, there)
    outcome = import_runs(other, packed(store, first, second), "runs.zip")
    assert (outcome.done, outcome.problems) == ([first, second], [])
    assert sorted(other.ids()) == sorted([first, second, there])
    for run_id in (first, second):
        ours, theirs = contents(store, run_id), contents(other, run_id)
        assert ours.keys() == theirs.keys() == transfer.FILES.keys() - {PREDICTIONS}
        assert all(ours[name] == theirs[name] for name in ours if name not in ("status.json", "meta.json"))
        assert other.run(run_id).status().state == store.run(run_id).status().state
        assert (
            other.run(run_id).meta() == store.run(run_id).meta()
            and other.run(run_id).config() == store.run(run_id).config()
        )
    assert contents(other, there) == before
    assert not list(other.cache_folder.glob("new-*"))


def predicted(store: RunStore, seed: int = 0, **changes: Any) -> str:
    """A finished run with predictions that fit its record."""
    run_id = with_weights(store, epochs=2)
    answers, run = made_answers("validation", seed=seed), store.run(run_id)
    config = run.config().replace({"data.validation_size": len(answers)})
    run.checksums.write_json("config.json", config.to_dict())
    first, last = run.records()
    run.write_records([replace(first, val_accuracy=0.0), replace(last, val_accuracy=answers.accuracy)])
    predictions = replace(made_predictions(answers), **changes)
    run.write_predictions(predictions_bytes(predictions, config))
    return run_id


def test_predictions_travel_with_their_run(store: RunStore, other: RunStore) -> None:
    run_id = predicted(store)
    outcome = import_runs(other, packed(store, run_id), "runs.zip")
    assert (outcome.done, outcome.problems) == ([run_id], [])
    assert contents(other, run_id)[PREDICTIONS] == contents(store, run_id)[PREDICTIONS]
    assert other.run(run_id).checksums.problems() == {} and other.predictions(run_id) is not None


@pytest.mark.parametrize("fault", ["damaged", "not as exported", "of another run", "of another configuration"])
def test_predictions_that_cannot_be_used_are_left_out_and_named(store: RunStore, other: RunStore, fault: str) -> None:
    first, second = predicted(store), predicted(store, seed=1)
    ours, theirs = (store.run(run_id).checksums.read(PREDICTIONS) for run_id in (first, second))
    content = {
        "damaged": ours[:-9],
        "not as exported": ours,
        "of another run": theirs,
        "of another configuration": ours.replace(b'\\"width\\": 16', b'\\"width\\": 20'),
    }[fault]
    store.run(first).checksums.write(PREDICTIONS, content)
    archive = packed(store, first, second)
    if fault == "not as exported":
        archive = rewritten(archive, lambda files: files.update({f"{first}/{PREDICTIONS}": theirs}))
    else:
        assert fault == "of another run" or content != ours
    outcome = import_runs(other, archive, "runs.zip")
    assert outcome.done == [first, second] and len(outcome.problems) == 1
    assert first in outcome.problems[0] and "resnet-lab predict" in outcome.problems[0]
    assert PREDICTIONS not in contents(other, first) and other.run(first).checksums.problems() == {}
    assert contents(other, second)[PREDICTIONS] == theirs


@pytest.mark.parametrize(
    ("state", "arrives"),
    [
        ("queued", "stopped"),
        ("running", "stopped"),
        ("stopping", "stopped"),
        ("stopped", "stopped"),
        ("finished", "finished"),
        ("failed", "failed"),
        ("interrupted", "interrupted"),
    ],
)
def test_no_run_arrives_waiting_or_at_work(store: RunStore, other: RunStore, state: str, arrives: str) -> None:
    run_id = made_run(store, state=state)
    store.run(run_id).write_status(replace(store.run(run_id).stored_status(), host="here", pid=1, queued_at=1.0))
    assert import_runs(other, packed(store, run_id), "runs.zip").done == [run_id]
    status = other.run(run_id).status()
    assert (status.state, status.host, status.pid, status.queued_at) == (arrives, None, None, None)
    assert other.queue.ids() == []


def test_an_imported_reference_run_is_an_ordinary_run(store: RunStore, other: RunStore) -> None:
    run_id = made_run(store)
    change_file(store, run_id, "meta.json", reference=True)
    import_runs(other, packed(store, run_id), "runs.zip")
    assert not other.run(run_id).meta().reference
    other.trash.put(run_id)


def test_a_run_that_exists_is_left_as_it_is_and_the_rest_is_imported(store: RunStore, other: RunStore) -> None:
    here, thrown, new = (with_weights(store, name=name) for name in ("here", "thrown", "new"))
    archive = packed(store, here, thrown, new)
    assert import_runs(other, packed(store, here, thrown), "runs.zip").problems == []
    other.run(here).annotate(name="renamed")
    other.trash.put(thrown)
    before = contents(other, here)
    outcome = import_runs(other, archive, "runs.zip")
    assert outcome.done == [new]
    assert outcome.problems == [
        f"Run {here} is here already; it was left as it is.",
        f"Run {thrown} is here already in the trash; it was left as it is.",
    ]
    assert contents(other, here) == before and other.trash.ids() == [thrown]


def test_an_older_configuration_comes_in_up_to_date_with_a_copy(
    store: RunStore, other: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = made_run(store)
    old = json.loads((store.run(run_id).path / "config.json").read_text())
    old["schema"], old["train"]["rate"] = 0, old["train"].pop("lr")
    store.run(run_id).checksums.write("config.json", json.dumps(old))

    def rename_the_rate(content: dict[str, Any]) -> dict[str, Any]:
        train = dict(content["train"])
        return {**content, "train": {"lr": train.pop("rate"), **train}}

    monkeypatch.setitem(run_config.MIGRATIONS, 0, rename_the_rate)
    assert import_runs(other, packed(store, run_id), "runs.zip").done == [run_id]
    assert other.run(run_id).config()["train.lr"] == old["train"]["rate"]
    assert json.loads((other.run(run_id).path / "config.json.v0").read_text()) == old
    assert json.loads((other.run(run_id).path / "config.json").read_text())["schema"] == 1


def test_a_file_of_a_run_that_was_changed_on_the_way_keeps_that_run_out_alone(store: RunStore, other: RunStore) -> None:
    bad, good = with_weights(store), with_weights(store)

    def change(files: dict[str, bytes]) -> None:
        files[f"{bad}/last.pt"] = files[f"{bad}/last.pt"][:-1] + b"!"

    outcome = import_runs(other, rewritten(packed(store, bad, good), change), "runs.zip")
    assert outcome.done == [good] == other.ids()
    assert outcome.problems == [f"last.pt of run {bad} differs from what was exported (SHA-256); not imported."]
    assert not list(other.cache_folder.glob("new-*"))


def test_a_folder_that_is_not_a_run_is_refused(store: RunStore, other: RunStore) -> None:
    """The checksums are right; what they are of is not."""
    newer, lacking, good = with_weights(store), with_weights(store), with_weights(store)
    store.run(newer).checksums.write("config.json", '{"schema": 2}')
    (store.run(lacking).path / "status.json").unlink()
    outcome = import_runs(other, packed(store, newer, lacking, good), "runs.zip")
    assert outcome.done == [good] == other.ids()
    assert "was written by a newer ResNet Lab (schema 2)" in outcome.problems[0]
    assert outcome.problems[1] == f"Run {lacking} lacks status.json; it was not imported."


def nested(levels: int) -> str:
    return '{"name": ' + "[" * levels + "]" * levels + "}"


@pytest.mark.parametrize("file", ["meta.json", "config.json", "status.json", "result.json"])
def test_a_run_that_is_nested_too_deep_keeps_itself_out_alone(store: RunStore, other: RunStore, file: str) -> None:
    first, deep, last = (with_weights(store) for _ in range(3))
    store.run(deep).checksums.write(file, nested(900))
    outcome = import_runs(other, packed(store, first, deep, last), "runs.zip")
    assert sorted(outcome.done) == sorted(other.ids()) == sorted([first, last])
    assert len(outcome.problems) == 1 and deep in outcome.problems[0] and "nested" in outcome.problems[0]


@pytest.mark.parametrize("error", [RecursionError(), MemoryError(), OSError(5, "EIO"), RuntimeError("odd"), EOFError()])
def test_whatever_one_run_raises_the_rest_comes_in(
    store: RunStore, other: RunStore, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    first, bad, last = (with_weights(store) for _ in range(3))
    adopt = other.adopt

    def failing(folder: Path) -> None:
        if folder.name == bad:
            raise error
        adopt(folder)

    monkeypatch.setattr(other, "adopt", failing)
    outcome = import_runs(other, packed(store, first, bad, last), "runs.zip")
    assert sorted(outcome.done) == sorted(other.ids()) == sorted([first, last])
    assert len(outcome.problems) == 1 and bad in outcome.problems[0]


def by_a_mac(files: dict[str, bytes]) -> Members:
    """Unpacked by a Mac and compressed in the Finder."""
    members: Members = [("runs 2/", b""), ("runs 2/.DS_Store", b"\0\0\0\1Bud1"), ("__MACOSX/._runs 2", b"\0\5\x16\7")]
    for name, content in files.items():
        folder, _, file = f"runs 2/{name}".rpartition("/")
        members += [(f"{folder}/{file}", content), (f"__MACOSX/{folder}/._{file}", b"\0\5\x16\7")]
        members += [(f"{folder}/._{file}", b"\0\5\x16\7")]
    return members


def by_windows(files: dict[str, bytes]) -> Members:
    litter: Members = [
        ("runs\\Thumbs.db", b"x"),
        ("runs\\desktop.ini", b"x"),
        (f"runs\\{ELSEWHERE}\\Desktop.ini", b"x"),
    ]
    return [*(("runs\\" + name.replace("/", "\\"), content) for name, content in files.items()), *litter]


#: What Linux, network drives and programs that keep folders in step leave behind.
HIDDEN = (
    ".Trash-1000/files/x",
    ".nfs0000001",
    ".stfolder/x",
    ".~lock.runs.csv#",
    ".dropbox",
    ".AppleDouble/config.json",
)


@pytest.mark.parametrize(
    "repack",
    [
        by_a_mac,
        by_windows,
        lambda files: [(f"./{name}", content) for name, content in files.items()],
        lambda files: [(f"a/b/{name}", content) for name, content in files.items()],
        lambda files: [*files.items(), (".DS_Store", b"x"), ("Icon\r", b""), (".directory", b"x")],
        lambda files: [*files.items(), *((name, b"x") for name in HIDDEN)],
    ],
    ids=["a Mac", "Windows", "from here", "two folders", "in place", "hidden files"],
)
def test_an_export_that_was_packed_again_is_imported(store: RunStore, other: RunStore, repack: Any) -> None:
    first, second = with_weights(store), with_weights(store)
    outcome = import_runs(other, rewritten(packed(store, first, second), repack), "runs.zip")
    assert (sorted(outcome.done), outcome.problems) == (sorted([first, second]), [])
    for run_id in (first, second):
        assert contents(other, run_id)["last.pt"] == contents(store, run_id)["last.pt"]
        assert not [path.name for path in other.run(run_id).path.iterdir() if is_litter(path.name)]


def test_the_checksums_decide_about_what_was_packed_again(store: RunStore, other: RunStore) -> None:
    bad, good = with_weights(store), with_weights(store)

    def change(files: dict[str, bytes]) -> Members:
        files[f"{bad}/last.pt"] = files[f"{bad}/last.pt"][:-1] + b"!"
        return by_a_mac(files)

    outcome = import_runs(other, rewritten(packed(store, bad, good), change), "runs.zip")
    assert outcome.done == [good] == other.ids() and bad in outcome.problems[0]


def test_files_beside_the_folder_of_the_export_are_refused(store: RunStore, other: RunStore) -> None:
    def change(files: dict[str, bytes]) -> Members:
        return [*((f"runs/{name}", content) for name, content in files.items()), ("notes.txt", b"mine")]

    with pytest.raises(StoreError, match=r"notes\.txt"):
        import_runs(other, rewritten(packed(store, with_weights(store)), change), "runs.zip")


# --- what is no export of ours --------------------------------------------------------------------


def as_link(files: dict[str, bytes]) -> Members:
    link = zipfile.ZipInfo(f"{ELSEWHERE}/last.pt")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    return [*files.items(), (link, b"/etc/passwd")]


def newer(files: dict[str, bytes]) -> None:
    files["manifest.json"] = files["manifest.json"].replace(b'"version": 1', b'"version": 2')


def endless(files: dict[str, bytes]) -> None:
    files["manifest.json"] = files["manifest.json"].replace(b'"version": 1', b'"version": Infinity')


def otherwise_packed(files: dict[str, bytes]) -> Members:
    info = zipfile.ZipInfo(f"{ELSEWHERE}/last.pt")
    info.compress_type = zipfile.ZIP_BZIP2
    return [*files.items(), (info, bytes(1_000))]


def bomb(files: dict[str, bytes]) -> Members:
    return [*files.items(), (f"{ELSEWHERE}/last.pt", bytes(200_000_000))]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda files: [*files.items(), ("../../evil.txt", b"x")], "“../../evil.txt” in it is not a file of a run"),
        (lambda files: [*files.items(), (f"{ELSEWHERE}/../x.json", b"x")], "is not a file of a run"),
        (lambda files: [*files.items(), (f"{ELSEWHERE}/run.py", b"x")], "run.py” in it is not a file of a run"),
        (as_link, "is a link"),
        (lambda files: [*files.items(), *files.items()], "occurs twice"),
        (lambda files: [(name, one) for name, one in files.items() if name != "manifest.json"], "has no manifest.json"),
        (lambda files: [*files.items(), (f"{ELSEWHERE}/log.txt", b"x")], "not those that its manifest.json lists"),
        (lambda files: files.update({"manifest.json": b"[" * 100_000}), "does not say what it holds"),
        (newer, "a newer ResNet Lab exported it (version 2)"),
        (endless, "does not say what it holds"),
        (otherwise_packed, "is compressed in a way"),
        (bomb, "would expand to 200.0 MB"),
    ],
    ids=[
        "traversal",
        "traversal in a run",
        "foreign file",
        "link",
        "twice",
        "no manifest",
        "unlisted",
        "nested",
        "newer",
        "endless",
        "bzip2",
        "bomb",
    ],
)
def test_a_hostile_file_brings_nothing_in(
    store: RunStore, other: RunStore, tmp_path: Path, change: Any, sentence: str
) -> None:
    archive = rewritten(packed(store, with_weights(store)), change)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(StoreError) as caught:
        import_runs(other, archive, "runs.zip")
    assert str(caught.value).startswith("Nothing was imported from runs.zip: ") and sentence in str(caught.value)
    assert other.ids() == [] and not list(other.cache_folder.glob("*"))
    assert sorted(tmp_path.rglob("*")) == before


def test_a_manifest_that_is_larger_than_it_says_is_not_unpacked(other: RunStore) -> None:
    hidden, stated = 100_000_000, 1_000
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("manifest.json", bytes(hidden))
    lying = archive.getvalue().replace(struct.pack("<L", hidden), struct.pack("<L", stated))
    tracemalloc.start()
    try:
        with pytest.raises(StoreError, match=r"Nothing was imported from x\.zip"):
            import_runs(other, io.BytesIO(lying), "x.zip")
        assert tracemalloc.get_traced_memory()[1] < hidden / 4
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04" + bytes(100)])
def test_a_file_that_is_not_a_zip_is_refused(other: RunStore, content: bytes) -> None:
    with pytest.raises(StoreError, match=r"Nothing was imported from x.zip: it is not a .zip file"):
        import_runs(other, io.BytesIO(content), "x.zip")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_download_cut_short_or_bent_is_a_sentence(store: RunStore, other: RunStore, share: float) -> None:
    content = packed(store, with_weights(store)).getvalue()
    at = int(len(content) * share)
    with pytest.raises(StoreError):
        import_runs(other, io.BytesIO(content[:at]), "x.zip")
    try:
        outcome = import_runs(
            other, io.BytesIO(content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]), "x.zip"
        )
    except StoreError:
        return
    assert outcome.problems or contents(other, other.ids()[0]).keys() == transfer.FILES.keys()


def test_a_file_larger_than_it_can_be_is_refused(
    store: RunStore, other: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = packed(store, with_weights(store))
    monkeypatch.setitem(transfer.FILES, "last.pt", 5_000)
    with pytest.raises(StoreError, match=r"last.pt” in it has 11 kB; at most 5 kB are allowed"):
        import_runs(other, archive, "runs.zip")


def test_a_disk_without_room_is_noticed_before_anything_is_written(
    store: RunStore, other: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = packed(store, with_weights(store))
    monkeypatch.setattr(transfer.shutil, "disk_usage", lambda _: type("", (), {"free": 1_000})())
    with pytest.raises(StoreError, match=r"the disk has 1 kB left; free some space"):
        import_runs(other, archive, "runs.zip")
    assert other.ids() == []


def test_a_missing_file_or_run_is_an_error(store: RunStore, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="does not exist"):
        import_runs(store, tmp_path / "nothing.zip", "nothing.zip")
    with pytest.raises(StoreError, match=f"There is no run {ELSEWHERE}"):
        packed(store, ELSEWHERE)
