"""What groups of runs show, in plain English: a headline, one sentence with the numbers, details, and advice.

Compare and Studies word their findings here, from a :class:`~core.stats.judgement.Judgement`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from core.stats.intervals import Interval, Spread
from core.stats.judgement import MOST_SEEDS, POWER, Group, Judgement, Verdict

Metric = Literal["accuracy", "objective", "loss"]

#: The verdict on its own, where the claim itself would be too long for a headline.
HEADLINES: dict[Verdict, str] = {
    "real": "A real difference, larger than chance explains.",
    "on these images": "A difference on these images; on others it may vanish.",
    "for these seeds": "Larger than test-set noise, but with one seed it may be chance.",
    "not shown": "No clear difference: chance could explain it.",
}
#: The verdict in a few words, for a table.
VERDICTS: dict[Verdict, str] = {
    "real": "real",
    "on these images": "on these images",
    "for these seeds": "probable, seeds unknown",
    "not shown": "not clear",
}
#: A headline has at most this many words.
MOST_WORDS = 15
#: With fewer runs beyond the first of each group, the seed-to-seed variation is known badly.
FEW_SEEDS = 4


@dataclass(frozen=True)
class Measure:
    """How results are written: numbers times ``scale``, with ``digits`` decimals and a unit."""

    name: str
    scale: int
    digits: int
    unit: str
    difference_unit: str

    @property
    def lower_is_better(self) -> bool:
        """Whether the lowest result is the best: a loss."""
        return self.scale == 1

    def value_text(self, value: float) -> str:
        """Return ``91.25 %`` or ``0.4975 nats``."""
        return f"{self.scale * value:.{self.digits}f}{self.unit}"

    def spread_text(self, spread: Spread) -> str:
        """Return ``91.25 ± 0.20 % (3 seeds)``, or ``91.25 % (one run)``."""
        if spread.sd is None:
            return f"{self.value_text(spread.mean)} (one run)"
        mean, sd = (f"{self.scale * number:.{self.digits}f}" for number in (spread.mean, spread.sd))
        return f"{mean} ± {sd}{self.unit} ({spread.n} seeds)"

    def size_text(self, difference: float) -> str:
        """Return a difference without its sign: ``1.20 points`` or ``0.0512 nats``."""
        return f"{abs(self.scale * difference):.{self.digits}f} {self.difference_unit}"

    def signed_text(self, difference: float) -> str:
        """Return a difference with its sign: ``+1.20 points`` or ``−0.0512 nats``."""
        return f"{_number(self.scale * difference, self.digits, '+')} {self.difference_unit}"

    def interval_text(self, interval: Interval) -> str:
        """Return ``−0.31 to 1.20``."""
        return " to ".join(_number(self.scale * end, self.digits) for end in interval)


def _number(value: float, digits: int, sign: str = "") -> str:
    return f"{round(value, digits) + 0.0:{sign}.{digits}f}".replace("-", "−")  # + 0.0: no −0.00


MEASURES: dict[Metric, Measure] = {
    "accuracy": Measure("accuracy", 100, 2, " %", "points"),
    "objective": Measure("the objective", 1, 4, " nats", "nats"),
    "loss": Measure("the lowest cross-entropy", 1, 4, " nats", "nats"),
}
ACCURACY = MEASURES["accuracy"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a comparison says: ``headline`` (bold), ``summary`` (the effect with its interval), ``details`` (to fold
    away) and ``advice`` (what to do where the evidence is weak; may be empty). ``judgement`` has the numbers, and is
    ``None`` with nothing to compare."""

    headline: str
    summary: str
    details: tuple[str, ...] = ()
    advice: str = ""
    judgement: Judgement | None = None

    @property
    def sentences(self) -> list[str]:
        """Everything but the headline."""
        return [self.summary, *self.details, *([self.advice] if self.advice else [])]


