"""TODO: core.views.compare."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from core.base.errors import LabError
from core.compare.settings import ALL_CLASSES, as_tuple, classes_in_words
from core.config.setting import near
from core.runs.store import RunStore

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


def all_tags(frame: pd.DataFrame) -> list[str]:
    """Every tag in use, in alphabetical order."""
    return sorted({tag for tags in frame["tags"] for tag in as_tuple(tags)})


def all_tasks(frame: pd.DataFrame) -> list[str]:
    """Every set of classes in use, the whole ten first."""
    found = {classes_in_words(classes) for classes in frame["data.classes"]} - {""}
    return sorted(found, key=lambda words: (words != ALL_CLASSES, words))


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
