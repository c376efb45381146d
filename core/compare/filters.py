"""Which runs the table on Compare shows, and in which order."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from core.base.text import known, searchable
from core.compare.settings import ALL_CLASSES, classes_text
from core.runs.summary import AnyRun, RunSummary, readable, title

_Value = Callable[[RunSummary], float | str | None]
#: Sort orders by name: label, the value of a run, and whether the smallest value comes first.
SORTS: dict[str, tuple[str, _Value, bool]] = {
    "newest": ("Newest first", lambda run: run.id, False),
    "best": ("Best validation accuracy", lambda run: run.accuracy_on_held_out, False),
    "test": ("Test accuracy", lambda run: run.accuracy_on_test, False),
    "loss": ("Lowest validation loss", lambda run: run.epochs.min_val_loss if run.epochs else None, True),
    "time": ("Longest training", lambda run: run.epochs.seconds if run.epochs else None, False),
    "name": ("Name", lambda run: searchable(title(run)), True),
}


@dataclass(frozen=True)
class Filter:
    """Which runs to show. An empty field does not filter.

    ``search``: words that must all occur in the name, id, note or tags. ``tags``: a run needs one of them.
    ``classes``: a run's task must be one of them, as :func:`classes_text` writes it. ``sort``: a key of :data:`SORTS`.
    """

    search: str = ""
    states: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    sort: str = "newest"

    def passes(self, run: AnyRun) -> bool:
        """Return whether the run is shown."""
        tags: Sequence[str] = ()
        words, classes = [title(run), run.id], ""
        if isinstance(run, RunSummary):
            tags, classes = run.meta.tags, classes_text(run.config.data.classes)
            words += [run.meta.note, *tags]
        text = searchable(" ".join(words))
        return (
            all(word in text for word in searchable(self.search).split())
            and (not self.states or run.state in self.states)
            and (not self.tags or not set(self.tags).isdisjoint(tags))
            and (not self.classes or classes in self.classes)
        )


def filtered(runs: Iterable[AnyRun], wanted: Filter) -> list[AnyRun]:
    """Return the runs that pass the filter in its sort order: pinned runs first, runs without the value last."""
    kept = [run for run in runs if wanted.passes(run)]
    _, value_of, ascending = SORTS.get(wanted.sort, SORTS["newest"])

    def value(run: AnyRun) -> float | str | None:
        number = value_of(run) if isinstance(run, RunSummary) else run.id if wanted.sort == "newest" else None
        return number if isinstance(number, str) or known(number) else None

    values = {run.id: value(run) for run in kept}
    with_value = [run for run in kept if values[run.id] is not None]
    with_value.sort(key=lambda run: values[run.id], reverse=not ascending)  # type: ignore[arg-type, return-value]
    ordered = with_value + [run for run in kept if values[run.id] is None]
    return sorted(ordered, key=lambda run: not (isinstance(run, RunSummary) and run.meta.pinned))


def tags_in_use(runs: Iterable[AnyRun]) -> list[str]:
    """Return every tag of the runs in alphabetical order."""
    return sorted({tag for run in readable(runs) for tag in run.meta.tags})


def tasks_in_use(runs: Iterable[AnyRun]) -> list[str]:
    """Return every task (set of classes) of the runs as text, all ten classes first."""
    tasks = {classes_text(run.config.data.classes) for run in readable(runs)}
    return sorted(tasks, key=lambda text: (text != ALL_CLASSES, text))
