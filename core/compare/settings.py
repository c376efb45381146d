"""Settings as text for tables and axes, and which of them differ between runs."""

import numbers
from collections.abc import Iterable, Sequence
from typing import Any

from core.config.run_config import HOW_COMPUTED, SETTINGS, RunConfig
from core.config.sections import CLASSES
from core.runs.summary import RunSummary

ALL_CLASSES = "all ten"
#: Shown for a setting that has no effect in a run.
NO_EFFECT = "–"


def classes_text(classes: Sequence[str]) -> str:
    """Return a task by its classes: ``all ten``, or their names."""
    return ALL_CLASSES if len(classes) == len(CLASSES) else ", ".join(classes)


def setting_name(path: str) -> str:
    """Return the setting's label with its unit, unless the label is the unit: ``Batch size (images)``, ``Epochs``."""
    setting = SETTINGS[path]
    return (
        f"{setting.label} ({setting.unit})" if setting.unit and setting.unit != setting.label.lower() else setting.label
    )


def setting_text(config: RunConfig, path: str) -> str:
    """Return the setting's value as text, or a dash if it has no effect."""
    if not config.in_effect(path):
        return NO_EFFECT
    value, setting = config[path], SETTINGS[path]
    return classes_text(value) if setting.kind == "classes" else setting.text(value)


def setting_text_of_run(run: RunSummary, path: str) -> str:
    """Return :func:`setting_text`, and for ``auto`` also what the run was computed with: ``auto (bf16)``."""
    text, resolved = setting_text(run.config, path), run.meta.environment.get(path.removeprefix("train."))
    if path not in HOW_COMPUTED or resolved is None or str(resolved) == text:
        return text
    return f"{text} ({resolved})"


def differing_settings(configs: Sequence[RunConfig]) -> dict[str, list[str]]:
    """Return the settings whose values or effects differ, by path: the value in each config as text."""
    values = [config.values() for config in configs]
    varied = {path for path in SETTINGS if len({config[path] for config in values}) > 1}
    paths = [path for path, setting in SETTINGS.items() if {path, setting.when and setting.when[0]} & varied]
    texts = {path: [setting_text(config, path) for config in configs] for path in paths}
    return {path: row for path, row in texts.items() if len(set(row)) > 1}


def as_computed(run: RunSummary) -> RunConfig:
    """Return the config of a run with what ``auto`` was resolved to, if that is recorded."""
    environment = run.meta.environment
    resolved = {path: environment.get(path.removeprefix("train.")) for path in HOW_COMPUTED}
    return run.config.replace(
        {
            path: value
            for path, value in resolved.items()
            if run.config[path] in ("auto", None) and isinstance(value, str | int)
        }
    )


def differing_settings_of_runs(runs: Sequence[RunSummary]) -> dict[str, list[str]]:
    """Return :func:`differing_settings` with what ``auto`` was resolved to where runs were computed differently."""
    rows = differing_settings([run.config for run in runs])
    computed = differing_settings([as_computed(run) for run in runs if run.meta.environment])
    for path in HOW_COMPUTED:
        if path in rows or path in computed:
            rows[path] = [setting_text_of_run(run, path) for run in runs]
    return {path: rows[path] for path in SETTINGS if path in rows}


def are_numbers(values: Iterable[Any]) -> bool:
    """Return whether all values are numbers, which have distances; true and false have none."""
    return all(isinstance(value, numbers.Real) and not isinstance(value, bool) for value in values)


def in_order(path: str, values: Sequence[Any]) -> list[Any]:
    """Return the distinct values: numbers rising, then choices in the setting's order, then the rest as they come."""
    distinct = list(dict.fromkeys(values))
    rising = sorted(value for value in distinct if are_numbers([value]))
    choices = list(SETTINGS[path].choices) if path in SETTINGS else []
    others = [value for value in distinct if not are_numbers([value])]
    return rising + sorted(others, key=lambda value: choices.index(value) if value in choices else len(choices))


def default_axes(paths: Sequence[str], most: int = 5) -> list[str]:
    """Return the settings that make the best axes: numbers before choices, the seed last."""
    ranked = sorted(paths, key=lambda path: (path == "train.seed", SETTINGS[path].kind not in ("int", "float")))
    chosen = set(ranked[:most])
    return [path for path in paths if path in chosen]
