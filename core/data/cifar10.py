"""CIFAR-10 on this computer: reading and verifying the local copy.

The local copy is a folder with the six files of the official binary version. Each file is compared with its SHA-256
whenever it is read, so what this module returns is CIFAR-10 or an error. :mod:`core.data.fetch` makes the copy.

Krizhevsky, "Learning multiple layers of features from tiny images", 2009.
"""

import hashlib
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.base import paths
from core.base.errors import DataError
from core.config.sections import ALL_IMAGES

SHA256 = {
    "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
    "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
    "data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
    "data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
    "data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
    "test_batch.bin": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
}
BATCH_IMAGES = 10_000
IMAGE_BYTES = 3 * 32 * 32
RECORD_BYTES = 1 + IMAGE_BYTES
FILE_BYTES = BATCH_IMAGES * RECORD_BYTES

HOW_TO_GET = "Run `resnet-lab data`, or press “Download images” on the page Dataset"


@dataclass(frozen=True, eq=False)
class Cifar10:
    """All of CIFAR-10 in the official order: 50,000 training images, then 10,000 test images.

    The arrays are shared by the whole process and therefore read-only: index or copy them.
    """

    images: np.ndarray
    """uint8, (60000, 3, 32, 32): image, channel (red, green, blue), row, column; 0 to 255."""
    labels: np.ndarray
    """int64, (60000,): index into :data:`core.config.sections.CLASSES`."""


#: Path, size and modification time of the six files.
_Stamp = tuple[tuple[str, int, int], ...]
_lock = threading.Lock()
_loaded: tuple[_Stamp, Cifar10] | None = None


def load(folder: Path | None = None) -> Cifar10:
    """Return CIFAR-10 from the copy in ``folder`` (default: the setting); never downloads.

    Reads and verifies once per process, and again when a file's size or time has changed. Raises :class:`DataError`
    if a file is missing or damaged.
    """
    global _loaded
    folder = folder or paths.data_folder()
    with _lock:  # two pages at once must not hold the 184 MB twice
        stamp = _stamp(folder)
        if _loaded is None or _loaded[0] != stamp:
            _loaded = stamp, _read(folder)
        return _loaded[1]


def available(folder: Path | None = None) -> bool:
    """Return whether the six files exist in full size: quick, for a page. :func:`load` verifies them."""
    try:
        require(folder)
    except DataError:
        return False
    return True


def require(folder: Path | None = None) -> None:
    """Raise :class:`DataError`, which says how to get CIFAR-10, unless the six files exist in full size."""
    _stamp(folder or paths.data_folder())


def verify(folder: Path | None = None) -> None:
    """Compare every byte with the official hashes. Raises :class:`DataError` for a missing or damaged file."""
    folder = folder or paths.data_folder()
    require(folder)
    for name in SHA256:
        _verified_bytes(folder, name)


def is_official(name: str, content: bytes) -> bool:
    """Return whether ``content`` is that of the official file ``name``."""
    return hashlib.sha256(content).hexdigest() == SHA256[name]


def _stamp(folder: Path) -> _Stamp:
    stamp = []
    for name in SHA256:
        path = folder / name
        try:
            stat = path.stat()
        except FileNotFoundError:
            raise DataError(f"CIFAR-10 is not on this computer yet (no {name} in {folder}). {HOW_TO_GET}.") from None
        except OSError as error:
            raise _unreadable(path, error) from error
        if stat.st_size != FILE_BYTES:
            raise _damaged(folder, name)
        stamp.append((str(path.absolute()), stat.st_size, stat.st_mtime_ns))
    return tuple(stamp)


def _read(folder: Path) -> Cifar10:
    images = np.empty((ALL_IMAGES, 3, 32, 32), dtype=np.uint8)
    labels = np.empty(ALL_IMAGES, dtype=np.int64)
    for index, name in enumerate(SHA256):
        records = np.frombuffer(_verified_bytes(folder, name), dtype=np.uint8).reshape(BATCH_IMAGES, RECORD_BYTES)
        batch = slice(index * BATCH_IMAGES, (index + 1) * BATCH_IMAGES)
        labels[batch] = records[:, 0]
        images[batch] = records[:, 1:].reshape(BATCH_IMAGES, 3, 32, 32)
    images.flags.writeable = labels.flags.writeable = False
    return Cifar10(images, labels)


def _verified_bytes(folder: Path, name: str) -> bytes:
    try:
        content = (folder / name).read_bytes()
    except OSError as error:
        raise _unreadable(folder / name, error) from error
    if not is_official(name, content):
        raise _damaged(folder, name)
    return content


def _damaged(folder: Path, name: str) -> DataError:
    return DataError(f"The copy of CIFAR-10 in {folder} is damaged: {name} is not the official file. {HOW_TO_GET}.")


def _unreadable(path: Path, error: OSError) -> DataError:
    return DataError(f"{path} could not be read: {error.strerror or error}.")
