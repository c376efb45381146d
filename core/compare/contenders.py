"""What is compared: runs that differ in the seed alone count as one contender."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from core.base.text import distinct_names
from core.compare.settings import as_computed, in_order
from core.config.run_config import HOW_COMPUTED, SETTINGS, RunConfig
from core.runs.summary import RunSummary, title

#: To group the runs that differ in the seed alone.
SEEDS = "seeds"


@dataclass(frozen=True)
class Contender:
    """Runs of one experiment with different seeds, oldest first; often a single run.

    A ``repeat`` is a run of a seed that another contender already has.
    """

    label: str
    runs: tuple[RunSummary, ...]
    repeat: bool = False

    @property
    def id(self) -> str:
        """The id of its oldest run."""
        return self.runs[0].id

    @property
    def config(self) -> RunConfig:
        """The configuration of its oldest run."""
        return self.runs[0].config

    @property
    def run_ids(self) -> list[str]:
        """The ids of its runs, oldest first."""
        return [run.id for run in self.runs]

    @property
    def counted(self) -> tuple[RunSummary, ...]:
        """The runs whose results count: the finished ones, or all runs if none has finished."""
        return tuple(run for run in self.runs if run.finished) or self.runs


@lru_cache(maxsize=8192)
def group_key(config: RunConfig) -> str:
    """Return what configurations share that differ only in the seed and in how they are computed."""
    return config.replace({"train.seed": 0}).signature()


def group_runs(runs: Sequence[RunSummary], labels: Mapping[str, str], by: str = SEEDS) -> list[Contender]:
    """Return the runs in their order: seeds of the same experiment together, or runs with one value of a setting.

    ``by`` is :data:`SEEDS`, the path of a setting (its values in order), or empty for each run on its own.

    Seeds that each draw their training images anew, as in a study that does so, are one experiment too.

    A seed counts once: repeating it gives the same network again (or nearly, in another precision), which says nothing
    about other seeds. Of several runs with one seed, the one that came furthest counts; the others are contenders of
    their own. No two contenders have the same label.
    """
    counted, redrawn = _furthest_of_each_seed(runs) if by else set(), _redrawn(runs) if by == SEEDS else {}
    configs = {run.id: as_computed(run) if by in HOW_COMPUTED else run.config for run in runs}
    groups: dict[str, list[RunSummary]] = {}
    if by in SETTINGS:
        values = in_order(by, [config[by] for config in configs.values() if config.in_effect(by)])
        groups = {SETTINGS[by].phrase(value): [] for value in values}
    for run in runs:
        key = (redrawn.get(run.id) or _key(configs[run.id], by)) if run.id in counted else run.id
        groups.setdefault(key, []).append(run)
    result = []
    for key, members in ((key, members) for key, members in groups.items() if members):
        members.sort(key=lambda run: run.id)
        label = _label(key, members, labels, by)
        result.append(Contender(label, tuple(members), repeat=bool(by) and members[0].id not in counted))
    names = distinct_names({contender.id: contender.label for contender in result})
    return [replace(contender, label=names[contender.id]) for contender in result]


def _furthest_of_each_seed(runs: Iterable[RunSummary]) -> set[str]:
    """Return for each experiment and seed the run that came furthest (the newest of equals)."""
    ordered = sorted(runs, key=lambda run: (run.finished, run.status.epoch, run.id))
    return set({(group_key(run.config), run.config.train.seed): run.id for run in ordered}.values())


def _redrawn(runs: Iterable[RunSummary]) -> dict[str, str]:
    """Return the runs of experiments whose split seed follows the seed, so that each draws its training images anew.

    Such runs have the whole official test set in common. They are in a dictionary from the id to a key of the
    experiment. A split that several seeds share is no draw of its own.
    """
    families: dict[str, list[RunSummary]] = defaultdict(list)
    for run in runs:
        if run.config.data.whole_test_set:
            families[group_key(run.config.replace({"data.split_seed": 0}))].append(run)
    found = dict[str, str]()
    for key, members in families.items():
        seeds = defaultdict(set)
        for run in members:
            seeds[run.config.data.split_seed].add(run.config.train.seed)
        own = {split for split, trained in seeds.items() if trained == {split}}
        if len(own) > 1:
            found |= {run.id: f"{key} redrawn" for run in members if run.config.data.split_seed in own}
    return found


def _key(config: RunConfig, by: str) -> str:
    if by == SEEDS:
        return group_key(config)
    return SETTINGS[by].phrase(config[by]) if config.in_effect(by) else f"{SETTINGS[by].label.lower()} has no effect"


def _label(key: str, runs: Sequence[RunSummary], labels: Mapping[str, str], by: str) -> str:
    first, n = runs[0].id, len(runs)
    if by in SETTINGS and key != first:
        return f"{key} · {n} runs" if n > 1 else key
    return labels[first] if n == 1 else f"{_common_name(runs, labels)} · {n} seeds"


def _common_name(runs: Sequence[RunSummary], labels: Mapping[str, str]) -> str:
    for texts in ([labels[run.id] for run in runs], [title(run) for run in runs]):
        names = {re.sub(r"[\s,·(]*\bseed \d+\b\)?", "", text) for text in texts}
        if len(names) == 1 and (name := names.pop()):
            return name
    return f"{labels[runs[0].id]} and others"


def siblings(runs: Sequence[RunSummary], picked: Sequence[str]) -> list[str]:
    """Return the runs that are not picked and differ from a picked run in the seed alone, one run for each seed."""
    seeds = {(group_key(run.config), run.config.train.seed) for run in runs if run.id in set(picked)}
    experiments = {experiment for experiment, _ in seeds}
    more = [run for run in runs if group_key(run.config) in experiments]
    furthest = _furthest_of_each_seed(
        run for run in more if (group_key(run.config), run.config.train.seed) not in seeds
    )
    return [run.id for run in more if run.id in furthest]


def best_two(contenders: Sequence[Contender]) -> tuple[str, str]:
    """Return the ids of the two contenders of highest mean accuracy, tested ones first.

    They have the most common task, if it has two contenders. Contenders without an epoch come last; repeats are chosen
    only if there are no two others.
    """
    originals = [contender for contender in contenders if not contender.repeat]
    candidates = originals if len(originals) > 1 else contenders
    task, count = Counter(contender.config.data.classes for contender in candidates).most_common(1)[0]
    if count > 1:
        candidates = [contender for contender in candidates if contender.config.data.classes == task]
    first, second, *_ = sorted(candidates, key=_mean_accuracy, reverse=True)
    return first.id, second.id


def _mean_accuracy(contender: Contender) -> tuple[int, float]:
    ranks = [run.rank for run in contender.counted if run.headline]
    lowest = min((group for group, _ in ranks), default=0)
    return (lowest, sum(share for _, share in ranks) / len(ranks)) if ranks else (0, -1.0)
