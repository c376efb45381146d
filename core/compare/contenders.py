"""Comparing runs: which are shown and picked, where their settings differ, which are seeds of one experiment.

Works on the table of all runs (``RunStore.frame()``, here always called ``frame``), so that nothing is
read twice. How sure a difference is, is :mod:`core.compare.gap`'s business; what a table or a chart looks like,
the page's and :mod:`core.figures.compare`'s.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from core.base.text import distinct_names
from core.compare.settings import NO_EFFECT, as_durations, config_of, setting_texts
from core.config.run_config import HOW_COMPUTED, SETTINGS, RunConfig

#: Settings that make two runs different experiments: all but the seed and how a run is computed.
_DECIDING = [path for path in SETTINGS if path not in ("train.seed", *HOW_COMPUTED)]


# --- which runs are shown -------------------------------------------------------------------------


# --- which runs are picked ------------------------------------------------------------------------


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


def group_key(config: RunConfig) -> str:
    """What runs share that differ in nothing but the seed (and in how they are computed)."""
    return config.replace({"train.seed": 0}).signature()


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
    names = distinct_names({one.id: one.label for one in made})
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
            row[column] = f"{values.mean():.2f} ± {values.std(ddof=1):.2f}" if len(values) > 1 else NO_EFFECT
            if 1 < len(values) < len(table):
                row[column] += f" (n = {len(values)})"
        rows.append(row)
    return pd.DataFrame(rows)
