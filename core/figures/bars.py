"""TODO: core.figures.bars."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from core.figures.style import _NOT_YET, escaped, plain_layout, say, with_title
from core.views.curves import FOR_RUNS, RunCurves


def class_accuracy(runs: Sequence[RunCurves]) -> go.Figure:
    """Validation accuracy in percent of each class at each run's best epoch, as bars."""
    figure = _bars("Accuracy (%)", [name for run in runs for name in run.classes], len(runs))
    for run in runs:
        if run.best_epoch is None:
            continue
        shares = run.metrics["val_accuracy_by_class"][run.metrics["epoch"] == run.best_epoch].iloc[0]
        percent = [100 * share for share in shares]
        figure.add_bar(
            y=list(run.classes), x=percent, orientation="h", name=f"{escaped(run.label)}, epoch {run.best_epoch}",
            marker={"color": run.colour}, text=[f"{one:.1f}" for one in percent], textposition="auto", uid=run.id,
            showlegend=len(runs) > 1, hovertemplate="%{y}: %{x:.2f} %<extra>%{fullData.name}</extra>",
        )  # fmt: skip
    return figure if figure.data else say(figure, _NOT_YET)


def probabilities(
    classes: Sequence[str],
    rows: Mapping[str, Sequence[float | None]],
    top: int = 5,
    run_colours: Mapping[str, str] | None = None,
) -> go.Figure:
    """What networks say about one picture: the ``top`` likeliest classes as bars, likeliest first.

    ``rows`` has for each run (by the name to show) a probability from 0 to 1 for each of ``classes``,
    ``None`` for a class it does not know; ``run_colours`` a colour for each of these names. With several
    runs the classes shown are those any of them finds likeliest.
    """
    highest = [max((row[at] or 0.0) for row in rows.values()) for at in range(len(classes))]
    order = sorted(range(len(classes)), key=lambda at: -highest[at])[:top]
    figure = _bars("Probability (%)", [classes[at] for at in order], len(rows))
    for number, (name, row) in enumerate(rows.items()):
        percent = [None if (share := row[at]) is None else 100 * float(share) for at in order]
        figure.add_bar(
            y=[classes[at] for at in order], x=percent, orientation="h", name=escaped(name), uid=str(number),
            marker={"color": (run_colours or {}).get(name, FOR_RUNS[number % len(FOR_RUNS)])},
            text=["" if one is None else f"{one:.1f} %" for one in percent], textposition="auto",
            showlegend=len(rows) > 1, hovertemplate="%{y}: %{x:.2f} %<extra>%{fullData.name}</extra>",
        )  # fmt: skip
    return figure


def _bars(title: str, classes: Sequence[str], groups: int) -> go.Figure:
    """An empty figure for bars to the right, as high as ``groups`` bars for each of the classes need."""
    names = list(dict.fromkeys(classes))
    figure = go.Figure(layout=plain_layout() | {"bargap": 0.25, "height": (10 + 16 * max(groups, 1)) * len(names) + 80})
    figure.update_xaxes(title=with_title(title), range=[0, 100], uirevision="bars", automargin=True)
    return figure.update_yaxes(categoryorder="array", categoryarray=names, autorange="reversed", automargin=True)
