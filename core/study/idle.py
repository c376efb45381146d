"""What a study varies in vain: settings that change nothing in its runs."""

import itertools
from collections.abc import Iterable

from core.cost.effect import idle_settings, same_course
from core.study.study import SPLIT_SEED, Axis, Cell, Study

#: No study has a seed so high.
_ANOTHER_DRAW = {SPLIT_SEED: 2**31 - 1}


def idle_notes(study: Study) -> list[str]:
    """Return a sentence for each varied setting, and each setting of a run, that changes nothing in a valid study."""
    cells = [cell for cell in study.cells() if cell.seed == study.seeds[0]]
    notes = [
        f"{axis.label} changes nothing here: all its values give the same run."
        for axis in study.axes
        if len(axis.values) > 1 and all(same_course([cell.config for cell in group]) for group in _groups(axis, cells))
    ]
    if study.redraw and len(study.seeds) < 2:
        notes.append("Drawing the training images anew for each seed changes nothing here: there is one seed.")
    elif study.redraw and all(same_course([cell.config, cell.config.replace(_ANOTHER_DRAW)]) for cell in cells):
        notes.append("Drawing the training images anew changes nothing here: every run trains on all of them.")
    found: dict[str, list[tuple[Cell, str]]] = {}
    for cell in cells:
        for path, text in idle_settings(cell.config).items():
            found.setdefault(path, []).append((cell, text))
    return notes + [_among(texts, len(cells)) for texts in found.values()]


def _groups(axis: Axis, cells: Iterable[Cell]) -> Iterable[list[Cell]]:
    """Return the cells that differ in ``axis`` alone."""

    def others(cell: Cell) -> str:
        return repr({path: value for path, value in cell.settings.items() if path != axis.path})

    return (list(group) for _, group in itertools.groupby(sorted(cells, key=others), key=others))


def _among(texts: list[tuple[Cell, str]], cells: int) -> str:
    """Return the first of the ``texts``, with the runs that it is about unless it is about all."""
    first, text = texts[0]
    if len(texts) == cells and len({text for _, text in texts}) == 1:
        return text
    more = f" (and {len(texts) - 1} more)" if len(texts) > 1 else ""
    return f"With {first.label.rpartition(', ')[0]}{more}: {text}"
