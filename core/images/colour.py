"""From the pixels of a decoded file to a small RGB image: sRGB, 8 bits, transparency on white.

An image is made small part by part, so that no second copy of all its pixels is needed, and before anything else,
except where the mean of two pixel values is not the mean of their colours: with palettes, and with a colour that stands
for transparency.
"""

import io
import itertools
import math

import numpy as np
from PIL import Image, ImageChops, ImageCms
from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import TiffImageFile

#: Pixels that are converted at a time.
_PART = 2**18
#: A colour profile for print has up to 3 MB.
_MOST_PROFILE = 4 * 2**20
#: What can be white in an image that does not say it: 1, or all bits set from 8 to 16.
_WHITES = (1, *(2**bits - 1 for bits in range(8, 17)))
_SPACES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
#: Difference in one channel, from 0 to 255, up to which a profile is sRGB: its rounding would only blur the pixels.
_ROUNDING = 2


def small_rgb(file: ImageFile, side: int) -> tuple[Image.Image, list[str]]:
    """Return a decoded file of any mode as RGB, and what was done about its colours that a person should know.

    The longer side has at most ``side`` pixels. There is no metadata in it: a viewer would apply the EXIF orientation
    or the colour profile a second time.
    """
    notes: list[str] = []
    image, greatest = _reduced(file, side)
    alpha = None
    if image.mode == "RGBa":
        image = image.convert("RGBA")
        alpha, image = image.getchannel("A"), image.convert("RGB")
    if image.mode in ("I", "F"):
        image = _eight_bit(image, file, greatest, notes)
    elif isinstance(file, TiffImageFile) and _bits(file) > 8 and image.mode == "RGB":
        image = _brightened(image, notes)
    rgb = _srgb(image, file.info.get("icc_profile"), notes)
    if alpha is not None:
        rgb.paste("white", mask=ImageChops.invert(alpha))
    rgb.info.clear()
    return rgb, notes


