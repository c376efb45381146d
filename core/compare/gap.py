"""Is the gap real? What the accuracies of two runs, or of two groups of seeds, allow to conclude.

Two doubts are told apart. The test images are a sample: another sample would give other accuracies
(binomial). The seed is a draw: another seed would give another network (deviation over seeds). One run
on each side says nothing about the second, and the sentences here say so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from core.base.errors import LabError
from core.base.text import percent
from core.compare.contenders import Contender
from core.config.run_config import RunConfig
from core.stats.intervals import Interval, Spread, newcombe, next_run, spread, welch, wilson
from core.stats.verdict import Verdict

Part = Literal["test", "validation"]


class NotComparable(LabError):
    """Two contenders whose accuracies do not answer the same question."""


@dataclass(frozen=True)
class Side:
    """One contender: its accuracies (shares from 0 to 1, one a run) on ``images`` images.

    ``interval`` is Wilson's around the mean; seeds share the images, so they count once.
    """

    label: str
    run_ids: tuple[str, ...]
    accuracies: tuple[float, ...]
    images: int
    over_seeds: Spread
    interval: Interval


@dataclass(frozen=True)
class Gap:
    """``difference`` is the better mean minus the other, so never negative; as all here a share from 0 to 1.

    ``by_images``: 95 % interval that counts the choice of images alone (Newcombe). ``by_seeds``: one that
    counts the seeds alone (Welch), ``None`` unless both sides have two runs or more.
    """

    better: Side
    other: Side
    part: Part
    difference: float
    by_images: Interval
    by_seeds: Interval | None
    verdict: Verdict
    sentences: list[str]
    caveats: list[str]


def gap(first: Contender, second: Contender, looked_at: int = 2) -> Gap:
    """Compare two contenders; ``looked_at`` is among how many the person chose.

    Raises NotComparable with the reason for different tasks, and where no figure of the same kind exists.
    """
    _same_task(first.config, second.config)
    part = _part(first, second)
    sides = sorted((_side(one, part) for one in (first, second)), key=lambda side: -side.over_seeds.mean)
    better, other = sides
    by_images = newcombe(better.over_seeds.mean, better.images, other.over_seeds.mean, other.images)
    by_seeds = None
    if better.over_seeds.n > 1 and other.over_seeds.n > 1:
        by_seeds = welch(better.accuracies, other.accuracies)
    difference = better.over_seeds.mean - other.over_seeds.mean
    same_images = _images(first.config, part) == _images(second.config, part)
    sentences = [
        _what_was_seen(better, other, part, difference),
        _about_images(better, other, part, by_images, same_images),
        _about_seeds(better, other, part, by_seeds),
    ]
    return Gap(
        better, other, part, difference, by_images, by_seeds,
        _verdict(by_images, by_seeds), sentences, _caveats(first, second, part, same_images, looked_at),
    )  # fmt: skip


# --- what is compared -----------------------------------------------------------------------------


def _same_task(first: RunConfig, second: RunConfig) -> None:
    if first.data.classes != second.data.classes:
        raise NotComparable(
            f"These two do different tasks: one tells {len(first.data.classes)} classes apart "
            f"({', '.join(first.data.classes)}), the other {len(second.data.classes)} "
            f"({', '.join(second.data.classes)}). Pick runs with the same classes."
        )


def _accuracies(contender: Contender, part: Part) -> dict[str, float]:
    accuracies = {
        run.id: run.accuracy_on_test if part == "test" else run.accuracy_on_held_out for run in contender.counted
    }
    return {run_id: accuracy for run_id, accuracy in accuracies.items() if accuracy is not None}


def _part(first: Contender, second: Contender) -> Part:
    """Test images where both have such a figure, else the held-out validation images."""
    for part in ("test", "validation"):
        if _accuracies(first, part) and _accuracies(second, part):
            return part
    for one in (first, second):
        if not any(_accuracies(one, part) for part in ("test", "validation")):
            raise NotComparable(f"{one.label} has no finished epoch yet; there is nothing to compare.")
    raise NotComparable(
        "One of these two was measured on held-out images only, the other on test images only. "
        "A held-out run measures its test accuracy when it finishes: let it finish, then compare."
    )


def _side(contender: Contender, part: Part) -> Side:
    found = _accuracies(contender, part)
    over_seeds = spread(list(found.values()))
    sizes = contender.config.data.sizes()
    images = sizes.test if part == "test" else sizes.validation
    return Side(
        contender.label, tuple(found), tuple(found.values()), images, over_seeds, wilson(over_seeds.mean, images)
    )


def _images(config: RunConfig, part: Part) -> tuple[Any, ...]:
    """What decides which images a part consists of."""
    data, sizes = config.data, config.data.sizes()
    size = sizes.test if part == "test" else sizes.validation
    every = data.split == "official" and part == "test" and size == 1_000 * len(data.classes)
    return (data.split, size, None if every else data.split_seed)


def _verdict(by_images: Interval, by_seeds: Interval | None) -> Verdict:
    images, seeds = not by_images.holds(0.0), by_seeds is not None and not by_seeds.holds(0.0)
    if images and seeds:
        return "real"
    if seeds:
        return "on these images"
    return "for these seeds" if images else "not shown"


# --- in words -------------------------------------------------------------------------------------


def in_words(part: Part) -> str:
    """The images of a part: ``test images``."""
    return "test images" if part == "test" else "held-out validation images"


def points(interval: Interval) -> str:
    """A difference of accuracies: ``−0.31 to +1.20 percentage points``."""
    low, high = (round(100 * end, 2) + 0.0 for end in interval)  # no −0.00
    return f"{low:+.2f} to {high:+.2f} percentage points".replace("-", "−")


def side_in_words(side: Side) -> str:
    """Mean, deviation and n: ``91.25 ± 0.20 % (3 seeds)``, or the one run's accuracy."""
    seen = side.over_seeds
    if seen.sd is None:
        return f"{percent(seen.mean)} (one run)"
    return f"{100 * seen.mean:.2f} ± {100 * seen.sd:.2f} % ({seen.n} seeds)"


