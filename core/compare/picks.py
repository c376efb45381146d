"""Which runs are picked on Compare: read from a link, written to a link, changed by a selection in the table."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from core.base.errors import LabError
from core.base.text import counted
from core.config.setting import near
from core.runs.store import RunStore

#: Picked runs that a link names; more would not fit into an address.
MOST_LINKED = 100
#: Unknown names in a link that are looked up; each look-up searches all runs.
_MOST_LOOKUPS = 5


def runs_in_link(store: RunStore, known: Iterable[str], text: str) -> tuple[list[str], list[str]]:
    """Return the ids of the runs a link names, and a sentence for each name that is not a run.

    ``text`` has ids, or anything else ``RunStore.find`` accepts, separated by commas. ``known`` are the ids of all
    runs.
    """
    ids, run_ids, problems, lookups = set(known), [], [], 0
    for name in dict.fromkeys(part.strip() for part in text.split(",") if part.strip()):
        if name in ids:
            run_ids.append(name)
            continue
        lookups += 1
        if lookups > _MOST_LOOKUPS:
            continue
        try:
            run_ids.append(store.find(name))
        except LabError as error:
            problems.append(str(error))
    if lookups > _MOST_LOOKUPS:
        problems.append(f"The link names {counted(lookups - _MOST_LOOKUPS, 'more unknown run')}.")
    return list(dict.fromkeys(run_ids)), problems


def link_text(picked: Sequence[str]) -> str:
    """Return the picked runs as a link names them."""
    return ",".join(picked[:MOST_LINKED])


def problems_in_link(params: Mapping[str, str], choices: Mapping[str, Mapping[Any, str]]) -> list[str]:
    """Return a sentence for each value of a link that is not one of its ``choices``; the default replaces it.

    ``choices`` has for each parameter its values as code and label; a link contains the label.
    """
    problems = []
    for name, labels in choices.items():
        value, known = params.get(name), list(labels.values())
        if value is not None and value not in known:
            shown = re.sub(r"[^\x20-\x7e]", "?", value)[:40]
            problems.append(
                f"The link has {name}=“{shown}”, which is not a valid value. "
                f"Choose one of {', '.join(known)}.{near(shown, known)}"
            )
    return problems


def picked_after_selection(picked: Sequence[str], visible: Sequence[str], rows: Iterable[int]) -> list[str]:
    """Return the picked runs after ``rows`` of the ``visible`` runs were selected; hidden runs stay picked."""
    selected = [visible[row] for row in rows if 0 <= row < len(visible)]
    kept = [run_id for run_id in picked if run_id not in set(visible) or run_id in set(selected)]
    return kept + [run_id for run_id in selected if run_id not in set(kept)]
