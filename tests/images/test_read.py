"""Image files of every format and with every fault, made in memory."""

import io
import struct
import subprocess
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngImageFile, PngInfo

from core.base.errors import ImageError
from core.images import limits, read
from core.images.read import (
    DISPLAY,
    FORMATS,
    LEAST_SIDE,
    MAX_BYTES,
    LoadedImage,
    Square,
    crop_box,
    read_image,
    read_many,
    to_network,
)

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's remarks on damaged files

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
ALLOWED = ". Use a PNG, JPEG, WebP, GIF, BMP or TIFF image of at most 10 MB and 64 megapixels."
LOSSLESS = {"WebP": {"lossless": True, "exact": True}, "JPEG": {"quality": 95, "subsampling": 0}}


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **(LOSSLESS.get(form, {}) | options))
    return file.getvalue()


def corners(width: int = 48, height: int = 32) -> Image.Image:
    """Return an image with a red, green, blue and white quarter."""
    small = Image.new("RGB", (2, 2))
    for place, colour in zip(((0, 0), (1, 0), (0, 1), (1, 1)), (RED, GREEN, BLUE, WHITE), strict=True):
        small.putpixel(place, colour)
    return small.resize((width, height), Image.Resampling.NEAREST)


def noise(width: int, height: int) -> Image.Image:
    values = np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


