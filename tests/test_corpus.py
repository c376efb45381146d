"""Run folders written by an earlier version (commit d932fad) open, import and resume as they did then.

``tests/corpus/expected.json`` holds what that version answered. Names of fields and columns, commands and file formats
are contracts with other people's scripts, so every field of an answer must be there with exactly its value; only values
that depend on the machine or the clock are left out. A new field, or a new last column, is allowed.
``python -m tests.test_corpus`` writes the file again from the code at hand: do that only for an intended change of a
contract, and review the difference.
"""

import contextlib
import io
import json
import math
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from core.cli.main import main
from core.runs.checksums import CHECKSUMS
from core.runs.predictions import PREDICTIONS
from core.runs.store import RunStore

CORPUS = Path(__file__).parent / "corpus"
ARCHIVE = CORPUS / "exported.zip"
LABELS: dict[str, dict[str, str]] = json.loads((CORPUS / "labels.json").read_text())
RUNS, STUDIES = LABELS["runs"], LABELS["studies"]

#: Replaces a value that depends on the machine or the clock. A field that disappears still fails the test.
VARIES = "varies"
_ESTIMATE = ("left.seconds", "left.low", "left.high", "left.source")
#: Fields of an answer whose values vary, by command; a sentence for the person may be worded better one day.
VARYING = {
    "study status": _ESTIMATE,
    "study add": _ESTIMATE,
    "study pause": _ESTIMATE,
    "export": ("file", "bytes"),
    "classify": ("pictures.0.file",),
    "resume": ("runs.0.best_epoch", "runs.0.best_val_accuracy", "runs.0.test_accuracy"),
    "extend": ("runs.0.id",),
    "trash": ("errors.0",),
}
#: Relative tolerance for what a network computes. Another processor rounds differently, by about 1e-7 in these runs.
CLOSE = 1e-4

#: Commands that only read.
READING: list[list[str]] = [
    ["list"],
    *(["show", run_id] for label, run_id in RUNS.items() if label != "in the trash"),
    ["layers", RUNS["finished, validated on test"]],
    ["restore"],
    ["empty-trash"],
    ["study", "list"],
    ["study", "status", STUDIES["partly finished"]],
    ["study", "status", STUDIES["from the report"]],
    ["study", "export", STUDIES["from the report"]],
    ["study", "restore"],
]
#: Commands that read and compute with weights. IMAGE becomes the path of an image.
COMPUTING: list[list[str]] = [
    ["evaluate", RUNS["finished"]],
    ["evaluate", RUNS["finished"], "--part", "test"],
    ["evaluate", RUNS["stopped"]],
    ["classify", RUNS["finished"], "IMAGE", "--top", "4", "--crop", "whole"],
]
#: Commands that change something; they run in this order.
CHANGING: list[list[str]] = [
    ["stop", RUNS["queued"]],
    ["resume", RUNS["interrupted"], "--queue"],
    ["resume", RUNS["torn last line"], "--queue"],
    ["resume", RUNS["failed"], "--queue"],
    ["resume", RUNS["finished"], "--queue"],
    ["extend", RUNS["stopped"], "--epochs", "9", "--queue"],
    ["trash", RUNS["finished, validated on test"], RUNS["odd name"]],
    ["trash", RUNS["reference"]],
    ["restore", "latest"],
    ["restore", RUNS["odd name"][-4:]],
    ["restore"],
    ["study", "pause", "Learning rate"],
    ["study", "add", "Learning rate", "--seeds", "1"],
    ["study", "restore", STUDIES["in the trash"]],
    ["study", "status", "Pairs"],
    ["study", "trash", "Pairs"],
    ["study", "restore"],
    ["empty-trash", "--yes"],
]
#: What a person may type to name a run or a study.
_STOPPED = RUNS["stopped"]
_IDS = ["latest", _STOPPED, _STOPPED[-4:], _STOPPED[:15], _STOPPED[:8], RUNS["in the trash"]]
_NAMES = ["held out", "Held out", "a reference run", "=1+2 Größe 模型 🧪 reversed", "interrupted"]
TYPED_RUNS = [*_IDS, *_NAMES, "", "nothing", "../.."]
TYPED_STUDIES = ["latest", "Learning rate", "Pairs", STUDIES["partly finished"][-4:], STUDIES["in the trash"], "2026"]


# --- what the code under test answers -------------------------------------------------------------


