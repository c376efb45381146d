"""The paired test on simulated studies whose truth is known: how often it is wrong, how much it finds.

    python -m benchmarks.paired [--studies 2000]     # about 10 min; writes results/paired.md and docs/statistics.md

Every study is simulated image by image. A network is right on an image if a normal number is large enough, which is the
sum of what makes the image easy for every network, for every network of its group, and for this network alone. The
first two make networks fail on the same images, as real ones do: the correlation that real runs have is measured from
those in runs/.
"""

import argparse
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtri
from scipy.stats import multivariate_normal

from benchmarks.common import RESULTS, publish
from core.base.paths import PROJECT
from core.jobs.predict import predictions_of
from core.runs.store import RunStore
from core.stats.joint import Sample
from core.stats.paired import image_covariance

#: Images are simulated in 32 bits: a study of 10,000 images and six runs takes about 2 ms.
_REAL = np.float32
#: Studies with one seed each are quick, so the table has so many times more of them.
MORE_OF_ONE_SEED = 5


@dataclass(frozen=True)
class Truth:
    """How studies are drawn: ``seeds`` and true ``accuracies`` (0 to 1) of each group, and ``images`` of a test set.

    ``within`` and ``between`` are correlations of the normal numbers of two networks on an image: of one group, and of
    two groups. Two ResNet-20s of one recipe have 0.88, two of very different recipes down to 0.7. ``seed_sd`` is the
    deviation of a network's accuracy over endless images (0 to 1).
    """

    seeds: tuple[int, ...]
    accuracies: tuple[float, ...]
    images: int = 10_000
    within: float = 0.88
    between: float = 0.86
    seed_sd: float = 0.001

    def study(self, rng: np.random.Generator) -> list[NDArray[np.bool_]]:
        """Return for each group bool (seeds, images): whether the network is right on the image."""
        m = self.images
        common = np.sqrt(self.between) * rng.standard_normal(m, _REAL)
        groups = []
        for n, accuracy in zip(self.seeds, self.accuracies, strict=True):
            threshold = ndtri(1 - accuracy)
            height = np.exp(-(threshold**2) / 2) / np.sqrt(2 * np.pi)  # of the density: accuracy per unit of threshold
            shift = self.seed_sd / height * rng.standard_normal((n, 1))
            own = np.sqrt(self.within - self.between) * rng.standard_normal(m, _REAL)
            alone = np.sqrt(1 - self.within) * rng.standard_normal((n, m), _REAL)
            groups.append(alone + (common + own) > (threshold - shift).astype(_REAL))
        return groups


def sample(correct: list[NDArray[np.bool_]], *, paired: bool) -> Sample:
    """Return the accuracies of one study, with the covariance of the shared images or with each group's own."""
    results, images = [runs.mean(1).tolist() for runs in correct], [runs.shape[1] for runs in correct]
    return Sample.of(results, images, image_covariance(correct) if paired else None)


def samples(truth: Truth, studies: int, seed: int = 0) -> tuple[Sample, Sample]:
    """Return ``studies`` simulated studies, compared image by image and not."""
    rng = np.random.default_rng(seed)
    each = [sample(truth.study(rng), paired=True) for _ in range(studies)]
    means, variances = (np.stack([getattr(one, name) for one in each]) for name in ("means", "variances"))
    shared = np.stack([one.shared for one in each if one.shared is not None])
    paired = Sample(means, variances, each[0].counts, each[0].images, shared)
    return paired, replace(paired, shared=None)


# --- what real runs have in common ----------------------------------------------------------------


class Shared(NamedTuple):
    """Two real runs on the same ``images``.

    ``errors`` are shares of all images, ``both`` is the share of the better one's errors that the other makes too, and
    ``correlation`` that of the normal numbers that would give this.
    """

    runs: str
    images: int
    errors: tuple[float, float]
    both: float
    correlation: float


def shared_errors(name: str, first: NDArray[np.bool_], second: NDArray[np.bool_]) -> Shared:
    """Return what two runs have in common; each bool (images,), whether it is right."""
    errors, both = (1 - first.mean(), 1 - second.mean()), (~first & ~second).mean()
    heights = [float(ndtri(error)) for error in errors]

    def excess(correlation: float) -> float:
        joint = multivariate_normal.cdf(heights, cov=[[1, correlation], [correlation, 1]])
        return float(joint - both)

    correlation = brentq(excess, 0.0, 0.9999)
    return Shared(name, len(first), (float(errors[0]), float(errors[1])), float(both / min(errors)), correlation)


