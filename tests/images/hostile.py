"""Two hundred hostile images, made one after the other in little memory: small files that ask for much when decoded."""

import io
import itertools
import struct
import zlib
from collections.abc import Callable, Iterator

from PIL import Image

#: What the whole image of these files would take is more than all 200 together may.
WIDE, TALL, SQUARE = (64_000_000, 1), (1, 64_000_000), (8_000, 8_000)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(size: tuple[int, int], depth: int, colour: int, *more: bytes, interlaced: int = 0) -> bytes:
    """A PNG of zeros, whatever its size, with other chunks before its pixels."""
    width, height = size
    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    row = 1 + (width * samples * depth + 7) // 8
    packer = zlib.compressobj(6)
    packed, step = [], max(1, 2**20 // row)
    zeros = bytes(row * step)
    for done in range(0, height, step):
        packed.append(packer.compress(zeros if done + step <= height else bytes(row * (height - done))))
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    palette = chunk(b"PLTE", bytes(3 << depth)) if colour == 3 else b""
    pixels = chunk(b"IDAT", b"".join([*packed, packer.flush()]))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + palette + b"".join(more) + pixels + chunk(b"IEND", b"")


def saved(mode: str, side: int, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    Image.new(mode, (side, side)).save(file, form, **options)  # type: ignore[arg-type]
    return file.getvalue()


def tiff(entries: list[tuple[int, int, int, int]], rest: bytes = b"") -> bytes:
    """A TIFF with one directory of (tag, kind, count, value)."""
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries))
    return b"II*\0" + struct.pack("<I", 8) + directory + bytes(4) + rest


def tiff_entries(width: int, height: int, **tags: int) -> list[tuple[int, int, int, int]]:
    values = {256: width, 257: height, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: height, 279: 8}
    values |= {int(tag.removeprefix("t")): value for tag, value in tags.items()}
    return [(tag, 4, 1, value) for tag, value in values.items()]


def many_references(size: int = 4_000_000) -> bytes:
    """A directory whose entries all refer to the same megabytes."""
    entries = [(40_000 + at, 7, size, 2_000) for at in range(100)]
    return tiff([*tiff_entries(8, 8), *entries], bytes(size + 4_000))


def jpeg_with(segments: bytes) -> bytes:
    plain = saved("RGB", 64, "JPEG")
    return plain[:2] + segments + plain[2:]


def large_exif() -> bytes:
    """EXIF data in many segments, with entries that all refer to the same bytes. There is no JFIF segment before it."""
    exif = many_references(2_000_000)
    parts = [exif[at : at + 65_000] for at in range(0, len(exif), 65_000)]
    segments = b"".join(b"\xff\xe1" + struct.pack(">H", len(part) + 8) + b"Exif\0\0" + part for part in parts)
    return b"\xff\xd8" + segments + saved("RGB", 64, "JPEG")[20:]