def letters(image: Image.Image) -> str:
    """Return the colours of the four quarters as letters, in reading order."""
    near = {RED: "R", GREEN: "G", BLUE: "B", WHITE: "W"}
    w, h = image.size
    pixels = [image.getpixel((w * x // 4, h * y // 4)) for y in (1, 3) for x in (1, 3)]
    return "".join(near[tuple(255 * (value > 127) for value in pixel)] for pixel in pixels)


def refusal(data: bytes | Path, name: str = "x.bin") -> str:
    """Return the error without the file name and what is allowed, which it must contain."""
    with pytest.raises(ImageError) as caught:
        read_image(data, name)
    error = str(caught.value)
    assert error.startswith(f'"{name}" ')
    assert error.endswith(ALLOWED)
    return error.removeprefix(f'"{name}" ').removesuffix(ALLOWED)


# What is read


@pytest.mark.parametrize("form", FORMATS)
def test_each_format_is_read_as_it_was_saved(form: str, tmp_path: Path) -> None:
    data = saved(corners(), form)
    loaded = read_image(data, f"cat.{form}")
    assert (loaded.name, loaded.format) == (f"cat.{form}", form)
    assert (loaded.width, loaded.height, loaded.frames) == (48, 32, 1)
    assert loaded.image.mode == "RGB"
    assert loaded.image.size == (48, 32)
    assert letters(loaded.image) == "RGBW"

    path = tmp_path / "anything"
    path.write_bytes(data)
    assert read_image(path, f"cat.{form}") == loaded


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WebP", "TIFF"])
@pytest.mark.parametrize(
    ("orientation", "upright"),
    # Stored is always RGBW; tag 0x0112 says where the first row and the first column belong.
    list(enumerate(("RGBW", "GRWB", "WBGR", "BWRG", "RBGW", "BRWG", "WGBR", "GWRB"), start=1)),
)
def test_exif_orientation_is_applied(form: str, orientation: int, upright: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    loaded = read_image(saved(corners(), form, exif=exif), "phone")
    assert letters(loaded.image) == upright
    assert loaded.image.size == (loaded.width, loaded.height) == ((48, 32) if orientation < 5 else (32, 48))
    assert not loaded.image.getexif(), "a viewer would turn it again"


def test_orientation_of_a_photo_decoded_at_a_fraction() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    loaded = read_image(saved(corners(4000, 3000), "JPEG", exif=exif), "phone")
    assert (loaded.width, loaded.height, loaded.image.size) == (3000, 4000, (288, 384))
    assert letters(loaded.image) == "BRWG"


def test_exif_that_cannot_be_read_does_not_prevent_reading() -> None:
    start = b"Exif\0\0II*\0\x08\0\0\0\x01\0"
    text, number = (start + struct.pack("<HHI4sI", 0x0112, *tag, 0) for tag in ((2, 4, b"six\0"), (3, 1, b"\6\0\0\0")))
    for exif, upright in ((text, "RGBW"), (start, "RGBW"), (b"Exif\0\0odd", "RGBW"), (number, "BRWG")):
        assert letters(read_image(saved(corners(), "JPEG", exif=exif), "odd").image) == upright


@pytest.mark.parametrize("mode", ["1", "L", "P", "YCbCr", "LAB", "CMYK"])
def test_kinds_of_pixel_keep_their_colour(mode: str) -> None:
    source = corners()
    if mode == "LAB":
        source = corners().convert("RGBA")  # Pillow knows the way to LAB from RGB alone
    data = saved(source.convert(mode), "TIFF")
    assert Image.open(io.BytesIO(data)).mode == mode
    loaded = read_image(data, "x.tif")
    expected = corners().convert("L").convert("RGB") if mode == "L" else corners()
    difference = np.abs(np.asarray(loaded.image, int) - np.asarray(expected, int))
    if mode == "1":
        assert set(np.unique(loaded.image)) == {0, 255}
        assert np.asarray(loaded.image)[16:, 24:].min() == 255
    else:
        assert difference.max() <= (25 if mode == "LAB" else 4)  # LAB in 8 bits is coarse


@pytest.mark.parametrize("form", ["JPEG", "TIFF"])
def test_cmyk_red_stays_red(form: str) -> None:
    """Adobe's JPEG, which is what Pillow writes too, stores CMYK upside down."""
    loaded = read_image(saved(Image.new("CMYK", (40, 40), (0, 255, 255, 0)), form), "print")
    red, green, blue = loaded.image.getpixel((20, 20))
    assert red > 245
    assert max(green, blue) < 10


def test_grey_of_16_bits_is_scaled_not_clipped() -> None:
    ramp = np.linspace(0, 65_535, 256 * 4).astype(np.uint16).reshape(4, 256)
    little = Image.fromarray(ramp)
    big = Image.frombytes("I;16B", little.size, ramp.astype(">u2").tobytes())
    for mode, data in (
        ("I;16", saved(little, "PNG")),
        ("I;16", saved(little, "TIFF")),
        ("I;16B", saved(big, "TIFF")),
        ("I", saved(Image.fromarray(ramp.astype(np.int32)), "TIFF")),
        ("F", saved(Image.fromarray((ramp / 65_535).astype(np.float32)), "TIFF")),
        ("F", saved(Image.fromarray((ramp / 257).astype(np.float32)), "TIFF")),
        ("F", saved(Image.fromarray(ramp.astype(np.float32)), "TIFF")),
        ("F", saved(Image.fromarray((ramp - 40_000.0).astype(np.float32)), "TIFF")),  # stretched
    ):
        assert Image.open(io.BytesIO(data)).mode == mode
        loaded = read_image(data, "x")
        for channel in loaded.image.split():
            assert np.abs(np.asarray(channel) - ramp / 257).max() <= 1


def test_what_is_transparent_in_grey_of_16_bits_is_white() -> None:
    grey = np.full((8, 8), 30_000, np.uint16)
    grey[:4] = 7
    seen = np.asarray(read_image(saved(Image.fromarray(grey), "PNG", transparency=7), "grey.png").image)
    assert (seen[:4] == 255).all()
    assert (seen[4:] < 130).all()


def test_dark_grey_of_16_bits_stays_dark() -> None:
    dark = Image.fromarray(np.full((8, 8), 255, np.uint16))
    assert read_image(saved(dark, "PNG"), "x").image.getextrema() == ((1, 1),) * 3


def test_white_stays_white_when_a_large_grey_image_is_made_small() -> None:
    for white in (1.0, 255.0):
        large = np.zeros((1500, 1501), np.float32)
        large[:, 700:] = white
        small = np.asarray(read_image(saved(Image.fromarray(large), "TIFF"), "x").image)
        assert (small[:, :174] == 0).all(), "no ringing at the edge"
        assert (small[:, 185:] == 255).all(), "no ringing at the edge"


@pytest.mark.filterwarnings("error")
def test_nan_and_infinite_values() -> None:
    values = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    values[0, :3] = np.nan, np.inf, -np.inf
    image = read_image(saved(Image.fromarray(values), "TIFF"), "x").image
    assert [image.getpixel((x, 0))[0] for x in range(3)] == [0, 0, 0]
    assert image.getpixel((7, 7)) == WHITE
    assert image.getpixel((4, 4))[0] == pytest.approx(255 * 36 / 63, abs=1)
    for constant in (-5.0, 3e38, -3e38):
        flat = Image.fromarray(np.full((8, 8), constant, np.float32))
        assert read_image(saved(flat, "TIFF"), "x").image.getpixel((0, 0)) == (0, 0, 0)


def half_clear(mode: str) -> Image.Image:
    """Left half blue (or black), right half fully transparent black."""
    image = Image.new("RGBA", (40, 20), (0, 0, 0, 0))
    image.paste((0, 0, 255, 255), (0, 0, 20, 20))
    return image.convert(mode)


def clear_files() -> dict[str, tuple[str, bytes]]:
    palette = Image.new("P", (40, 20), 0)
    palette.putpalette([0, 255, 0, 0, 0, 255])
    palette.paste(1, (0, 0, 20, 20))
    rgb = palette.convert("RGB")
    bilevel = Image.new("1", (40, 20), 0)
    bilevel.paste(1, (0, 0, 20, 20))
    la = saved(half_clear("LA"), "TIFF")
    unassociated, associated = (struct.pack("<HHII", 338, 3, 1, kind) for kind in (2, 1))
    assert unassociated in la
    return {
        "RGBA PNG": ("RGBA", saved(half_clear("RGBA"), "PNG")),
        "RGBA WebP": ("RGBA", saved(half_clear("RGBA"), "WebP")),
        "RGBA TIFF": ("RGBA", saved(half_clear("RGBA"), "TIFF")),
        "LA PNG": ("LA", saved(half_clear("LA"), "PNG")),
        "La TIFF": ("La", la.replace(unassociated, associated)),
        "one clear palette entry, PNG": ("P", saved(palette, "PNG", transparency=0)),
        "an alpha for each palette entry, PNG": ("P", saved(palette, "PNG", transparency=b"\0\xff")),
        "one clear palette entry, GIF": ("P", saved(palette, "GIF", transparency=0)),
        "one clear colour, PNG": ("RGB", saved(rgb, "PNG", transparency=GREEN)),
        "one clear grey, PNG": ("L", saved(rgb.convert("L"), "PNG", transparency=rgb.convert("L").getpixel((30, 10)))),
        "clear black, PNG": ("1", saved(bilevel, "PNG", transparency=0)),
    }


@pytest.mark.parametrize(("mode", "data"), clear_files().values(), ids=clear_files().keys())
def test_what_is_transparent_becomes_white(mode: str, data: bytes) -> None:
    assert Image.open(io.BytesIO(data)).mode == mode
    loaded = read_image(data, "logo")
    assert loaded.image.getpixel((30, 10)) == WHITE
    if mode in ("RGB", "RGBA", "P"):
        assert loaded.image.getpixel((10, 10)) == BLUE
    elif mode != "1":
        assert max(loaded.image.getpixel((10, 10))) < 40


def test_half_transparent_is_mixed_with_white() -> None:
    veil = Image.new("RGBA", (8, 8), (0, 0, 255, 128))
    assert read_image(saved(veil, "PNG"), "x").image.getpixel((4, 4)) == (127, 127, 255)


@pytest.mark.parametrize("form", ["GIF", "WebP", "PNG", "TIFF"])
def test_the_first_of_many_frames(form: str) -> None:
    first, *rest = (Image.new("RGB", (20, 20), colour) for colour in (RED, GREEN, BLUE))
    loaded = read_image(saved(first, form, save_all=True, append_images=rest), "moving")
    assert loaded.frames == 3
    assert loaded.image.getextrema() == ((255, 255), (0, 0), (0, 0))


def test_pages_are_counted_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_PAGES", 4)
    pages = [corners()] * 9
    loaded = read_image(saved(pages[0], "TIFF", save_all=True, append_images=pages), "book.tif")
    assert (loaded.frames, letters(loaded.image)) == (4, "RGBW")


def test_a_phone_that_adds_a_second_image_still_made_a_jpeg() -> None:
    data = saved(corners(), "MPO", save_all=True, append_images=[corners().rotate(180)])
    loaded = read_image(data, "phone.jpg")
    assert (loaded.format, loaded.frames, letters(loaded.image)) == ("JPEG", 1, "RGBW")


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 20_000), (20_000, 1), (513, 3), (511, 512)])
def test_odd_sizes(width: int, height: int) -> None:
    loaded = read_image(saved(Image.new("RGB", (width, height), BLUE), "PNG"), "odd.png")
    assert (loaded.width, loaded.height) == (width, height)
    assert max(loaded.image.size) == min(DISPLAY, max(width, height))
    for crop in read.CROPS:
        part = to_network(loaded, crop, Square(0.2, 0.8, 0.5))
        assert (part == np.array(BLUE, np.uint8)[:, None, None]).all()


def test_photos_are_made_small_faithfully() -> None:
    """Decoding a JPEG at an eighth of its size must give what averaging the whole would."""
    smooth = noise(16, 12).resize((4000, 3000), Image.Resampling.BICUBIC)
    small = read_image(saved(smooth, "JPEG"), "photo.jpg").image
    whole = smooth.resize((384, 288), Image.Resampling.BOX)
    assert small.size == whole.size == read_image(saved(smooth, "PNG"), "photo.png").image.size
    assert np.abs(np.asarray(small, int) - np.asarray(whole, int)).max() <= 6


@pytest.mark.parametrize(("width", "height"), [(600, 400), (1_280, 720), (2_100, 1_400), (300, 200)])
def test_a_jpeg_is_kept_as_large_as_a_png(width: int, height: int) -> None:
    photo = Image.new("RGB", (width, height), BLUE)
    jpeg, png = (read_image(saved(photo, form), "photo").image.size for form in ("JPEG", "PNG"))
    assert jpeg == png


def test_shown_names() -> None:
    data = saved(corners(), "PNG")
    for name, shown in {
        "../../etc/cat.png": "cat.png",
        "C:\\images\\dog.png": "dog.png",
        "red\x1b[31m\x00 gnp\u202e.png": "red[31m gnp.png",
        "two\r\nlines\u2028.png": "two lines .png",
        "Shot at 9.41\u202fPM.png": "Shot at 9.41 PM.png",
        "Küche 猫 🐈.png": "Küche 猫 🐈.png",
        "half\ud83d.png": "half.png",
        "": "unnamed",
        "folder/": "unnamed",
    }.items():
        assert read_image(data, name).name == shown
        with pytest.raises(ImageError) as caught:
            read_image(b"", name)
        assert str(caught.value) == f'"{shown}" is empty{ALLOWED}'
    long = read_image(data, "a" * 500 + ".jpeg").name
    assert (len(long), long[-8:]) == (80, "aaa.jpeg")


def test_many_come_back_in_order() -> None:
    shades = [Image.new("RGB", (900 - 80 * i, 10), (i, i, i)) for i in range(9)]
    files = [(f"{i}.png", saved(shade, "PNG")) for i, shade in enumerate(shades)]
    files[4] = ("4.png", b"nothing")
    results = read_many(files)
    for i, loaded in enumerate(results):
        if i == 4:
            assert isinstance(loaded, ImageError)
            assert str(loaded).startswith('"4.png" is not an image')
        else:
            assert isinstance(loaded, LoadedImage)
            assert loaded.image.getpixel((0, 0)) == (i, i, i)
    assert read_many([]) == []


# What is refused


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(9))) + chunk(b"IEND", b"")


