"""How fast Classify is with a hundred photos: from the bytes of the files to the table of results.

The photos are made here: 4,000 × 3,000 pixels of smooth colours under fine noise, as JPEGs of quality 88
(some 2.5 MB each) in one pass (baseline) or in several (progressive). "read" is what the page does with
dropped files, two at a time; "cut" makes the network's pixels, "network" its probabilities with one
thread. Figures are medians of the rounds. The browser's upload is not in it.

    python -m benchmarks.classify [rounds]
"""

import io
import os
import statistics
import sys
import time

import numpy as np
import torch
from PIL import Image, features

from core.config.run_config import RunConfig
from core.data.task import Normalization
from core.images.classify import Classifier
from core.images.read import LoadedImage, read_many
from core.images.tray import TrayImage, classify
from core.model import resnet
from core.training.environment import processor_name

PHOTOS = 100
VARIED = 4  # photos that differ; each is read many times over, nothing is remembered between them
WIDTH, HEIGHT = 4_000, 3_000


def photo(seed: int) -> Image.Image:
    """12 megapixels with as much detail as a camera's picture of a quiet scene."""
    chance = np.random.default_rng(seed)
    small = Image.fromarray(chance.integers(0, 256, (45, 60, 3), np.uint8))
    smooth = np.asarray(small.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC), np.float32)
    return Image.fromarray((smooth + chance.normal(0, 6, smooth.shape)).clip(0, 255).astype(np.uint8))


def jpeg(image: Image.Image, *, progressive: bool) -> bytes:
    """The photo as a camera (baseline) or a web site (progressive) would store it."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=88, progressive=progressive)
    return file.getvalue()


def network() -> Classifier:
    """The report's ResNet-20, untrained: as fast as a trained one."""
    config = RunConfig()
    model = resnet(config.model.depth, len(config.data.classes), config.model.width).eval()
    level = torch.full((3, 1, 1), 0.5)
    return Classifier("none", config, None, model, Normalization(level, level))


def once(files: list[tuple[str, bytes]], classifier: Classifier) -> tuple[float, float, float]:
    """Seconds of reading, of cutting and of the network."""
    began = time.perf_counter()
    shown = [TrayImage(one) for one in read_many(files) if isinstance(one, LoadedImage)]
    read = time.perf_counter()
    for one in shown:
        one.pixels("centre")
    cut = time.perf_counter()
    found = classify(shown, classifier, 0, "centre")
    assert found.shape == (len(files), len(classifier.classes))
    return read - began, cut - read, time.perf_counter() - cut


def main(rounds: int) -> None:
    """Print the table."""
    photos, classifier = [photo(seed) for seed in range(VARIED)], network()
    library = f"Pillow {Image.__version__}, libjpeg-turbo {features.version('libjpeg_turbo')}"
    print(f"{processor_name()}, {os.cpu_count()} cores, {library}, {time.strftime('%Y-%m-%d')}, n = {rounds} each\n")
    print("| 100 JPEGs of 12 megapixels | MB each | read | cut | network | in all (least–most) | images/s |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, progressive in (("baseline", False), ("progressive", True)):
        stored = [jpeg(one, progressive=progressive) for one in photos]
        files = [(f"{at}.jpg", stored[at % VARIED]) for at in range(PHOTOS)]
        once(files[:4], classifier)  # the first use of a library is slower
        times = [once(files, classifier) for _ in range(rounds)]
        parts = " | ".join(f"{statistics.median(part):.2f} s" for part in zip(*times, strict=True))
        whole = [sum(one) for one in times]
        median = statistics.median(whole)
        size = sum(map(len, stored)) / len(stored) / 1e6
        spread = f"{median:.2f} s ({min(whole):.2f}–{max(whole):.2f})"
        print(f"| {name} | {size:.1f} | {parts} | {spread} | {PHOTOS / median:.0f} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
