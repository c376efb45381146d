"""Which runs the table on Compare shows, and in which order.

Works on the table of all runs (``RunStore.frame()``), so that a thousand runs cost no more files than one.
"""

from dataclasses import dataclass

import pandas as pd

from core.compare.settings import ALL_CLASSES, as_tuple, classes_text

#: Sort orders by name: label, column, and whether the smallest value comes first.
SORTS: dict[str, tuple[str, str, bool]] = {
    "newest": ("Newest first", "id", False),
    "best": ("Best validation accuracy", "best_val_accuracy", False),
    "test": ("Test accuracy", "test_accuracy", False),
    "loss": ("Lowest validation loss", "min_val_loss", True),
    "time": ("Longest training", "seconds", False),
    "name": ("Name", "name", True),
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


def filtered(frame: pd.DataFrame, wanted: Filter) -> pd.DataFrame:
    """Return the runs that pass the filter in its sort order, pinned runs first and missing values last."""
    keep = pd.Series(True, index=frame.index)
    for word in wanted.search.lower().split():
        keep &= _searchable(frame).str.contains(word, regex=False)
    if wanted.states:
        keep &= frame["state"].isin(wanted.states)
    if wanted.tags:
        keep &= frame["tags"].map(lambda tags: bool(set(as_tuple(tags)) & set(wanted.tags)))
    if wanted.classes:
        keep &= frame["data.classes"].map(classes_text).isin(wanted.classes)
    _, column, ascending = SORTS.get(wanted.sort, SORTS["newest"])
    values = frame[column].fillna("").str.lower() if column == "name" else frame[column]
    order = pd.DataFrame({"pinned": frame["pinned"].fillna(False).astype(bool), "value": values})[keep]
    if column not in ("id", "name"):
        order["value"] = pd.to_numeric(order["value"])
    order = order.sort_values(["pinned", "value"], ascending=[False, ascending], kind="stable", na_position="last")
    return frame.loc[order.index]


def _searchable(frame: pd.DataFrame) -> pd.Series:
    tags = frame["tags"].map(lambda tags: " ".join(as_tuple(tags)))
    return (frame["name"].fillna("") + " " + frame["id"] + " " + frame["note"].fillna("") + " " + tags).str.lower()


def tags_in_use(frame: pd.DataFrame) -> list[str]:
    """Return every tag of the runs in alphabetical order."""
    return sorted({tag for tags in frame["tags"] for tag in as_tuple(tags)})


def tasks_in_use(frame: pd.DataFrame) -> list[str]:
    """Return every task (set of classes) of the runs as text, all ten classes first."""
    tasks = {classes_text(classes) for classes in frame["data.classes"]} - {""}
    return sorted(tasks, key=lambda text: (text != ALL_CLASSES, text))