def gif(width: int, height: int) -> bytes:
    """A 1×1 screen with a frame that stands out of it: Pillow learns the size as it reads the frame."""
    frame = b"," + struct.pack("<HHHH", 0, 0, width, height) + b"\0\x02\x02\x4c\x01\0"
    return b"GIF89a" + struct.pack("<HH", 1, 1) + b"\x80\0\0" + bytes(6) + frame + b";"


def webp(width: int, height: int) -> bytes:
    canvas = struct.pack("<I", 0x02) + struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    body = b"WEBPVP8X" + struct.pack("<I", len(canvas)) + canvas
    return b"RIFF" + struct.pack("<I", len(body)) + body


def bmp(width: int, height: int) -> bytes:
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, *[0] * 6)


@pytest.mark.parametrize(
    ("data", "fault"),
    {
        "empty": (b"", "is empty"),
        "text": (b"Just some text.\n" * 9, "is not an image this program can read"),
        "zeros": (bytes(99), "is not an image this program can read"),
        "ICO": (saved(corners(), "ICO"), "is not an image this program can read"),
        "PSD": (b"8BPS\0\1" + bytes(99), "is not an image this program can read"),
        "PPM": (saved(corners(), "PPM"), "is not an image this program can read"),
        "web page": (b"\n <!DOCTYPE html><html>", "is a web page or a drawing (HTML, SVG, XML)"),
        "SVG": (
            b"\xef\xbb\xbf<svg xmlns='http://www.w3.org/2000/svg'/>",
            "is a web page or a drawing (HTML, SVG, XML)",
        ),
        "EPS": (saved(corners(), "EPS"), "is a PDF or PostScript document"),
        "PDF": (b"%PDF-1.7\n", "is a PDF or PostScript document"),
        "HEIC": (b"\0\0\0\x18ftypheic\0\0\0\0", "is a HEIC, AVIF or video file"),
        "too many bytes": (bytes(12_345_678), "has 12.3 MB"),
        "20,000 × 20,000 PNG": (png(20_000, 20_000), "has 20,000 × 20,000 pixels (400 megapixels)"),
        "8,001 × 8,000 PNG": (png(8_001, 8_000), "has 8,001 × 8,000 pixels (65 megapixels)"),
        "100 megapixels, where Pillow would warn": (png(10_000, 10_000), "has 10,000 × 10,000 pixels (100 megapixels)"),
        "BMP": (bmp(30_000, 30_000), "has 30,000 × 30,000 pixels (900 megapixels)"),
        "GIF, unseen until its frame": (gif(65_535, 65_535), "has too many pixels"),
        "WebP canvas": (webp(16_384, 16_384), "has too many pixels"),
        "JPEG of many scans": (
            saved(corners(), "JPEG", progressive=True) + b"\xff\xda" * 990,
            "stores its image in 1,000 scans (at most 100 are allowed)",
        ),
        "PNG without a width": (png(0, 10), "looks like a PNG file, but is truncated or damaged"),
        "PNG with too few rows": (png(500, 500), "looks like a PNG file, but is truncated or damaged"),
        "BMP without a height": (bmp(10, 0), "looks like a BMP file, but is truncated or damaged"),
        "text that begins like a BMP": (b"BMW is a car", "looks like a BMP file, but is truncated or damaged"),
    }.values(),
)
def test_refusals(data: bytes, fault: str) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert refusal(data) == fault
    assert not [warning for warning in caught if warning.category is Image.DecompressionBombWarning]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_cut_short(form: str, share: float) -> None:
    whole = saved(noise(64, 64), form)
    assert refusal(whole[: int(share * len(whole))]) == f"looks like a {form} file, but is truncated or damaged"