def _sizes(better: Side, other: Side, part: Part) -> str:
    if better.images == other.images:
        return f"{better.images:,} {in_words(part)}"
    return f"{better.images:,} and {other.images:,} {in_words(part)}"


def _what_was_seen(better: Side, other: Side, part: Part, difference: float) -> str:
    both = f"{side_in_words(better)} against {side_in_words(other)} on {_sizes(better, other, part)}"
    if difference == 0:
        return f"“{better.label}” and “{other.label}” are level: {both}."
    return f"“{better.label}” is {100 * difference:.2f} percentage points ahead of “{other.label}”: {both}."


def _about_images(better: Side, other: Side, part: Part, interval: Interval, same: bool) -> str:
    size, span = f"{min(better.images, other.images):,} {in_words(part)}", points(interval)
    if interval.holds(0.0):
        told = f"The choice of images alone could explain it: with other {size} the gap may be anywhere from {span}."
    else:
        told = f"The choice of images alone hardly explains it: with other {size} expect a gap of {span}."
    # On the same images the two are wrong about much the same pictures.
    return f"{told} On the same images, as here, this interval is on the cautious side." if same else told


def _about_seeds(better: Side, other: Side, part: Part, interval: Interval | None) -> str:
    if interval is not None:
        fewest = min(better.over_seeds.n, other.over_seeds.n)
        few = " Two seeds on a side say little: a third narrows this interval most." if fewest == 2 else ""
        if interval.holds(0.0):
            return (
                f"The luck of the seed alone could explain it: over seeds the mean gap may be {points(interval)}.{few}"
            )
        return f"The luck of the seed alone hardly explains it: over seeds the mean gap is {points(interval)}.{few}"
    if better.over_seeds.n == other.over_seeds.n == 1:
        return (
            f"One run each: the interval counts only the {_sizes(better, other, part)}, not the luck of the seed. "
            "Train both with two more seeds to know."
        )
    one, many = (better, other) if better.over_seeds.n == 1 else (other, better)
    expected = next_run(many.accuracies)
    inside = expected.holds(one.over_seeds.mean)
    return (
        f"“{one.label}” is one run, and its luck is unknown. One more seed of “{many.label}” would be expected between "
        f"{percent(max(expected.low, 0.0))} and {percent(min(expected.high, 1.0))}, and it lies "
        f"{'inside: it could be one of them' if inside else 'outside'}."
    )


def _caveats(first: Contender, second: Contender, part: Part, same_images: bool, looked_at: int) -> list[str]:
    told = []
    chosen_there = [one for one in (first, second) if part == "validation" or one.config.data.validation == "test"]
    if len(chosen_there) == 2:
        told.append("The best epoch was chosen on these very images, so both accuracies are a little too high.")
    elif chosen_there:
        told.append(
            f"The best epoch of “{chosen_there[0].label}” was chosen on its test images, so its accuracy is a little "
            "too high; the other's was not."
        )
    if not same_images:
        told.append("The two were measured on different images, so a part of the gap may be the images' difficulty.")
    if looked_at > 2:
        told.append(
            f"You look at {looked_at} here. The first of many is partly lucky, and of 20 comparisons without a real "
            "gap one is expected to look real."
        )
    told += [
        f"“{one.label}” has not finished: what counts is the best epoch so far."
        for one in (first, second) if not any(run.finished for run in one.runs)
    ]  # fmt: skip
    told += [_left_out(one, part) for one in (first, second) if len(_accuracies(one, part)) < len(one.runs)]
    return told


def _left_out(contender: Contender, part: Part) -> str:
    missing: Sequence[str] = [run_id for run_id in contender.run_ids if run_id not in _accuracies(contender, part)]
    return (
        f"Of “{contender.label}” {len(missing)} of {len(contender.runs)} runs have not finished, or have no accuracy "
        f"on {in_words(part)}, and are left out."
    )
