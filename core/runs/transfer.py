"""Runs from one computer to another: a selection as one .zip, and back in, with every file's checksum verified.

The .zip holds each run's files under ``<run id>/`` and a manifest.json with their sizes and SHA-256. What comes in
was made elsewhere, by whomever: nothing is extracted by a name from the file, only files that a run has are taken,
none larger than it can be, and each run is put together and read in a folder of its own before it is moved among the
others. A run that is here already is left as it is.
"""

import hashlib
import re
import secrets
import shutil
import stat
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from core.base.bulk import Outcome, each
from core.base.errors import StoreError
from core.base.files import flush, os_errors_as_store_errors, read_file
from core.base.strict_json import from_json, to_json
from core.base.text import filesize
from core.config.run_config import SCHEMA_VERSION
from core.runs.folder import AT_WORK, RunFolder
from core.runs.shelf import Shelf
from core.runs.store import RunStore

MANIFEST = "manifest.json"
FORMAT = "resnet-lab-runs"
#: Of the manifest; raised when an older program could not make sense of a newer file.
VERSION = 1

_MB = 1_000_000
#: Files of a run that travel, and how many bytes each may have at most. The state comes first: a run that is at work
#: while it is exported then has nothing that is older than its state.
FILES = {
    "last.pt": 2_000 * _MB, "best.safetensors": 500 * _MB, "metrics.jsonl": 200 * _MB, "config.json": _MB,
    "meta.json": _MB, "status.json": _MB, "result.json": 20 * _MB, "log.txt": 200 * _MB,
}  # fmt: skip
#: Without one of these a folder is no run.
NEEDED = ("config.json", "meta.json", "status.json")
MOST_RUNS = 1_000
#: Weights hardly shrink when they are packed and epochs to a fifth; what swells more than this is no run.
MOST_SWELLING = 50

_MEMBER = re.compile(r"([0-9]{8}-[0-9]{6}-[a-z0-9]{4})/([a-z.]+)")


# --- out ------------------------------------------------------------------------------------------


def export(store: RunStore, run_ids: Sequence[str], target: BinaryIO) -> None:
    """Write the runs as one .zip to ``target``. Raises StoreError for a run that is not there."""
    listed: dict[str, dict[str, Any]] = {}
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for run_id in dict.fromkeys(run_ids):
            folder, listed[run_id] = store.run(run_id).path, {}
            for name, most in FILES.items():
                try:
                    content = read_file(folder / name, most)  # a link would take along what lies elsewhere
                except FileNotFoundError:
                    continue
                archive.writestr(f"{run_id}/{name}", content)
                listed[run_id][name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        manifest = {
            "format": FORMAT, "version": VERSION, "schema": SCHEMA_VERSION,
            "made_at": datetime.now().astimezone().isoformat(timespec="seconds"), "runs": listed,
        }  # fmt: skip
        archive.writestr(MANIFEST, to_json(manifest, indent=1))


# --- in -------------------------------------------------------------------------------------------


def bring_in(store: RunStore, source: Path | BinaryIO, name: str) -> Outcome:
    """Take the runs of a .zip that :func:`export` wrote; ``name`` is what to call the file in a sentence.

    Runs that waited or were at work arrive stopped. Raises StoreError for a file that is none of ours, damaged or
    hostile as a whole; a single run that is here already or does not agree with its checksums is a problem of the
    outcome, and the others come in.
    """
    staging = store.cache_folder / f"new-{secrets.token_hex(8)}"
    try:
        with zipfile.ZipFile(source) as archive:
            members = _members(archive, name)
            listed = _manifest(archive, members, name)
            _need_room(store, members)
            incoming = Shelf(staging, "run")
            with os_errors_as_store_errors(staging):
                staging.mkdir(parents=True)
            return each(listed, lambda run_id: _take(archive, members[run_id], listed[run_id], incoming, store))
    except FileNotFoundError:
        raise StoreError(f"There is no file {name}.") from None
    except OSError as error:
        raise StoreError(f"{name} cannot be read: {error.strerror or error}.") from error
    except _BROKEN as error:
        raise _refused(name, f"it is no .zip file, or a damaged one ({error})") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


#: What reading a file that is no sound .zip can raise, besides OSError.
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError, NotImplementedError, LookupError)

_Members = dict[str, dict[str, zipfile.ZipInfo]]


def _refused(name: str, why: str) -> StoreError:
    return StoreError(f"Nothing was taken from {name}: {why}. Runs are taken from a .zip that this program exported.")


