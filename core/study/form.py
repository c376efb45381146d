"""A study as a person fills it in: text in, a :class:`Study` or the problems to show next to the fields out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from core.base.errors import ConfigError
from core.config.run_config import HOW_COMPUTED, SETTINGS, RunConfig
from core.runs.store import RunStore
from core.study.presets import Split, published_study, scale_for
from core.study.store import StudyStore
from core.study.study import LEAST_SCALE, SEED, Axis, Study, seeds_from_text, values_from_text

#: Settings that can be varied, those of the report first.
VARIABLE = tuple(
    dict.fromkeys(
        ["data.train_size", "train.batch_size", "train.epochs", "train.lr", "model.depth", "model.width"]
        + [path for path in SETTINGS if path not in (SEED, *HOW_COMPUTED)]
    )
)

#: How large a study of the report can be made, and the seconds that it may take (0: the smallest, None: the full size).
SIZES: dict[str, float | None] = {
    "A tenth of the epochs": 0.0,
    "About one hour": 3_600.0,
    "About six hours": 21_600.0,
    "All 200 epochs": None,
}


@dataclass(frozen=True)
class Filled:
    """The ``study`` that the fields describe, or ``None`` and the ``problems`` by field."""

    study: Study | None
    problems: dict[str, str]


def from_fields(
    name: str, base: RunConfig, vary: Sequence[tuple[str, str]], seeds: str, redraw: bool = False
) -> Filled:
    """Return the study that the fields describe, or all of their problems.

    ``vary`` holds the path of each setting and its values as text; with ``redraw`` each seed draws its training images
    anew. Problems are by ``name``, ``seeds``, ``vary``, ``redraw`` or path.
    """
    unreadable: dict[str, str] = {}
    axes: list[Axis] = []
    for path, text in vary:
        try:
            axes.append(Axis(path, values_from_text(path, text)))
        except ConfigError as error:
            unreadable |= error.problems
    numbers: tuple[int, ...] = (0,)
    try:
        numbers = seeds_from_text(seeds)
    except ConfigError as error:
        unreadable |= error.problems
    study = Study(name.strip(), base, tuple(axes), numbers, redraw=redraw)
    problems = study.problems() | unreadable
    if unreadable:  # a setting with unreadable values is not a missing one
        problems.pop("vary", None)
    return Filled(None if problems else study, problems)


def published(figure: int, size: str, split: Split, seeds: str, store: RunStore) -> Filled:
    """Return the report's study of ``figure`` at a ``size`` of :data:`SIZES`.

    A size in hours needs a measurement on this machine; without one there is a problem of ``size``.
    """
    try:
        whole = published_study(figure, split=split, seeds=seeds_from_text(seeds))
    except ConfigError as error:
        return Filled(None, error.problems)
    if problems := whole.problems():
        return Filled(None, problems)
    budget = SIZES[size]
    scale = 1.0 if budget is None else LEAST_SCALE if budget == 0 else scale_for(whole, store, budget)
    if scale is None:
        return Filled(None, {"size": "The speed of this computer has not been measured yet."})
    return Filled(whole if scale == 1 else whole.scaled(scale), {})


def grow(studies: StudyStore, study_id: str, vary: Sequence[tuple[str, str]], seeds: str) -> None:
    """Add values (path and text of each) and seeds to a study as a person types them; trained cells stay.

    Raises ConfigError for a setting that the study does not vary, and for values or seeds that are not allowed.
    """

    def grown(study: Study) -> Study:
        values: dict[str, tuple[Any, ...]] = {path: () for path, _ in vary}
        for path, text in vary:
            if path in {axis.path for axis in study.axes}:
                values[path] += values_from_text(path, text)
        return study.extended(values, seeds_from_text(seeds))

    studies.update(study_id, grown)


def usual_values(path: str, base: RunConfig) -> str:
    """Return values to start with as text: half, all and twice the base's number, or every choice."""
    setting, value = SETTINGS[path], base[path]
    if setting.kind == "choice":
        return ", ".join(setting.choices)
    if setting.kind == "bool":
        return "false, true"
    if not isinstance(value, int | float) or not value:
        return setting.show(value)
    around = [type(value)(scaled) for scaled in (value / 2, value, value * 2)]
    return ", ".join(setting.show(number) for number in dict.fromkeys(around) if not setting.problem(number))


def copy_of(study: Study) -> Study:
    """Return a copy under another name, which the person can change."""
    return replace(study, name=f"{study.name[:70]} (copy)", reference=False)
