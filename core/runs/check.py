"""Check every file of runs and studies against its record, and say what can be done about a damaged one.

Folders from before there were records get one then, marked as recorded later. What repairs a file is in
:mod:`core.jobs.repair`, which needs PyTorch to read saved states.
"""

import contextlib
import os
import re
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.base.errors import RunBusy, StoreError
from core.base.files import locked, read_file, write_json
from core.base.strict_json import CHECK, CHECK_LATER, from_json, with_check, without_check
from core.base.text import counted
from core.runs.checksums import CHECKSUMS, UNRECORDED
from core.runs.epochs import METRICS_BYTES, METRICS_FILE, parse_record
from core.runs.folder import BEST, CONFIG, LAST, LOCK, LOG, META, PREVIOUS, RESULT, SAVED_STATES, STATUS, RunFolder
from core.runs.predictions import PREDICTIONS
from core.runs.shelf import Shelf
from core.runs.storage import SETTINGS_FILE
from core.runs.store import RunStore

_RESTORE = "`resnet-lab restore-backup DIR RUN` restores it from a backup; or copy the settings into a new run."


@dataclass
class Problem:
    """A file that is not as recorded: what is wrong, and what can be done.

    ``repairable`` if there is something to repair it from. ``repaired`` says what a repair did, ``None`` before it or
    if it did not succeed.
    """

    file: str
    problem: str
    advice: str
    repairable: bool = False
    repaired: str | None = None


@dataclass
class Checked:
    """The result for a "run", a "run in the trash", a "study" or a "file": what is wrong, and files from elsewhere.

    ``recorded_later``: the files are older than their record; ``just_recorded``: the record was made now.
    """

    kind: str
    id: str
    files: int = 0
    problems: list[Problem] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    recorded_later: bool = False
    just_recorded: bool = False

    @property
    def unsolved(self) -> list[Problem]:
        """The problems that were not repaired."""
        return [problem for problem in self.problems if problem.repaired is None]


def check(store: RunStore, run_ids: Sequence[str] | None = None) -> list[Checked]:
    """Check runs, by default everything: runs, the trash, studies, notes and settings."""
    if run_ids is not None:
        return [check_run(store.run(run_id)) for run_id in run_ids]
    checked = []
    for kind, shelf in (("run", Shelf(store.root, "run")), ("run in the trash", Shelf(store.trash.folder, "run"))):
        for run_id in shelf.ids():
            with contextlib.suppress(FileNotFoundError):  # deleted meanwhile
                checked.append(check_run(RunFolder(shelf, run_id), kind))
    studies = store.root / ".studies"
    paths = [
        *sorted(studies.glob("*.json"), reverse=True),
        *(store.root / name for name in (".local.json", SETTINGS_FILE)),
    ]
    return [*checked, *(_check_json(path, studies / LOCK) for path in paths if os.path.lexists(path))]


def summary(checked: Sequence[Checked]) -> str:
    """Return one sentence about everything that was checked."""
    runs = sum(item.kind == "run" for item in checked)
    wrong = sum(len(item.unsolved) for item in checked)
    later = sum(item.just_recorded for item in checked)
    parts = [
        f"{counted(runs, 'run')}, {counted(sum(item.files for item in checked), 'file')} checked",
        "all as recorded" if not wrong else f"{wrong:,} damaged",
    ]
    text = f"{parts[0]}, {parts[1]}"
    if repaired := sum(len(item.problems) - len(item.unsolved) for item in checked):
        text += f"; {repaired:,} repaired"
    return f"{text}; {later:,} recorded later." if later else f"{text}."


# --- runs -----------------------------------------------------------------------------------------


