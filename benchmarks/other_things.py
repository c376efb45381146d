"""Images of other things: what no CIFAR-10 network knows, made or cut from the images inside scikit-image.

Seven kinds of the same size. Each kind is split into a half to choose with and a half to measure with. Images that are
made come from two different random generators. Crops come from the left part of a source image in one half and from
its right part in the other; of the 100 faces each half has every second.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

SIDE = 32
Half = Literal["choose", "measure"]
Pixels = NDArray[np.uint8]
#: Images of each kind and half: there are 100 faces.
EACH = 50
_WORDS = [
    "accuracy",
    "batch",
    "class",
    "data",
    "epoch",
    "forward",
    "gradient",
    "image",
    "layer",
    "mean",
    "network",
    "output",
    "rate",
    "sample",
    "test",
    "weight",
]


def other_things(half: Half) -> dict[str, Pixels]:
    """Return :data:`EACH` images of each kind, uint8 (EACH, 3, 32, 32), by the kind's name."""
    rng = np.random.default_rng(["choose", "measure"].index(half))
    return {name: make(rng, half).transpose(0, 3, 1, 2) for name, make in KINDS.items()}


def photographs() -> dict[str, tuple[Pixels, str]]:
    """Return a few ordinary photographs, uint8 (3, 32, 32), and what each shows, by name."""
    from skimage import data

    shown = {
        "astronaut": (data.astronaut(), "a woman in a space suit"),
        "camera": (data.camera(), "a man with a camera, grey"),
        "chelsea": (data.cat(), "a cat: a class of CIFAR-10"),
        "clock": (data.clock(), "a blurred clock, grey"),
        "coffee": (data.coffee(), "a cup of coffee"),
        "coins": (data.coins(), "coins, grey"),
        "motorcycle": (data.stereo_motorcycle()[0], "a motorcycle"),
        "rocket": (data.rocket(), "a rocket on its pad"),
    }
    return {name: (np.asarray(_squared(pixels)).transpose(2, 0, 1), text) for name, (pixels, text) in shown.items()}


def _squared(pixels: NDArray) -> Image.Image:
    """Return the largest square in the middle, scaled to 32 × 32: as Classify crops by default."""
    image = Image.fromarray(pixels).convert("RGB")
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side)).resize((SIDE, SIDE), Image.Resampling.BOX)


# --- made ---------------------------------------------------------------------------------------------


def _noise(rng: np.random.Generator, half: Half) -> Pixels:
    """Noise of six sorts: uniform, Gaussian, blurred, grey, salt and pepper, and with the spectrum of photographs."""
    return np.stack([_NOISES[at % len(_NOISES)](rng) for at in range(EACH)])


def _blurred(rng: np.random.Generator) -> Pixels:
    small = rng.integers(0, 256, (int(rng.integers(3, 10)),) * 2 + (3,), np.uint8)
    return np.asarray(Image.fromarray(small).resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def _like_photographs(rng: np.random.Generator) -> Pixels:
    """Return noise whose amplitude falls with the frequency, as in photographs (Field, 1987)."""
    frequency = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.fftfreq(SIDE)[None])
    frequency[0, 0] = 1 / SIDE
    noise = np.fft.ifft2(np.fft.fft2(rng.normal(size=(3, SIDE, SIDE))) / frequency).real
    scaled = noise / noise.std(axis=(1, 2), keepdims=True)
    return (128 + 50 * scaled).clip(0, 255).astype(np.uint8).transpose(1, 2, 0)


_NOISES: tuple[Callable[[np.random.Generator], Pixels], ...] = (
    lambda rng: rng.integers(0, 256, (SIDE, SIDE, 3), np.uint8),
    lambda rng: rng.normal(128, 40, (SIDE, SIDE, 3)).clip(0, 255).astype(np.uint8),
    _blurred,
    lambda rng: np.repeat(rng.integers(0, 256, (SIDE, SIDE, 1), np.uint8), 3, axis=2),
    lambda rng: np.repeat((rng.random((SIDE, SIDE, 1)) < 0.5).astype(np.uint8) * 255, 3, axis=2),
    _like_photographs,
)


def _colour(rng: np.random.Generator, low: int = 0, high: int = 256) -> tuple[int, ...]:
    return tuple(map(int, rng.integers(low, high, 3)))