def _members(archive: zipfile.ZipFile, name: str) -> _Members:
    """The files of each run in the archive by name, the manifest under its own; StoreError for any other content."""
    found: _Members = {}
    infos = [one for one in archive.infolist() if not one.is_dir()]
    if len(infos) > MOST_RUNS * len(FILES) + 1:
        raise _refused(name, f"it holds {len(infos):,} files; at most {MOST_RUNS:,} runs travel in one .zip")
    for info in infos:
        shown = re.sub(r"[^\x20-\x7e]", "?", info.filename)[:60]
        match = _MEMBER.fullmatch(info.filename)
        run_id, file = match.groups() if match else ("", info.filename)
        if (file not in FILES) if match else (file != MANIFEST):
            raise _refused(name, f"it holds “{shown}”, which is no file of a run")
        if (kind := stat.S_IFMT(info.external_attr >> 16)) and not stat.S_ISREG(kind):
            raise _refused(name, f"“{shown}” in it is a link or something else that is no plain file")
        # Of other kinds Python unpacks the whole of a file, however much of it is asked for.
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise _refused(name, f"“{shown}” in it is packed in a way that this program does not use")
        if info.flag_bits & 1:
            raise _refused(name, f"“{shown}” in it needs a password")
        if file in found.setdefault(run_id, {}):
            raise _refused(name, f"“{shown}” is in it twice")
        limit = FILES.get(file, 20 * _MB)
        if info.file_size > limit:
            raise _refused(name, f"“{shown}” in it has {filesize(info.file_size)}; at most {filesize(limit)} are taken")
        found[run_id][file] = info
    packed, unpacked = sum(one.compress_size for one in infos), sum(one.file_size for one in infos)
    if unpacked > MOST_SWELLING * packed + _MB:
        raise _refused(name, f"its {filesize(packed)} would swell to {filesize(unpacked)}, as no run does")
    return found


def _manifest(archive: zipfile.ZipFile, members: _Members, name: str) -> dict[str, Mapping[str, Any]]:
    """Sizes and checksums of each run's files; StoreError unless they are of exactly the files there are."""
    info = members.pop("", {}).get(MANIFEST)
    if info is None:
        raise _refused(name, f"it has no {MANIFEST}")
    try:
        with archive.open(info) as file:
            content = from_json(file.read(info.file_size))  # told how much, it unpacks no more
        if content["format"] != FORMAT:
            raise ValueError
        version = int(content["version"])
        listed: dict[str, Mapping[str, Any]] = {run_id: dict(files) for run_id, files in content["runs"].items()}
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError):
        raise _refused(name, f"its {MANIFEST} does not say what it holds") from None
    if version > VERSION:
        raise _refused(name, f"a newer ResNet Lab exported it (version {version}); update this one")
    if {run_id: set(files) for run_id, files in listed.items()} != {one: set(files) for one, files in members.items()}:
        raise _refused(name, f"its files are not those that its {MANIFEST} lists")
    return listed


def _need_room(store: RunStore, members: _Members) -> None:
    wanted = sum(info.file_size for files in members.values() for info in files.values())
    free = shutil.disk_usage(store.root).free
    if wanted > free:
        raise StoreError(f"The runs need {filesize(wanted)}, and the disk has {filesize(free)} left; free some space.")


def _take(
    archive: zipfile.ZipFile,
    files: Mapping[str, zipfile.ZipInfo],
    listed: Mapping[str, Any],
    incoming: Shelf,
    store: RunStore,
) -> None:
    """Put one run together in ``incoming``, see that it is one, and move it into ``store``."""
    run_id = next(iter(files.values())).filename.partition("/")[0]
    if lacking := [file for file in NEEDED if file not in files]:
        raise StoreError(f"Run {run_id} lacks {' and '.join(lacking)}; it was not taken.")
    folder = incoming.place(run_id)
    with os_errors_as_store_errors(folder):
        folder.mkdir()
        for file, info in files.items():
            if not _same(listed[file], _unpack(archive, info, folder / file)):
                raise StoreError(f"{file} of run {run_id} is not as it was exported (SHA-256); it was not taken.")
    run = RunFolder(incoming, run_id)
    run.migrate()
    run.result()  # a damaged one raises, as a damaged configuration, description or state does
    status = run.stored_status()
    state = "stopped" if status.state == "queued" or status.state in AT_WORK else status.state
    run.write_status(replace(status, state=state, queued_at=None, heartbeat=None, host=None, pid=None))
    store.adopt(folder)


def _unpack(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> tuple[int, str]:
    """Write a file and tell its size and SHA-256. No more is read than the size it was checked for."""
    size, digest = 0, hashlib.sha256()
    try:
        with archive.open(info) as packed, path.open("xb") as file:
            while chunk := packed.read(1 << 20):
                size += len(chunk)
                digest.update(chunk)
                file.write(chunk)
            flush(file)
    except _BROKEN as error:
        raise StoreError(f"{info.filename} is damaged in the .zip ({error}); its run was not taken.") from error
    return size, digest.hexdigest()


def _same(listed: Any, found: tuple[int, str]) -> bool:
    return isinstance(listed, Mapping) and (listed.get("bytes"), listed.get("sha256")) == found