def test_png_whose_text_unpacks_to_gigabytes() -> None:
    text = PngInfo()
    text.add_itxt("comment", "a" * 20_000_000, zip=True)
    assert "damaged" in refusal(saved(corners(), "PNG", pnginfo=text))


def test_tiff_whose_tag_is_larger_than_the_file() -> None:
    data = bytearray(saved(corners(), "TIFF"))
    widths = data.index(struct.pack("<HHI", 258, 3, 3))  # bits per sample
    data[widths + 4 : widths + 8] = struct.pack("<I", 0xFFFFFFF0)
    assert "damaged" in refusal(bytes(data))


def test_missing_files(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.png") == "does not exist or is not a file"
    assert refusal(tmp_path) == "does not exist or is not a file"
    assert refusal(Path("/dev/zero")) == "does not exist or is not a file"


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    with path.open("wb") as file:
        file.truncate(40 * 10**9)
    assert refusal(path) == "has 40,000.0 MB"
    assert len(saved(corners(), "PNG") + bytes(9)) < MAX_BYTES, "a file within the limit is read"


def test_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(self: PngImageFile) -> None:
        raise MemoryError

    monkeypatch.setattr(PngImageFile, "load", load)
    assert refusal(saved(corners(), "PNG")) == "needs more memory than is free"


def test_pillow_writes_nothing_on_stderr_and_the_network_is_not_loaded() -> None:
    script = f"""
import sys
from core.base.errors import ImageError
from core.images.read import read_image
for data in ({gif(10_000, 10_000)!r}, {saved(corners(), "TIFF")[:-40]!r}):
    try:
        read_image(data, "x")
    except ImageError as error:
        print(error)
print(*{{"torch", "streamlit"}} & set(sys.modules))
"""
    run = subprocess.run([sys.executable, "-W", "default", "-c", script], capture_output=True, text=True, check=True)
    first, second, modules = run.stdout.splitlines()
    assert first == f'"x" has 10,000 × 10,000 pixels (100 megapixels){ALLOWED}'
    assert "damaged" in second
    assert (modules, run.stderr) == ("", "")


VALID = [saved(corners(), form) for form in FORMATS] + [
    saved(noise(20, 20), "JPEG", progressive=True, exif=Image.Exif()),
    saved(noise(20, 20).convert("CMYK"), "JPEG"),
    saved(corners(), "PNG", save_all=True, append_images=[noise(48, 32)]),
    saved(corners(), "GIF", save_all=True, append_images=[noise(48, 32)]),
    saved(corners(), "WebP", save_all=True, append_images=[noise(48, 32)]),
    *(saved(noise(20, 20), "TIFF", compression=kind) for kind in ("tiff_lzw", "jpeg", "tiff_deflate", "packbits")),
    saved(Image.fromarray(np.ones((9, 9), np.float32)), "TIFF"),
    *(data for _, data in clear_files().values()),
]


def check_no_other_error(data: bytes) -> None:
    try:
        loaded = read_image(data, "fuzz")
    except ImageError as error:
        assert str(error).startswith('"fuzz" ')
        assert str(error).endswith(ALLOWED)
        return
    assert loaded.image.mode == "RGB"
    assert max(loaded.image.size) <= DISPLAY
    assert to_network(loaded).shape == (3, 32, 32)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([b"", *(data[:16] for data in VALID)]), st.binary(max_size=400))