@dataclass(frozen=True)
class Wording:
    """The sentences about ``judgement`` of ``groups``.

    ``setting`` is what differs, as in a sentence (``batch size``), or empty to compare the groups by their names;
    ``unit`` belongs to its values; ``numbers`` says whether these are numbers. ``images`` is what the results were
    measured on.
    """

    groups: Sequence[Group]
    judgement: Judgement
    measure: Measure
    setting: str = ""
    unit: str = ""
    numbers: bool = False
    images: str = "test images"

    @property
    def low(self) -> Group:
        """The first of the two ends."""
        return self.groups[self.judgement.low]

    @property
    def high(self) -> Group:
        """The second of the two ends: the best, or the largest number."""
        return self.groups[self.judgement.high]

    @property
    def best(self) -> Group:
        """The group with the best mean."""
        sign = -1 if self.measure.lower_is_better else 1
        return max(self.groups, key=lambda group: sign * group.spread.mean)

    def headline(self) -> str:
        """Return the verdict in one sentence of at most 15 words."""
        if self.judgement.p is None:
            return "With one seed each, chance cannot be ruled out."
        verdict, interval = self.judgement.verdict, self.judgement.interval
        probably = "probably " if verdict == "for these seeds" else ""
        name = self.measure.name
        if not self.setting:
            claim = f"{self.high.name} is {probably}more accurate"
        elif self.numbers and (len(self.groups) == 2 or (interval and not interval.holds(0.0))):
            claim = f"{name} {probably}{self._moves} with {self.setting}"
        else:
            at = "at" if self.numbers else "with"
            claim = f"{name} {probably}depends on {self.setting}: best {at} {self.best.name}"
        if verdict == "on these images":
            claim = f"on these {self.images}, {claim}"
        fits = verdict != "not shown" and len(claim.split()) <= MOST_WORDS
        return f"{_capital(claim)}." if fits else HEADLINES[verdict]

    def summary(self) -> str:
        """Return the effect with its interval."""
        judgement, measure = self.judgement, self.measure
        size, interval = measure.size_text(judgement.difference), judgement.interval
        if not self.numbers:
            sign = -1 if measure.lower_is_better else 1
            interval = interval and Interval(*sorted(sign * end for end in interval))
            more = "lower" if measure.lower_is_better else "higher"
            effect = f"{_capital(measure.name)} is {size} {more} with {self.high.name} than with {self.low.name}"
            if not self.setting:
                effect = f"{self.high.name} is {size} ahead of {self.low.name}"
        else:
            moves = f"{self._moves} by {size}" if judgement.difference else "does not change"
            effect = f"{_capital(measure.name)} {moves} from {self.low.name} to {self.high.name}{self.unit}"
        if interval is None:
            return f"{effect}."
        counted = {"seeds": "seeds only", "images": f"{self.images} only"}
        what = counted.get(judgement.counted, f"seeds and {self.images}")
        sure = f"{self._is_ahead} with {self._ahead} probability, " if judgement.difference else ""
        return f"{effect} (95 % interval {measure.interval_text(interval)}, {sure}counting {what})."

    @property
    def _moves(self) -> str:
        return "rises" if self.judgement.difference > 0 else "falls"

    @property
    def _is_ahead(self) -> str:
        if self.numbers:
            return self._moves
        return "ahead" if not self.setting else "lower" if self.measure.lower_is_better else "higher"

    @property
    def _ahead(self) -> str:
        share = self.judgement.ahead or 0.0
        return f"{100 * share:.1f} %" if share <= 0.999 else "over 99.9 %"

    def details(self) -> list[str]:
        """Return the numbers behind the summary, the test and the trend."""
        shown = [self.low, self.high] + [self.best] * (self.best not in (self.low, self.high))
        means = [f"{group.name}: {self.measure.spread_text(group.spread)}" for group in shown]
        sentences = ["; ".join(means) + ", the best" * (len(shown) > 2), self._test()]
        if not self.measure.lower_is_better:
            sizes = " and ".join(f"{size:,}" for size in dict.fromkeys(group.images for group in shown))
            sentences[0] += f"; on {sizes} {self.images}"
        sentences[0] += "."
        if self.judgement.paired:
            sentences.append(
                f"Compared image by image: {self.images} that all runs get right, or all get wrong, say nothing about "
                "the difference, so the test is sharper than one by accuracies alone."
            )
        if self.judgement.ahead is not None and self.judgement.difference:
            sentences.append(self._order())
        if (trend := self.judgement.trend) is not None:
            per = "per doubling" if trend.per_doubling else "over the whole range"
            sentences.append(
                f"The line through all {len(self.groups)} values {'rises' if trend.rise >= 0 else 'falls'} by "
                f"{self.measure.size_text(trend.rise)} {per} (95 % interval "
                f"{self.measure.interval_text(trend.interval)})."
            )
        return sentences

    def _order(self) -> str:
        """Return which mean is the larger one, how sure that is, and what this probability means."""
        ends = (self.high, self.low) if self.judgement.difference > 0 else (self.low, self.high)
        larger, smaller = (f"{self.setting} {group.name}".strip() for group in ends)
        over = {"seeds": "over all seeds, on these images,", "images": "of these networks over all images of this kind"}
        over_all = over.get(self.judgement.counted, "over all seeds and all images of this kind")
        return (
            f"P({larger} > {smaller}) is {self._ahead}: the probability, given these runs, that mean "
            f"{self.measure.name.removeprefix('the ')} {over_all} is higher for the first (one-sided confidence, "
            "1 − p/2)."
        )

    def _test(self) -> str:
        judgement, several = self.judgement, len(self.groups) > 2
        if judgement.p is None:
            return "Seed-to-seed variation is unknown, and sampling of the images is not counted."
        p = f"p = {judgement.p:.3f}" if judgement.p >= 0.001 else "p < 0.001"
        test = f"all {len(self.groups)} values compared at once, {p}" if several else p
        excludes_zero = judgement.interval is not None and not judgement.interval.holds(0.0)
        match judgement.verdict:
            case "real":
                ends = ", though not between the two ends" if several and not excludes_zero else ""
                return f"Seed-to-seed variation and sampling of the {self.images} do not explain this ({test}){ends}."
            case "on these images" if judgement.counted == "seeds":
                return f"Seed-to-seed variation does not explain this ({test}); sampling of the images is not counted."
            case "on these images":
                return f"Seed-to-seed variation does not explain this, but with the {self.images} it may ({test})."
            case "for these seeds":
                return f"Sampling of the {self.images} does not explain this ({test}); seed-to-seed variation may."
        picked = " The interval excludes zero, but compares only the two ends." if several and excludes_zero else ""
        return f"Chance could explain this ({test}).{picked}"

    def advice(self) -> tuple[str, int]:
        """Return what to do where the evidence is weak (else empty), and how many seeds to add to every group."""
        judgement, counts = self.judgement, [len(group.results) for group in self.groups]
        single = [group.name for group in self.groups if len(group.results) == 1]
        if not judgement.freedom:
            return "One seed each cannot rule out seed-to-seed variation: add two seeds to each.", 2
        if single:
            return f"Add seeds to {', '.join(single)}: with one seed, its variation is taken from the other values.", 0
        if judgement.freedom < FEW_SEEDS:
            return f"Only {sum(counts)} runs measure seed-to-seed variation: add a seed to each.", 1
        if judgement.verdict == "real" or not judgement.difference:
            return "", 0
        if judgement.seeds_needed is None:
            return f"Even {MOST_SEEDS} seeds each would not show a difference of this size reliably.", 0
        if (more := judgement.seeds_needed - min(counts)) > 0:
            chance = f"with {100 * POWER:.0f} % probability"
            return f"{judgement.seeds_needed} seeds each would show a true difference of this size {chance}.", more
        return "", 0


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
