"""A file of any kind in, the 32×32 picture the network sees out.

Here a file from anywhere becomes an upright RGB picture (:func:`read_image`) and a part of that
becomes the network's input (:func:`to_network`). No network is here: :mod:`core.images.classify` has it.

Nothing about a file is believed. Its first bytes, not its name, say what it is, and only the six
readers below are ever called, so none that runs another program (Pillow's EPS reader runs
Ghostscript). Its size is checked before a pixel is decoded. Whatever is wrong with it is told in one
sentence, as an :class:`~core.base.errors.ImageError`.
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
from typing import Literal, assert_never, get_args

import numpy as np
from PIL import ExifTags, Image, ImageChops, ImageOps
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from core.base.errors import ImageError
from core.images.jpeg import without_detail

# What a file begins with, and what reads it. `Image.open` would do the choosing, but it cannot say
# whether a file is no picture or a damaged one, and takes some phones' JPEG for a format of its own.
_READERS: dict[str, tuple[bytes, type[ImageFile]]] = {
    "PNG": (rb"\x89PNG\r\n\x1a\n", PngImageFile),
    "JPEG": (rb"\xff\xd8\xff", JpegImageFile),
    "WebP": (rb"(?s)RIFF.{4}WEBP", WebPImageFile),
    "GIF": (rb"GIF8[79]a", GifImageFile),
    "BMP": (rb"BM", BmpImageFile),
    "TIFF": (rb"II[*+]\0|MM\0[*+]", TiffImageFile),
}
# What people drop by mistake, so that they are told what it is.
_STRANGERS = {
    "a HEIC, AVIF or video file": rb"(?s).{4}ftyp",
    "a web page or a drawing (HTML, SVG, XML)": rb"(\xef\xbb\xbf)?\s*<[!?a-zA-Z]",
    "a PDF or PostScript document": rb"%PDF|%!PS",
}

FORMATS = tuple(_READERS)
MAX_BYTES = 10 * 2**20
# A full-frame camera's 61 megapixels pass. Decoded they are 256 MB, twice that while transparency is
# resolved; two threads of that are bearable beside a training.
MAX_PIXELS = 64_000_000
MAX_PAGES = 1_000  # of a TIFF, counted
MAX_SCANS = 100  # of a progressive JPEG: most have ten
# Longer side of the picture kept, in pixels: enough to show it, and to cut the smallest square by hand
# from a photo with about the 32 pixels the network sees. It takes at most 0.8 MB of memory.
DISPLAY = 512
NETWORK = 32  # side of a CIFAR-10 picture
LEAST_SIDE = 0.1  # of a square cut by hand, as a fraction of the picture's shorter side

_ALLOWED = (
    f"choose a {', '.join(FORMATS[:-1])} or {FORMATS[-1]} picture of at most "
    f"{MAX_BYTES >> 20} MB and {MAX_PIXELS // 10**6} megapixels"
)

# Pillow remarks on odd files to stderr; the person gets a sentence instead. A filter for the process,
# because `warnings.catch_warnings` around each file is not safe with threads.
warnings.filterwarnings("ignore", module=r"PIL\.")

Crop = Literal["whole", "centre", "hand"]
CROPS: tuple[Crop, ...] = get_args(Crop)


@dataclass(frozen=True)
class Square:
    """A square cut by hand, for a picture of any size. Raises :class:`ImageError` unless all three are finite.

    Numbers out of range are taken for the nearest that are possible, so that the square always lies
    inside the picture.
    """

    x: float = 0.5  # its centre, as a fraction of the width from the left
    y: float = 0.5  # its centre, as a fraction of the height from the top
    side: float = 1.0  # as a fraction of the picture's shorter side, from LEAST_SIDE to 1

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, (self.x, self.y, self.side))):
            raise ImageError(
                f"No square can be cut at ({self.x}, {self.y}) with side {self.side}; give its centre and its side "
                "as fractions from 0 to 1."
            )

    def box(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Left, top, right and bottom in whole pixels of a picture of that size; as wide as high, at least 1 pixel."""
        side = max(1, round(min(width, height) * min(max(self.side, LEAST_SIDE), 1.0)))
        left = min(max(math.floor(min(max(self.x, 0.0), 1.0) * width - side / 2), 0), width - side)
        top = min(max(math.floor(min(max(self.y, 0.0), 1.0) * height - side / 2), 0), height - side)
        return left, top, left + side, top + side