def check_run(run: RunFolder, kind: str = "run") -> Checked:
    """Check a run's files, and record them if nothing did."""
    checked, record = Checked(kind, run.id), run.checksums
    found: dict[str, str] = {}
    if not record.recorded:
        found |= unusable(run, states=True)
        try:
            with run.hold():
                run.tidy_record(at_work=False, damaged=found)
            checked.just_recorded = True
        except RunBusy:
            return checked  # it is trained right now, which makes a record
        except StoreError as error:
            found[CHECKSUMS] = str(error)
    different = _different(run)
    if CHECKSUMS not in different:  # no other file can be read then
        found |= unusable(run)
    found |= different
    with contextlib.suppress(StoreError):
        unlisted = [
            name for name in found if _is_ours(name) and (run.path / name).exists() and name not in record.listed()
        ]
        if len(unlisted) > 1:  # a single one was put there, but several were in the record
            found = {name: text for name, text in found.items() if name not in unlisted}
            found[CHECKSUMS] = f"{CHECKSUMS} of run {run.id} is damaged: it does not list {', '.join(unlisted)}."
    names = _names(run.path)
    checked.unknown = [name for name in names if not _is_ours(name)]
    checked.files = len(names) - len(checked.unknown)
    with contextlib.suppress(StoreError):
        checked.recorded_later = record.recorded_later
    checked.problems = [_problem(run, name, text, found) for name, text in sorted(found.items()) if _is_ours(name)]
    return checked


def _names(folder: Path) -> list[str]:
    """The files of a run that are recorded, or should be."""
    names = sorted(entry.name for entry in os.scandir(folder) if not entry.is_dir(follow_symlinks=False))
    return [name for name in names if name not in (*UNRECORDED, LOCK) and not name.endswith(".tmp")]


def replace_damaged(run: RunFolder, name: str, content: bytes) -> None:
    """Put ``content`` in place of a damaged or missing file, which is kept as ``NAME.damaged``."""
    path = run.path / name
    if path.is_file():
        run.checksums.write(place_aside(run, name).name, read_file(path, path.lstat().st_size))
    run.checksums.write(name, content)


def place_aside(run: RunFolder, name: str) -> Path:
    """Return where a damaged file is kept: a name that is free."""
    names = (f"{name}.damaged{number}" for number in ("", *(f"-{number}" for number in range(2, 1_000))))
    return next(path for path in (run.path / name for name in names) if not path.exists())


def is_set_aside(name: str) -> bool:
    """Return whether a file holds what a repair found damaged."""
    return re.search(r"\.damaged(-[0-9]+)?$", name) is not None


def _is_ours(name: str) -> bool:
    known = (CHECKSUMS, CONFIG, META, STATUS, METRICS_FILE, RESULT, PREDICTIONS, LOG, BEST, *SAVED_STATES)
    return name in known or is_set_aside(name) or name.startswith(f"{CONFIG}.v")


def _different(run: RunFolder) -> dict[str, str]:
    """Files that are not as recorded. Those of a run that is trained right now are looked at twice."""
    found = run.checksums.problems()
    if run.held():
        found = {name: text for name, text in found.items() if run.checksums.problem(name)}
    return {name: text for name, text in found.items() if not _was_cut_short(run, name)}


def _was_cut_short(run: RunFolder, name: str) -> bool:
    """Whether a killed process explains why a file is not as recorded: it was about to be made, or to be deleted."""
    try:
        listed, there = run.checksums.listed(), os.path.lexists(run.path / name)
        about_to_be_made = list(listed)[-1:] == [name] and sum(version.size > 0 for version in listed[name]) <= 1
        about_to_be_deleted = name in SAVED_STATES and name not in listed and run.stored_status().state == "finished"
    except StoreError:
        return False
    return about_to_be_deleted if there else about_to_be_made


def unusable(run: RunFolder, *, states: bool = False) -> dict[str, str]:
    """Return what is wrong with files whose content cannot be used, whatever their record says; of a run's ``states``
    the checksums that a .zip has."""
    readers: dict[str, Callable[[], object]] = {
        CONFIG: run.config,
        META: run.stored_meta,
        STATUS: run.stored_status,
        RESULT: run.result,
        METRICS_FILE: lambda: _read_epochs(run),
        PREDICTIONS: run.check_predictions,
    }
    problems = {}
    for name, read in readers.items():
        try:
            read()
        except StoreError as error:
            problems[name] = str(error)
    return problems | (_broken_states(run) if states else {})


