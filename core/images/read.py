"""Read image files of many formats, and cut the 32×32 pixels that a network sees.

:func:`read_image` turns a file from anywhere into an upright RGB image, :func:`to_network` a part of it into the
network's input. No network is here: :mod:`core.images.classify` has it.

Nothing about a file is trusted. Its first bytes, not its name, say what it is, and only the six readers below are ever
called: none of them runs another program (Pillow's EPS reader runs Ghostscript). What decoding may cost is checked
before a pixel is decoded (:mod:`core.images.limits`). Whatever is wrong raises an
:class:`~core.base.errors.ImageError`.
"""

import io
import math
import re
import warnings
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from core.base.errors import ImageError
from core.base.text import file_name
from core.config.sections import IMAGE_SIZE
from core.images import limits
from core.images.colour import small_rgb
from core.images.jpeg import without_detail


class _LeanWebP(WebPImageFile):
    """Frees the decoder, with its two canvases of four bytes a pixel, before the pixels are copied into the image."""

    def load_prepare(self) -> None:
        """Prepare for the pixels, which are read from the decoder by now."""
        self._decoder = None  # only the first frame is read
        super().load_prepare()


# What a file begins with, and what reads it. `Image.open` would choose too, but it cannot distinguish a damaged image
# from a file that is none, and it takes some phones' JPEGs for another format (MPO).
_READERS: dict[str, tuple[bytes, type[ImageFile]]] = {
    "PNG": (rb"\x89PNG\r\n\x1a\n", PngImageFile),
    "JPEG": (rb"\xff\xd8\xff", JpegImageFile),
    "WebP": (rb"(?s)RIFF.{4}WEBP", _LeanWebP),
    "GIF": (rb"GIF8[79]a", GifImageFile),
    "BMP": (rb"BM", BmpImageFile),
    "TIFF": (rb"II[*+]\0|MM\0[*+]", TiffImageFile),
}
# Files that people drop by mistake, to name in the error.
_UNSUPPORTED = {
    "a HEIC, AVIF or video file": rb"(?s).{4}ftyp",
    "a web page or a drawing (HTML, SVG, XML)": rb"(\xef\xbb\xbf)?\s*<[!?a-zA-Z]",
    "a PDF or PostScript document": rb"%PDF|%!PS",
}

FORMATS = tuple(_READERS)
MAX_BYTES = 10 * 2**20
# A full-frame camera has 61 megapixels.
MAX_PIXELS = 64_000_000
MAX_SCANS = 100  # of a progressive JPEG: most have ten
# Longer side of the image kept, in pixels: enough to show it, and the smallest manual crop of a photo still has about
# the 32 pixels that the network sees. It takes at most 0.6 MB of memory.
DISPLAY = 384
LEAST_SIDE = 0.1  # of a manual crop, as a fraction of the image's shorter side

_ALLOWED = (
    f"Use a {', '.join(FORMATS[:-1])} or {FORMATS[-1]} image of at most "
    f"{MAX_BYTES >> 20} MB and {MAX_PIXELS // 10**6} megapixels."
)

# Pillow warns about odd files on stderr; the person gets an ImageError instead. The filter is for the whole process,
# because `warnings.catch_warnings` around each file is not safe with threads.
warnings.filterwarnings("ignore", module=r"PIL\.")

# Pillow decodes without Python's lock. Only two threads in this process, so that a training run keeps the other cores,
# and because the allocator keeps some memory for each thread that ever decoded something.
_POOL = ThreadPoolExecutor(max_workers=2, thread_name_prefix="resnet-lab-images")

Crop = Literal["centre", "whole", "hand"]
#: How an image becomes a square, by what a person calls it.
CROPS: dict[Crop, str] = {"centre": "Centre crop", "whole": "Stretch", "hand": "Manual crop"}