def answer(root: Path, words: Sequence[str]) -> dict[str, Any]:
    """Run a command with ``--json`` on the runs in ``root``; return its exit code and its answer, VARIES filled in."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([*words, "--json", "--runs", str(root)])
    out.seek(0)
    text = out.read()
    data = json.loads(text) if text else None
    command = " ".join(words[:2]) if words[0] == "study" else words[0]
    for path in VARYING.get(command, ()):
        _fill_in(data, path.split("."))
    return {"code": code, "answer": data}


def _fill_in(data: Any, path: Sequence[str]) -> None:
    """Put VARIES in place of the value at ``path``, if there is one."""
    *parents, last = [int(name) if name.isdecimal() else name for name in path]
    with contextlib.suppress(LookupError, TypeError):
        for name in parents:
            data = data[name]
        if data[last] != VARIES:  # a field that is missing raises and stays missing
            data[last] = VARIES


def answers(root: Path, commands: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Return the answer to each command, by the command line."""
    return {" ".join(words): answer(root, words) for words in commands}


def with_image(words: Sequence[str], folder: Path) -> list[str]:
    """Return the command with the path of a smooth image, larger than the network's input, in place of ``IMAGE``."""
    y, x = np.mgrid[0:64, 0:96]
    path = folder / "image.png"
    Image.fromarray(np.stack([2 * x, 3 * y, 255 - x - y], axis=-1).astype(np.uint8)).save(path)
    return [str(path) if word == "IMAGE" else word for word in words]


def tables(root: Path) -> dict[str, Any]:
    """Return the table of all runs and each run's table of epochs."""
    store = RunStore(root)
    metrics = {run_id: as_lists(store.metrics(run_id)) for run_id in sorted(store.ids())}
    return {"frame": as_lists(store.frame()), "metrics": metrics}


