"""What decoding an image may cost, known before a pixel is decoded.

A file of a few kilobytes can unpack to gigabytes: as pixels, as the tables that a reader keeps, or as metadata that
refers to the same bytes many times. :func:`check_parts` limits what a reader keeps of a file, :func:`decoding_bytes`
says what its pixels take, and :data:`BUDGET` is shared by everything that this process decodes at the same time.
"""

import contextlib
import struct
import threading
from collections.abc import Iterator

from PIL import Image, PngImagePlugin
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import MARKER, JpegImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from core.base.errors import ImageError
from core.base.text import filesize

#: Bytes that decoding may take in this process, whatever is read at the same time: enough for 12 megapixels of WebP.
#: The 200 copies that a tray keeps take up to 120 MB more.
MOST_BYTES = 165_000_000
#: Longer side in pixels; a JPEG can have no more. Decoders keep a pointer for each row.
MOST_SIDE = 65_535
#: Parts of a file that a reader keeps apart: chunks, segments, frames, or values of a tag. Photos have a few hundred.
MOST_PARTS = 65_536
#: Directories of a TIFF that are counted.
MOST_PAGES = 1_000
#: What is made of a decoded image, a part at a time, and the reader's own tables.
_AROUND = 16_000_000

# Pixels in one piece: pieces of less than 32 MB, such as Pillow's 16 MB, are kept by the C library for later use.
Image.core.set_block_size(2**30)
# Text that a PNG may unpack to, in this process.
PngImagePlugin.MAX_TEXT_MEMORY = 8 * 2**20

_PIXEL_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16L": 2, "I;16B": 2}
_TIFF_CODECS = {
    "raw",
    "tiff_raw_16",
    "packbits",
    "tiff_lzw",
    "tiff_adobe_deflate",
    "tiff_deflate",
    "jpeg",
    "tiff_jpeg",
    "group3",
    "group4",
    "tiff_ccitt",
    "zstd",
}


class Budget:
    """Memory that several threads share: one that needs more than is free waits for the others."""

    def __init__(self, most: int):
        self.most = self._free = most
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def take(self, needed: int) -> Iterator[None]:
        """Hold ``needed`` bytes, at most :attr:`most`."""
        with self._changed:
            self._changed.wait_for(lambda: self._free >= needed)
            self._free -= needed
        try:
            yield
        finally:
            with self._changed:
                self._free += needed
                self._changed.notify_all()


BUDGET = Budget(MOST_BYTES)


# --- the parts of a file --------------------------------------------------------------------------


def check_parts(form: str, content: bytes) -> None:
    """Raise ImageError for a file of which a reader would keep more than a photo holds."""
    parts = 0
    if form == "PNG":
        parts = sum(1 for _ in _chunks(content))
    elif form == "JPEG":
        segments = list(_segments(content))
        parts = len(segments)
        exif = [content[start:end] for kind, start, end in segments if kind == 0xE1]
        if not is_modest(b"".join(part.removeprefix(b"Exif\0\0") for part in exif if part.startswith(b"Exif\0\0"))):
            raise ImageError("has EXIF data that is damaged")
    elif form == "WebP":
        parts = content.count(b"ANMF")
    elif form == "TIFF" and not is_modest(content):
        raise ImageError("has a directory that is damaged")
    if parts > MOST_PARTS:
        raise ImageError(f"consists of more than {MOST_PARTS:,} parts")


def _chunks(content: bytes) -> Iterator[int]:
    """The places of the chunks of a PNG, a few more than are allowed at most."""
    at = 8
    for _ in range(MOST_PARTS + 1):
        if at + 8 > len(content):
            return
        yield at
        at += 12 + int.from_bytes(content[at : at + 4])


def _segments(content: bytes) -> Iterator[tuple[int, int, int]]:
    """Kind, start and end of each segment of a JPEG up to its first scan, as Pillow's reader finds them."""
    at = 2
    for _ in range(MOST_PARTS + 1):
        at = content.find(b"\xff", at)
        kind = content[at + 1] if 0 <= at < len(content) - 1 else 0xD9
        if kind == 0xD9:
            return
        handler = MARKER.get(0xFF00 | kind, ("", "", None))[2]
        if handler is None:  # a marker without content, or a byte that fills up
            at += 1 if kind == 0xFF else 2
            continue
        end = at + 2 + max(2, int.from_bytes(content[at + 2 : at + 4]))
        yield kind, at + 4, end
        if kind == 0xDA:
            return
        at = end