@dataclass(frozen=True)
class LoadedImage:
    """A picture as a person would see it, and what its file was."""

    name: str  # without folders and unprintable characters, at most 80 long
    image: Image.Image  # RGB, upright, on white where it was transparent, longer side at most 512 pixels
    width: int  # of the original in pixels, upright
    height: int
    mode: str  # Pillow's name for the original's kind of pixel: "RGB", "P", "CMYK", "I;16"…
    format: str  # one of FORMATS, or "test image" for one of CIFAR-10
    frames: int  # of an animation, or pages of a TIFF (counted up to 1,000); `image` is the first


def read_image(data: bytes | Path, name: str) -> LoadedImage:
    """Read a file's content, or the file at a path, as the first picture in it.

    Raises :class:`ImageError`, and nothing else, when it cannot: one sentence that begins with the
    file's ``name`` in quotes, and says what was wrong and what is allowed.
    """
    name = _shown(name)
    content = _content(data, name)
    form, reader = _recognise(content, name)
    try:
        file = reader(io.BytesIO(content))
        width, height = file.size
        if width * height > MAX_PIXELS:
            megapixels = math.ceil(width * height / 10**6)
            raise _refusal(name, f"has {width:,} × {height:,} pixels ({megapixels:,} megapixels)")
        # Each scan goes over the whole picture: within 10 MB, a file can be made that takes ten minutes.
        if "progressive" in file.info and (scans := content.count(b"\xff\xda")) > MAX_SCANS:
            raise _refusal(name, f"stores its picture in {scans:,} passes, where {MAX_SCANS} are plenty")
        mode, frames = file.mode, _count_frames(file)
        # JPEG alone can be decoded at a half, a quarter or an eighth of its size, in less time.
        # Not much below DISPLAY: a square cut by hand shall have the pixels that the network sees.
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
        return LoadedImage(name, image, width, height, mode, form, frames)
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise _refusal(name, "has too many pixels") from error
    except MemoryError as error:
        raise _refusal(name, "needs more memory to read than is free") from error
    except Exception as error:  # bytes made to do so raise anything in a reader, from OSError to KeyError
        raise _refusal(name, f"begins like a {form} file but is cut short or damaged") from error


def read_many(files: Iterable[tuple[str, bytes | Path]]) -> list[LoadedImage | ImageError]:
    """Read ``(name, data)`` pairs, two at a time, into a picture or the reason why not, in their order."""

    def attempt(file: tuple[str, bytes | Path]) -> LoadedImage | ImageError:
        name, data = file
        try:
            return read_image(data, name)
        except ImageError as error:
            return error

    # Pillow decodes without Python's lock. Two threads, so that a training keeps what cores are left.
    with ThreadPoolExecutor(max_workers=2) as pool:
        return list(pool.map(attempt, files))


def crop_box(crop: Crop, width: int, height: int, square: Square | None = None) -> tuple[int, int, int, int]:
    """What ``crop`` takes of a picture of that size: left, top, right and bottom in pixels.

    - ``"centre"``: the largest square in the middle. Shapes stay true, the ends are lost.
    - ``"whole"``: everything, squeezed to a square. Bars that pad it to one instead would put straight
      edges into the picture, which no training picture has, and spend many of the few pixels on nothing.
    - ``"hand"``: ``square``; where none was chosen, the largest in the middle.
    """
    match crop:
        case "whole":
            return 0, 0, width, height
        case "centre":
            return Square().box(width, height)
        case "hand":
            return (square or Square()).box(width, height)
        case _:
            assert_never(crop)