def _reduced(file: ImageFile, side: int) -> tuple[Image.Image, int]:
    """Return the image at its final size, and the greatest value in it if its pixels are integers of over 8 bits.

    Its mode is RGBa (premultiplied) if something is transparent.
    """
    width, height = file.size
    scale = min(1.0, side / max(width, height))
    final = max(1, round(width * scale)), max(1, round(height * scale))
    across, down = max(1, width // final[0] // 2), max(1, height // final[1] // 2)
    columns = min(width, across * max(1, _PART // (across * down)))
    rows = down * max(1, _PART // (columns * down))
    mode = _converted(file.crop((0, 0, 1, 1))).mode
    small, greatest = Image.new(mode, (math.ceil(width / across), math.ceil(height / down))), 0
    for left, top in itertools.product(range(0, width, columns), range(0, height, rows)):
        part = _converted(file.crop((left, top, min(left + columns, width), min(top + rows, height))))
        if mode == "I":
            greatest = max(greatest, part.getextrema()[1])  # type: ignore[assignment]  # a single band
        small.paste(part.reduce((across, down)), (left // across, top // down))
    # Averaged by whole factors to at least twice the size, then resized by the rest.
    return small.resize(final, Image.Resampling.HAMMING, box=(0, 0, width / across, height / down)), greatest


def _converted(part: Image.Image) -> Image.Image:
    """Return a part of an image in a mode in which the mean of pixel values is the mean of their colours."""
    if part.mode.startswith("I;16"):
        clear = part.info.get("transparency")
        part = part.convert("I")
        if isinstance(clear, int):
            grey = np.asarray(part)
            part = Image.fromarray(np.where(grey == clear, np.int32(65_535), grey))
    elif part.mode == "La":  # Pillow cannot convert it to RGBA directly
        part = part.convert("LA").convert("RGBA").convert("RGBa")
    elif part.mode != "RGBa" and part.mode not in ("I", "F") and part.has_transparency_data:
        part = part.convert("RGBA").convert("RGBa")
    elif part.mode in ("1", "P"):
        part = part.convert("RGB")
    return part


# --- brightness -----------------------------------------------------------------------------------


def _bits(file: TiffImageFile) -> int:
    """Bits of a sample."""
    bits = file.tag_v2.get(258, 8)
    return max(map(int, bits if isinstance(bits, tuple) else (bits,)))


def _declared_white(file: ImageFile) -> int | None:
    """The greatest value that a TIFF declares for its samples, if it is not that of 16 bits."""
    if not isinstance(file, TiffImageFile):
        return None
    if 8 < _bits(file) < 16:
        return int(2 ** _bits(file) - 1)
    declared = file.tag_v2.get(281)
    declared = declared[0] if isinstance(declared, tuple) else declared
    return declared if isinstance(declared, int) and 1 < declared < 65_535 else None


def _eight_bit(image: Image.Image, file: ImageFile, greatest: int, notes: list[str]) -> Image.Image:
    """Return a grey image of 32-bit integers or floats in 8 bits.

    White is what the file declares, or the first of :data:`_WHITES` that no value exceeds; if there is none, or a value
    is negative, the values are stretched from the least to the greatest. In a PNG of 16 bits it is 65,535.
    """
    values = np.nan_to_num(np.asarray(image, np.float64), posinf=0, neginf=0)
    sixteen_bit = file.mode.startswith("I;16")
    least, most = values.min(), max(values.max(), greatest)
    declared = _declared_white(file)
    if sixteen_bit and not isinstance(file, TiffImageFile):
        white: int | None = 65_535
    elif declared and declared >= most:
        white = declared
    else:
        whites = _WHITES[1:] if sixteen_bit else _WHITES
        white = next((white for white in whites if least >= 0 and most <= white), None)
    if white is None:
        notes.append(f"its values from {least:,.6g} to {most:,.6g} are stretched from black to white")
    elif white not in (1, 255, 65_535) or (sixteen_bit and white == 255):
        notes.append(f"its values reach {most:,.0f}; {white:,} is shown as white")
    grey = values / white if white else (values - least) / (most - least or 1)
    return Image.fromarray((255 * grey + 0.5).clip(0, 255).astype(np.uint8))


def _brightened(image: Image.Image, notes: list[str]) -> Image.Image:
    """Return a colour image of 16 bits, of which the reader kept the upper eight, with its brightest value as white.

    Only if it uses no more than 14 of its bits: cameras and scanners that have 12 or 14 write them into 16.
    """
    most = max(top for _, top in image.getextrema())  # type: ignore[misc]  # three bands
    white = next(2**bits - 1 for bits in range(1, 9) if most < 2**bits)
    if white > 63:
        return image
    notes.append(f"it uses only {white.bit_length() + 8} of 16 bits; {256 * white + 255:,} is shown as white")
    return image.point(lambda value: min(255, round(value * 255 / white)))


# --- colour ---------------------------------------------------------------------------------------


def _srgb(image: Image.Image, profile: bytes | None, notes: list[str]) -> Image.Image:
    """Return an image as RGB, converted to sRGB from the ``profile`` of its file if there is one."""
    if image.mode not in _SPACES.values():
        image = image.convert("RGB")
    if profile:
        try:
            return _through_profile(image, profile)
        except Exception:  # damaged, or of another kind of image; lcms raises many
            notes.append("its colour profile cannot be used and was ignored")
    return image.convert("RGB")


def _through_profile(image: Image.Image, content: bytes) -> Image.Image:
    """Return ``image`` in sRGB. Raises anything for a profile that cannot be used."""
    if len(content) > _MOST_PROFILE:
        raise ValueError("too large")
    profile = ImageCms.getOpenProfile(io.BytesIO(content))
    mode = _SPACES[profile.profile.xcolor_space.strip()]
    if mode == "RGB" and image.mode == "L":
        image = image.convert("RGB")
    if mode != image.mode:
        raise ValueError("of another kind of image")
    transform = ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), mode, "RGB")
    if mode == "RGB" and _changes_little(transform):
        return image
    converted = ImageCms.applyTransform(image, transform)
    assert converted is not None  # only with inPlace
    return converted


def _changes_little(transform: ImageCms.ImageCmsTransform) -> bool:
    """Whether a transform from RGB to RGB leaves a grid of colours as they are, but for rounding."""
    steps = np.linspace(0, 255, 9).astype(np.uint8)
    colours = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(27, 27, 3)
    converted = ImageCms.applyTransform(Image.fromarray(colours), transform)
    return bool(np.abs(np.asarray(converted, int) - colours).max() <= _ROUNDING)
