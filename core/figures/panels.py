"""What a study shows, ready to be looked at or taken away: its figures, the data in them and what they say."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from core.base.errors import LabError
from core.base.files import told_plainly, write_atomically
from core.cli.answer import Answer
from core.figures import study as figures_study
from core.published.points import Point, points_of
from core.runs.store import RunStore
from core.study import findings
from core.study.findings import Finding
from core.study.outcomes import Metric, as_in_table, in_order, outcomes, value_in_words
from core.study.progress import CellStatus, statuses
from core.study.store import StudyStore
from core.study.study import Study
from core.views.curves import RunCurves

#: The two questions of the report, each a figure.
METRICS: dict[Metric, str] = {"accuracy": "Best accuracy", "objective": "Lowest objective"}
#: Size of a picture file in CSS pixels; a PNG has twice as many.
WIDTH, HEIGHT = 900, 520


@dataclass(frozen=True)
class Panel:
    """One figure of a study with what it says; ``alt`` is the figure for those who do not see it."""

    metric: Metric
    title: str
    figure: go.Figure
    findings: list[Finding]
    alt: str


def published(study: Study, x: str) -> tuple[Point, ...]:
    """The report's points to lay over a figure along ``x``: only where the study draws a figure of it again."""
    return points_of(study.base.data.classes, x) if study.figure is not None else ()


def panels(study: Study, table: pd.DataFrame, x: str) -> list[Panel]:
    """The figures along the varied setting ``x`` from the outcomes ``table``; none before a run has finished."""
    if table.empty:
        return []
    series = [axis.path for axis in study.axes if axis.path != x]
    points, k = published(study, x), len(study.base.data.classes)
    return [
        Panel(
            metric,
            title,
            figures_study.outcome(table, x, series, metric, points, k, study.scale),
            findings.findings(table, x, series, metric, points, study.scale),
            figures_study.outcome_text(table, x, series, metric),
        )
        for metric, title in METRICS.items()
    ]


def data(study: Study, table: pd.DataFrame, x: str) -> pd.DataFrame:
    """What the figures along ``x`` show as a table, the report's points among it."""
    series = [axis.path for axis in study.axes if axis.path != x]
    return figures_study.data(table, x, series, published(study, x), study.scale)


def curves_by_value(
    store: RunStore, study: Study, cells: Sequence[CellStatus], x: str
) -> list[tuple[str, list[RunCurves]]]:
    """The curves of the cells that have begun, by their value of ``x`` in words, in the order of the setting.

    Of several varied settings only ``x`` tells groups apart; the others vary within them, as the seeds do.
    """
    begun = [one for one in cells if one.run_id is not None and one.row is not None and one.row["epoch"]]
    groups: dict[Any, list[RunCurves]] = {}
    for one in begun:
        assert one.run_id is not None  # begun
        curves = RunCurves.of(one.run_id, one.cell.in_words(), one.cell.config, store.metrics(one.run_id))
        groups.setdefault(as_in_table(x, one.cell.settings[x]), []).append(curves)
    return [(value_in_words(value), groups[value]) for value in in_order(x, list(groups))]


def write(store: RunStore, study_id: str, folder: Path) -> list[Path]:
    """The study's figures as SVG, PNG, CSV and JSON files in ``folder``; returns their paths.

    Raises StoreError if the folder cannot be written, LabError if no run has finished or pictures cannot be drawn
    here; the data and the sentences are written before any picture.
    """
    study = StudyStore(store).get(study_id)
    table = outcomes(study, statuses(study_id, study, store.frame()))
    if table.empty:
        raise LabError(f"No run of study {study_id} has finished yet; there is nothing to draw.")
    with told_plainly(folder):
        folder.mkdir(parents=True, exist_ok=True)
    written, pictures = [], []
    for axis in study.axes:
        name = axis.path.partition(".")[2]
        written.append(_write(folder / f"{name}.csv", data(study, table, axis.path).to_csv(index=False)))
        for panel in panels(study, table, axis.path):
            record = [findings.as_record(one) for one in panel.findings]
            written.append(_write(folder / f"{name}-{panel.metric}.json", Answer("", record).as_json() + "\n"))
            pictures.append((folder / f"{name}-{panel.metric}", panel.figure))
    return written + draw(pictures)


def draw(pictures: Sequence[tuple[Path, go.Figure]]) -> list[Path]:
    """Each figure as ``path``.svg and ``path``.png on white; returns the files.

    Raises LabError without a Chrome or Chromium that can be used.
    """
    try:
        with ThreadPoolExecutor(max_workers=1) as own:  # a notebook's thread has an event loop that runs already
            contents = own.submit(asyncio.run, _drawn([figure for _, figure in pictures])).result()
    except Exception as error:  # kaleido and the browser it drives raise almost anything
        raise LabError(
            "Pictures are drawn by Chrome or Chromium, and none could be used here "
            f"({type(error).__name__}). Install Chromium; the data and the sentences are written."
        ) from error
    return [
        _write(path.with_name(f"{path.name}.{kind}"), content)
        for (path, _), kinds in zip(pictures, contents, strict=True)
        for kind, content in kinds.items()
    ]


async def _drawn(figures: Sequence[go.Figure]) -> list[dict[str, bytes]]:
    """Each figure as ``svg`` and ``png``, all in one browser: starting it takes ten times as long as drawing one.

    Kaleido is driven directly: behind ``Figure.to_image`` a browser that does not start is waited for without end.
    """
    import kaleido  # the page, which needs no files, does without it

    drawn = []
    async with kaleido.Kaleido(n=1) as browser:
        for figure in figures:
            figure = go.Figure(figure).update_layout(paper_bgcolor="white", plot_bgcolor="white", font={"size": 14})
            size = {"width": WIDTH, "height": HEIGHT}
            kinds = {"svg": {**size, "scale": 1}, "png": {**size, "scale": 2}}
            drawn.append(
                {kind: await browser.calc_fig(figure, {"format": kind, **opts}) for kind, opts in kinds.items()}
            )
    return drawn


def _write(path: Path, content: bytes | str) -> Path:
    write_atomically(path, content)
    return path