@dataclass(frozen=True)
class Square:
    """A manual crop of an image of any size. Raises :class:`ImageError` unless all three numbers are finite.

    Numbers out of range are clamped, so that the square always lies inside the image.
    """

    x: float = 0.5  # centre, as a fraction of the width from the left
    y: float = 0.5  # centre, as a fraction of the height from the top
    side: float = 1.0  # as a fraction of the image's shorter side, from LEAST_SIDE to 1

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, (self.x, self.y, self.side))):
            raise ImageError(
                f"({self.x}, {self.y}) with side {self.side} is not a square. Use fractions from 0 to 1 for its "
                "centre and its side."
            )

    def box(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Return left, top, right and bottom of the square in an image of that size, in whole pixels."""
        side = max(1, round(min(width, height) * min(max(self.side, LEAST_SIDE), 1.0)))
        left = min(max(math.floor(min(max(self.x, 0.0), 1.0) * width - side / 2), 0), width - side)
        top = min(max(math.floor(min(max(self.y, 0.0), 1.0) * height - side / 2), 0), height - side)
        return left, top, left + side, top + side


@dataclass(frozen=True)
class LoadedImage:
    """An image as a person would see it, and what is known about its file."""

    name: str  # without folders and unprintable characters, at most 80 characters
    image: Image.Image  # RGB, upright, sRGB, transparency on white, longer side at most DISPLAY pixels
    width: int  # of the original in pixels, upright
    height: int
    format: str  # one of FORMATS, or "test image" for an image of CIFAR-10
    frames: int  # of an animation, or pages of a TIFF (counted up to 1,000); `image` is the first
    notes: tuple[str, ...] = ()  # what was done about its colours that a person should know


def read_image(data: bytes | Path, name: str) -> LoadedImage:
    """Return the first image in a file's content, or in the file at a path.

    Raises :class:`ImageError`, and nothing else: it begins with the file's ``name`` in quotes, and says what is wrong
    and what is allowed.
    """
    name = file_name(name)
    result = _attempt(data, name)
    if isinstance(result, str):
        raise _refusal(name, result)
    return result


def _attempt(data: bytes | Path, name: str) -> LoadedImage | str:
    """Return the image, or what is wrong with the file.

    No error leaves this function: its traceback would keep the file and its pixels in memory as long as the error.
    """
    form = ""
    try:
        content = _content(data)
        form, reader = _recognise(content)
        limits.check_parts(form, content)
        file = reader(io.BytesIO(content))
        width, height = file.size
        # Only JPEG can be decoded at a half, a quarter or an eighth of its size, in less time.
        # Not much below DISPLAY, so that a manual crop has the pixels that the network sees.
        scale = next((scale for scale in (8, 4, 2) if max(file.size) >= 0.9 * scale * DISPLAY), 1)
        _check_size(file, content)
        frames = _count_frames(file, content)
        if scale == 8 and "progressive" in file.info:
            file = reader(io.BytesIO(without_detail(content)))
        needed = limits.decoding_bytes(file, content, scale)
        file.draft(None, (max(1, width // scale), max(1, height // scale)))
        with limits.BUDGET.take(needed):
            file.load()
            orientation = _orientation(file)
            image, notes = small_rgb(file, DISPLAY)
            del file
        if orientation > 1:
            image.getexif()[ExifTags.Base.Orientation] = orientation
            ImageOps.exif_transpose(image, in_place=True)
        if orientation >= 5:  # the sensor lay on its side
            width, height = height, width
        return LoadedImage(name, image, width, height, form, frames, tuple(notes))
    except ImageError as error:
        return str(error)
    except Image.DecompressionBombError:
        return "has too many pixels"
    except MemoryError:
        return "needs more memory than is free"
    except Exception:  # crafted bytes raise anything in a reader, from OSError to KeyError
        return f"looks like a {form} file, but is truncated or damaged"


def _check_size(file: ImageFile, content: bytes) -> None:
    """Raise ImageError for an opened file with too many pixels, or one that covers them too often."""
    width, height = file.size
    if width * height > MAX_PIXELS:
        megapixels = math.ceil(width * height / 10**6)
        raise ImageError(f"has {width:,} × {height:,} pixels ({megapixels:,} megapixels)")
    if max(width, height) > limits.MOST_SIDE:
        raise ImageError(f"has {width:,} × {height:,} pixels; at most {limits.MOST_SIDE:,} are allowed on a side")
    # Each scan covers the whole image: a file of 10 MB can be made so that decoding takes ten minutes.
    if "progressive" in file.info and (scans := content.count(b"\xff\xda")) > MAX_SCANS:
        raise ImageError(f"stores its image in {scans:,} scans (at most {MAX_SCANS} are allowed)")


def read_many(files: Iterable[tuple[str, bytes | Path]]) -> list[LoadedImage | ImageError]:
    """Return the image, or the error, of each ``(name, data)`` pair, in their order."""

    def attempt(file: tuple[str, bytes | Path]) -> LoadedImage | ImageError:
        name, data = file
        name = file_name(name)
        result = _attempt(data, name)
        return _refusal(name, result) if isinstance(result, str) else result

    return list(_POOL.map(attempt, files))


def crop_box(crop: Crop, width: int, height: int, square: Square | None = None) -> tuple[int, int, int, int]:
    """Return what ``crop`` takes of an image of that size: left, top, right and bottom in pixels.

    - ``"centre"``: the largest square in the middle. Shapes are kept, the ends are lost.
    - ``"whole"``: everything, stretched to a square. Padding it with bars instead would add straight edges, which no
      training image has, and spend many of the few pixels on nothing.
    - ``"hand"``: ``square``, or the largest in the middle if there is none.
    """
    if crop == "whole":
        return 0, 0, width, height
    return (square if crop == "hand" and square else Square()).box(width, height)


def to_network(source: LoadedImage, crop: Crop = "centre", square: Square | None = None) -> NDArray[np.uint8]:
    """Return the :func:`crop_box` of an image as the network sees it: uint8 (3, 32, 32), red first.

    A 32×32 image comes out bit for bit; a smaller part is enlarged smoothly. A larger part is averaged by whole factors
    down to two to four times the size, which prevents aliasing, then resized bicubically. Beyond that the filter
    matters little: only nearest neighbour costs accuracy (Chrabaszcz et al. 2017, arXiv:1707.08819).
    """
    box = crop_box(crop, *source.image.size, square)
    # Cropped first: with `resize(box=…)` the filter would reach across the edge of the box.
    small = source.image.crop(box).resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BICUBIC, reducing_gap=2)
    return np.ascontiguousarray(np.asarray(small).transpose(2, 0, 1))


def _refusal(name: str, fault: str) -> ImageError:
    return ImageError(f'"{name}" {fault}. {_ALLOWED}')


def _content(data: bytes | Path) -> bytes:
    """Return the file's bytes. Not more than MAX_BYTES are read from the disk."""
    try:
        if isinstance(data, bytes):
            content, size = data, len(data)
        elif not data.is_file():  # a folder, or a device that never ends
            raise ImageError("does not exist or is not a file")
        else:
            size = data.stat().st_size
            with data.open("rb") as file:
                content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL byte
        raise ImageError(f"could not be read ({getattr(error, 'strerror', None) or error})") from error
    if len(content) > MAX_BYTES:
        raise ImageError(f"has {size / 1e6:,.1f} MB")
    if not content:
        raise ImageError("is empty")
    return content


def _recognise(content: bytes) -> tuple[str, type[ImageFile]]:
    """Return format and reader of a file, by its first bytes."""
    for form, (start, reader) in _READERS.items():
        if re.match(start, content):
            return form, reader
    kinds = (kind for kind, start in _UNSUPPORTED.items() if re.match(start, content))
    raise ImageError(f"is {next(kinds, 'not an image this program can read')}")


def _count_frames(file: ImageFile, content: bytes) -> int:
    """Return the frames of an animation, or the pages of a TIFF up to a limit; 1 for a still image."""
    if isinstance(file, TiffImageFile):  # `n_frames` takes a minute for a file of a hundred thousand pages
        return limits.pages(content)
    return getattr(file, "n_frames", 1)


def _orientation(file: ImageFile) -> int:
    """Return the EXIF orientation, 1–8, of a loaded file; 1 if there is none or it cannot be read.

    A loaded TIFF is upright already and has lost its tag.
    """
    try:
        exif = file.info.get("exif") or b""
        if text := file.info.get("Raw profile type exif"):  # as ImageMagick writes it into a PNG
            exif = bytes.fromhex("".join(text.split("\n")[3:]))
        if not limits.is_modest(exif.removeprefix(b"Exif\0\0")):
            return 1
        orientation = int(file.getexif()[ExifTags.Base.Orientation])
    except Exception:  # none, or odd EXIF data, which is no reason to refuse the image
        return 1
    return orientation if 1 <= orientation <= 8 else 1