def without_new_columns(tables: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tables of runs and epochs without columns behind those that they had ``before``."""

    def cut(table: Mapping[str, Any], known: int) -> dict[str, Any]:
        return {"columns": table["columns"][:known], "rows": [row[:known] for row in table["rows"]]}

    old = before["metrics"]
    metrics = {run_id: cut(table, len(old[run_id]["columns"])) for run_id, table in tables["metrics"].items()}
    return {**tables, "metrics": metrics, "frame": cut(tables["frame"], len(before["frame"]["columns"]))}


def as_lists(table: pd.DataFrame) -> dict[str, Any]:
    """Return a table's columns and rows as JSON has them: ``None`` for an empty cell and for NaN."""
    rows = [[_plain(cell) for cell in row] for row in table.itertuples(index=False, name=None)]
    return {"columns": list(table.columns), "rows": rows}


def _plain(cell: Any) -> Any:
    if isinstance(cell, list | tuple):
        return [_plain(value) for value in cell]
    if isinstance(cell, np.generic):
        cell = cell.item()
    return None if cell is pd.NA or (isinstance(cell, float) and math.isnan(cell)) else cell


def meant(root: Path, command: Sequence[str], typed: str) -> str | None:
    """Return the id of the run or study that ``typed`` means to a command, ``None`` if it refuses."""
    reply = answer(root, [*command, typed])
    return reply["answer"]["id"] if reply["code"] == 0 else None


def places(root: Path) -> dict[str, Any]:
    """Return every run's state by id, the queue, and what is in the trash."""
    store = RunStore(root)
    states = {run["id"]: run["state"] for run in answer(root, ["list"])["answer"]}
    return {"states": states, "queue": store.queue.ids(), "trash": store.trash.ids()}


def meta_and_status(root: Path) -> dict[str, Any]:
    """Return the description and the state of every run by id."""
    shown = {run_id: answer(root, ["show", run_id])["answer"] for run_id in sorted(RunStore(root).ids())}
    return {run_id: {"meta": run["meta"], "status": run["status"]} for run_id, run in shown.items()}


def epochs(root: Path, run_id: str) -> list[dict[str, Any]]:
    """Return the lines of a run's metrics.jsonl."""
    return [json.loads(line) for line in (root / run_id / "metrics.jsonl").read_text().splitlines()]


def files(root: Path, run_id: str) -> list[str]:
    """Return the names of the files in a run's folder, without the record of them, which is new."""
    return sorted(path.name for path in (root / run_id).iterdir() if path.name not in (".lock", CHECKSUMS))


# --- fixtures -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    """The answers of the version that wrote the corpus, with the command line's present name."""
    return json.loads((CORPUS / "expected.json").read_text().replace("python -m core ", "resnet-lab "))


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A copy of the corpus's runs, to change."""
    return Path(shutil.copytree(CORPUS / "runs", tmp_path / "corpus"))


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the corpus's runs for tests that only read; fails at the end if a file changed."""
    root = Path(shutil.copytree(CORPUS / "runs", tmp_path_factory.mktemp("read") / "corpus"))
    yield root
    assert _contents(root) == _contents(CORPUS / "runs"), "reading changed a file"


def _contents(root: Path) -> dict[str, bytes]:
    """Return the files below ``root`` by relative path, without the cache and locks."""
    paths = [path for path in root.rglob("*") if path.is_file() and not path.name.endswith(".lock")]
    relative = [path.relative_to(root) for path in paths]
    return {str(path): (root / path).read_bytes() for path in relative if path.parts[0] != ".cache"}


def _labelled(words: Sequence[str]) -> str:
    """Return the name of a command's test: the command with labels in place of ids."""
    labels = {identifier: label for group in LABELS.values() for label, identifier in group.items()}
    return " ".join(labels.get(word, word) for word in words)


def assert_same(ours: Any, theirs: Any, rel: float = 0.0) -> None:
    """Fail with a line for each field of ``theirs`` that ``ours`` lacks or has with another value.

    ``rel`` is the tolerance for numbers with a point.
    """
    if differences := list(_differences(ours, theirs, rel, "")):
        pytest.fail("\n".join(differences[:20]), pytrace=False)


def _differences(ours: Any, theirs: Any, rel: float, path: str) -> Iterator[str]:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        yield from (f"{path}.{name} is missing" for name in theirs if name not in ours)
        for name in [name for name in ours if name in theirs]:
            yield from _differences(ours[name], theirs[name], rel, f"{path}.{name}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for index, (value, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from _differences(value, other, rel, f"{path}[{index}]")
    elif isinstance(ours, bool) != isinstance(theirs, bool) or (
        ours != (pytest.approx(theirs, rel=rel) if rel and isinstance(theirs, float) else theirs)
    ):
        yield f"{path} is {ours!r}, was {theirs!r}"


# --- opening --------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", READING, ids=_labelled)
def test_a_reading_command_answers_as_before(unchanged: Path, expected: Mapping[str, Any], words: list[str]) -> None:
    assert_same(answer(unchanged, words), expected["reading"][" ".join(words)])


@pytest.mark.parametrize("words", COMPUTING, ids=_labelled)
def test_a_computing_command_answers_as_before(
    unchanged: Path, expected: Mapping[str, Any], words: list[str], tmp_path: Path
) -> None:
    assert_same(answer(unchanged, with_image(words, tmp_path)), expected["computing"][" ".join(words)], rel=CLOSE)


def test_the_tables_of_runs_and_epochs_are_as_before(unchanged: Path, expected: Mapping[str, Any]) -> None:
    for _ in range(2):  # the second look is at rows kept in the cache
        assert_same(without_new_columns(tables(unchanged), expected["tables"]), expected["tables"])


@pytest.mark.parametrize("typed", TYPED_RUNS)
def test_what_a_person_types_means_the_same_run(unchanged: Path, expected: Mapping[str, Any], typed: str) -> None:
    run_id = expected["meant"]["runs"][typed]
    assert meant(unchanged, ["show"], typed) == run_id
    if run_id is not None:
        assert RunStore(unchanged).find(typed) == run_id


@pytest.mark.parametrize("typed", TYPED_STUDIES)
def test_what_a_person_types_means_the_same_study(unchanged: Path, expected: Mapping[str, Any], typed: str) -> None:
    assert meant(unchanged, ["study", "status"], typed) == expected["meant"]["studies"][typed]


def test_queue_and_trash_are_as_before(unchanged: Path, expected: Mapping[str, Any]) -> None:
    assert_same(places(unchanged), expected["places"])


# --- changing -------------------------------------------------------------------------------------


def test_commands_that_change_something_answer_as_before(corpus: Path, expected: Mapping[str, Any]) -> None:
    for words in CHANGING:
        assert_same({" ".join(words): answer(corpus, words)}, {" ".join(words): expected["changing"][" ".join(words)]})
    assert_same(places(corpus), expected["places afterwards"])


# --- moving to another computer -------------------------------------------------------------------


def test_an_exported_file_is_imported_as_before(tmp_path: Path, expected: Mapping[str, Any]) -> None:
    root = tmp_path / "empty"
    assert_same(answer(root, ["import", str(ARCHIVE)]), expected["imported"]["import"])
    before = expected["imported"]["tables"]
    assert_same(without_new_columns(tables(root), before), before)
    assert_same(meta_and_status(root), expected["imported"]["runs"])
    again = answer(root, ["import", str(ARCHIVE)])
    assert (again["code"], again["answer"]["imported"]) == (1, []), "the runs are here already"
    assert_same(without_new_columns(tables(root), before), before)


def test_an_exported_file_has_the_format_it_had(corpus: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(ARCHIVE) as theirs:
        manifest = json.loads(theirs.read("manifest.json"))
        run_ids = list(manifest["runs"])
        reply = answer(corpus, ["export", *run_ids, "--to", str(tmp_path / "exported.zip")])
        assert reply == {"code": 0, "answer": {"file": VARIES, "runs": run_ids, "bytes": VARIES}}
        with zipfile.ZipFile(tmp_path / "exported.zip") as ours:
            assert ours.namelist() == theirs.namelist()
            assert json.loads(ours.read("manifest.json")) | {"made_at": manifest["made_at"]} == manifest
            members = [name for name in ours.namelist() if name != "manifest.json"]
            assert [ours.read(name) for name in members] == [theirs.read(name) for name in members]


# --- resuming -------------------------------------------------------------------------------------


@pytest.mark.parametrize("moved", [False, True], ids=["in its folder", "after export and import"])
def test_a_stopped_run_resumes_to_its_end(
    corpus: Path, tmp_path: Path, expected: Mapping[str, Any], moved: bool
) -> None:
    root, run_id, known = corpus, RUNS["stopped"], expected["resumed"]
    if moved:
        root, file = tmp_path / "elsewhere", str(tmp_path / "stopped.zip")
        assert answer(corpus, ["export", run_id, "--to", file])["code"] == 0
        assert answer(root, ["import", file])["answer"] == {"imported": [run_id], "errors": []}
    before = epochs(root, run_id)
    assert_same(answer(root, ["resume", run_id]), known["resume"])
    *kept, last = epochs(root, run_id)
    assert kept == before, "the epochs before the stop stay as they were"
    assert last.keys() >= known["epoch"].keys()
    for name in ("epoch", "step", "images", "lr"):
        assert last[name] == known["epoch"][name], name
    for name in ("train_loss", "train_objective", "val_loss", "val_objective", "val_loss_by_class"):
        assert last[name] == pytest.approx(known["epoch"][name], rel=CLOSE), name
    assert RunStore(root).run(run_id).status().state == "finished"
    assert files(root, run_id) == sorted([*known["files"], PREDICTIONS]), "which earlier versions did not write"
    result = json.loads((root / run_id / "result.json").read_text())
    assert {images: sorted(fields) for images, fields in result.items()} == known["result"]

    assert_same(answer(root, ["extend", run_id, "--epochs", "5", "--queue"]), known["extend"])
    child = RunStore(root).ids()[0]
    assert (RunStore(root).run(child).meta().parent, files(root, child)) == (run_id, known["files of the extended run"])


# --- writing what is expected ---------------------------------------------------------------------


def observed(scratch: Path) -> dict[str, Any]:
    """Return the content of expected.json: what the code at hand answers."""
    first, second, third = (Path(shutil.copytree(CORPUS / "runs", scratch / str(copy))) for copy in range(3))
    content: dict[str, Any] = {
        "reading": answers(first, READING),
        "computing": {" ".join(words): answer(first, with_image(words, scratch)) for words in COMPUTING},
        "tables": tables(first),
        "meant": {
            "runs": {typed: meant(first, ["show"], typed) for typed in TYPED_RUNS},
            "studies": {typed: meant(first, ["study", "status"], typed) for typed in TYPED_STUDIES},
        },
        "places": places(first),
        "changing": answers(second, CHANGING),
        "places afterwards": places(second),
    }
    imported = answer(scratch / "empty", ["import", str(ARCHIVE)])
    content["imported"] = {
        "import": imported,
        "tables": tables(scratch / "empty"),
        "runs": meta_and_status(scratch / "empty"),
    }
    run_id = RUNS["stopped"]
    content["resumed"] = {
        "resume": answer(third, ["resume", run_id]),
        "epoch": epochs(third, run_id)[-1] | {"seconds": VARIES, "images_per_second": VARIES},
        "files": files(third, run_id),
        "result": {
            images: sorted(fields)
            for images, fields in json.loads((third / run_id / "result.json").read_text()).items()
        },
        "extend": answer(third, ["extend", run_id, "--epochs", "5", "--queue"]),
        "files of the extended run": files(third, RunStore(third).ids()[0]),
    }
    return content


def as_text(content: Any, indent: str = "") -> str:
    """Return ``content`` as JSON with a line for each answer and each row, so that a difference is easy to read."""
    inner = indent + " "
    values = list(content.values() if isinstance(content, dict) else content if isinstance(content, list) else ())
    nested = any(isinstance(value, dict | list) for value in values)
    if not nested or "answer" in content or len(inner) > 5:
        return json.dumps(content, ensure_ascii=False)
    if isinstance(content, dict):
        names = [json.dumps(name, ensure_ascii=False) for name in content]
        lines = [f"{name}: {as_text(value, inner)}" for name, value in zip(names, values, strict=True)]
    else:
        lines = [json.dumps(value, ensure_ascii=False) for value in values]
    start, end = "{}" if isinstance(content, dict) else "[]"
    return f"{start}\n{inner}" + f",\n{inner}".join(lines) + f"\n{indent}{end}"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        (CORPUS / "expected.json").write_text(as_text(observed(Path(folder))) + "\n")
