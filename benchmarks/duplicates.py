"""Find the near-duplicates among CIFAR-10's 60,000 images, and say how sure they are.

python -m benchmarks.duplicates                          compare all images; writes core/inspect/duplicates.csv
python -m benchmarks.duplicates --report                 only write benchmarks/results/duplicates.md again
python -m benchmarks.duplicates --show 0.15 0.2 sheet.png   draw pairs at these distances, to look at them

The report counts the pairs that a person has looked at: benchmarks/results/duplicates_seen.csv, a line for each pair
with the verdict "same" (the same photograph) or "other".
"""

import argparse
import itertools
import json
import time
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw

from benchmarks.common import RESULTS, heading
from core.config.sections import ALL_IMAGES, TRAIN_IMAGES
from core.data import cifar10
from core.inspect import duplicates
from core.inspect.duplicates import KEPT, PAIRS, THRESHOLD, Pair, Pixels

SEEN = RESULTS / "duplicates_seen.csv"
FACTS = RESULTS / "duplicates.json"
REPORT = RESULTS / "duplicates.md"
#: Images that are changed at random and searched for, to measure how many duplicates the search finds.
CHANGED = 200
#: Rows searched at a time, between two lines of progress.
ROWS = 2_500
#: Bins of distance in the report.
BINS = np.round(np.arange(0.0, KEPT + 0.01, 0.05), 2)


def find(images: Pixels) -> list[Pair]:
    """Return the pairs among all images. Test images come first: their pairs matter most if this is stopped."""
    found: list[Pair] = []
    done = np.empty(0, np.int64)
    for end in range(ALL_IMAGES, 0, -ROWS):
        pairs = duplicates.candidates(images, np.arange(end - ROWS, end))
        pairs = pairs[~np.isin(_key(pairs), done)]
        done = np.union1d(done, _key(pairs))
        found += duplicates.compared(images, pairs)
        print(f"{end - ROWS:6,} {len(found):6,} pairs, {time.process_time():.0f} s", flush=True)
        _write(found)
    compared = np.empty(0, np.int64)
    while len(pairs := duplicates.with_common_copies(found)):
        pairs = pairs[~np.isin(_key(pairs), compared)]
        compared = np.union1d(compared, _key(pairs))
        if not (more := duplicates.compared(images, pairs)):
            break
        found += more
        print(f"common copies: {len(found):6,} pairs, {time.process_time():.0f} s", flush=True)
        _write(found)
    return found


def _key(pairs: np.ndarray) -> np.ndarray:
    return pairs[:, 0] * ALL_IMAGES + pairs[:, 1]


def _write(found: list[Pair]) -> None:
    table = pd.DataFrame(sorted(found, key=lambda pair: (pair.first, pair.second)), columns=Pair._fields)
    table["mirrored"] = table["mirrored"].astype(int)
    table.to_csv(PAIRS, index=False, lineterminator="\n")


# --- how many does the search find? -----------------------------------------------------------------


def changed(images: Pixels, rng: np.random.Generator) -> Pixels:
    """Return images changed as duplicates are: mirrored or not, cut out up to two pixels aside and 10 % larger or
    smaller, in other brightness, contrast and colour, with noise of 4 grey levels."""
    versions = []
    for image in images:
        side = image[..., ::-1] if rng.random() < 0.5 else image
        zoom, (down, right) = rng.uniform(0.9, 1.1), rng.uniform(-2, 2, 2)
        rows, columns = (duplicates.line_sampler(32, 0, round(zoom, 4), round(shift, 4)) for shift in (down, right))
        pixels = rows @ side.astype(np.float32) @ columns.T
        pixels = pixels * rng.uniform(0.8, 1.25, (3, 1, 1)) + rng.uniform(-20, 20, (3, 1, 1))
        versions.append(pixels + rng.normal(0, 4, pixels.shape))
    return np.stack(versions).round().clip(0, 255).astype(np.uint8)


def share_found(images: Pixels) -> float:
    """Return the share (0 to 1) of changed copies of random images that the search finds to be near-duplicates."""
    rng = np.random.default_rng(0)
    originals = rng.choice(ALL_IMAGES, CHANGED, replace=False)
    together = np.concatenate([images, changed(images[originals], rng)])
    pairs = duplicates.search(together, np.arange(ALL_IMAGES, len(together)))
    near = {(pair.first, pair.second) for pair in pairs if pair.distance <= THRESHOLD}
    return float(np.mean([(original, ALL_IMAGES + at) in near for at, original in enumerate(originals.tolist())]))


# --- looking at pairs -------------------------------------------------------------------------------


def draw_sheet(images: Pixels, near: float, far: float, file: str, most: int = 72, columns: int = 9) -> None:
    """Draw at most ``most`` random pairs from ``near`` to ``far`` apart, the first image mirrored where it fits better,
    and print them: their place on the sheet, both images and their distance."""
    table = pd.read_csv(PAIRS)
    table = table[(table["distance"] > near) & (table["distance"] <= far)]
    table = table.sample(min(most, len(table)), random_state=0).sort_values("distance")
    side, height = 80, 94
    sheet = Image.new("RGB", (columns * (2 * side + 8), -(-len(table) // columns) * height), "white")
    draw = ImageDraw.Draw(sheet)
    for place, pair in enumerate(table.itertuples(index=False)):
        x, y = place % columns * (2 * side + 8), place // columns * height
        first = images[pair.first][..., :: -1 if pair.mirrored else 1]
        for at, image in enumerate((first, images[pair.second])):
            tile = Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0)))
            sheet.paste(tile.resize((side, side), Image.Resampling.BICUBIC), (x + at * side, y))
        draw.text((x, y + side), f"{place}: {pair.distance:.3f}", "black")
        print(place, pair.first, pair.second, pair.distance)
    sheet.save(file)


