"""Comparing runs: which are shown and picked, where their settings differ, which are seeds of one experiment.

Works on the table of all runs (``RunStore.frame()``, here always called ``frame``), so that nothing is
read twice. How sure a difference is, is :mod:`core.gap`'s business; what a table or a chart looks like,
the page's and :mod:`core.figures_compare`'s.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from core.config import CLASSES, HOW_COMPUTED, KNOBS, RunConfig
from core.errors import LabError
from core.knobs import near
from core.store import RunStore
from core.words import told_apart

#: What the table can be sorted by: words, column, whether the smallest comes first.
SORTS: dict[str, tuple[str, str, bool]] = {
    "newest": ("Newest first", "id", False),
    "best": ("Best validation accuracy", "best_val_accuracy", False),
    "test": ("Test accuracy", "test_accuracy", False),
    "loss": ("Lowest validation loss", "min_val_loss", True),
    "time": ("Longest training", "seconds", False),
    "name": ("Name", "name", True),
}

#: Runs that a link names; more would not fit into an address.
MOST_LINKED = 100
#: Unknown names of a link that are looked up one by one, each a search through all runs.
_MOST_SOUGHT = 5

ALL_CLASSES = "all ten"
#: What stands for a knob that has no effect in a run.
WITHOUT_EFFECT = "–"


#: Settings that make two runs different experiments: all but the seed and how a run is computed.
_DECIDING = [path for path in KNOBS if path not in ("train.seed", *HOW_COMPUTED)]


# --- which runs are shown -------------------------------------------------------------------------


@dataclass(frozen=True)
class Filter:
    """What to show of all runs. An empty field lets everything through.

    ``search``: words that must all be in the name, id, note or tags; ``tags``: any of these;
    ``classes``: any of these tasks, in the words of :func:`classes_in_words`.
    """

    search: str = ""
    states: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    sort: str = "newest"


def shown(frame: pd.DataFrame, wanted: Filter) -> pd.DataFrame:
    """The rows that pass, pinned runs first, each part in the order asked for."""
    keep = pd.Series(True, index=frame.index)
    for word in wanted.search.lower().split():
        keep &= _haystack(frame).str.contains(word, regex=False)
    if wanted.states:
        keep &= frame["state"].isin(wanted.states)
    if wanted.tags:
        keep &= frame["tags"].map(lambda tags: bool(set(as_tuple(tags)) & set(wanted.tags)))
    if wanted.classes:
        keep &= frame["data.classes"].map(classes_in_words).isin(wanted.classes)
    _, column, rising = SORTS.get(wanted.sort, SORTS["newest"])
    values = frame[column].fillna("").str.lower() if column == "name" else frame[column]
    order = pd.DataFrame({"pinned": frame["pinned"].fillna(False).astype(bool), "value": values})[keep]
    if column not in ("id", "name"):
        order["value"] = pd.to_numeric(order["value"])
    order = order.sort_values(["pinned", "value"], ascending=[False, rising], kind="stable", na_position="last")
    return frame.loc[order.index]


def _haystack(frame: pd.DataFrame) -> pd.Series:
    tags = frame["tags"].map(lambda tags: " ".join(as_tuple(tags)))
    return (frame["name"].fillna("") + " " + frame["id"] + " " + frame["note"].fillna("") + " " + tags).str.lower()


def classes_in_words(classes: Any) -> str:
    """A task by its classes: ``all ten``, or their names; empty for a damaged run."""
    names = as_tuple(classes)
    return ALL_CLASSES if len(names) == len(CLASSES) else ", ".join(names)


def all_tags(frame: pd.DataFrame) -> list[str]:
    """Every tag in use, in alphabetical order."""
    return sorted({tag for tags in frame["tags"] for tag in as_tuple(tags)})


def all_tasks(frame: pd.DataFrame) -> list[str]:
    """Every set of classes in use, the whole ten first."""
    found = {classes_in_words(classes) for classes in frame["data.classes"]} - {""}
    return sorted(found, key=lambda words: (words != ALL_CLASSES, words))


def as_tuple(value: Any) -> tuple[str, ...]:
    """Tags or classes in a cell of the table; empty for a damaged run, whose cells are empty."""
    return tuple(value) if isinstance(value, list | tuple) else ()


def local_time(seconds: float | None) -> datetime | None:
    """A time since 1970 as this computer's clock shows it; ``None`` for none."""
    return None if seconds is None or np.isnan(seconds) else datetime.fromtimestamp(seconds)