def _read_epochs(run: RunFolder) -> None:
    with contextlib.suppress(FileNotFoundError):
        lines = read_file(run.path / METRICS_FILE, METRICS_BYTES).split(b"\n")[:-1]
        if bad := sum(parse_record(line) is None for line in lines):
            raise StoreError(f"{METRICS_FILE} of run {run.id} is damaged: {counted(bad, 'epoch')} cannot be read.")


def _broken_states(run: RunFolder) -> dict[str, str]:
    """Saved states whose own checksums, those of a .zip, do not fit."""
    broken = {}
    for name in SAVED_STATES:
        path = run.path / name
        if path.is_file():
            try:
                with zipfile.ZipFile(path) as archive:
                    fits = archive.testzip() is None
            except Exception:  # a damaged file can raise almost anything
                fits = False
            if not fits:
                broken[name] = f"{name} of run {run.id} is damaged: its checksums (CRC-32) do not fit."
    return broken


def _problem(run: RunFolder, name: str, text: str, found: dict[str, str]) -> Problem:
    """The problem with a file, and what can be done about it."""
    text = text.partition(" Run `resnet-lab check")[0]  # which is what runs here
    way = _ways(run, found).get(name)
    if run.path.parent.name == ".trash":
        return Problem(name, text, "Restore the run from the trash to repair it.")
    if way is None:
        return Problem(name, text, f"It cannot be repaired. {_RESTORE}")
    return Problem(name, text, f"It can be repaired: {way}", repairable=True)


def _ways(run: RunFolder, found: dict[str, str]) -> dict[str, str]:
    """What each file can be repaired from, given which files are damaged."""

    def intact(name: str) -> bool:
        return name not in found and (run.path / name).is_file()

    state = intact(LAST) or intact(PREVIOUS)
    ways = {
        CONFIG: "from the weights or the saved state." if state or intact(BEST) else None,
        CHECKSUMS: "if the files agree with each other, they are recorded anew.",
        STATUS: "from the epochs, the result and the log." if intact(METRICS_FILE) or state else None,
        META: "a new one without name, tags and note; the damaged one is kept.",
        LOG: "it is recorded as it is, with a note.",
        PREVIOUS: "it is set aside; the run continues from last.pt." if intact(LAST) else None,
        LAST: f"from {PREVIOUS}; the run repeats its last epoch." if intact(PREVIOUS) else None,
        BEST: "from the saved state." if state else None,
        METRICS_FILE: "from the saved state." if state else None,
        RESULT: "by evaluating the weights again." if intact(BEST) or state else None,
        PREDICTIONS: "by computing them again from the weights." if intact(BEST) or state else None,
    }
    return {name: way for name, way in ways.items() if way}


# --- studies, notes and settings ------------------------------------------------------------------


def _check_json(path: Path, lock: Path) -> Checked:
    """Check a file that holds its own check, and add the check if it has none."""
    study = path.parent.name == ".studies"
    checked = Checked("study" if study else "file", path.stem if study else path.name, files=1)
    try:
        content = from_json(read_file(path))
        plain = without_check(content)
        if not isinstance(content, dict):
            raise ValueError("it holds no names and values")
        checked.recorded_later = CHECK_LATER in content
        if not content.keys() & {CHECK, CHECK_LATER}:
            with locked(lock, "these files"):
                write_json(path, with_check(plain, later=True))
            checked.recorded_later = checked.just_recorded = True
    except FileNotFoundError:
        checked.files = 0  # deleted meanwhile
    except (ValueError, StoreError) as error:
        advice = "It cannot be repaired. Move it elsewhere and restore it from a backup."
        checked.problems = [Problem(path.name, f"{path.name} is damaged: {error}.", advice)]
    return checked
