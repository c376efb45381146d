"""What Home has to say, decided without a browser: what trains and waits, the newest and best runs, and how the
best ones stand beside the published report's.

Works on the table of all runs (``RunStore.frame()``, here always called ``frame``), so that a thousand runs
cost no more files than one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from core.base.text import SELECTED_ON, percent
from core.compare.settings import classes_text, config_of
from core.config.presets import PRESETS
from core.config.run_config import RunConfig
from core.published.points import TASKS, Point, main_result
from core.runs.folder import AT_WORK

Row = Mapping[Any, Any]


@dataclass(frozen=True)
class Overview:
    """The table of all runs by what a person looks for: ``waiting`` in the queue's order, ``rest`` newest first."""

    training: pd.DataFrame
    waiting: pd.DataFrame
    rest: pd.DataFrame

    @classmethod
    def of(cls, frame: pd.DataFrame) -> "Overview":
        """Sort the runs."""
        at_work, waits = frame["state"].isin(AT_WORK), frame["state"] == "queued"
        # As RunStore.queue() has it: by the time, then by the id.
        waiting = frame[waits]
        waiting = waiting.assign(queued_at=pd.to_numeric(waiting["queued_at"]).fillna(0.0))
        return cls(frame[at_work], waiting.sort_values(["queued_at", "id"]), frame[~at_work & ~waits])

    @property
    def busy(self) -> bool:
        """Whether something trains or waits."""
        return bool(len(self.training) or len(self.waiting))


def is_newcomer(frame: pd.DataFrame) -> bool:
    """Whether no run of the person's own has come to its end yet, so that the first steps are still to be shown."""
    return not bool((own_runs(frame)["state"] == "finished").any())


def own_runs(frame: pd.DataFrame) -> pd.DataFrame:
    """The runs that did not come with the program."""
    return frame[~frame["reference"].eq(True)]


def has_weights(frame: pd.DataFrame) -> bool:
    """Whether some run has finished an epoch, and so can classify pictures."""
    return bool(frame["best_epoch"].notna().any())


def name_of(row: Row) -> str:
    """The run's name, or its id."""
    return row["name"] if isinstance(row["name"], str) and row["name"] else row["id"]


def result_text(row: Row) -> str:
    """What came out of a run, in a line; for one that failed or is damaged why."""
    if row["state"] in ("failed", "damaged") and isinstance(row["error"], str):
        return row["error"]
    return accuracy_text(row)


def accuracy_text(row: Row) -> str:
    """The best accuracy and what chose it; for a held-out choice the test accuracy too, once there is one."""
    if pd.isna(row["best_val_accuracy"]):
        return "no epoch finished"
    words = f"{percent(row['best_val_accuracy'])} on {SELECTED_ON[row['selected_on']]}"
    return words if pd.isna(row["test_accuracy"]) else f"{words}, {percent(row['test_accuracy'])} on test images"


def best_by_task(frame: pd.DataFrame, most: int) -> list[tuple[str, pd.DataFrame]]:
    """The runs of highest validation accuracy, apart for each set of classes: an accuracy on two classes says
    nothing beside one on ten. The task of the most runs first; ``most`` rows in all, at least one of each task
    that has room."""
    known = frame[frame["best_val_accuracy"].notna()]
    if known.empty:
        return []
    tasks = known["data.classes"].map(classes_text)
    names = list(tasks.value_counts().index[:most])
    each, more = divmod(most, len(names))
    found = []
    for at, name in enumerate(names):
        of_task = known[tasks == name].sort_values("best_val_accuracy", ascending=False, kind="stable")
        found.append((str(name), of_task.head(each + (at < more))))
    return found


# --- beside the report ----------------------------------------------------------------------------


@dataclass(frozen=True)
class BestRun:
    """The best of ``of`` runs here by one rule. ``accuracy`` from 0 to 1 on ``images`` test images; ``ahead`` of
    the report by so much; ``so_far`` if the run may still find a better epoch."""

    run_id: str
    name: str
    accuracy: float
    ahead: float
    images: int
    epoch: int
    of: int
    so_far: bool

    def text(self) -> str:
        """``epoch 164 · 10,000 test images · best of 3 runs``."""
        words = [f"epoch {self.epoch}", f"{self.images:,} test images"]
        words += [f"best of {self.of:,} runs"] * (self.of > 1) + ["so far"] * self.so_far
        return " · ".join(words)


@dataclass(frozen=True)
class ReportComparison:
    """One task of the report: its result, and what there is of the same classes here.

    ``as_report`` was chosen on the test images, which flatters it as it flattered the report; ``honest`` was
    chosen on held-out images and measured on the test images once. ``waiting`` counts runs of these classes
    that have neither yet. ``recipe`` is the report's own configuration for them.
    """

    title: str
    point: Point
    as_report: BestRun | None
    honest: BestRun | None
    waiting: int
    recipe: RunConfig

    def empty_text(self) -> str:
        """What to say and do where nothing can be compared."""
        if self.waiting:
            runs = "1 run of these classes has" if self.waiting == 1 else f"{self.waiting:,} runs of these classes have"
            return f"{runs} no accuracy on test images yet: one chosen on held-out images gets it at its end."
        return "No run of these classes yet. The report’s recipe is a click away; a shorter one can be compared too."


_TITLES = {"all-ten": "All ten classes", "deer-dog": "Deer or dog"}


def report_comparisons(frame: pd.DataFrame) -> list[ReportComparison]:
    """For each task of the report its result and the best ones here, of runs of the same classes only."""
    found = []
    for task, title in _TITLES.items():
        recipe = _recipe(task)
        point = main_result(recipe)
        assert point is not None
        same = frame[pd.Series([one == TASKS[task] for one in frame["data.classes"]], frame.index, dtype=bool)]
        as_report = _best(same, point, "test", "best_val_accuracy")
        honest = _best(same, point, "held-out", "test_accuracy")
        waiting = 0 if as_report or honest else len(same)
        found.append(ReportComparison(title, point, as_report, honest, waiting, recipe))
    return found


def _recipe(task: str) -> RunConfig:
    """The report's configuration of its largest training part, whose result is its main one."""
    config = PRESETS["report"].config.replace({"data.classes": TASKS[task]})
    point = main_result(config)
    assert point is not None
    return config.replace({f"data.{point.varied}": point.value})


def _best(frame: pd.DataFrame, point: Point, selected_on: Literal["test", "held-out"], column: str) -> BestRun | None:
    values = pd.to_numeric(frame[column][frame["selected_on"] == selected_on]).dropna()
    if values.empty:
        return None
    row: dict[Any, Any] = frame.loc[[values.idxmax()]].to_dict("records")[0]
    accuracy, images = float(row[column]), config_of(row).data.sizes().test
    so_far = row["state"] in (*AT_WORK, "queued")
    ahead, epoch = accuracy - point.best_accuracy, int(row["best_epoch"])
    return BestRun(row["id"], name_of(row), accuracy, ahead, images, epoch, len(values), so_far)


def points_text(ahead: float) -> str:
    """A difference of shares, in percentage points: ``0.45 points below``."""
    if round(100 * ahead, 2) == 0:
        return "level"
    return f"{abs(100 * ahead):.2f} points {'above' if ahead > 0 else 'below'}"
