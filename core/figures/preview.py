"""Figures of what a config will do before it has done anything: its learning rates, its split by class.

Pure functions like those of :mod:`core.figures.curves`, whose colours, axes and habits they share.
"""

import pandas as pd
import plotly.graph_objects as go

from core.config.run_config import RunConfig
from core.figures import style as figures
from core.training.schedule import learning_rate
from core.views.curves import NEUTRAL, PALETTE

#: Points of a schedule's curve; more than a chart has pixels for on a phone.
POINTS = 400
#: Schedules that fall by factors: powers of ten show them best.
_BY_FACTORS = ("multi-step", "report")


def rates(config: RunConfig) -> pd.DataFrame:
    """The learning rate along a checked config's run: ``epoch`` (0 at the start, fractions inside), ``lr``.

    At some hundred steps from the first to the last, and on both sides of each milestone. For a schedule
    that waits for a plateau, the rate it begins with.
    """
    batches, train = config.steps_per_epoch(), config.train
    last = train.epochs * batches - 1
    steps = {round(at * last / (POINTS - 1)) for at in range(POINTS)}
    if config.in_effect("train.milestones"):
        falls = [(epoch + (train.schedule == "report")) * batches for epoch in train.milestones]
        steps |= {step for fall in falls for step in (fall - 1, fall) if step <= last}
    if config.in_effect("train.warmup_epochs"):
        steps.add(min(round(train.warmup_epochs * batches), last))
    rising = sorted(steps)
    return pd.DataFrame(
        {"epoch": [step / batches for step in rising], "lr": [learning_rate(train, step, batches) for step in rising]}
    )


def schedule(config: RunConfig) -> go.Figure:
    """The learning rate over the epochs of a checked config; in powers of ten where it falls by factors."""
    table = rates(config)
    figure = go.Figure(layout=figures.plain_layout())
    figure.update_layout(height=220, hovermode="x", showlegend=False)
    figure.update_xaxes(
        title=figures.with_title("Epochs trained"), range=[0, config.train.epochs], zeroline=False, automargin=True
    )
    figure.update_yaxes(title=figures.with_title("Learning rate"), rangemode="tozero", zeroline=False, automargin=True)
    figure.add_scatter(
        x=table["epoch"].tolist(), y=table["lr"].tolist(), mode="lines", uid="lr",
        line={"color": PALETTE[0], "width": 2.5},
        hovertemplate="after %{x:.2f} epochs: %{y:.3g}<extra></extra>",
    )  # fmt: skip
    if config.train.schedule in _BY_FACTORS and table["lr"].max() >= 100 * table["lr"].min() > 0:
        figure.update_yaxes(type="log", exponentformat="power", dtick=1)
    if config.train.schedule == "plateau":
        figures.say(figure, "Falls when the validation objective<br>stops falling: nobody knows when.")
    return figure


def schedule_text(config: RunConfig) -> str:
    """The schedule's highest and last rate: an alternative text for its chart, and a caption below it."""
    lr, train = rates(config)["lr"], config.train
    if train.schedule == "plateau":
        return (
            f"The learning rate begins at {train.lr:g} and is multiplied by {train.plateau_factor:.3g} whenever the "
            f"validation objective has not fallen for {train.plateau_patience} epochs."
        )
    if lr.max() == lr.min():
        return f"The learning rate stays at {train.lr:g}."
    rises = "rises to" if lr.iloc[0] < lr.max() else "begins at"
    return f"The learning rate {rises} {lr.max():.3g} and ends at {lr.iloc[-1]:.3g} after {train.epochs:,} epochs."


def class_counts(counts: pd.DataFrame) -> go.Figure:
    """Pictures of each class in each part, as bars laid end to end; ``counts`` as from ``gallery.class_counts``."""
    figure = go.Figure(
        layout=figures.plain_layout() | {"barmode": "stack", "bargap": 0.3, "height": 26 * len(counts) + 100}
    )
    figure.update_layout(legend={"traceorder": "normal"})
    figure.update_xaxes(title=figures.with_title("Pictures"), tickformat=",d", zeroline=False, automargin=True)
    figure.update_yaxes(autorange="reversed", showgrid=False, automargin=True)
    for at, part in enumerate(counts.columns):
        if counts[part].sum() == 0:
            continue
        left_out = part == "Left out"
        figure.add_bar(
            y=counts.index.tolist(), x=counts[part].tolist(), orientation="h", name=part, uid=part,
            marker={"color": NEUTRAL if left_out else PALETTE[at], "opacity": 0.25 if left_out else 1.0},
            hovertemplate=f"%{{y}}: %{{x:,}} pictures<extra>{part}</extra>",
        )  # fmt: skip
    return figure


def class_counts_text(counts: pd.DataFrame) -> str:
    """What the bars show, for those who do not see them."""
    totals = ", ".join(f"{str(name).lower()} {total:,}" for name, total in counts.sum().items())
    return f"Pictures of {len(counts)} classes by part: {totals}; about the same of each class"
