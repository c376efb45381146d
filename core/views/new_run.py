"""What New run says about a preset before it is chosen: the accuracy to expect, and the time on this computer."""

from collections.abc import Iterable
from statistics import mean

from core.base.text import expected_time
from core.compare.contenders import group_key
from core.config.presets import Preset
from core.published.points import main_result
from core.runs.summary import RunSummary


def expectation(preset: Preset, runs: Iterable[RunSummary], seconds: float | None) -> str:
    """Return what to expect of a preset: ``91.5 % in about 11 min on this computer``.

    The accuracy is the mean test accuracy of the finished ``runs`` of the preset with any seed, else the report's if it
    is the report's recipe. ``seconds`` is the estimated time, ``None`` before any measurement on this computer.
    """
    time = expected_time(seconds)
    if accuracy := _accuracy(preset, runs):
        return f"{_percent(accuracy)} in {time}" if seconds is not None else f"{_percent(accuracy)}, {time}"
    point = main_result(preset.config) if preset.name == "report" else None
    if point:
        return f"{_percent(point.best_accuracy)} in the report; {time}"
    return f"{time[0].upper()}{time[1:]}"


def _accuracy(preset: Preset, runs: Iterable[RunSummary]) -> float | None:
    experiment = group_key(preset.config)
    same = [run for run in runs if run.finished and group_key(run.config) == experiment]
    accuracies = [run.accuracy_on_test for run in same if run.accuracy_on_test is not None]
    return mean(accuracies) if accuracies else None


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