# --- which runs are picked ------------------------------------------------------------------------


def picked_in_link(store: RunStore, frame: pd.DataFrame, text: str) -> tuple[list[str], list[str]]:
    """The runs a link names (ids, or what ``RunStore.find`` takes, between commas), and sentences about the rest."""
    known, found, problems, sought = set(frame["id"]), [], [], 0
    for name in dict.fromkeys(part.strip() for part in text.split(",") if part.strip()):
        if name in known:
            found.append(name)
            continue
        sought += 1
        if sought > _MOST_SOUGHT:
            continue
        try:
            found.append(store.find(name))
        except LabError as error:
            problems.append(str(error))
    if sought > _MOST_SOUGHT:
        problems.append(f"The link names {sought - _MOST_SOUGHT} more runs that are not here.")
    return list(dict.fromkeys(found)), problems


def link_text(picked: Sequence[str]) -> str:
    """The picked runs as they stand in a link."""
    return ",".join(picked[:MOST_LINKED])


def problems_in_link(params: Mapping[str, str], choices: Mapping[str, Mapping[Any, str]]) -> list[str]:
    """A sentence for each value of a link that is none of its ``choices``; the default is used in its place.

    ``choices``: for each parameter what it can be, as a program names it and as the page words it; an address
    has the page's words.
    """
    found = []
    for name, allowed in choices.items():
        value, known = params.get(name), list(allowed.values())
        if value is not None and value not in known:
            told = re.sub(r"[^\x20-\x7e]", "?", value)[:40]
            found.append(f"The link says {name}=“{told}”; it takes one of {', '.join(known)}.{near(told, known)}")
    return found


def after_selection(picked: Sequence[str], visible: Sequence[str], rows: Iterable[int]) -> list[str]:
    """The picked runs after ``rows`` of the ``visible`` ones were selected: those out of sight stay picked."""
    chosen = [visible[row] for row in rows if 0 <= row < len(visible)]
    kept = [one for one in picked if one not in set(visible) or one in set(chosen)]
    return kept + [one for one in chosen if one not in set(kept)]


def siblings(frame: pd.DataFrame, picked: Sequence[str]) -> list[str]:
    """Runs not picked that differ from a picked one in the seed alone; of each such seed one."""
    sound, chosen = frame[frame["state"] != "damaged"], set(picked)
    # As group_key tells, for a thousand runs in the time it needs for a few.
    keys = zip(*(setting_texts(sound, path) for path in _DECIDING), strict=True)
    facts = list(zip(sound["id"], keys, sound["train.seed"], sound["state"], sound["epoch"], strict=True))
    wanted = {key for run_id, key, *_ in facts if run_id in chosen}
    seeds = {(key, seed) for run_id, key, seed, *_ in facts if run_id in chosen}
    found = _furthest(one for one in facts if one[1] in wanted and one[1:3] not in seeds)
    return [run_id for run_id in sound["id"] if run_id in found]


def _furthest(runs: Iterable[tuple[str, Any, int, str, float]]) -> set[str]:
    """Of ``runs`` (id, experiment, seed, state, epochs) those that count: of each experiment's seed the one that came
    furthest, or of several the newest."""
    ordered = sorted(runs, key=lambda run: (run[3] == "finished", run[4], run[0]))
    return set({(experiment, seed): run_id for run_id, experiment, seed, *_ in ordered}.values())


# --- settings -------------------------------------------------------------------------------------


def config_of(row: Mapping[str, Any]) -> RunConfig:
    """The configuration in a row of ``frame``."""
    return RunConfig().replace({path: knob_value(path, row[path]) for path in KNOBS})


