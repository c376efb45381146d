"""Back up all runs and studies into a folder elsewhere, and restore from it what is missing here.

====================  ==================================================================================
backup.json           says that the folder is a backup
runs/ID/files.json    the files of a run: size, time of change and SHA-256 of each
runs/ID/SHA-NAME      the content of one file; SHA are the first digits of its SHA-256
studies, notes        likewise: all studies; the settings of the folder and what was added to reference runs
====================  ==================================================================================

A changed file is written next to its earlier version and read back before files.json names it, and only then the
earlier version is deleted. So wherever a backup is interrupted, every run can be restored as it was then or as it is
now, and the next backup goes on from there. Runs and studies that are deleted here stay in the backup, and so do files
that were lost; what the program itself no longer needs is deleted there as well. The trash is not backed up.
"""

import contextlib
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path

from filelock import FileLock, Timeout

from core.base.errors import Outcome, RunBusy, StoreError, each
from core.base.files import (
    flush_folder,
    make_folder,
    open_file,
    os_errors_as_store_errors,
    read_file,
    write_atomically,
    write_json,
)
from core.base.paths import is_litter
from core.base.strict_json import from_json
from core.base.text import one_line
from core.runs.check import check_run, replace_damaged
from core.runs.checksums import CHECKSUMS, Version
from core.runs.copies import (
    LIST,
    NAME,
    NOTE_FILES,
    Copying,
    Entry,
    Report,
    delete_others,
    digest_of,
    is_entry,
    names_in,
    stamp,
)
from core.runs.folder import LOCK, RunFolder
from core.runs.shelf import TRASH, Shelf
from core.runs.store import RunStore

MARKER = "backup.json"
FORMAT, VERSION = "resnet-lab-backup", 1
ABOUT = "A backup of runs of ResNet Lab. `resnet-lab restore-backup` restores the runs that are missing."
STUDIES, NOTES = "studies", "notes"
#: How often a run is copied anew because it saved its state meanwhile. The last copy resumes as well.
ATTEMPTS = 5


