"""Move runs between computers: export a selection as one .zip, and import it with every checksum verified.

The .zip holds each run's files under ``<run id>/`` and a manifest.json with their sizes and SHA-256. What is imported
comes from elsewhere and is not trusted: no name in the .zip decides where anything is written, only the files that a
run has are taken, none larger than it can be, and each run is assembled and read in a folder of its own before it is
moved among the others. A run that exists here is left as it is.
"""

import hashlib
import re
import secrets
import shutil
import stat
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from core.base.errors import Outcome, StoreError, each
from core.base.files import flush, os_errors_as_store_errors
from core.base.paths import is_litter
from core.base.strict_json import from_json, to_json
from core.base.text import filesize
from core.config.run_config import SCHEMA_VERSION
from core.runs.epochs import METRICS_FILE
from core.runs.folder import BEST, CONFIG, LAST, LOG, META, RESULT, STATUS, RunFolder
from core.runs.predictions import PREDICTIONS, PREDICTIONS_BYTES
from core.runs.shelf import ID, Shelf
from core.runs.store import RunStore

MANIFEST = "manifest.json"
FORMAT = "resnet-lab-runs"
#: Version of the manifest; raised when an older program could not read a newer one.
VERSION = 1

_MB = 1_000_000
#: A run's files that travel, and how many bytes each may have. The state comes first: if the run is training
#: meanwhile, nothing in the .zip is then older than its state.
FILES = {LAST: 2_000 * _MB, BEST: 500 * _MB, METRICS_FILE: 200 * _MB, CONFIG: _MB, META: _MB, STATUS: _MB}
FILES |= {PREDICTIONS: PREDICTIONS_BYTES, RESULT: 20 * _MB, LOG: 200 * _MB}
#: Without one of these a folder is not a run.
NEEDED = (CONFIG, META, STATUS)
MOST_RUNS = 1_000
#: Weights hardly shrink when compressed and epochs to a fifth; no run expands by more than this factor.
MOST_SWELLING = 50

#: What reading a damaged .zip can raise, besides OSError.
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError, NotImplementedError, LookupError)
_MEMBER = re.compile(rf"({ID})/([a-z.]+)")
#: The files of each run in a .zip, by run id and name; the manifest has the run id "".
_Members = dict[str, dict[str, zipfile.ZipInfo]]


def export(store: RunStore, run_ids: Sequence[str], target: BinaryIO) -> None:
    """Write the runs as one .zip to ``target``. Raises StoreError for a run that is not there or damaged."""
    listed: dict[str, dict[str, Any]] = {}
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for run_id in dict.fromkeys(run_ids):
            run, listed[run_id] = store.run(run_id), {}
            for name, most in FILES.items():
                try:
                    state = next(iter(run.states()), LAST)  # a crash may have left previous.pt alone
                    content = run.checksums.read(state if name == LAST else name, most)
                except FileNotFoundError:
                    continue
                archive.writestr(f"{run_id}/{name}", content)
                listed[run_id][name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        about = {"format": FORMAT, "version": VERSION, "schema": SCHEMA_VERSION}
        made_at = datetime.now().astimezone().isoformat(timespec="seconds")
        archive.writestr(MANIFEST, to_json({**about, "made_at": made_at, "runs": listed}, indent=1))


# --- import ---------------------------------------------------------------------------------------


def import_runs(store: RunStore, source: Path | BinaryIO, name: str) -> Outcome:
    """Import the runs of a .zip that :func:`export` wrote; ``name`` is what to call the file in a message.

    Runs that were waiting or training arrive stopped. Raises StoreError for a file that is not an export, damaged or
    hostile; a single run that exists here or does not match its checksums is a problem of the outcome. A run whose
    predictions cannot be used is imported without them, which is a problem of the outcome too.
    """
    staging = store.cache_folder / f"new-{secrets.token_hex(8)}"
    try:
        with zipfile.ZipFile(source) as archive:
            members = _members(archive, name)
            manifest = members.pop("", {}).get(MANIFEST)
            listed = _listed(archive, manifest, members, name)
            _need_room(store, members)
            with os_errors_as_store_errors(staging):
                staging.mkdir(parents=True)
            shelf = Shelf(staging, "run")
            left_out: list[str] = []
            outcome = each(
                listed,
                lambda run_id: left_out.extend(_import(archive, members[run_id], listed[run_id], shelf, run_id, store)),
            )
            return Outcome(outcome.done, outcome.problems + left_out)
    except FileNotFoundError:
        raise StoreError(f"The file {name} does not exist.") from None
    except OSError as error:
        raise StoreError(f"{name} cannot be read: {error.strerror or error}.") from error
    except _BROKEN as error:
        raise _refused(name, f"it is not a .zip file, or it is damaged ({error})") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _refused(name: str, reason: str) -> StoreError:
    return StoreError(f"Nothing was imported from {name}: {reason}. Import a .zip that this program exported.")


def _members(archive: zipfile.ZipFile, name: str) -> _Members:
    """The files in the archive by run and name. Raises StoreError for anything that an export does not hold."""
    members: _Members = {}
    named = _named(archive)
    infos = [info for _, info in named]
    if len(infos) > MOST_RUNS * len(FILES) + 1:
        raise _refused(name, f"it holds {len(infos):,} files; a .zip can hold at most {MOST_RUNS:,} runs")
    for path, info in named:
        match = _MEMBER.fullmatch(path)
        run_id, file = match.groups() if match else ("", path)
        limit = FILES.get(file, 0) if match else 20 * _MB * (file == MANIFEST)
        if problem := _problem(info, limit, twice=file in members.setdefault(run_id, {})):
            shown = re.sub(r"[^\x20-\x7e]", "?", info.filename)[:60]
            raise _refused(name, f"“{shown}” in it {problem}")
        members[run_id][file] = info
    packed, unpacked = sum(info.compress_size for info in infos), sum(info.file_size for info in infos)
    if unpacked > MOST_SWELLING * packed + _MB:
        raise _refused(name, f"its {filesize(packed)} would expand to {filesize(unpacked)}, which no run does")
    return members


def _named(archive: zipfile.ZipFile) -> list[tuple[str, zipfile.ZipInfo]]:
    """The files in the archive by their names in an export.

    A person may have unpacked the export and packed it again: in a folder, with what a file manager leaves in folders,
    or with Windows' separators.
    """
    plain = [(info.filename.replace("\\", "/").removeprefix("./"), info) for info in archive.infolist()]
    named = [(path, info) for path, info in plain if not path.endswith("/") and not is_litter(path)]
    manifests = [path for path, _ in named if path.rpartition("/")[2] == MANIFEST]
    top = min(manifests, key=len, default="").removesuffix(MANIFEST)
    return [(path.removeprefix(top), info) for path, info in named]


def _problem(info: zipfile.ZipInfo, limit: int, *, twice: bool) -> str | None:
    """What is wrong with a file in an archive, of which ``limit`` bytes are allowed."""
    kind = stat.S_IFMT(info.external_attr >> 16)
    if not limit:
        return "is not a file of a run"
    if kind and not stat.S_ISREG(kind):
        return "is a link or another special file"
    # Python unpacks files compressed in another way whole, however few bytes are asked for.
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "is compressed in a way that this program does not use"
    if info.flag_bits & 1:
        return "needs a password"
    if twice:
        return "occurs twice"
    too_large = f"has {filesize(info.file_size)}; at most {filesize(limit)} are allowed"
    return too_large if info.file_size > limit else None


def _listed(
    archive: zipfile.ZipFile, manifest: zipfile.ZipInfo | None, members: _Members, name: str
) -> dict[str, Mapping[str, Any]]:
    """Sizes and checksums of each run's files. Raises StoreError unless they are of exactly the files there are."""
    if manifest is None:
        raise _refused(name, f"it has no {MANIFEST}")
    try:
        with archive.open(manifest) as file:
            content = from_json(file.read(manifest.file_size))  # with a size, it unpacks no more than that
        if content["format"] != FORMAT:
            raise ValueError
        version = int(content["version"])
        listed: dict[str, Mapping[str, Any]] = {run_id: dict(files) for run_id, files in content["runs"].items()}
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError):
        raise _refused(name, f"its {MANIFEST} does not say what it holds") from None
    if version > VERSION:
        raise _refused(name, f"a newer ResNet Lab exported it (version {version}); update this one")
    if {run_id: set(files) for run_id, files in listed.items()} != {key: set(files) for key, files in members.items()}:
        raise _refused(name, f"its files are not those that its {MANIFEST} lists")
    return listed