def to_network(picture: LoadedImage, crop: Crop = "centre", square: Square | None = None) -> np.ndarray:
    """The :func:`crop_box` of ``picture`` that ``crop`` names, as uint8 of shape (3, 32, 32), red first.

    A 32×32 picture comes out bit for bit, a smaller part is enlarged smoothly. A larger one is averaged
    by whole factors down to two to four times the size, and from there bicubic: the averages keep fine
    texture from turning into patterns (aliasing). Beyond that the filter matters little: only nearest
    neighbour costs accuracy (Chrabaszcz et al. 2017, arXiv:1707.08819).
    """
    box = crop_box(crop, *picture.image.size, square)
    # Cropped first: `resize(box=…)` would let the filter reach across the edge of the box.
    small = picture.image.crop(box).resize((NETWORK, NETWORK), Image.Resampling.BICUBIC, reducing_gap=2)
    return np.ascontiguousarray(np.asarray(small).transpose(2, 0, 1))


def _shown(name: str) -> str:
    """``name`` without folders and unprintable characters, at most 80 characters long."""
    base = re.split(r"[/\\]", name)[-1]
    # Line breaks, exotic spaces (macOS puts them into screenshots' names) and marks that reverse text.
    printable = "".join(mark if mark.isprintable() else " " * mark.isspace() for mark in base)
    short = " ".join(printable.split()) or "unnamed"
    return short if len(short) <= 80 else f"{short[:59]}…{short[-20:]}"  # the end tells the kind


def _refusal(name: str, fault: str) -> ImageError:
    return ImageError(f'"{name}" {fault}; {_ALLOWED}.')


def _content(data: bytes | Path, name: str) -> bytes:
    """The file's bytes, read from the disk only as far as needed to know that they are not too many."""
    try:
        if isinstance(data, bytes):
            content, size = data, len(data)
        elif not data.is_file():  # a folder, or a device that never ends
            raise _refusal(name, "is not there or not a file")
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
    """Format and reader of a file, by its first bytes."""
    for form, (start, reader) in _READERS.items():
        if re.match(start, content):
            return form, reader
    strangers = (kind for kind, start in _STRANGERS.items() if re.match(start, content))
    raise _refusal(name, f"is {next(strangers, 'not a picture this program can read')}")


def _count_frames(file: ImageFile) -> int:
    """Frames of an animation, or pages of a TIFF up to :data:`MAX_PAGES`; 1 for a still picture."""
    if not isinstance(file, TiffImageFile):
        return getattr(file, "n_frames", 1)
    pages = 1  # by hand, because `n_frames` takes a minute over a file made of a hundred thousand pages
    with contextlib.suppress(EOFError):
        while pages < MAX_PAGES:
            file.seek(pages)
            pages += 1
    file.seek(0)
    return pages


def _orientation(file: ImageFile) -> int:
    """EXIF orientation, 1–8, of a loaded file; 1 where there is none, or where it cannot be read.

    A loaded TIFF is upright already and has lost its tag.
    """
    try:
        found = int(file.getexif()[ExifTags.Base.Orientation])
    except Exception:  # none, or odd EXIF data, which shall not cost the picture
        return 1
    return found if 1 <= found <= 8 else 1


def _small_rgb(image: Image.Image) -> Image.Image:
    """Any kind of pixel to RGB on white, the longer side at most :data:`DISPLAY`, all else forgotten.

    Made small first, to spare time and memory, except where the mean of two pixel values is not the
    mean of their colours: palettes, and a colour that stands for transparency.
    """
    sixteen_bit = image.mode.startswith("I;16")
    if image.mode == "La":  # from here alone there is no way to RGBA
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
    rgb.info.clear()  # no EXIF for a viewer to turn it by again, no profile of another colour space
    return rgb


def _eight_bit(image: Image.Image, whites: tuple[int, ...]) -> Image.Image:
    """Grey of 32-bit integers or floats to 8 bits.

    No file says what white is in these. It is the first of ``whites`` that holds every value;
    where none does, or a value is negative, the values are stretched from the least to the greatest.
    """
    values = np.nan_to_num(np.asarray(image, np.float64), posinf=0, neginf=0)
    least, greatest = values.min(), values.max()
    white = next((white for white in whites if least >= 0 and greatest <= white), None)
    grey = values / white if white else (values - least) / (greatest - least or 1)
    return Image.fromarray((255 * grey + 0.5).clip(0, 255).astype(np.uint8))