def test_arbitrary_bytes(start: bytes, rest: bytes) -> None:
    check_no_other_error(start + rest)


@settings(max_examples=700, deadline=None)
@given(st.data())
def test_valid_files_changed_at_random(draw: st.DataObject) -> None:
    data = bytearray(draw.draw(st.sampled_from(VALID)))
    for _ in range(draw.draw(st.integers(0, 6))):
        # Headers are where the surprises are.
        place = draw.draw(st.one_of(st.integers(0, min(200, len(data) - 1)), st.integers(0, len(data) - 1)))
        data[place] = draw.draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]) | st.integers(0, 255))
    check_no_other_error(bytes(data[: draw.draw(st.integers(0, len(data)) | st.just(len(data)))]))


# What the network sees


def load(image: Image.Image) -> LoadedImage:
    return read_image(saved(image, "PNG"), "cat.png")


@pytest.mark.parametrize("crop", ["whole", "centre"])
def test_a_cifar_image_passes_unchanged(crop: read.Crop) -> None:
    source = noise(32, 32)
    seen = to_network(load(source), crop)
    assert seen.dtype == np.uint8
    assert seen.flags.c_contiguous
    assert np.array_equal(seen, np.asarray(source).transpose(2, 0, 1))
    assert np.array_equal(to_network(load(source), "hand", Square()), seen)