def is_modest(data: bytes) -> bool:
    """Return whether the directories of a TIFF, or of EXIF data, claim no more bytes and values than can be there.

    A reader copies what each entry refers to, and entries can refer to the same bytes.
    """
    sizes = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}
    for entries in _directories(data):
        if sum(sizes.get(kind, 0) * count for kind, count in entries) > len(data) + 8 * len(entries):
            return False
        if any(count > MOST_PARTS for kind, count in entries if kind not in (1, 2, 6, 7)):
            return False
    return True


def pages(content: bytes) -> int:
    """Return the number of directories of a TIFF, at least 1, and :data:`MOST_PAGES` at most."""
    return max(1, sum(1 for _ in _directories(content)))


def _directories(data: bytes) -> Iterator[list[tuple[int, int]]]:
    """Kind and count of each entry of each directory of a TIFF; ends where the chain of directories cannot be read."""
    order = "<" if data[:2] == b"II" else ">"
    large = 43 in data[2:4]  # BigTIFF
    number, entry, pointer = ("Q", "2xHQ8x", "Q") if large else ("H", "2xHI4x", "I")
    seen: set[int] = set()
    with contextlib.suppress(struct.error):
        (at,) = struct.unpack_from(order + pointer, data, 8 if large else 4)
        while at and at not in seen and len(seen) < MOST_PAGES:
            seen.add(at)
            (count,) = struct.unpack_from(order + number, data, at)
            start = at + struct.calcsize(number)
            end = start + min(count, MOST_PARTS) * struct.calcsize(order + entry)
            whole = data[start:end]
            whole = whole[: len(whole) - len(whole) % struct.calcsize(order + entry)]
            yield list(struct.iter_unpack(order + entry, whole))
            (at,) = struct.unpack_from(order + pointer, data, end)


# --- its pixels -----------------------------------------------------------------------------------


def decoding_bytes(file: ImageFile, content: bytes, scale: int = 1) -> int:
    """Return how many bytes decoding an opened file takes at most. Raises ImageError if that is too many.

    ``scale``: a JPEG is decoded at this part of its size (2: half as wide and half as high).
    """
    width, height = file.size
    pixels = width * height
    decoded = pixels // scale**2 if isinstance(file, JpegImageFile) else pixels
    needed = decoded * _PIXEL_BYTES.get(file.mode, 4) + 2 * len(content) + _AROUND
    if isinstance(file, WebPImageFile):
        needed += 8 * pixels  # two canvases; one of them becomes the content of the image
    elif isinstance(file, JpegImageFile):
        needed += _coefficients(file, content)
    elif isinstance(file, TiffImageFile):
        needed += _strip(file)
    elif isinstance(file, BmpImageFile) and any(tile.codec_name == "bmp_rle" for tile in file.tile):
        needed += 3 * pixels
    if needed > MOST_BYTES:
        raise ImageError(
            f"would take {filesize(needed)} of memory to decode, with {width:,} × {height:,} pixels; at most "
            f"{filesize(MOST_BYTES)} are allowed"
        )
    return needed


def _coefficients(file: JpegImageFile, content: bytes) -> int:
    """Bytes that a JPEG decoder keeps of the whole image, at any scale, if the file has several scans."""
    scan = next((start for kind, start, _ in _segments(content) if kind == 0xDA), len(content))
    if "progressive" not in file.info and content[scan : scan + 1] == bytes([file.layers]):
        return 0
    samples = sum(across * down for _, across, down, _ in file.layer)
    widest = max((across for _, across, _, _ in file.layer), default=1)
    highest = max((down for _, _, down, _ in file.layer), default=1)
    across, down = file.size
    return 2 * (across + 16 * widest) * (down + 16 * highest) * samples // max(1, widest * highest)


def _strip(file: TiffImageFile) -> int:
    """Bytes of the largest part of a TIFF that is decoded at once. Raises ImageError for a rare compression."""
    codec = str(file.info.get("compression"))
    if codec not in _TIFF_CODECS:
        raise ImageError("is compressed in a way that this program does not read")
    width, height = file.size
    tags = file.tag_v2
    rows = min(int(tags.get(278, height)), height)
    across, down = (int(tags[322]), int(tags[323])) if 322 in tags and 323 in tags else (width, rows)
    bits = tags.get(258, (1,))
    sample = max(map(int, bits if isinstance(bits, tuple) else (bits,)))
    each = max(int(tags.get(277, 1)) * sample / 8, 4 if "jpeg" in codec else 0)
    if codec == "raw":
        return 0
    # A JPEG in it may be progressive; zstd keeps a window of what it has decoded.
    return round(across * down * each * (3 if "jpeg" in codec or codec == "zstd" else 1))
