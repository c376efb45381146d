"""Measure how fast Classify turns a hundred photos into predictions, from the bytes of the files to the probabilities.

The photos are generated: 4,000 × 3,000 pixels of smooth colours under fine noise, saved as JPEG with quality 88 (about
2.5 MB each), baseline or progressive. "read" decodes the files, two at a time, as the page does; "crop" makes the
32×32 input of the network; "network" computes the probabilities with one thread. Values are medians over the rounds.
The upload from the browser is not included.

    python -m benchmarks.classify [rounds]
"""

import io
import statistics
import sys
import time

import numpy as np
import torch
from PIL import Image, features

from benchmarks.common import heading, spread_text
from core.config.run_config import RunConfig
from core.data.task import Normalization
from core.images.classify import Classifier
from core.images.read import LoadedImage, read_many
from core.images.tray import TrayImage, classify
from core.model.resnet import make_network

PHOTOS = 100
#: Different photos among them. Nothing is cached between photos, so a few are enough.
DIFFERENT_PHOTOS = 4
WIDTH, HEIGHT = 4_000, 3_000


def photo(seed: int) -> Image.Image:
    """Return an image of 12 megapixels with about as much detail as a camera's photo of a quiet scene."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (45, 60, 3), np.uint8))
    smooth = np.asarray(small.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC), np.float32)
    return Image.fromarray((smooth + rng.normal(0, 6, smooth.shape)).clip(0, 255).astype(np.uint8))


def jpeg(image: Image.Image, *, progressive: bool) -> bytes:
    """Return the photo as a JPEG file, baseline as from a camera or progressive as from a web site."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=88, progressive=progressive)
    return file.getvalue()


def untrained_classifier() -> Classifier:
    """Return the default ResNet-20 with random weights, which is as fast as a trained network."""
    config = RunConfig()
    model = make_network(config).eval()
    level = torch.full((3, 1, 1), 0.5)
    return Classifier("none", config, None, model, Normalization(level, level))


def measure(files: list[tuple[str, bytes]], classifier: Classifier) -> tuple[float, float, float]:
    """Return the seconds to read the files, to crop the images, and to compute the probabilities."""
    began = time.perf_counter()
    images = [TrayImage(image) for image in read_many(files) if isinstance(image, LoadedImage)]
    read = time.perf_counter()
    for image in images:
        image.pixels("centre")
    cropped = time.perf_counter()
    probabilities = classify(images, classifier, 0, "centre")
    assert probabilities.shape == (len(files), len(classifier.classes))
    return read - began, cropped - read, time.perf_counter() - cropped


def main(rounds: int) -> None:
    """Print the table."""
    photos, classifier = [photo(seed) for seed in range(DIFFERENT_PHOTOS)], untrained_classifier()
    library = f"Pillow {Image.__version__}, libjpeg-turbo {features.version('libjpeg_turbo')}"
    print(f"{heading(library)}, n = {rounds} each; total: median (lowest–highest)\n")
    print("| 100 JPEGs of 12 megapixels | MB each | read | crop | network | total | images/s |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, progressive in (("baseline", False), ("progressive", True)):
        contents = [jpeg(image, progressive=progressive) for image in photos]
        files = [(f"{number}.jpg", contents[number % DIFFERENT_PHOTOS]) for number in range(PHOTOS)]
        measure(files[:4], classifier)  # the first use of a library is slower
        times = [measure(files, classifier) for _ in range(rounds)]
        steps = " | ".join(f"{statistics.median(seconds):.2f} s" for seconds in zip(*times, strict=True))
        totals = [sum(seconds) for seconds in times]
        size = sum(map(len, contents)) / len(contents) / 1e6
        speed = PHOTOS / statistics.median(totals)
        print(f"| {name} | {size:.1f} | {steps} | {spread_text(totals, 2)} s | {speed:.0f} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