def test_centre_is_the_largest_square_in_the_middle() -> None:
    for width, height in ((96, 32), (32, 96), (33, 32), (32, 35)):
        source = noise(width, height)
        left, top = (width - 32) // 2, (height - 32) // 2
        middle = np.asarray(source)[top : top + 32, left : left + 32]
        assert np.array_equal(to_network(load(source)), middle.transpose(2, 0, 1))


def test_whole_shows_everything_squeezed() -> None:
    seen = to_network(load(corners(640, 160)), "whole")
    assert letters(Image.fromarray(seen.transpose(1, 2, 0))) == "RGBW"
    assert tuple(seen[:, 0, 0]) == RED, "no bars"
    assert tuple(seen[:, 31, 31]) == WHITE, "no bars"


def test_hand_shows_the_square() -> None:
    loaded = load(corners(640, 160))
    for square, colour in (
        (Square(0.1, 0.2, 0.4), RED),
        (Square(0.9, 0.2, 0.4), GREEN),
        (Square(0.2, 0.8, 0.4), BLUE),
        (Square(2, 7, 0), WHITE),  # as far as there is loaded, and as small as allowed
    ):
        assert (to_network(loaded, "hand", square) == np.array(colour, np.uint8)[:, None, None]).all()
    assert np.array_equal(to_network(loaded, "hand"), to_network(loaded, "centre"))


