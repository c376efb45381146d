"""What a report is about: a study, or runs that someone selected, as groups of runs that differ in the seed alone."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd

from core.base.errors import LabError
from core.base.text import counted, one_line
from core.compare.contenders import Contender, group_runs
from core.compare.settings import differing_settings_of_runs, setting_name
from core.config.run_config import RunConfig
from core.config.setting import value_text
from core.runs.store import RunStore
from core.runs.summary import Kind, RunSummary, labels
from core.stats.intervals import Interval, Spread, spread, wilson
from core.study.outcomes import outcome_table, table_value
from core.study.progress import CellStatus, counts_text, statuses
from core.study.store import StudyStore
from core.study.study import SEED, Study


@dataclass(frozen=True)
class Result:
    """The accuracies of a group, 0 to 1, all on ``images`` images of one ``kind``.

    ``chose_epoch``: the same images chose the best epoch of some run, which makes its accuracy slightly optimistic.
    """

    kind: Kind
    images: int
    values: tuple[float, ...]
    chose_epoch: bool

    @property
    def spread(self) -> Spread:
        """Mean, deviation and number of the accuracies."""
        return spread(self.values)

    @property
    def interval(self) -> Interval:
        """The 95 % interval of the mean that counts the sampling of the images only (Wilson)."""
        return wilson(self.spread.mean, self.images)


@dataclass(frozen=True)
class Group:
    """Runs that differ in the seed alone; ``cells`` tell the group from others, under the subject's ``columns``.

    ``runs`` are those whose results count: finished ones, or of selected runs without a finished one, all.
    """

    name: str
    cells: tuple[str, ...]
    runs: tuple[RunSummary, ...]

    @property
    def result(self) -> Result | None:
        """The accuracies on test images if every run has one, else on validation images; ``None`` without an epoch."""
        tops = [run.headline for run in self.runs if run.headline]
        if not tops:
            return None
        kind: Kind = "test" if all(top.kind == "test" for top in tops) else "validation"
        found = [next((one for one in run.accuracies if one.kind == kind), None) for run in self.runs]
        values = [accuracy for accuracy in found if accuracy]
        chose = any(accuracy.chose_epoch for accuracy in values)
        return Result(kind, min(one.images for one in values), tuple(one.share for one in values), chose)


@dataclass(frozen=True)
class Subject:
    """What a report is about.

    ``runs`` are all runs with a finished epoch; ``asked`` is how many were asked for, and ``states`` how far these are.
    ``study_id``, ``study``, ``cells`` and ``outcomes`` are those of a study, ``contenders`` those of selected runs.
    """

    store: RunStore
    title: str
    question: str
    columns: tuple[str, ...]
    groups: tuple[Group, ...]
    runs: tuple[RunSummary, ...]
    names: dict[str, str]
    asked: int
    states: str
    author: str = ""
    study_id: str | None = None
    study: Study | None = None
    cells: tuple[CellStatus, ...] = ()
    outcomes: pd.DataFrame = field(default_factory=pd.DataFrame)
    contenders: tuple[Contender, ...] = ()

    @property
    def configs(self) -> list[RunConfig]:
        """The configuration of each run."""
        return [run.config for run in self.runs]

    @property
    def varied(self) -> list[str]:
        """The settings that differ between the runs, without the seed."""
        return [path for path in differing_settings_of_runs(self.runs) if path != SEED]


def of_study(store: RunStore, study_id: str, *, title: str = "", author: str = "") -> Subject:
    """Return a study to report about. Raises StoreError without the study, LabError without a finished epoch."""
    study = StudyStore(store).get(study_id)
    cells = statuses(study_id, study, store.summaries())
    runs = _begun([cell.run for cell in cells if cell.run], f"Study {study_id}")
    paths = [axis.path for axis in study.axes]
    groups: dict[tuple[str, ...], list[RunSummary]] = {}
    for cell in cells:
        key = tuple(value_text(table_value(path, cell.cell.settings[path])) for path in paths)
        done = [cell.run] if cell.run and cell.run.finished and cell.run.epochs else []
        groups.setdefault(key, []).extend(done)
    what = " and ".join(axis.label.lower() for axis in study.axes)
    return Subject(
        store=store,
        title=one_line(title) or study.name,
        author=one_line(author),
        question=study.note.strip() or f"What does {what} change in the accuracy of a residual network on CIFAR-10?",
        columns=tuple(map(setting_name, paths)),
        groups=tuple(Group(", ".join(key), key, tuple(runs)) for key, runs in groups.items()),
        runs=tuple(runs),
        names={cell.run.id: cell.cell.label for cell in cells if cell.run},
        asked=len(cells),
        states=counts_text(cells),
        study_id=study_id,
        study=study,
        cells=tuple(cells),
        outcomes=outcome_table(study, cells),
    )


def of_runs(store: RunStore, run_ids: Sequence[str], *, title: str = "", author: str = "") -> Subject:
    """Return runs to report about. Raises StoreError for a run that cannot be read, LabError without an epoch."""
    picked = [store.summary(run_id) for run_id in dict.fromkeys(run_ids)]
    runs = _begun(picked, "The selection")
    names = labels(runs)
    contenders = group_runs(runs, names)
    states = [run.state for run in picked]
    heading = f"Comparison of {counted(len(contenders), 'experiment')}" if len(contenders) > 1 else contenders[0].label
    return Subject(
        store=store,
        title=one_line(title) or heading,
        author=one_line(author),
        question=_question(contenders),
        columns=("Experiment",),
        groups=tuple(
            Group(contender.label, (contender.label,), tuple(run for run in contender.counted if run.epochs))
            for contender in contenders
        ),
        runs=tuple(runs),
        names=names,
        asked=len(picked),
        states=", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states)),
        contenders=tuple(contenders),
    )


def _begun(runs: Sequence[RunSummary], what: str) -> list[RunSummary]:
    begun = list({run.id: run for run in runs if run.epochs}.values())
    if not begun:
        raise LabError(f"{what} has no run with a finished epoch yet, so there is nothing to report.")
    return begun


def _question(contenders: Sequence[Contender]) -> str:
    if len(contenders) < 2:
        return "How accurate is this network, and how sure is that number?"
    paths = [
        path for path in differing_settings_of_runs([contender.runs[0] for contender in contenders]) if path != SEED
    ]
    if not paths:
        return "Do these runs differ in accuracy?"
    names = [setting_name(path).lower() for path in paths[:3]]
    more = f" and {counted(len(paths) - 3, 'more setting')}" if len(paths) > 3 else ""
    what = names[0] if len(names) == 1 else f"{', '.join(names[:-1])}{',' if more else ' and'} {names[-1]}"
    return f"Do these networks, which differ in {what}{more}, differ in accuracy?"
