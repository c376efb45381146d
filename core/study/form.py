"""A study as a person fills it in: text in, a :class:`Study` or the problems to show beside the fields out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from core.base.errors import ConfigError
from core.config.run_config import HOW_COMPUTED, SETTINGS, RunConfig
from core.runs.store import RunStore
from core.study.presets import SPLITS, Split, published_study, scale_for
from core.study.study import SEED, Axis, Study, seeds_from_text, values_from_text

#: Settings worth varying, those the report varied first; how a run is computed is none.
VARIABLE = tuple(
    dict.fromkeys(
        ["data.train_size", "train.batch_size", "train.epochs", "train.lr", "model.depth", "model.width"]
        + [path for path in SETTINGS if path not in (SEED, *HOW_COMPUTED)]
    )
)

#: How large a published study shall be: in words, and its seconds (``None``: whole).
SIZES: dict[str, float | None] = {
    "One tenth of the epochs": 0.0,
    "About one hour here": 3_600.0,
    "About six hours here": 21_600.0,
    "Whole, 200 epochs": None,
}


@dataclass(frozen=True)
class Filled:
    """What came of the fields: the ``study``, or ``None`` and ``problems`` by the field they belong to."""

    study: Study | None
    problems: dict[str, str]


def from_fields(name: str, base: RunConfig, vary: Sequence[tuple[str, str]], seeds: str) -> Filled:
    """The study that the fields say; every problem is found, not just the first.

    ``vary``: path of a setting and its values as text. Problems are by ``name``, ``seeds``, ``vary`` or a path.
    """
    problems: dict[str, str] = {}
    axes: list[Axis] = []
    for path, text in vary:
        try:
            axes.append(Axis(path, values_from_text(path, text)))
        except ConfigError as error:
            problems.update(error.problems)
    numbers: tuple[int, ...] = (0,)
    try:
        numbers = seeds_from_text(seeds)
    except ConfigError as error:
        problems.update(error.problems)
    study = Study(name.strip(), base, tuple(axes), numbers)
    found = {path: text for path, text in study.problems().items() if path not in problems}
    if problems:  # what is missing because it could not be read is told already
        found.pop("vary", None)
    problems = found | problems
    return Filled(None if problems else study, problems)


def published(figure: int, size: str, split: Split, seeds: str, store: RunStore) -> Filled:
    """The report's study of ``figure`` at a ``size`` of :data:`SIZES`, under a ``split`` of :data:`SPLITS`.

    A time cannot be kept before a speed was measured on this machine; that is a problem of ``size``.
    """
    if size not in SIZES or split not in SPLITS:
        raise ValueError(f"size is one of {', '.join(SIZES)}, split one of {', '.join(SPLITS)}")
    try:
        whole = published_study(figure, split=split, seeds=seeds_from_text(seeds))
    except ConfigError as error:
        return Filled(None, error.problems)
    if problems := whole.problems():
        return Filled(None, problems)
    seconds = SIZES[size]
    scale = 1.0 if seconds is None else 0.1 if seconds == 0 else scale_for(whole, store, seconds)
    if scale is None:
        return Filled(None, {"size": "needs this machine's speed, which was not measured yet."})
    return Filled(whole if scale == 1 else whole.scaled(scale), {})


def usual_values(path: str, base: RunConfig) -> str:
    """Values to begin with: around the base's own where that is a number, else every choice."""
    setting, value = SETTINGS[path], base[path]
    if setting.kind == "choice":
        return ", ".join(setting.choices)
    if setting.kind == "bool":
        return "false, true"
    if isinstance(value, bool) or not isinstance(value, int | float) or not value:
        return setting.show(value)
    around = [type(value)(scaled) for scaled in (value / 2, value, value * 2)]
    return ", ".join(setting.show(number) for number in dict.fromkeys(around) if not setting.problem(number))


def copy_of(study: Study) -> Study:
    """A study like it, the person's own: under another name and no longer the program's."""
    return replace(study, name=f"{study.name[:70]} (copy)", reference=False)
