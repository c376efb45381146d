"""Contested labels: images for which the networks of several runs agree on another class than the label.

One network's confident mistake is a mistake. Where independent networks name the same other class, the label may be
wrong, or the image may show both; only a person who looks at it can say. In C. Northcutt, A. Athalye and J. Mueller,
"Pervasive label errors in test sets destabilize machine learning benchmarks" (NeurIPS Datasets and Benchmarks, 2021),
people found about half of the labels wrong that networks had contested, in ten data sets.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.config.run_config import RunConfig
from core.runs.predictions import Answers, Predictions
from core.runs.summary import RunSummary

#: Fewer runs are no ensemble.
FEWEST_RUNS = 5
#: A label is contested if at least this share of the runs names the same other class …
AGREEING = 0.8
#: … and the mean probability of that class is at least this.
PROBABILITY = 0.7


@dataclass(frozen=True, eq=False)
class Ensemble:
    """The runs that can contest the labels of the same images: those with answers, by id, and those without.

    ``waiting`` are runs on the same images whose predictions are not kept yet.
    """

    answers: dict[str, Answers]
    waiting: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether there are enough runs with answers."""
        return len(self.answers) >= FEWEST_RUNS


def ensemble(
    config: RunConfig,
    answers: Answers,
    runs: Sequence[RunSummary],
    read: Callable[[Iterable[str]], Mapping[str, Predictions]],
) -> Ensemble:
    """Return all runs that were asked about the same images with the same classes as a run of ``config``.

    ``answers`` are that run's; ``read`` returns the predictions that are kept of runs (``store.many_predictions``). Of
    each run the best epoch answers.
    """
    asked = [run.id for run in runs if run.epochs and not run.status.active and _asked(run.config) == _asked(config)]
    kept = read(asked)
    found = {run_id: kept[run_id].answers(answers.part) for run_id in asked if run_id in kept}
    same = {run_id: each for run_id, each in found.items() if each and np.array_equal(each.images, answers.images)}
    return Ensemble(same, tuple(run_id for run_id in asked if run_id not in kept))


def _asked(config: RunConfig) -> tuple[object, ...]:
    """Return what decides about which images a run is asked, as far as the config alone says."""
    return config.data.classes, config.data.split, config.data.sizes().test


def contested_labels(members: Sequence[Answers]) -> pd.DataFrame:
    """Return the images whose label the answers of several runs, on the same images, contest, the most certain first.

    Columns: ``image`` (place among the 60,000), ``place`` (among the answers), ``label`` and ``other`` (classes, 0 to
    k − 1), ``agreeing`` (share of the runs that name the other class), ``probability`` and ``label_probability`` (means
    over the runs of the probabilities of both classes).

    Raises ValueError with fewer than :data:`FEWEST_RUNS` runs.
    """
    if len(members) < FEWEST_RUNS:
        raise ValueError(f"{FEWEST_RUNS} runs or more are needed to contest a label, not {len(members)}")
    images, labels = members[0].images, members[0].labels
    everyone = np.arange(len(images))
    mean = np.mean([each.probabilities for each in members], axis=0)
    votes = np.zeros(mean.shape)
    for each in members:
        votes[everyone, each.predicted] += 1 / len(members)
    label_probability = mean[everyone, labels]
    votes[everyone, labels] = -1
    other = votes.argmax(1)
    agreeing, probability = votes[everyone, other], mean[everyone, other]
    places = np.flatnonzero((agreeing >= AGREEING - 1e-9) & (probability >= PROBABILITY))
    places = places[np.argsort(-probability[places], kind="stable")]
    return pd.DataFrame(
        {
            "image": images[places],
            "place": places,
            "label": labels[places],
            "other": other[places],
            "agreeing": agreeing[places],
            "probability": probability[places],
            "label_probability": label_probability[places],
        }
    )


def as_table(table: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Return :func:`contested_labels` for a file: with the names of the classes, and without places."""
    names = np.array(classes)
    named = table.assign(label=names[table["label"]], other=names[table["other"]])
    return named.drop(columns="place")
