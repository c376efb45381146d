"""Colour profiles and brightness: an image is shown as it was meant, and what had to be assumed is said."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from core.images.read import LoadedImage, read_image

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def matrix_profile(primaries: dict[str, tuple[float, float, float]], gamma: float) -> bytes:
    """An RGB display profile (ICC.1:2010) from its primaries, adapted to D50, and a gamma."""

    def number(value: float) -> bytes:
        return struct.pack(">i", round(value * 65_536))

    tags = {b"desc": b"desc" + bytes(4) + struct.pack(">I", 2) + b"x\0" + bytes(78)}
    tags |= {b"cprt": b"text" + bytes(4) + b"none\0", b"wtpt": b"XYZ " + bytes(4) + _xyz((0.9642, 1.0, 0.8249))}
    for name, xyz in primaries.items():
        tags[f"{name}XYZ".encode()] = b"XYZ " + bytes(4) + _xyz(xyz)
        tags[f"{name}TRC".encode()] = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))
    table, content, at = b"", b"", 128 + 4 + 12 * len(tags)
    for name, tag in tags.items():
        padded = tag + bytes(-len(tag) % 4)
        table += name + struct.pack(">II", at + len(content), len(tag))
        content += padded
    body = struct.pack(">I", len(tags)) + table + content
    kinds = struct.pack(">I4s4s4s12s4s", 0x02400000, b"mntr", b"RGB ", b"XYZ ", bytes(12), b"acsp")
    head = struct.pack(">I4s", 128 + len(body), bytes(4)) + kinds
    head += bytes(28) + number(0.9642) + number(1.0) + number(0.8249)
    return head + bytes(128 - len(head)) + body


def _xyz(values: tuple[float, float, float]) -> bytes:
    return b"".join(struct.pack(">i", round(value * 65_536)) for value in values)


ADOBE_RGB = matrix_profile(
    {"r": (0.60974, 0.31111, 0.01947), "g": (0.20528, 0.62567, 0.06087), "b": (0.14919, 0.06322, 0.74457)}, 2.19921875
)
DISPLAY_P3 = matrix_profile(
    {"r": (0.51512, 0.24120, -0.00105), "g": (0.29198, 0.69225, 0.04189), "b": (0.15710, 0.06657, 0.78407)}, 2.2
)


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)  # type: ignore[arg-type]
    return file.getvalue()


def read(image: Image.Image, form: str = "PNG", **options: object) -> LoadedImage:
    return read_image(saved(image, form, **options), "x")


def in_profile(image: Image.Image, profile: bytes) -> Image.Image:
    """The same colours as numbers of another profile."""
    target = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    converted = ImageCms.profileToProfile(image, ImageCms.createProfile("sRGB"), target)
    assert converted is not None
    return converted


def colours() -> Image.Image:
    """Colours that every profile here has: none is fully saturated."""
    steps = np.linspace(70, 190, 8).astype(np.uint8)
    return Image.fromarray(np.stack(np.meshgrid(steps, steps, steps), -1).reshape(16, 32, 3))


# --- profiles -------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", [ADOBE_RGB, DISPLAY_P3], ids=["Adobe RGB", "Display P3"])
@pytest.mark.parametrize("form", ["PNG", "TIFF", "WebP", "JPEG"])
def test_colours_of_another_profile_are_those_of_srgb(profile: bytes, form: str) -> None:
    options = {"WebP": {"lossless": True}, "JPEG": {"quality": 100, "subsampling": 0}}.get(form, {})
    original = colours() if form != "JPEG" else colours().resize((320, 160), Image.Resampling.NEAREST)
    numbers = in_profile(original, profile)
    assert np.abs(np.asarray(numbers, int) - np.asarray(original, int)).max() > 8
    loaded = read(numbers, form, icc_profile=profile, **options)
    difference = np.abs(np.asarray(loaded.image, int) - np.asarray(original, int))
    assert difference.mean() < 1.5 and difference.max() <= (16 if form == "JPEG" else 4)
    assert loaded.notes == ()
    assert not loaded.image.info


def test_srgb_is_left_bit_for_bit() -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8))
    assert read(noise, icc_profile=SRGB).image.tobytes() == noise.tobytes()


def test_transparency_stays_white_with_a_profile() -> None:
    image = Image.new("RGBA", (32, 32), (60, 90, 120, 255))
    image.paste((60, 90, 120, 0), (16, 0, 32, 32))
    loaded = read(image, icc_profile=DISPLAY_P3)
    assert loaded.image.getpixel((30, 5)) == (255, 255, 255)
    assert loaded.image.getpixel((2, 5)) != (60, 90, 120)


def test_a_grey_image_with_a_profile_of_colours_stays_grey() -> None:
    red, green, blue = read(Image.new("L", (32, 32), 100), icc_profile=DISPLAY_P3).image.getpixel((3, 3))
    assert max(red, green, blue) - min(red, green, blue) <= 1


@pytest.mark.parametrize(
    "profile",
    [b"x" * 300, ADOBE_RGB[:200], ADOBE_RGB[:128] + bytes(500), ADOBE_RGB.replace(b"RGB XYZ ", b"CMYKXYZ ")],
    ids=["text", "cut short", "zeros", "of another kind of image"],
)
def test_a_damaged_profile_is_ignored_and_said(profile: bytes) -> None:
    loaded = read(colours(), icc_profile=profile)
    assert np.asarray(loaded.image).tolist() == np.asarray(colours()).tolist()
    assert len(loaded.notes) == 1 and "profile" in loaded.notes[0] and "ignored" in loaded.notes[0]


def test_a_large_image_is_converted_too() -> None:
    large = in_profile(colours(), ADOBE_RGB).resize((3_000, 1_500), Image.Resampling.NEAREST)
    loaded = read(large, icc_profile=ADOBE_RGB)
    expected = colours().resize(loaded.image.size, Image.Resampling.BOX)
    assert np.abs(np.asarray(loaded.image, int) - np.asarray(expected, int)).mean() < 3


# --- brightness -----------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [9, 10, 12, 14])
@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.float32])
def test_a_camera_of_few_bits_is_as_bright_as_it_was(bits: int, kind: type) -> None:
    ramp = np.linspace(0, 2**bits - 1, 64 * 64).astype(kind).reshape(64, 64)
    loaded = read(Image.fromarray(ramp), "TIFF")
    expected = ramp.astype(float) / (2**bits - 1) * 255
    assert np.abs(np.asarray(loaded.image, float)[..., 0] - expected).max() <= 1
    assert len(loaded.notes) == 1 and f"{2**bits - 1:,}" in loaded.notes[0]


def test_the_declared_range_counts_before_the_one_found() -> None:
    dark = Image.fromarray(np.full((16, 16), 1_000, np.uint16))
    assert read(dark, "TIFF", tiffinfo={281: 4_095}).image.getpixel((3, 3)) == (62, 62, 62)
    assert read(dark, "TIFF").image.getpixel((3, 3)) == (249, 249, 249)


def test_a_single_bright_pixel_of_a_large_image_is_found() -> None:
    values = np.full((3_000, 3_000), 400, np.uint16)
    values[1_111, 2_222] = 4_000
    assert read(Image.fromarray(values), "TIFF", compression="tiff_lzw").image.getpixel((3, 3)) == (25, 25, 25)


def test_full_range_is_left_and_nothing_is_said() -> None:
    ramp = Image.fromarray(np.linspace(0, 65_535, 64 * 64).astype(np.uint16).reshape(64, 64))
    for form in ("TIFF", "PNG"):
        loaded = read(ramp, form)
        assert loaded.notes == ()
        assert loaded.image.getpixel((0, 0)) == (0, 0, 0) and loaded.image.getpixel((63, 63)) == (255, 255, 255)


def test_colours_of_twelve_bits_in_sixteen_are_bright() -> None:
    values = np.linspace(0, 4_095, 32 * 32 * 3).astype("<u2").reshape(32, 32, 3)
    tags = [(256, 32), (257, 32), (258, 0), (259, 1), (262, 2), (273, 0), (277, 3), (278, 32), (279, values.nbytes)]
    bits_at = 8 + 2 + 12 * len(tags) + 4
    entries = b""
    for tag, value in tags:
        count, kind = (3, 3) if tag == 258 else (1, 4)
        entries += struct.pack("<HHII", tag, kind, count, {258: bits_at, 273: bits_at + 6}.get(tag, value))
    head = b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + struct.pack("<HHH", 16, 16, 16)
    loaded = read_image(head + values.tobytes(), "scan.tif")
    assert loaded.image.getextrema()[0][1] >= 250
    assert len(loaded.notes) == 1 and "12 of 16 bits" in loaded.notes[0]