def noisy_webp(side: int) -> bytes:
    noise = Image.effect_noise((side // 8, side // 8), 90).resize((side, side), Image.Resampling.NEAREST)
    file = io.BytesIO()
    Image.merge("RGBA", [noise] * 4).save(file, "WebP", lossless=True, method=0, quality=0)
    return file.getvalue()


def animated(form: str, side: int) -> bytes:
    frames = [Image.new("RGB", (side, side), (shade, 0, 0)) for shade in (0, 90, 180)]
    file = io.BytesIO()
    frames[0].save(file, form, save_all=True, append_images=frames[1:])
    return file.getvalue()


#: How to make each kind of hostile file.
KINDS: dict[str, Callable[[], bytes]] = {
    **{
        f"PNG {size[0]} × {size[1]}, {depth} bits, colour type {colour}": (
            lambda size=size, depth=depth, colour=colour: png(size, depth, colour)  # type: ignore[misc]
        )
        for size in (WIDE, TALL, SQUARE, (65_535, 976))
        for depth, colour in ((1, 0), (8, 0), (8, 2), (8, 3), (8, 6), (16, 0), (16, 2), (16, 6))
    },
    "PNG, clear palette": lambda: png(SQUARE, 8, 3, chunk(b"tRNS", b"\0")),
    "PNG, clear grey of 16 bits": lambda: png(SQUARE, 16, 0, chunk(b"tRNS", b"\0\0")),
    "PNG, clear colour": lambda: png(SQUARE, 8, 2, chunk(b"tRNS", bytes(6))),
    "PNG, interlaced": lambda: png((6_000, 6_000), 8, 6, interlaced=1),
    "PNG, a million empty chunks": lambda: png((8, 8), 8, 0, chunk(b"abCd", b"") * 800_000),
    "PNG, text": lambda: png(
        (8, 8), 8, 0, *(chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(10**6))) for _ in range(60))
    ),
    "PNG, EXIF": lambda: png((8, 8), 8, 0, chunk(b"eXIf", many_references())),
    "JPEG, in many scans": lambda: saved("CMYK", 7_900, "JPEG", progressive=True, quality=20),
    "JPEG, progressive in full colour": lambda: saved("RGB", 7_900, "JPEG", progressive=True, subsampling=0),
    "JPEG, two million segments": lambda: jpeg_with(b"\xff\xe5\0\2" * 2_000_000),
    "JPEG, EXIF": large_exif,
    "JPEG, 65,000 wide": lambda: wide_jpeg(),
    "WebP": lambda: saved("RGB", 7_900, "WebP", quality=1),
    "WebP, lossless with alpha": lambda: noisy_webp(3_400),
    "WebP, animated": lambda: animated("WebP", 3_400),
    "GIF": lambda: saved("P", 8_000, "GIF"),
    "GIF, clear": lambda: saved("P", 8_000, "GIF", transparency=0),
    "GIF, animated": lambda: animated("GIF", 2_000),
    "BMP, 1 bit": lambda: saved("1", 8_000, "BMP"),
    "BMP, run lengths": lambda: run_lengths(8_000),
    "TIFF, LZW": lambda: saved("RGB", 5_900, "TIFF", compression="tiff_lzw"),
    "TIFF, one strip": lambda: saved("RGB", 5_900, "TIFF", compression="tiff_lzw", strip_size=2**30),
    "TIFF, JPEG in one strip": lambda: saved("RGB", 4_000, "TIFF", compression="jpeg", strip_size=2**30),
    "TIFF, CMYK": lambda: saved("CMYK", 5_900, "TIFF", compression="tiff_adobe_deflate"),
    "TIFF, floats": lambda: saved("F", 5_900, "TIFF", compression="tiff_lzw"),
    "TIFF, fax": lambda: saved("1", 8_000, "TIFF", compression="group4"),
    "TIFF, two million strips": lambda: tiff(
        [entry for entry in tiff_entries(8, 8) if entry[0] != 273] + [(273, 4, 2_000_000, 2_000)], bytes(8_004_000)
    ),
    "TIFF, the same bytes many times": many_references,
    "TIFF, a huge tile": lambda: tiff(tiff_entries(64, 64, t322=40_000, t323=40_000, t259=5, t324=400), bytes(4_000)),
    "TIFF, 1 × 64,000,000": lambda: tiff(tiff_entries(*TALL, t259=5), bytes(4_000)),
    "TIFF, thousands of pages": lambda: pages(60_000),
    "ICO": lambda: saved("RGBA", 256, "ICO"),
    "ICNS": lambda: saved("RGBA", 512, "ICNS"),
    "JPEG 2000": lambda: saved("L", 4_000, "JPEG2000"),
    "AVIF": lambda: saved("RGB", 2_000, "AVIF", speed=10),
    "PCX": lambda: saved("L", 8_000, "PCX"),
}


def wide_jpeg() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (65_000, 900)).save(file, "JPEG", quality=5)
    return file.getvalue()


def run_lengths(side: int) -> bytes:
    """A BMP of run lengths."""
    row = b"\xff\0" * (side // 255) + bytes([side % 255, 0]) + b"\0\0"
    pixels = row * side + b"\0\1"
    size = 14 + 40 + 1024
    header = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 8, 1, len(pixels), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", size + len(pixels), 0, 0, size) + header + bytes(1024) + pixels


def pages(count: int) -> bytes:
    """A TIFF of many pages of one pixel, which all refer to the same bytes."""
    content, size = [b"II*\0" + struct.pack("<I", 8)], 2 + 9 * 12 + 4
    for page in range(count):
        entries = sorted(tiff_entries(1, 1))
        following = 8 + (page + 1) * size if page + 1 < count else 0
        directory = struct.pack("<H", 9) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
        content.append(directory + struct.pack("<I", following))
    return b"".join(content)


def files(number: int = 200) -> Iterator[tuple[str, bytes]]:
    """Names and contents of hostile files, each kind in turn."""
    made: dict[str, bytes] = {}
    for at, name in enumerate(itertools.islice(itertools.cycle(KINDS), number)):
        if name not in made:
            made[name] = KINDS[name]()
        yield f"{at} {name}", made[name]
