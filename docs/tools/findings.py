"""Write docs/findings.md from the reference studies in runs/: their tables, findings and figures, next to the report's.

    python -m docs.tools.findings

Draws docs/found-*.png and writes the text between the page's markers. All numbers come from the runs; run the script
again after a study has grown. Needs Chromium.
"""

import pandas as pd
import plotly.graph_objects as go

from benchmarks.common import publish
from core.base.paths import PROJECT
from core.base.text import percent
from core.figures import curves as curves_figures
from core.figures import panels as panels_module
from core.figures import style as style_figures
from core.runs.store import RunStore
from core.stats import overfitting
from core.stats.finding import Finding
from core.study.study import Study
from core.views import curves as curves_views
from docs.tools.common import ReferenceStudy, reference_studies

DOCS = PROJECT / "docs"


def section(store: RunStore, reference: ReferenceStudy) -> str:
    """Return the text of a study: how it was done, its table, its findings, its figures. Draws the figures."""
    study, file_name = reference.study, _file_name(reference.study)
    panels = panels_module.panels(study, reference.table, reference.x, store.many_predictions)
    lines = [f"**{study.name}.** {_method(reference)}", "", _table(reference), ""]
    if len(reference.table) > 1:
        for panel in panels:
            lines += [f"*{panel.title}.*", *(_finding(finding) for finding in panel.findings), ""]
        panels_module.draw([(DOCS / f"{file_name}-{panel.metric}", panel.figure) for panel in panels])
        lines += [" ".join(f"![{panel.alt}]({file_name}-{panel.metric}.png)" for panel in panels), ""]
    else:
        text, figures = _curves(store, study, str(reference.table["run_id"].iloc[0]))
        panels_module.draw([(DOCS / f"{file_name}-{kind}", figure) for kind, figure in figures.items()])
        lines += [*(_finding(finding) for finding in panels[0].findings), "", text, ""]
        lines += [" ".join(f"![{kind.capitalize()} of each epoch]({file_name}-{kind}.png)" for kind in figures), ""]
    return "\n".join(lines)


def _finding(finding: Finding) -> str:
    """Return the verdict, the effect and the advice, and the details behind a fold."""
    advice = f" {finding.advice}" if finding.advice else ""
    details = "\n".join(f"- {detail}" for detail in finding.details)
    folded = f"\n\n<details><summary>Details</summary>\n\n{details}\n\n</details>" if details else ""
    return f"**{finding.headline}** {finding.summary}{advice}{folded}"


def _curves(store: RunStore, study: Study, run_id: str) -> tuple[str, dict[str, go.Figure]]:
    """Return a sentence on overfitting in a run, and its accuracy and loss curves."""
    metrics, view = store.metrics(run_id), style_figures.View()
    run = curves_views.RunCurves.of(store.summary(run_id), study.name, metrics)
    figures = {"accuracy": curves_figures.accuracy([run], view), "loss": curves_figures.loss([run], view)}
    curves_figures.mark_onsets(figures["accuracy"], [run], view, "accuracy")
    curves_figures.mark_onsets(figures["loss"], [run], view, "loss")
    return overfitting.onset_text(metrics), figures


def _file_name(study: Study) -> str:
    return f"found-figure-{study.figure}-{'whole' if study.scale == 1 else 'scaled'}"


def _method(reference: ReferenceStudy) -> str:
    """Return how much of the study was trained, and in what time."""
    study, table = reference.study, reference.table
    scale = f"epochs and milestones multiplied by {study.scale:g}" if study.scale < 1 else "all epochs of the report"
    seeds = table["train.seed"].nunique()
    hours = table["seconds"].sum() / 3600
    return (
        f"{len(table)} of {study.size} runs, {scale}; {seeds} seed{'s' * (seeds != 1)}; {hours:.1f} hours of training."
    )


def _table(reference: ReferenceStudy) -> str:
    """Return our results, next to the report's where it measured them with as many epochs."""
    published = {
        point.value: point
        for point in panels_module.published(reference.study, reference.x)
        if point.derived is None and reference.study.scale == 1
    }
    names = [reference.study.axes[0].label.lower(), "runs", "test accuracy"]
    names += ["the report's"] * bool(published) + ["objective at the best epoch"]
    names += ["the report's"] * bool(published) + ["lowest objective"]
    rows = [f"| {' | '.join(names)} |", f"| {' | '.join(['---'] * len(names))} |"]
    for value, runs in reference.table.groupby(reference.x):
        point = published.get(value)
        cells = [f"{value:,}", str(len(runs)), f"{_mean(100 * runs['accuracy'], 2)} %"]
        cells += [percent(point.best_accuracy) if point else "–"] * bool(published)
        cells += [_mean(runs["best_objective"], 4)]
        cells += [f"{point.loss:.4f}" if point else "–"] * bool(published)
        cells += [_mean(runs["objective"], 4)]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def _mean(values: pd.Series, digits: int) -> str:
    sd = f" ± {values.std(ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{values.mean():.{digits}f}{sd}"


def main() -> None:
    """Write the page and draw the figures."""
    store = RunStore(PROJECT / "runs")
    text = "\n".join(section(store, reference) for reference in reference_studies(store))
    publish("findings", "findings", text)
    for path in DOCS.glob("found-*.svg"):
        path.unlink()  # the page shows the PNGs
    print(text)


if __name__ == "__main__":
    main()