class Backup:
    """The backup of a store in a folder elsewhere."""

    def __init__(self, store: RunStore, folder: Path):
        """Raises StoreError if one of the two folders is inside the other."""
        self.store, self.folder = store, folder
        ours, theirs = store.root.resolve(), folder.resolve()
        if ours in (theirs, *theirs.parents) or theirs in ours.parents:
            raise StoreError(
                f"{folder} and the folder of the runs are inside one another; choose another folder for the backup."
            )

    def ids(self) -> list[str]:
        """Return the ids of the runs in the backup, newest first. Raises StoreError if the folder is no backup."""
        self._check_marker()
        runs = self.folder / "runs"
        return [run_id for run_id in Shelf(runs, "run").ids() if (runs / run_id / LIST).exists()]

    def find(self, text: str) -> str:
        """Return the id in the backup that ``text`` means: an id, or a unique start or end of one."""
        matches = [run_id for run_id in self.ids() if run_id.startswith(text) or run_id.endswith(text)]
        if len(matches) != 1:
            what = f"{len(matches)} runs that match" if matches else "no run"
            raise StoreError(f"The backup has {what} “{one_line(text, 60)}”; give the full id of a run in it.")
        return matches[0]

    # --- backing up -------------------------------------------------------------------------------

    def update(self, *, verify: bool = False) -> Report:
        """Copy the files that are new or were changed, and read each copy back. Runs may train meanwhile.

        A file is unchanged if it has the size and the time of change that the backup knows; with ``verify``, all
        contents and copies are compared. Raises StoreError if the folder holds other files or cannot be written.
        """
        with self._locked():
            report, ids = Report(), self.store.ids()
            report.runs, report.kept = len(ids), sorted(set(self.ids()) - set(ids), reverse=True)
            try:
                for run_id in ids:
                    self._update(f"runs/{run_id}", self.store.root / run_id, verify, report)
                for item, folder in self._rest().items():
                    self._update(item, folder, verify, report)
            except StoreError as error:
                raise StoreError(
                    f"The backup was not completed: {error} Everything backed up before can be restored."
                ) from error
            for run_id in report.kept if verify else ():
                report.problems += self._damage(f"runs/{run_id}")
        return report

    def _update(self, item: str, source: Path, verify: bool, report: Report) -> None:
        """Bring one folder of the backup up to date with ``source``."""
        folder = self.folder / item
        with os_errors_as_store_errors(folder):
            if not folder.is_dir():
                folder.mkdir()
                flush_folder(folder.parent)
        try:
            files = kept = self._files(item)
        except StoreError:
            files = kept = {}  # the list is damaged; every file is copied again
        copying = Copying(folder, verify)
        for _ in range(ATTEMPTS):
            before = stamp(source)
            copying.report = Report()
            files = copying.copied(source, NOTE_FILES if item == NOTES else names_in(source), files)
            if stamp(source) == before:
                break
        if not source.is_dir():
            return  # deleted meanwhile: what was copied may be incomplete
        if damage := self._damage_here(item, [name for name in files if files[name] != kept.get(name)]):
            report.problems.append(f"{damage} The backup {'keeps its copies' if kept else 'has the run as it is'}.")
            files = kept or files
        else:
            files = {name: entry for name, entry in files.items() if not self._removed(item, source / name)}
        if files != kept:
            write_json(folder / LIST, {"files": {name: asdict(entry) for name, entry in files.items()}})
        delete_others(folder, files)
        for name, value in vars(copying.report).items():
            setattr(report, name, getattr(report, name) + value)

    def _damage_here(self, item: str, names: Iterable[str]) -> str | None:
        """Return what is wrong with a file of a run that is about to replace its copy, or ``None``.

        Of a run that is being trained, nothing: its files change meanwhile.
        """
        if not item.startswith("runs/"):
            return None
        try:
            run = self.store.run(Path(item).name)
            listed = {} if run.held() else run.checksums.listed()
        except StoreError as error:
            return str(error)
        return next((problem for name in names if name in listed and (problem := run.checksums.problem(name))), None)

    def _removed(self, item: str, path: Path) -> bool:
        """Whether a file of a run was deleted on purpose: the record of the run no longer lists it."""
        if path.exists() or not item.startswith("runs/"):
            return False
        with contextlib.suppress(StoreError):
            record = self.store.run(path.parent.name).checksums
            return record.recorded and path.name not in (CHECKSUMS, *record.listed())
        return False

    def _damage(self, item: str) -> list[str]:
        """Return a sentence for each damaged file in one folder of the backup."""
        try:
            files = self._files(item)
        except StoreError as error:
            return [str(error)]
        return each(files, lambda name: self._check(item, name, files[name])).problems

    # --- restoring --------------------------------------------------------------------------------

    def restore(self, run_ids: Iterable[str] | None = None) -> Outcome:
        """Restore runs, or all runs, studies and notes that are missing here. Nothing intact is overwritten.

        Of a run that is here, only damaged files are restored, which are kept as ``NAME.damaged``.
        Every file is compared with its SHA-256. Runs that waited or trained arrive stopped. Raises StoreError if the
        folder is no backup.
        """
        if run_ids is not None:
            return each(dict.fromkeys(run_ids), self._restore_run)
        here = {*self.store.ids(), *self.store.trash.ids()}
        outcome = each([run_id for run_id in self.ids() if run_id not in here], self._restore_run)
        rest = self._rest()
        return Outcome(outcome.done, outcome.problems + each(rest, lambda item: self._write(item, rest[item])).problems)

    def _restore_run(self, run_id: str) -> None:
        if run_id in self.store.ids():
            self._repair_run(run_id)
            return
        staged = self.store.cache_folder / f"new-{secrets.token_hex(8)}" / run_id
        try:
            self._write(f"runs/{run_id}", staged)
            run = RunFolder(Shelf(staged.parent, "run"), run_id)
            with contextlib.suppress(StoreError):  # it was damaged already when it was backed up
                if run.stored_status().active:
                    run.settle()
                if run.checksums.copied:  # from a run that was being trained
                    run.tidy_record(at_work=False)
            self.store.adopt(staged, keep_reference=True)
        finally:
            shutil.rmtree(staged.parent, ignore_errors=True)

    def _repair_run(self, run_id: str) -> None:
        """Put copies in place of the damaged files of a run that is here. Nothing else of it is changed."""
        run, item, missing = self.store.run(run_id), f"runs/{run_id}", []
        problems = check_run(run).problems
        if not problems:
            raise StoreError(f"Run {run_id} is here already, and its files are as recorded; it was left as it is.")
        with run.hold():
            files, listed = self._files(item), run.checksums.listed()
            for name in [problem.file for problem in problems]:
                entry = files.get(name)
                if entry is None or listed.get(name, [])[-1:] != [Version(entry.sha256, entry.bytes)]:
                    missing.append(name)
                    continue
                self._check(item, name, entry)
                replace_damaged(run, name, read_file(self.folder / item / entry.version(name), entry.bytes))
        if missing:
            raise StoreError(
                f"The backup does not have the recorded version of {', '.join(missing)} of run {run_id}. "
                "`resnet-lab check --repair` may repair it."
            )

    def _write(self, item: str, folder: Path) -> None:
        """Write the files of one folder of the backup into ``folder``, without those that are there or in its trash."""
        files = self._files(item)
        with os_errors_as_store_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        for name, entry in files.items():
            if (folder / name).exists() or (folder / TRASH / name).exists():
                continue
            self._check(item, name, entry)
            with open_file(self.folder / item / entry.version(name)) as source:
                write_atomically(folder / name, partial(shutil.copyfileobj, source))
            with os_errors_as_store_errors(folder / name):
                os.utime(folder / name, ns=(entry.mtime_ns, entry.mtime_ns))  # so the next backup sees no change

    def _check(self, item: str, name: str, entry: Entry) -> None:
        """Raise StoreError unless the copy of a file is there and has its SHA-256."""
        try:
            if digest_of(self.folder / item / entry.version(name)) == entry.sha256:
                return
            problem = "is damaged in the backup: it does not have its SHA-256"
        except FileNotFoundError:
            problem = "is missing in the backup"
        raise StoreError(f"{name} of {_title(item)} {problem}. Back up again while the original exists.")

    def _rest(self) -> dict[str, Path]:
        """Where the files are that belong to no run, by folder of the backup."""
        return {STUDIES: self.store.root / ".studies", NOTES: self.store.root}

    # --- the folder of the backup -----------------------------------------------------------------

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Make the backup's folder if needed, and keep other backups out of it."""
        with os_errors_as_store_errors(self.folder):
            make_folder(self.folder)
            self._refuse_other_files()
            lock = FileLock(self.folder / LOCK)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                raise RunBusy(f"Another backup to {self.folder} is running; wait for it.") from None
        try:
            if not (self.folder / MARKER).exists():
                write_json(self.folder / MARKER, {"format": FORMAT, "version": VERSION, "about": ABOUT})
            self._check_marker()
            with os_errors_as_store_errors(self.folder / "runs"):
                make_folder(self.folder / "runs")
            yield
        finally:
            lock.release()

    def _refuse_other_files(self) -> None:
        """Raise StoreError for a folder that holds anything but a backup."""
        ours = re.compile(rf"\.lock|\.{MARKER}\.\w+\.tmp")  # left by a first backup that was killed at once
        if (self.folder / MARKER).exists():
            return
        if not all(ours.fullmatch(path.name) or is_litter(path.name) for path in self.folder.iterdir()):
            raise StoreError(f"{self.folder} holds other files and is not a backup; choose a new or an empty folder.")

    def _check_marker(self) -> None:
        """Raise StoreError unless the folder is a backup that this program can read."""
        try:
            content = from_json(read_file(self.folder / MARKER))
            known, version = content["format"] == FORMAT, int(content["version"])
        except FileNotFoundError:
            raise StoreError(f"{self.folder} is not a backup: it has no {MARKER}.") from None
        except (ValueError, LookupError, TypeError):
            known, version = False, 0
        if not known:
            raise StoreError(
                f"{MARKER} in {self.folder} is damaged, or from another program. If the folder is a backup, delete "
                f"{MARKER} and write a new one with the content "
                f'`{{"format": "{FORMAT}", "version": {VERSION}}}`.'
            )
        if version > VERSION:
            raise StoreError(f"A newer ResNet Lab made the backup in {self.folder}; update this one.")

    def _files(self, item: str) -> dict[str, Entry]:
        """Return the files of one folder of the backup. Raises StoreError if their list is damaged."""
        try:
            content = from_json(read_file(self.folder / item / LIST))
            files = {name: Entry(**entry) for name, entry in content["files"].items()}
            if not all(NAME.fullmatch(name) and is_entry(entry) for name, entry in files.items()):
                raise ValueError
        except FileNotFoundError:
            return {}
        except (ValueError, LookupError, TypeError, AttributeError):
            raise StoreError(
                f"The list of the files of {_title(item)} is damaged in the backup ({LIST}). Back up again while the "
                "original exists."
            ) from None
        return files


def _title(item: str) -> str:
    """What to call a folder of the backup in a sentence."""
    return f"run {Path(item).name}" if item.startswith("runs/") else f"the {item}"
