"""TODO: core.compare.settings."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from core.config.run_config import SETTINGS, RunConfig
from core.config.sections import CLASSES

ALL_CLASSES = "all ten"


#: What stands for a setting that has no effect in a run.
NO_EFFECT = "–"


def classes_text(classes: Any) -> str:
    """A task by its classes: ``all ten``, or their names; empty for a damaged run."""
    names = as_tuple(classes)
    return ALL_CLASSES if len(names) == len(CLASSES) else ", ".join(names)


def as_tuple(value: Any) -> tuple[str, ...]:
    """Tags or classes in a cell of the table; empty for a damaged run, whose cells are empty."""
    return tuple(value) if isinstance(value, list | tuple) else ()


def local_time(seconds: float | None) -> datetime | None:
    """A time since 1970 as this computer's clock shows it; ``None`` for none."""
    return None if seconds is None or np.isnan(seconds) else datetime.fromtimestamp(seconds)


def config_of(row: Mapping[str, Any]) -> RunConfig:
    """The configuration in a row of ``frame``."""
    return RunConfig().replace({path: setting_value(path, row[path]) for path in SETTINGS})


def setting_value(path: str, cell: Any) -> Any:
    """A table turns a whole number beside an empty cell into a float, and None into NaN; this turns them back."""
    if cell is None or (isinstance(cell, float) and np.isnan(cell)):
        return None
    return int(cell) if SETTINGS[path].kind == "int" else cell.item() if isinstance(cell, np.generic) else cell


def setting_name(path: str) -> str:
    """Label and unit: ``Batch size (images)``."""
    setting = SETTINGS[path]
    return f"{setting.label} ({setting.unit})" if setting.unit else setting.label


def setting_texts(frame: pd.DataFrame, path: str) -> list[str]:
    """The setting's value in each run as text; a dash where it has no effect."""
    setting, known = SETTINGS[path], dict[Any, str]()
    texts = []
    for cell in frame[path].tolist():
        if cell not in known:
            value = setting_value(path, cell)
            known[cell] = classes_text(value) if setting.kind == "classes" else setting.show(value)
        texts.append(known[cell])
    if setting.when is None:
        return texts
    other, values = setting.when
    pairs = zip(texts, frame[other].tolist(), strict=True)
    return [text if decides in values else NO_EFFECT for text, decides in pairs]


def setting_cells(frame: pd.DataFrame, path: str) -> pd.Series:
    """The setting's value in each run for a table: numbers where all are, so that they sort as such; else text."""
    texts = pd.Series(setting_texts(frame, path), index=frame.index).replace(NO_EFFECT, "")
    numbers = pd.to_numeric(texts, errors="coerce")
    return numbers if numbers.notna().equals(texts != "") else texts


def progress_texts(frame: pd.DataFrame) -> list[str]:
    """Finished epochs of all: ``12/200``; empty for a damaged run."""
    pairs = zip(frame["epoch"], frame["epochs"], strict=True)
    return ["" if pd.isna(epochs) else f"{epoch:.0f}/{epochs:.0f}" for epoch, epochs in pairs]


def as_durations(seconds: pd.Series) -> pd.Series:
    """Seconds as whole-second durations, which a table shows as a clock and sorts as numbers."""
    return pd.to_timedelta(pd.to_numeric(seconds).round(), unit="s")


def differing_settings(frame: pd.DataFrame) -> pd.DataFrame:
    """Settings that differ among the runs and have an effect in some: a row each, by path; a column a run, by id."""
    sound = frame[frame["state"] != "damaged"]
    found = {path: texts for path in SETTINGS if len(set(texts := setting_texts(sound, path))) > 1}
    return pd.DataFrame.from_dict(found, orient="index", columns=sound["id"].tolist())


def default_axes(paths: Sequence[str], most: int = 5) -> list[str]:
    """Of settings that differ those worth an axis first: numbers before choices, the seed last."""
    ranked = sorted(paths, key=lambda path: (path == "train.seed", SETTINGS[path].kind not in ("int", "float")))
    chosen = set(ranked[:most])
    return [path for path in paths if path in chosen]
