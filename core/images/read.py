"""Read image files of many formats, and cut the 32×32 pixels that a network sees.

:func:`read_image` turns a file from anywhere into an upright RGB image, :func:`to_network` a part of it into the
network's input. No network is here: :mod:`core.images.classify` has it.

Nothing about a file is trusted. Its first bytes, not its name, say what it is, and only the six readers below are ever
called: none of them runs another program (Pillow's EPS reader runs Ghostscript). The size is checked before a pixel is
decoded. Whatever is wrong raises an :class:`~core.base.errors.ImageError`.
"""

import contextlib
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
from PIL import ExifTags, Image, ImageChops, ImageOps
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
from core.images.jpeg import without_detail

# What a file begins with, and what reads it. `Image.open` would choose too, but it cannot distinguish a damaged image
# from a file that is none, and it takes some phones' JPEGs for another format (MPO).
_READERS: dict[str, tuple[bytes, type[ImageFile]]] = {
    "PNG": (rb"\x89PNG\r\n\x1a\n", PngImageFile),
    "JPEG": (rb"\xff\xd8\xff", JpegImageFile),
    "WebP": (rb"(?s)RIFF.{4}WEBP", WebPImageFile),
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
# A full-frame camera has 61 megapixels. Decoded they take 256 MB, twice that while transparency is resolved, and
# two threads read at a time.
MAX_PIXELS = 64_000_000
MAX_PAGES = 1_000  # of a TIFF, counted
MAX_SCANS = 100  # of a progressive JPEG: most have ten
# Longer side of the image kept, in pixels: enough to show it, and the smallest manual crop of a photo still has about
# the 32 pixels that the network sees. It takes at most 0.8 MB of memory.
DISPLAY = 512
LEAST_SIDE = 0.1  # of a manual crop, as a fraction of the image's shorter side

_ALLOWED = (
    f"Use a {', '.join(FORMATS[:-1])} or {FORMATS[-1]} image of at most "
    f"{MAX_BYTES >> 20} MB and {MAX_PIXELS // 10**6} megapixels."
)

# Pillow warns about odd files on stderr; the person gets an ImageError instead. The filter is for the whole process,
# because `warnings.catch_warnings` around each file is not safe with threads.
warnings.filterwarnings("ignore", module=r"PIL\.")

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
    image: Image.Image  # RGB, upright, transparency on white, longer side at most 512 pixels
    width: int  # of the original in pixels, upright
    height: int
    format: str  # one of FORMATS, or "test image" for an image of CIFAR-10
    frames: int  # of an animation, or pages of a TIFF (counted up to 1,000); `image` is the first


def read_image(data: bytes | Path, name: str) -> LoadedImage:
    """Return the first image in a file's content, or in the file at a path.

    Raises :class:`ImageError`, and nothing else: it begins with the file's ``name`` in quotes, and says what is wrong
    and what is allowed.
    """
    name = file_name(name)
    content = _content(data, name)
    form, reader = _recognise(content, name)
    try:
        file = reader(io.BytesIO(content))
        width, height = file.size
        if width * height > MAX_PIXELS:
            megapixels = math.ceil(width * height / 10**6)
            raise _refusal(name, f"has {width:,} × {height:,} pixels ({megapixels:,} megapixels)")
        # Each scan covers the whole image: a file of 10 MB can be made so that decoding takes ten minutes.
        if "progressive" in file.info and (scans := content.count(b"\xff\xda")) > MAX_SCANS:
            raise _refusal(name, f"stores its image in {scans:,} scans (at most {MAX_SCANS} are allowed)")
        frames = _count_frames(file)
        # Only JPEG can be decoded at a half, a quarter or an eighth of its size, in less time.
        # Not much below DISPLAY, so that a manual crop has the pixels that the network sees.
        scale = next((scale for scale in (8, 4, 2) if max(file.size) >= 0.9 * scale * DISPLAY), 1)
        if scale == 8 and "progressive" in file.info:
            file = reader(io.BytesIO(without_detail(content)))
        file.draft(None, (max(1, width // scale), max(1, height // scale)))
        file.load()
        orientation = _orientation(file)
        image = _small_rgb(file)
        if orientation > 1:
            image.getexif()[ExifTags.Base.Orientation] = orientation
            ImageOps.exif_transpose(image, in_place=True)
        if orientation >= 5:  # the sensor lay on its side
            width, height = height, width
        return LoadedImage(name, image, width, height, form, frames)
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise _refusal(name, "has too many pixels") from error
    except MemoryError as error:
        raise _refusal(name, "needs more memory than is free") from error
    except Exception as error:  # crafted bytes raise anything in a reader, from OSError to KeyError
        raise _refusal(name, f"looks like a {form} file, but is truncated or damaged") from error


def read_many(files: Iterable[tuple[str, bytes | Path]]) -> list[LoadedImage | ImageError]:
    """Return the image, or the error, of each ``(name, data)`` pair, in their order."""

    def attempt(file: tuple[str, bytes | Path]) -> LoadedImage | ImageError:
        name, data = file
        try:
            return read_image(data, name)
        except ImageError as error:
            return error

    # Pillow decodes without Python's lock. Only two threads, so that a training run keeps the other cores.
    with ThreadPoolExecutor(max_workers=2) as pool:
        return list(pool.map(attempt, files))


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


def _content(data: bytes | Path, name: str) -> bytes:
    """Return the file's bytes. Not more than MAX_BYTES are read from the disk."""
    try:
        if isinstance(data, bytes):
            content, size = data, len(data)
        elif not data.is_file():  # a folder, or a device that never ends
            raise _refusal(name, "does not exist or is not a file")
        else:
            size = data.stat().st_size
            with data.open("rb") as file:
                content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _refusal(name, f"could not be read ({error.strerror})") from error
    if len(content) > MAX_BYTES:
        raise _refusal(name, f"has {size / 1e6:,.1f} MB")
    if not content:
        raise _refusal(name, "is empty")
    return content


def _recognise(content: bytes, name: str) -> tuple[str, type[ImageFile]]:
    """Return format and reader of a file, by its first bytes."""
    for form, (start, reader) in _READERS.items():
        if re.match(start, content):
            return form, reader
    kinds = (kind for kind, start in _UNSUPPORTED.items() if re.match(start, content))
    raise _refusal(name, f"is {next(kinds, 'not an image this program can read')}")


def _count_frames(file: ImageFile) -> int:
    """Return the frames of an animation, or the pages of a TIFF up to :data:`MAX_PAGES`; 1 for a still image."""
    if not isinstance(file, TiffImageFile):
        return getattr(file, "n_frames", 1)
    pages = 1  # counted here, because `n_frames` takes a minute for a file of a hundred thousand pages
    with contextlib.suppress(EOFError):
        while pages < MAX_PAGES:
            file.seek(pages)
            pages += 1
    file.seek(0)
    return pages


def _orientation(file: ImageFile) -> int:
    """Return the EXIF orientation, 1–8, of a loaded file; 1 if there is none or it cannot be read.

    A loaded TIFF is upright already and has lost its tag.
    """
    try:
        orientation = int(file.getexif()[ExifTags.Base.Orientation])
    except Exception:  # none, or odd EXIF data, which is no reason to refuse the image
        return 1
    return orientation if 1 <= orientation <= 8 else 1


def _small_rgb(image: Image.Image) -> Image.Image:
    """Return an image of any mode as RGB on white, the longer side at most :data:`DISPLAY`, without metadata.

    It is made small first, to save time and memory, except where the mean of two pixel values is not the mean of their
    colours: with palettes, and with a colour that stands for transparency.
    """
    sixteen_bit = image.mode.startswith("I;16")
    if image.mode == "La":  # Pillow cannot convert it to RGBA directly
        image = image.convert("LA")
    if sixteen_bit:
        clear = image.info.get("transparency")
        image = image.convert("I")
        if isinstance(clear, int):
            grey = np.asarray(image)
            image = Image.fromarray(np.where(grey == clear, np.int32(65_535), grey))
    elif image.mode not in ("I", "F") and image.has_transparency_data:
        image = image.convert("RGBA")
    elif image.mode in ("1", "P"):
        image = image.convert("RGB")
    image.thumbnail((DISPLAY, DISPLAY), Image.Resampling.HAMMING, reducing_gap=2)
    if image.mode in ("I", "F"):
        image = _eight_bit(image, whites=(65_535,) if sixteen_bit else (1, 255, 65_535))
    rgb = image.convert("RGB")
    if image.mode == "RGBA":
        rgb.paste("white", mask=ImageChops.invert(image.getchannel("A")))
    rgb.info.clear()  # a viewer would apply the EXIF orientation, or the colour profile, a second time
    return rgb


def _eight_bit(image: Image.Image, whites: tuple[int, ...]) -> Image.Image:
    """Return a grey image of 32-bit integers or floats in 8 bits.

    No file says which value is white. It is the first of ``whites`` that no value exceeds; if there is none, or a value
    is negative, the values are stretched from the least to the greatest.
    """
    values = np.nan_to_num(np.asarray(image, np.float64), posinf=0, neginf=0)
    least, greatest = values.min(), values.max()
    white = next((white for white in whites if least >= 0 and greatest <= white), None)
    grey = values / white if white else (values - least) / (greatest - least or 1)
    return Image.fromarray((255 * grey + 0.5).clip(0, 255).astype(np.uint8))