def _text(rng: np.random.Generator, half: Half) -> Pixels:
    """Rendered words, dark on light or light on dark, and crops of two scanned pages."""
    from skimage import data

    scans = [data.page(), data.text()]
    made = [_words(rng) for _ in range(EACH - EACH // 4)]
    return np.stack(made + [_crop(scans[at % 2], rng, half, 40, 120) for at in range(EACH // 4)])


def _words(rng: np.random.Generator) -> Pixels:
    paper, ink = _colour(rng, 200), _colour(rng, 0, 90)
    if rng.random() < 0.3:
        paper, ink = ink, paper
    image = Image.new("RGB", (4 * SIDE, 4 * SIDE), paper)
    size = int(rng.integers(24, 64))
    for line in range(4 * SIDE // size + 1):
        text = " ".join(rng.choice(_WORDS, 4))
        place = (int(rng.integers(-30, 5)), line * size * 1.1)
        ImageDraw.Draw(image).text(place, text, ink, ImageFont.load_default(size))
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX))


def _drawings(rng: np.random.Generator, half: Half) -> Pixels:
    """Line drawings: a few outlines and filled shapes on light paper."""
    return np.stack([_drawing(rng) for _ in range(EACH)])


def _drawing(rng: np.random.Generator) -> Pixels:
    image = Image.new("RGB", (4 * SIDE, 4 * SIDE), _colour(rng, 225))
    draw, ink = ImageDraw.Draw(image), _colour(rng, 0, 80)
    for _ in range(int(rng.integers(3, 9))):
        width = int(rng.integers(2, 8))
        left, top = rng.integers(0, 3 * SIDE, 2)
        right, bottom = (int(left + rng.integers(16, 64)), int(top + rng.integers(16, 64)))
        box, fill = (int(left), int(top), right, bottom), _colour(rng) if rng.random() < 0.3 else None
        match rng.integers(4):
            case 0:
                draw.ellipse(box, fill, ink, width)
            case 1:
                draw.polygon([tuple(map(int, point)) for point in rng.integers(0, 4 * SIDE, (3, 2))], fill, ink, width)
            case 2:
                draw.arc(box, int(rng.integers(360)), int(rng.integers(360)), ink, width)
            case _:
                points = [tuple(map(int, point)) for point in rng.integers(0, 4 * SIDE, (5, 2))]
                draw.line(points, ink, width, "curve")
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX))


def _patterns(rng: np.random.Generator, half: Half) -> Pixels:
    """Stripes, checks, gradients, flat colours and rings."""
    return np.stack([_pattern(rng, at % 5) for at in range(EACH)])


def _pattern(rng: np.random.Generator, sort: int) -> Pixels:
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    angle, count = rng.uniform(0, np.pi), rng.uniform(2, 7)
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    waves = np.sin(2 * np.pi * count * along) > 0
    share = {
        0: waves,
        1: waves ^ (np.sin(2 * np.pi * count * across) > 0),
        2: (along - along.min()) / np.ptp(along),
        3: np.zeros_like(x),
        4: np.sin(2 * np.pi * count * np.hypot(x - rng.random(), y - rng.random())) / 2 + 0.5,
    }[sort]
    first, second = np.array(_colour(rng), float), np.array(_colour(rng), float)
    return (first + (second - first) * np.asarray(share, float)[..., None]).astype(np.uint8)


# --- cut from images --------------------------------------------------------------------------------------


def _crop(source: NDArray, rng: np.random.Generator, half: Half, smallest: int, largest: int) -> Pixels:
    """Return a square of the source's left part (to choose) or right part (to measure), scaled to 32 × 32."""
    middle = source.shape[1] // 2
    part = source[:, :middle] if half == "choose" else source[:, middle:]
    side = min(int(rng.integers(smallest, largest + 1)), *part.shape[:2])
    top, left = (int(rng.integers(0, length - side + 1)) for length in part.shape[:2])
    image = Image.fromarray(part[top : top + side, left : left + side]).convert("RGB")
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX if side >= SIDE else Image.Resampling.BICUBIC))


def _textures(rng: np.random.Generator, half: Half) -> Pixels:
    """Brick, grass and gravel, grey."""
    from skimage import data

    sources = [data.brick(), data.grass(), data.gravel()]
    return np.stack([_crop(sources[at % 3], rng, half, 48, 200) for at in range(EACH)])


def _science(rng: np.random.Generator, half: Half) -> Pixels:
    """Tissue, a cell, a retina, the moon and galaxies."""
    from skimage import data

    sources = [data.immunohistochemistry(), data.cell(), data.retina(), data.moon(), data.hubble_deep_field()]
    return np.stack([_crop(sources[at % 5], rng, half, 96, 250) for at in range(EACH)])


def _faces(rng: np.random.Generator, half: Half) -> Pixels:
    """Faces, grey, 25 × 25 pixels, from Labeled Faces in the Wild."""
    from skimage import data

    faces = data.lfw_subset()[:100][["choose", "measure"].index(half) :: 2]
    grey = [Image.fromarray((255 * face).astype(np.uint8)).convert("RGB") for face in faces]
    return np.stack([np.asarray(face.resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for face in grey])


KINDS: dict[str, Callable[[np.random.Generator, Half], Pixels]] = {
    "noise": _noise,
    "text": _text,
    "drawings": _drawings,
    "patterns": _patterns,
    "textures": _textures,
    "science": _science,
    "faces": _faces,
}
