"""A study's figures with their findings, as a page shows them and as files."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import plotly.graph_objects as go

from core.base.errors import LabError
from core.base.files import os_errors_as_store_errors, write_atomically
from core.base.strict_json import to_json
from core.compare.answers import ReadPredictions, nothing_kept
from core.compare.settings import in_order
from core.config.setting import value_text
from core.figures import study as figures_study
from core.published.points import Point, points_of
from core.runs.store import RunStore
from core.stats.finding import Metric
from core.study.findings import StudyFinding, as_record, findings_of
from core.study.outcomes import outcome_table, table_value
from core.study.progress import CellStatus, statuses
from core.study.store import StudyStore
from core.study.study import Study
from core.views import exports
from core.views.curves import RunCurves

#: The two questions of the report, each a figure.
METRICS: dict[Metric, str] = {"accuracy": "Test accuracy", "objective": "Objective at the best epoch"}
#: Size of an image file in CSS pixels; a PNG has twice as many.
_SIZE = {"width": 900, "height": 520}


@dataclass(frozen=True)
class Panel:
    """A figure of a study with its findings; ``alt`` is the figure as text, for people who do not see it."""

    metric: Metric
    title: str
    figure: go.Figure
    findings: list[StudyFinding]
    alt: str


def published(study: Study, x: str) -> tuple[Point, ...]:
    """Return the report's points for a figure along ``x``, if the study repeats a figure of the report."""
    return points_of(study.base.data.classes, x) if study.figure is not None else ()


def panels(study: Study, table: pd.DataFrame, x: str, read: ReadPredictions = nothing_kept) -> list[Panel]:
    """Return the figures along the varied setting ``x`` from the outcomes ``table``; none without a finished run.

    Accuracies are compared image by image where ``read`` has the predictions of all runs.
    """
    if table.empty:
        return []
    series = [axis.path for axis in study.axes if axis.path != x]
    points, k = published(study, x), len(study.base.data.classes)
    return [
        Panel(
            metric,
            title,
            figures_study.outcome(table, x, series, metric, points, k, study.scale),
            findings_of(table, x, series, metric, points, study.scale, read),
            figures_study.outcome_text(table, x, series, metric),
        )
        for metric, title in METRICS.items()
    ]


def data(study: Study, table: pd.DataFrame, x: str) -> pd.DataFrame:
    """Return the points of the figures along ``x`` as a table, the report's points among them."""
    series = [axis.path for axis in study.axes if axis.path != x]
    return figures_study.data(table, x, series, published(study, x), study.scale)


def curves_by_value(
    store: RunStore, study: Study, cells: Sequence[CellStatus], x: str
) -> list[tuple[str, list[RunCurves]]]:
    """Return the curves of the cells that have begun, by their value of ``x`` as text, in the order of the setting.

    A group holds the runs of all seeds and of all values of the other varied settings.
    """
    groups: dict[Any, list[RunCurves]] = {}
    for status in cells:
        if status.run is None or not status.run.status.epoch:
            continue
        cell = status.cell
        curves = RunCurves.of(status.run, cell.label, store.metrics(status.run.id))
        groups.setdefault(table_value(x, cell.settings[x]), []).append(curves)
    return [(value_text(value), groups[value]) for value in in_order(x, list(groups))]


# --- as files -------------------------------------------------------------------------------------


def write(store: RunStore, study_id: str, folder: Path) -> list[Path]:
    """Write the study's figures as SVG, PNG, CSV and JSON files into ``folder``; return their paths.

    Raises StoreError if the folder cannot be written, LabError if no run has finished or no browser can draw the
    images. The data and the findings are written before any image.
    """
    study = StudyStore(store).get(study_id)
    table = outcome_table(study, statuses(study_id, study, store.summaries()))
    if table.empty:
        raise LabError(f"Study {study_id} has no finished run yet, so there is nothing to draw.")
    with os_errors_as_store_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    written, figures = [], []
    for axis in study.axes:
        name = axis.path.partition(".")[2]
        written.append(_write(folder / f"{name}.csv", exports.as_csv(data(study, table, axis.path))))
        for panel in panels(study, table, axis.path, store.many_predictions):
            records = [as_record(finding) for finding in panel.findings]
            content = to_json(records, indent=1, ensure_ascii=False)
            written.append(_write(folder / f"{name}-{panel.metric}.json", f"{content}\n"))
            figures.append((folder / f"{name}-{panel.metric}", panel.figure))
    return written + draw(figures)


#: Formats of image files.
Format = Literal["svg", "png", "pdf"]


def draw(figures: Sequence[tuple[Path, go.Figure]], formats: Sequence[Format] = ("svg", "png")) -> list[Path]:
    """Write each figure as ``path``.svg and so on, on white; return the files.

    Raises LabError if there is no Chrome or Chromium that works.
    """
    try:
        with ThreadPoolExecutor(max_workers=1) as thread:  # a notebook's own thread already runs an event loop
            images = thread.submit(asyncio.run, _images([figure for _, figure in figures], formats)).result()
    except Exception as error:  # kaleido and the browser it drives raise almost anything
        raise LabError(
            f"The figures could not be drawn: no Chrome or Chromium works here ({type(error).__name__}). "
            "Install Chromium; the data and the findings are written."
        ) from error
    return [
        _write(path.with_name(f"{path.name}.{kind}"), content)
        for (path, _), kinds in zip(figures, images, strict=True)
        for kind, content in kinds.items()
    ]


async def _images(figures: Sequence[go.Figure], formats: Sequence[Format]) -> list[dict[str, bytes]]:
    """Return each figure in all formats, all from one browser: starting it takes ten times as long as drawing.

    Kaleido is driven directly, because ``Figure.to_image`` waits forever for a browser that does not start.
    """
    import kaleido  # pages import this module and never draw

    images = []
    async with kaleido.Kaleido(n=1) as browser:
        for figure in figures:
            content: dict[str, bytes] = {}
            figure = go.Figure(figure).update_layout(paper_bgcolor="white", plot_bgcolor="white", font={"size": 14})
            for kind in formats:
                options = {"format": kind, "scale": 2 if kind == "png" else 1, **_SIZE}
                content[kind] = await browser.calc_fig(figure, options)
            images.append(content)
    return images


def _write(path: Path, content: bytes | str) -> Path:
    write_atomically(path, content)
    return path
