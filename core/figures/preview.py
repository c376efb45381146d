"""Figures of what a configuration will do before it runs: its learning rates, and its images by class and set."""

import pandas as pd
import plotly.graph_objects as go

from core.base.text import counted
from core.config.run_config import RunConfig
from core.figures.style import add_curve, add_message, new_figure
from core.training.schedule import learning_rate
from core.views.curves import NEUTRAL, PALETTE

#: Points of a schedule's curve; more than a chart has pixels for on a phone.
POINTS = 400
#: Schedules that fall by factors are shown in powers of ten.
_BY_FACTORS = ("multi-step", "report")


def rates(config: RunConfig) -> pd.DataFrame:
    """Return the learning rate during a run of a checked config: ``epoch`` (0 at the start, with fractions), ``lr``.

    The rows are a few hundred steps from the first to the last, and both sides of each milestone. A plateau schedule
    has its initial rate throughout, because when it falls depends on the run.
    """
    batches, train = config.steps_per_epoch(), config.train
    last = train.epochs * batches - 1
    steps = {round(at * last / (POINTS - 1)) for at in range(POINTS)}
    if config.in_effect("train.milestones"):
        falls = [(epoch + (train.schedule == "report")) * batches for epoch in train.milestones]
        steps |= {step for fall in falls for step in (fall - 1, fall) if step <= last}
    if config.in_effect("train.warmup_epochs"):
        steps.add(min(round(train.warmup_epochs * batches), last))
    rows = [(step / batches, learning_rate(train, step, batches)) for step in sorted(steps)]
    return pd.DataFrame(rows, columns=["epoch", "lr"])


def schedule(config: RunConfig) -> go.Figure:
    """Return the learning rate over the epochs of a checked config."""
    table = rates(config)
    figure = new_figure("Epochs trained", "Learning rate", height=220, hovermode="x", showlegend=False)
    figure.update_xaxes(range=[0, config.train.epochs]).update_yaxes(rangemode="tozero")
    hover = "after %{x:.2f} epochs: %{y:.3g}<extra></extra>"
    epochs, lr = table["epoch"].tolist(), table["lr"].tolist()
    add_curve(figure, epochs, lr, PALETTE[0], mode="lines", uid="lr", hovertemplate=hover)
    if config.train.schedule in _BY_FACTORS and max(lr) >= 100 * min(lr) > 0:
        figure.update_yaxes(type="log", exponentformat="power", dtick=1)
    if config.train.schedule == "plateau":
        add_message(figure, "Falls when the validation objective stops improving: timing depends on the run.")
    return figure


def schedule_text(config: RunConfig) -> str:
    """Return the schedule in a sentence: a caption, and the chart as text for people who do not see it."""
    lr, train = rates(config)["lr"], config.train
    if train.schedule == "plateau":
        return (
            f"The learning rate starts at {train.lr:g} and is multiplied by {train.plateau_factor:.3g} whenever the "
            f"validation objective has not improved for {counted(train.plateau_patience, 'epoch')}."
        )
    if lr.max() == lr.min():
        return f"The learning rate stays at {train.lr:g}."
    start = "rises to" if lr.iloc[0] < lr.max() else "starts at"
    epochs = counted(train.epochs, "epoch")
    return f"The learning rate {start} {lr.max():.3g} and ends at {lr.iloc[-1]:.3g} after {epochs}."


def class_counts(counts: pd.DataFrame) -> go.Figure:
    """Return the images of each class in each set as stacked bars; ``counts`` is from ``gallery.class_counts``."""
    figure = new_figure("Images", barmode="stack", bargap=0.3, height=26 * len(counts) + 100)
    figure.update_layout(legend_traceorder="normal").update_xaxes(tickformat=",d")
    figure.update_yaxes(autorange="reversed", showgrid=False)
    for at, name in enumerate(counts.columns):
        if counts[name].sum() == 0:
            continue
        unused = name == "Unused"
        marker = {"color": NEUTRAL if unused else PALETTE[at], "opacity": 0.25 if unused else 1.0}
        hover = f"%{{y}}: %{{x:,}} images<extra>{name}</extra>"
        bars = {"y": counts.index.tolist(), "x": counts[name].tolist(), "orientation": "h"}
        figure.add_bar(**bars, name=name, uid=name, marker=marker, hovertemplate=hover)
    return figure


def class_counts_text(counts: pd.DataFrame) -> str:
    """Return the bars as text, for people who do not see them."""
    totals = ", ".join(f"{str(name).lower()} {total:,}" for name, total in counts.sum().items())
    return f"Images of {len(counts)} classes by set: {totals}; about the same number of each class."