def real_pairs(store: RunStore) -> list[Shared]:
    """Return what each two finished runs of one task, with at least 1,000 test images in common, have in common."""
    known = {run.id: predictions_of(store, run.id) for run in store.summaries() if run.finished}
    pairs = []
    for (one, first), (other, second) in itertools.combinations(known.items(), 2):
        ours, theirs = first.answers(), second.answers()
        if first.classes != second.classes or ours is None or theirs is None:
            continue
        images, at, there = np.intersect1d(ours.images, theirs.images, return_indices=True)
        if len(images) >= 1_000:
            pairs.append(shared_errors(f"{one}, {other}", ours.correct[at], theirs.correct[there]))
    return pairs


# --- the tables -----------------------------------------------------------------------------------


def chance_rows(studies: int) -> Iterable[tuple[str, ...]]:
    """Yield a row for each way to draw studies without a true difference, with one, two, three and five seeds."""
    ways = [(2, images, between) for images in (10_000, 2_000) for between in (0.86, 0.88, 0.70)]
    for way, (groups, images, between) in enumerate([*ways, (5, 2_000, 0.86)]):
        for seeds in (1, 2, 3, 5):
            sd = 0.0 if seeds == 1 else 0.002  # with one seed the question is about these networks
            truth = Truth((seeds,) * groups, (0.915,) * groups, images, between=between, seed_sd=sd)
            paired, unpaired = samples(truth, MORE_OF_ONE_SEED * studies if seeds == 1 else studies, seed=way)
            estimate = paired.difference(0, 1)
            yield (
                f"{groups}",
                f"{images:,}",
                f"{between:.2f}",
                f"{seeds}",
                _percent((paired.p_value() < 0.05).mean()),
                _percent((paired.p_value(np.arange(float(groups))) < 0.05).mean()),
                _percent((unpaired.p_value() < 0.05).mean()),
                _percent((estimate.p >= 0.05).mean()),
            )


def power_rows(studies: int) -> Iterable[tuple[str, ...]]:
    """Yield a row for each correlation, deviation over seeds and number of seeds, with one point between the groups."""
    for between, seed_sd in itertools.product((0.86, 0.70), (0.0, 0.001, 0.002)):
        for seeds in (2, 3, 5):
            paired, unpaired = samples(Truth((seeds, seeds), (0.915, 0.925), between=between, seed_sd=seed_sd), studies)
            estimate = paired.difference(0, 1)
            yield (
                f"{between:.2f}",
                f"{100 * np.sqrt(paired.variances.mean()):.2f}",
                f"{100 * seed_sd:.2f}",
                f"{seeds}",
                _percent((paired.p_value() < 0.05).mean()),
                _percent((unpaired.p_value() < 0.05).mean()),
                _percent((replace(estimate, value=estimate.value - 0.01).p >= 0.05).mean()),
            )


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def report(studies: int, store: RunStore) -> str:
    """Return the tables as Markdown."""
    pairs = real_pairs(store)
    real = _table(
        ("runs", "test images in common", "errors", "errors of the better one that the other makes too", "correlation"),
        [
            (
                pair.runs,
                f"{pair.images:,}",
                " and ".join(_percent(error) for error in pair.errors),
                _percent(pair.both),
                f"{pair.correlation:.2f}",
            )
            for pair in pairs
        ],
    )
    chance = _table(
        (
            *("groups", "images", "correlation between groups", "seeds"),
            *("“real”, choices", "“real”, numbers", "“real” by accuracies alone", "95 % interval holds the truth"),
        ),
        chance_rows(studies),
    )
    power = _table(
        (
            *("correlation between groups", "deviation of a run’s accuracy, points", "of which true", "seeds"),
            *("found image by image", "found by accuracies alone", "95 % interval holds the truth"),
        ),
        power_rows(studies),
    )
    many = MORE_OF_ONE_SEED * studies
    errors = [100 * np.sqrt(0.05 * 0.95 / number) for number in (studies, many)]
    return (
        f"{studies:,} simulated studies for each row, which tell a share of 5 % to ± {errors[0]:.1f} points (one "
        f"standard error); without a true difference and with one seed {many:,}, which tell it to ± {errors[1]:.1f}."
        "\n\n"
        f"### What real runs have in common\n\n{real}\n\n"
        "### Without a true difference\n\nAll accuracies are 91.5 % over endless images, and networks of one group "
        f"have the correlation 0.88.\n\n{chance}\n\n"
        "### A true difference of one point\n\nThe accuracies are 91.5 and 92.5 %, measured on 10,000 images. The "
        "accuracy of a run varies more than that of its network over endless images, since two networks of one "
        f"accuracy are right on different images.\n\n{power}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=2_000, metavar="N", help="studies for each row (default: 2000)")
    text = report(parser.parse_args().studies, RunStore(PROJECT / "runs"))
    (RESULTS / "paired.md").write_text(f"# The paired test, simulated\n\n{text}\n", encoding="utf-8")
    publish("statistics", "paired", text)
    print(text)


if __name__ == "__main__":
    main()
