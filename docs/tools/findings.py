"""The page docs/findings.md, from the committed studies: figures, sentences, numbers beside the report's.

    python -m docs.tools.findings

Reads the reference studies in runs/, draws docs/found-*.png and writes the text between the two marks of the
README. No number is typed here; run it again after a study has grown. Needs Chromium.
"""

from dataclasses import dataclass

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
from core.study.findings import findings_text
from core.study.outcomes import outcome_table
from core.study.progress import statuses
from core.study.store import StudyStore
from core.study.study import Study
from core.views import curves as curves_views


@dataclass(frozen=True)
class Found:
    """A reference study with the outcomes of its finished runs."""

    study_id: str
    study: Study
    table: pd.DataFrame

    @property
    def x(self) -> str:
        """The setting that it varies."""
        return self.study.axes[0].path


def reference_studies(store: RunStore) -> list[Found]:
    """The studies that came with the program, the most finished first."""
    studies, _ = StudyStore(store).all()
    found = [
        Found(study_id, study, outcome_table(study, statuses(study_id, study, store.summaries())))
        for study_id, study in studies.items()
        if study.reference
    ]
    return sorted((one for one in found if len(one.table)), key=lambda one: -len(one.table))


def section(store: RunStore, found: Found) -> str:
    """Text of one study: what was done, its table, what it says, its figures."""
    study, name = found.study, _file_name(found.study)
    panels = panels_module.panels(study, found.table, found.x)
    lines = [f"**{study.name}.** {_done(found)}", "", _table(found), ""]
    if len(found.table) > 1:
        for panel in panels:
            lines += [f"*{panel.title}.* {findings_text(panel.findings)}", ""]
        panels_module.draw([(PROJECT / "docs" / f"{name}-{one.metric}", one.figure) for one in panels])
        lines += [" ".join(f"![{one.alt}]({name}-{one.metric}.png)" for one in panels), ""]
    else:
        words, pictures = _four_curves(store, study, str(found.table["run_id"].iloc[0]))
        panels_module.draw([(PROJECT / "docs" / f"{name}-{kind}", figure) for kind, figure in pictures.items()])
        lines += [f"{findings_text(panels[0].findings)} {words}", ""]
        lines += [" ".join(f"![{kind.capitalize()} of each epoch]({name}-{kind}.png)" for kind in pictures), ""]
    return "\n".join(lines)


def _four_curves(store: RunStore, study: Study, run_id: str) -> tuple[str, dict[str, go.Figure]]:
    """What a run's four curves say of over-fitting, and the two figures that hold them."""
    metrics, view = store.metrics(run_id), style_figures.View()
    run = curves_views.RunCurves.of(store.summary(run_id), study.name, metrics)
    drawn = {"accuracy": curves_figures.accuracy([run], view), "loss": curves_figures.loss([run], view)}
    curves_figures.mark_onsets(drawn["accuracy"], [run], view, "accuracy")
    curves_figures.mark_onsets(drawn["loss"], [run], view, "loss")
    return overfitting.onset_text(metrics), drawn


def _file_name(study: Study) -> str:
    return f"found-figure-{study.figure}-{'whole' if study.scale == 1 else 'scaled'}"


def _done(found: Found) -> str:
    study, table = found.study, found.table
    scaled = (
        f"epochs and milestones scaled by {study.scale:g}" if study.scale < 1 else "nothing scaled, all epochs trained"
    )
    runs = len(table)
    return (
        f"{runs} of its {study.size} runs, {scaled}; {table['train.seed'].nunique()} "
        f"seed{'s' * (table['train.seed'].nunique() != 1)}; {table['seconds'].sum() / 3600:.1f} hours by the clock."
    )


def _table(found: Found) -> str:
    theirs = {one.value: one for one in panels_module.published(found.study, found.x)}
    head = f"| {found.study.axes[0].label.lower()} | n | best accuracy | the report | lowest objective | the report |"
    rows = [head, "| --- | --- | --- | --- | --- | --- |"]
    for value, runs in found.table.groupby(found.x):
        published = theirs.get(round(value / found.study.scale) if found.x == "train.epochs" else value)
        rows.append(
            f"| {value:,} | {len(runs)} | {_mean(100 * runs['accuracy'], 2)} % | "
            f"{percent(published.best_accuracy) if published else '–'} | {_mean(runs['objective'], 4)} | "
            f"{f'{published.min_loss:.4f}' if published else '–'} |"
        )
    return "\n".join(rows)


def _mean(values: pd.Series, digits: int) -> str:
    sd = f" ± {values.std(ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{values.mean():.{digits}f}{sd}"


def main() -> None:
    """Write the section."""
    store = RunStore(PROJECT / "runs")
    text = "\n".join(section(store, one) for one in reference_studies(store))
    publish("findings", "findings", text)
    for path in (PROJECT / "docs").glob("found-*.svg"):
        path.unlink()  # the README shows the PNG
    print(text)


if __name__ == "__main__":
    main()