def knob_value(path: str, cell: Any) -> Any:
    """A table turns a whole number beside an empty cell into a float, and None into NaN; this turns them back."""
    if cell is None or (isinstance(cell, float) and np.isnan(cell)):
        return None
    return int(cell) if KNOBS[path].kind == "int" else cell.item() if isinstance(cell, np.generic) else cell


def group_key(config: RunConfig) -> str:
    """What runs share that differ in nothing but the seed (and in how they are computed)."""
    return config.replace({"train.seed": 0}).signature()


def knob_name(path: str) -> str:
    """Label and unit: ``Batch size (images)``."""
    knob = KNOBS[path]
    return f"{knob.label} ({knob.unit})" if knob.unit else knob.label


def setting_texts(frame: pd.DataFrame, path: str) -> list[str]:
    """The knob's value in each run as text; a dash where it has no effect."""
    knob, known = KNOBS[path], dict[Any, str]()
    texts = []
    for cell in frame[path].tolist():
        if cell not in known:
            value = knob_value(path, cell)
            known[cell] = classes_in_words(value) if knob.kind == "classes" else knob.show(value)
        texts.append(known[cell])
    if knob.when is None:
        return texts
    other, values = knob.when
    pairs = zip(texts, frame[other].tolist(), strict=True)
    return [text if decides in values else WITHOUT_EFFECT for text, decides in pairs]


def setting_cells(frame: pd.DataFrame, path: str) -> pd.Series:
    """The knob's value in each run for a table: numbers where all are, so that they sort as such; else text."""
    texts = pd.Series(setting_texts(frame, path), index=frame.index).replace(WITHOUT_EFFECT, "")
    numbers = pd.to_numeric(texts, errors="coerce")
    return numbers if numbers.notna().equals(texts != "") else texts


def epochs_in_words(frame: pd.DataFrame) -> list[str]:
    """Finished epochs of all: ``12/200``; empty for a damaged run."""
    pairs = zip(frame["epoch"], frame["epochs"], strict=True)
    return ["" if pd.isna(epochs) else f"{epoch:.0f}/{epochs:.0f}" for epoch, epochs in pairs]


def as_durations(seconds: pd.Series) -> pd.Series:
    """Seconds as whole-second durations, which a table shows as a clock and sorts as numbers."""
    return pd.to_timedelta(pd.to_numeric(seconds).round(), unit="s")


def differing(frame: pd.DataFrame) -> pd.DataFrame:
    """Settings that differ among the runs and have an effect in some: a row each, by path; a column a run, by id."""
    sound = frame[frame["state"] != "damaged"]
    found = {path: texts for path in KNOBS if len(set(texts := setting_texts(sound, path))) > 1}
    return pd.DataFrame.from_dict(found, orient="index", columns=sound["id"].tolist())


def telling(paths: Sequence[str], most: int = 5) -> list[str]:
    """Of settings that differ those worth an axis first: numbers before choices, the seed last."""
    ranked = sorted(paths, key=lambda path: (path == "train.seed", KNOBS[path].kind not in ("int", "float")))
    chosen = set(ranked[:most])
    return [path for path in paths if path in chosen]


@dataclass(frozen=True)
class Contender:
    """Runs that differ in the seed alone, often one: what is compared. Named by its oldest run; a ``repeat`` is a run
    of a seed that another contender has."""

    id: str
    label: str
    rows: tuple[dict[str, Any], ...]
    config: RunConfig = field(repr=False)
    repeat: bool = False

    @property
    def run_ids(self) -> list[str]:
        """Its runs, the oldest first."""
        return [row["id"] for row in self.rows]

    @property
    def counted(self) -> tuple[dict[str, Any], ...]:
        """The rows that tell what it comes to: finished runs alone, or all while there is none."""
        return tuple(row for row in self.rows if row["state"] == "finished") or self.rows