def _need_room(store: RunStore, members: _Members) -> None:
    needed = sum(info.file_size for files in members.values() for info in files.values())
    free = shutil.disk_usage(store.root).free
    if needed > free:
        raise StoreError(f"The runs need {filesize(needed)}, but the disk has {filesize(free)} left; free some space.")


def _import(
    archive: zipfile.ZipFile,
    files: Mapping[str, zipfile.ZipInfo],
    listed: Mapping[str, Any],
    shelf: Shelf,
    run_id: str,
    store: RunStore,
) -> list[str]:
    """Assemble one run on ``shelf``, check that it can be read, and move it into ``store``.

    Return a sentence if its predictions were left out.
    """
    if missing := [file for file in NEEDED if file not in files]:
        raise StoreError(f"Run {run_id} lacks {' and '.join(missing)}; it was not imported.")
    folder = shelf.place(run_id)
    with os_errors_as_store_errors(folder):
        folder.mkdir()
        for file, info in files.items():
            if file != PREDICTIONS:
                _unpack_verified(archive, info, folder / file, listed[file])
    run = RunFolder(shelf, run_id)
    run.migrate()
    run.result()  # raises if it is damaged, as the configuration, the name and the status do
    left_out = []
    with os_errors_as_store_errors(folder):
        path = folder / PREDICTIONS
        try:
            if PREDICTIONS in files:
                _unpack_verified(archive, files[PREDICTIONS], path, listed[PREDICTIONS])
            run.check_predictions()
        except StoreError:
            path.unlink(missing_ok=True)
            left_out = [
                f"{PREDICTIONS} of run {run_id} is damaged or belongs to another run; it was left out. "
                f"`resnet-lab predict {run_id}` computes the predictions again from the weights."
            ]
    run.settle()
    store.adopt(folder)
    return left_out


def _unpack_verified(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path, listed: Any) -> None:
    """Write a file. Raises StoreError unless it has the size and the SHA-256 that are ``listed``."""
    size, digest = _unpack(archive, info, path)
    expected = listed if isinstance(listed, Mapping) else {}
    if (expected.get("bytes"), expected.get("sha256")) != (size, digest):
        run_id = path.parent.name
        raise StoreError(f"{path.name} of run {run_id} differs from what was exported (SHA-256); not imported.")


def _unpack(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> tuple[int, str]:
    """Write a file, and return its size and SHA-256. Its content was limited to ``info.file_size`` bytes before."""
    size, digest = 0, hashlib.sha256()
    try:
        with archive.open(info) as packed, path.open("xb") as file:
            while chunk := packed.read(1 << 20):
                size += len(chunk)
                digest.update(chunk)
                file.write(chunk)
            flush(file)
    except _BROKEN as error:
        raise StoreError(f"{info.filename} is damaged in the .zip ({error}); its run was not imported.") from error
    return size, digest.hexdigest()