def test_a_square_cut_from_a_turned_photo_is_where_it_is_seen() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    loaded = read_image(saved(corners(4000, 3000), "JPEG", exif=exif), "phone")  # upright: BRWG
    for square, colour in ((Square(0.25, 0.25, 0.3), BLUE), (Square(0.8, 0.2, 0.3), RED), (Square(0, 1, 0.4), WHITE)):
        seen = to_network(loaded, "hand", square).astype(int)
        assert np.abs(seen - np.array(colour)[:, None, None]).max() <= 8


sides = st.integers(1, 600)
numbers = st.floats(allow_nan=False, allow_infinity=False) | st.floats(-0.5, 1.5)


@given(sides, sides, numbers, numbers, numbers)
def test_every_square_lies_inside_the_image(width: int, height: int, x: float, y: float, side: float) -> None:
    left, top, right, bottom = Square(x, y, side).box(width, height)
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    assert right - left == bottom - top
    assert right - left >= np.floor(LEAST_SIDE * min(width, height))
    assert (left, top, right, bottom) == Square(x, y, side).box(width, height)


@given(sides, sides)
def test_the_largest_square_is_the_one_in_the_middle(width: int, height: int) -> None:
    side = min(width, height)
    assert crop_box("hand", width, height) == crop_box("centre", width, height) == Square().box(width, height)
    assert crop_box("centre", width, height)[:2] == ((width - side) // 2, (height - side) // 2)


@given(sides, sides, st.floats(0, 1), st.floats(0, 1), st.floats(LEAST_SIDE, 1))
def test_a_square_is_cut_where_it_was_put(width: int, height: int, x: float, y: float, side: float) -> None:
    left, top, right, bottom = Square(x, y, side).box(width, height)
    assert right - left == pytest.approx(side * min(width, height), abs=1)
    inside = ((right - left) / 2 <= x * width <= width - (right - left) / 2) and (
        (bottom - top) / 2 <= y * height <= height - (bottom - top) / 2
    )
    if inside:
        assert ((left + right) / 2, (top + bottom) / 2) == pytest.approx((x * width, y * height), abs=1)


@given(sides, sides, numbers, numbers, numbers)
@settings(max_examples=50)
def test_any_square_of_one_colour_is_that_colour(width: int, height: int, x: float, y: float, side: float) -> None:
    loaded = LoadedImage("x", Image.new("RGB", (width, height), GREEN), width, height, "PNG", 1)
    assert (to_network(loaded, "hand", Square(x, y, side)) == np.array(GREEN, np.uint8)[:, None, None]).all()


@pytest.mark.parametrize("place", [(float("nan"), 0, 1), (0, float("inf"), 1), (0, 0, float("-inf"))])
def test_a_square_must_be_finite(place: tuple[float, float, float]) -> None:
    with pytest.raises(ImageError, match=r"is not a square.*fractions from 0 to 1"):
        Square(*place)


def test_fine_texture_becomes_grey_not_patterns() -> None:
    for size in (64, 100, 330, 1000, 2048, 2100):
        board = Image.fromarray((np.indices((size, size)).sum(0) % 2 * 255).astype(np.uint8))
        for mode in ("L", "P", "1"):
            seen = to_network(load(board.convert(mode)))
            assert np.abs(seen.astype(int) - 127).max() <= 6


def test_small_images_are_enlarged_smoothly() -> None:
    small = Image.new("L", (2, 2), 0)
    small.paste(255, (1, 0, 2, 2))
    row = to_network(load(small))[0, 16].astype(int)
    assert (np.diff(row) >= 0).all()
    assert len(set(row)) > 10
    assert np.diff(row).max() < 30
