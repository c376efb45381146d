"""Is the gap real? What the accuracies of two contenders, each a run or a group of seeds, allow to conclude.

A gap is judged like a study with two values, by the same test and with the same sentences: :mod:`core.stats`.
"""

from dataclasses import dataclass
from typing import Any, Literal

from core.base.errors import LabError
from core.base.text import counted, shortened
from core.compare.answers import ReadPredictions, matched, nothing_kept
from core.compare.contenders import Contender
from core.config.run_config import RunConfig
from core.stats.finding import ACCURACY, Finding, Wording
from core.stats.judgement import Group, judge

#: Letters of a name in a sentence.
_LETTERS = 48
#: The images that both sides were measured on.
Part = Literal["test", "validation"]
IMAGES: dict[Part, str] = {"test": "test images", "validation": "held-out validation images"}


class NotComparable(LabError):
    """Two contenders whose accuracies do not answer the same question."""


@dataclass(frozen=True, kw_only=True)
class Side(Group):
    """A contender's accuracies (0 to 1), one per run of ``run_ids``."""

    label: str
    run_ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Gap(Finding):
    """The better and the other of two contenders, both measured on images of the same ``part``."""

    better: Side
    other: Side
    part: Part


def gap(first: Contender, second: Contender, looked_at: int = 2, read: ReadPredictions = nothing_kept) -> Gap:
    """Compare two contenders, chosen from ``looked_at``: image by image where ``read`` has the predictions of all runs.

    Raises NotComparable for different tasks, and for contenders without accuracies of the same kind.
    """
    _check_tasks(first.config, second.config)
    part = _common_part(first, second)
    names = shortened((first.label, second.label), _LETTERS)
    sides = [_side(contender, names[contender.label], part) for contender in (first, second)]
    on_images = matched(sides, [side.run_ids for side in sides], read, part, IMAGES[part])
    sides = on_images.groups
    judgement = judge(sides)
    wording = Wording(sides, judgement, ACCURACY, images=IMAGES[part])
    return Gap(
        headline=wording.headline(),
        summary=wording.summary(),
        details=(
            *wording.details(),
            *([on_images.note] if on_images.note else []),
            *_caveats(first, second, part, looked_at, on_images.paired),
        ),
        advice=wording.advice()[0],
        judgement=judgement,
        better=sides[judgement.high],
        other=sides[judgement.low],
        part=part,
    )


# --- what is compared -----------------------------------------------------------------------------


def _check_tasks(first: RunConfig, second: RunConfig) -> None:
    tasks = [config.data.classes for config in (first, second)]
    if tasks[0] != tasks[1]:
        texts = [f"{len(classes)} classes ({', '.join(classes)})" for classes in tasks]
        raise NotComparable(f"These have different tasks: {' and '.join(texts)}. Choose runs with the same classes.")


def _accuracies(contender: Contender, part: Part) -> dict[str, float]:
    accuracies = {
        run.id: run.accuracy_on_test if part == "test" else run.accuracy_on_held_out for run in contender.counted
    }
    return {run_id: accuracy for run_id, accuracy in accuracies.items() if accuracy is not None}


def _common_part(first: Contender, second: Contender) -> Part:
    """Return the test images if both have an accuracy on them, else the held-out validation images."""
    for part in IMAGES:
        if _accuracies(first, part) and _accuracies(second, part):
            return part
    for contender in (first, second):
        if not any(_accuracies(contender, part) for part in IMAGES):
            raise NotComparable(f"{contender.label} has no finished epoch yet, so there is nothing to compare.")
    raise NotComparable(
        "One of the two was measured on held-out images only, the other on test images only. "
        "Let the held-out run finish: it is then evaluated on the test images."
    )


def _side(contender: Contender, name: str, part: Part) -> Side:
    accuracies = _accuracies(contender, part)
    return Side(
        name=f"“{name}”",
        results=tuple(accuracies.values()),
        images=_number_of_images(contender.config, part),
        label=contender.label,
        run_ids=tuple(accuracies),
    )


def _number_of_images(config: RunConfig, part: Part) -> int:
    sizes = config.data.sizes()
    return sizes.test if part == "test" else sizes.validation


def _same_images(first: RunConfig, second: RunConfig, part: Part) -> bool:
    def decides(config: RunConfig) -> tuple[Any, ...]:
        data, size = config.data, _number_of_images(config, part)
        return data.split, size, None if part == "test" and data.whole_test_set else data.split_seed

    return decides(first) == decides(second)


def _how_it_ended(contender: Contender) -> str:
    """Return why a contender has no finished run: one still trains, or how its last one ended."""
    if any(run.status.active for run in contender.runs):
        return "has not finished yet"
    state = contender.runs[-1].state
    return {"failed": "failed", "interrupted": "was interrupted"}.get(state, "was stopped") + " before its end"


# --- what else to know ----------------------------------------------------------------------------


def _caveats(first: Contender, second: Contender, part: Part, looked_at: int, paired: bool) -> list[str]:
    both = (first, second)
    chosen = [run.label for run in both if part == "validation" or run.config.data.validation == "test"]
    caveats = []
    if len(chosen) == 2:
        caveats.append("The best epochs were chosen on these same images, so both accuracies are slightly optimistic.")
    elif chosen:
        caveats.append(
            f"Only “{chosen[0]}” chose its best epoch on its test images, so its accuracy is slightly optimistic."
        )
    if paired:
        caveats.append(
            "The intervals in the chart are those of each accuracy alone: they can overlap although the difference is "
            "clear."
        )
    elif _same_images(first.config, second.config, part):
        caveats.append("Both were measured on the same images, which makes the interval a cautious one.")
    else:
        caveats.append("They were measured on different images: part of the difference may be how hard these are.")
    computed = [sorted({str(run.meta.environment.get("precision", "")) for run in side.counted}) for side in both]
    if computed[0] != computed[1] and all(map(all, computed)):
        first_text, second_text = (" and ".join(precisions) for precisions in computed)
        caveats.append(
            f"“{first.label}” was computed in {first_text}, “{second.label}” in {second_text}; part of the difference "
            "may be the precision."
        )
    if looked_at > 2:
        caveats.append(
            f"You chose two of {looked_at}. The best of many is partly lucky, and one in 20 comparisons looks real "
            "without a real difference."
        )
    for contender in both:
        missing = len(contender.runs) - len(_accuracies(contender, part))
        if not any(run.finished for run in contender.runs):
            caveats.append(f"“{contender.label}” {_how_it_ended(contender)}: its best epoch until then counts.")
        if missing:
            caveats.append(
                f"Not counted: {missing} of {counted(len(contender.runs), 'run')} of “{contender.label}”, unfinished "
                f"or without an accuracy on {IMAGES[part]}."
            )
    return caveats
