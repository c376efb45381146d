"""Runs on the same images: what their kept predictions say about single images, for a comparison image by image."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Generic

from core.base.text import counted
from core.runs.predictions import Part, Predictions
from core.stats.judgement import AnyGroup, image_by_image
from core.stats.paired import Correctness

#: Returns the predictions that are kept of some of the runs, by id: :meth:`core.runs.store.RunStore.many_predictions`.
ReadPredictions = Callable[[Iterable[str]], Mapping[str, Predictions]]


def nothing_kept(run_ids: Iterable[str]) -> Mapping[str, Predictions]:
    """Return no predictions: for comparisons by accuracies alone."""
    return {}


@dataclass(frozen=True)
class Matched(Generic[AnyGroup]):
    """Groups, and whether :func:`core.stats.judgement.judge` can compare them image by image (``paired``).

    Their accuracies are then those on the images that all runs answered. ``note`` is a sentence about what was left
    out, or about what is missing; it may be empty.
    """

    groups: list[AnyGroup]
    paired: bool
    note: str = ""


def matched(
    groups: Sequence[AnyGroup],
    runs: Sequence[Sequence[str]],
    read: ReadPredictions,
    part: Part = "test",
    images: str = "test images",
) -> Matched[AnyGroup]:
    """Return the ``groups``, each with the ids of its ``runs``, on the images of ``part`` that all runs answered.

    They come back as they are unless every run has kept predictions and the runs share a task and enough images. An
    image in the test sets of two runs is one that neither was trained on. ``images`` is what a sentence calls them.
    """
    wanted = [run_id for group in runs for run_id in group]
    known = read(wanted)
    answers = {run_id: found for run_id, kept in known.items() if (found := kept.answers(part)) is not None}
    if missing := len(wanted) - len(answers):
        lack = "lacks" if missing == 1 else "lack"
        those = "no run has" if missing == len(wanted) else f"{counted(missing, 'run')} of {len(wanted)} {lack}"
        return Matched(
            list(groups),
            False,
            f"Comparing image by image would be sharper, but {those} kept predictions. “resnet-lab predict "
            "--missing” computes them.",
        )
    if len({known[run_id].classes for run_id in wanted}) > 1:
        return Matched(list(groups), False)
    complete = [
        replace(group, correct=Correctness.of([(answers[run_id].images, answers[run_id].correct) for run_id in ids]))
        for group, ids in zip(groups, runs, strict=True)
    ]
    on_shared = image_by_image(complete)
    if on_shared is None:
        return Matched(list(groups), False, f"They share too few {images} to be compared image by image.")
    number = on_shared[0].images
    all_counted = all(number == group.images for group in groups)
    note = f"Counted are the {number:,} {images} that all runs answered and none was trained on."
    return Matched(on_shared, True, "" if all_counted else note)