def contenders(frame: pd.DataFrame, labels: Mapping[str, str], *, grouped: bool = True) -> list[Contender]:
    """The runs of ``frame`` in its order, seeds of the same experiment together unless not ``grouped``.

    A seed counts once: repeated it is the same network again, or nearly so in another precision, and says nothing about
    other seeds. The run of it that came furthest stands for it, and the others by themselves. No two have the same
    label.
    """
    groups: dict[str, list[dict[str, Any]]] = {}
    configs: dict[str, RunConfig] = {}
    rows = _rows(frame[frame["state"] != "damaged"])
    keys = {row["id"]: group_key(config_of(row)) for row in rows}
    counting = _furthest((row["id"], keys[row["id"]], row["train.seed"], row["state"], row["epoch"]) for row in rows)
    for row in rows:
        key = keys[row["id"]] if grouped and row["id"] in counting else row["id"]
        groups.setdefault(key, []).append(row)
        configs[key] = config_of(row)
    made = []
    for key, members in groups.items():
        members.sort(key=lambda row: row["id"])
        first = members[0]["id"]
        label = labels[first] if len(members) == 1 else f"{_common_name(members, labels)} · {len(members)} seeds"
        made.append(Contender(first, label, tuple(members), configs[key], grouped and first not in counting))
    names = told_apart({one.id: one.label for one in made})
    return [replace(one, label=names[one.id]) for one in made]


def _common_name(rows: Sequence[Mapping[str, Any]], labels: Mapping[str, str]) -> str:
    bare = {re.sub(r"[\s,(]*seed \d+\)?$", "", str(row["name"] or "")) for row in rows}
    return bare.pop() or str(rows[0]["id"]) if len(bare) == 1 else f"{labels[rows[0]['id']]} and alike"


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def results(frame: pd.DataFrame, labels: Mapping[str, str]) -> pd.DataFrame:
    """Best and last of each run as a table, accuracies in percent."""
    columns = [
        "state", "best_val_accuracy", "best_epoch", "selected_on", "last_val_accuracy", "epoch", "test_accuracy",
        "min_val_loss", "seconds",
    ]  # fmt: skip
    table = frame[columns].copy()
    for column in columns:
        if column not in ("state", "selected_on"):
            table[column] = pd.to_numeric(table[column]) * (100 if column.endswith("accuracy") else 1)
    table["seconds"] = as_durations(table["seconds"])
    table.insert(0, "label", frame["id"].map(labels))
    return table


def best_two(groups: Sequence[Contender]) -> tuple[str, str]:
    """Ids of the two contenders of highest mean validation accuracy, of the commonest task if it has two.

    Those without an epoch come last. Repeats are chosen only where there are no two others.
    """
    different = [group for group in groups if not group.repeat]
    groups = different if len(different) > 1 else groups
    tasks = Counter(group.config.data.classes for group in groups)
    task, count = tasks.most_common(1)[0]
    alike = [group for group in groups if group.config.data.classes == task] if count > 1 else groups
    first, second, *_ = sorted(alike, key=_mean_accuracy, reverse=True)
    return first.id, second.id


def _mean_accuracy(group: Contender) -> float:
    values = [row["best_val_accuracy"] for row in group.counted if not pd.isna(row["best_val_accuracy"])]
    return sum(values) / len(values) if values else -1.0


def over_seeds(groups: Iterable[Contender]) -> pd.DataFrame:
    """For each contender of which two runs or more count, its n and its accuracies as ``mean ± sd`` (n − 1), in %."""
    rows = []
    for group in groups:
        if len(group.counted) < 2:
            continue
        table = pd.DataFrame(group.counted)
        row: dict[str, Any] = {"label": group.label, "n": len(table)}
        for column in ("best_val_accuracy", "last_val_accuracy", "test_accuracy"):
            values = 100 * pd.to_numeric(table[column]).dropna()
            row[column] = f"{values.mean():.2f} ± {values.std(ddof=1):.2f}" if len(values) > 1 else WITHOUT_EFFECT
            if 1 < len(values) < len(table):
                row[column] += f" (n = {len(values)})"
        rows.append(row)
    return pd.DataFrame(rows)