# --- the report -------------------------------------------------------------------------------------


def keep_facts(**facts: Any) -> None:
    """Keep what was measured, for the report."""
    before = json.loads(FACTS.read_text(encoding="utf-8")) if FACTS.is_file() else {}
    FACTS.write_text(json.dumps(before | facts, indent=1) + "\n", encoding="utf-8")


def shared_with(theirs: pd.DataFrame) -> dict[str, int]:
    """Return how many test images of ciFAIR's list have a near-duplicate here: judged near-duplicates (1), or very
    similar (2)."""
    found = duplicates.twins(np.arange(TRAIN_IMAGES, ALL_IMAGES), np.arange(TRAIN_IMAGES))["image"] - TRAIN_IMAGES
    counts = {}
    for name, judgement in (("near", 1), ("similar", 2)):
        images = theirs.loc[theirs["Judgment"] == judgement, "TestID"]
        counts |= {name: len(images), f"{name}_found": int(images.isin(found).sum())}
    return counts


def report(labels: np.ndarray, facts: dict[str, Any]) -> str:
    """Return the report on the pairs in the file, in Markdown."""
    table = pd.read_csv(PAIRS)
    near = table[table["distance"] <= THRESHOLD]
    tested = [near["first"] >= TRAIN_IMAGES, near["second"] >= TRAIN_IMAGES]  # the second is the higher number
    across, in_test = near[~tested[0] & tested[1]], near[tested[0]]
    in_train = near[~tested[1]]
    twinned = across["second"].nunique()
    among_test = np.unique(in_test[["first", "second"]])
    among_train = np.unique(in_train[["first", "second"]])
    either = np.union1d(across["second"], among_test)
    differing = (labels[near["first"]] != labels[near["second"]]).sum()
    lines = [
        facts["heading"],
        "",
        "Near-duplicates among the 60,000 images of CIFAR-10, found by `core/inspect/duplicates.py`, which says how. "
        "`python -m benchmarks.duplicates` made this page and `core/inspect/duplicates.csv` "
        f"in {facts['seconds'] / 60:.0f} minutes of one core.",
        "",
        f"Pairs at most {THRESHOLD} apart:",
        "",
        "| | images | pairs |",
        "| --- | --- | --- |",
        f"| official test images with a near-duplicate in the training set | {twinned:,} | {len(across):,} |",
        f"| test images with a near-duplicate in the test set | {len(among_test):,} | {len(in_test):,} |",
        f"| test images with either | {len(either):,} | |",
        f"| training images with a near-duplicate in the training set | {len(among_train):,} | {len(in_train):,} |",
        "",
        f"In {differing:,} of the {len(near):,} pairs the two images have different labels.",
        "",
        "## How sure is a pair?",
        "",
        "Pairs with a test image, drawn at random by distance, enlarged side by side (`--show`), judged by eye: the "
        "same photograph, whatever its crop, colours and writing on it, or another one. Two shots of one series are "
        "another one.",
        "",
        "| distance | pairs | looked at | the same photograph |",
        "| --- | --- | --- | --- |",
    ]
    seen = pd.read_csv(SEEN).merge(table, on=["first", "second"]) if SEEN.is_file() else None
    for low, high in itertools.pairwise(BINS):
        count = int(((table["distance"] > low) & (table["distance"] <= high)).sum())
        looked = seen[(seen["distance"] > low) & (seen["distance"] <= high)] if seen is not None else ()
        same = f"{(looked['seen'] == 'same').sum()}" if len(looked) else "–"
        lines.append(f"| {low:.2f}–{high:.2f} | {count:,} | {len(looked)} | {same} |")
    lines += [
        "",
        "## How many are missed?",
        "",
        f"Of {CHANGED} random images that were mirrored with probability ½, cut out up to 2 pixels aside and up to "
        "10 % larger or smaller, changed in brightness, contrast and colour, and overlaid with noise, the search finds "
        f"{100 * facts['found']:.1f} % as near-duplicates of their originals. It does not find duplicates "
        "that are zoomed, rotated or distorted much more than that.",
        "",
        "## Others found",
        "",
        "B. Barz and J. Denzler (“Do we train on test data? Purging CIFAR of near-duplicates”, Journal of Imaging 6 "
        "(2020), 41) report duplicates of 286 test images in the training set and 39 within the test set, 3.25 % of "
        "the test images together. They took each test image’s nearest neighbour in the features of a trained network, "
        "and people judged the pairs.",
    ]
    if theirs := facts.get("theirs"):
        lines.append(
            f"\nOf their {theirs['near']} test images with a near-duplicate, {theirs['near_found']} are among ours, "
            f"and {theirs['similar_found']} of the {theirs['similar']} that they call very similar. The others of ours "
            "are not on their list, which ends at a distance in feature space and was judged by people: ours "
            "also has copies that are cropped, stretched or mirrored, and no person has looked at every pair."
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Do what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--report", action="store_true", help="write the report from the pairs that are there")
    parser.add_argument("--theirs", metavar="FILE", help="count the pairs of duplicates_cifar10.csv of ciFAIR we found")
    parser.add_argument("--show", nargs=3, metavar=("NEAR", "FAR", "FILE"), help="draw pairs at these distances")
    arguments = parser.parse_args()
    data = cifar10.load()
    if arguments.show:
        near, far, file = arguments.show
        draw_sheet(data.images, float(near), float(far), file)
        return
    if not arguments.report:
        find(data.images)
        seconds = time.process_time()
        keep_facts(heading=heading(), seconds=seconds, found=share_found(data.images))
    if arguments.theirs:
        keep_facts(theirs=shared_with(pd.read_csv(arguments.theirs)))
    REPORT.write_text(report(data.labels, json.loads(FACTS.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main()
