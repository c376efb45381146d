"""The contents of a report to hand in: tables, charts, findings and texts about a subject, in no format yet.

:mod:`core.takeaway.report` writes them. Every number is read from the files of the runs.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from core.base.errors import LabError
from core.base.text import SELECTED_ON, counted, duration, known, moment, nats, percent, percent_range
from core.compare.contenders import best_two
from core.compare.gap import Gap, gap
from core.compare.settings import NO_EFFECT, in_order, setting_name, setting_text, setting_text_of_run
from core.config.presets import command_line, nearest
from core.figures import bars as bars_figures
from core.figures import compare as compare_figures
from core.figures import curves as curves_figures
from core.figures import panels
from core.figures import study as study_figures
from core.figures.compare import GroupCurves
from core.figures.style import View
from core.runs.summary import RunSummary
from core.stats.finding import Finding
from core.stats.intervals import spread
from core.study.findings import StudyFinding
from core.study.store import as_text
from core.takeaway import methods
from core.takeaway.methods import Check
from core.takeaway.subject import Group, Subject
from core.views import exports
from core.views.curves import NEUTRAL, RunCurves, marks

#: Experiments in one chart; nobody can tell more apart.
MOST_DRAWN = 24
#: Experiments that a report compares with the most accurate one.
MOST_FINDINGS = 6


@dataclass(frozen=True)
class Table:
    """A table as text; the columns in ``right`` are numbers. ``name`` is that of its file."""

    name: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: tuple[str, ...] = ()


@dataclass(frozen=True)
class Chart:
    """A figure with its caption, and as text for people who do not see it. ``name`` is that of its files."""

    name: str
    caption: str
    figure: go.Figure = field(repr=False)
    alt: str


@dataclass(frozen=True)
class Claim:
    """A finding, and what it is about. ``details`` leave out what a section of its own says."""

    about: str
    finding: Finding
    details: tuple[str, ...]


@dataclass(frozen=True)
class Content:
    """A whole report. ``data`` are CSV files and the study's definition by name; ``agreement`` compares with the
    report that a study repeats; ``commands`` repeat everything."""

    title: str
    author: str
    written: str
    question: str
    methods: tuple[str, ...]
    settings: Table
    results: Table
    runs: Table
    claims: tuple[Claim, ...]
    agreement: tuple[str, ...]
    limits: tuple[str, ...]
    checklist: tuple[Check, ...]
    charts: tuple[Chart, ...]
    commands: tuple[str, ...]
    data: dict[str, str] = field(repr=False)

    @property
    def tables(self) -> tuple[Table, ...]:
        """The tables in the order in which they are numbered."""
        return self.settings, self.results, self.runs


def content_of(subject: Subject) -> Content:
    """Return what a report about ``subject`` says, as of now."""
    claims, notes = _claims(subject)
    return Content(
        title=subject.title,
        author=subject.author,
        written=moment(time.time()).partition(" ")[0],
        question=subject.question,
        methods=methods.paragraphs(subject),
        settings=_settings_table(subject),
        results=_results_table(subject),
        runs=_runs_table(subject),
        claims=claims,
        agreement=_agreement(claims),
        limits=(*notes, *methods.limits(subject)),
        checklist=methods.checklist(subject),
        charts=tuple(_charts(subject, claims)),
        commands=_commands(subject),
        data=_data(subject),
    )


# --- tables ---------------------------------------------------------------------------------------


def _settings_table(subject: Subject) -> Table:
    base = nearest(subject.configs[0])
    rows = []
    for path, texts in methods.settings_rows(subject, setting_text_of_run, NO_EFFECT):
        config, preset = subject.configs[0], base.config
        differs = len(texts) > 1 or path in config.differences(preset)
        theirs = setting_text(preset, path) if differs and preset.in_effect(path) else ""
        rows.append((setting_name(path), "; ".join(_ordered(subject, path, texts)), theirs))
    caption = f"Settings of the runs. The last column has the value of the preset “{base.title}” where it is another."
    return Table("settings", caption, ("Setting", "Value", f"Preset {base.name}"), tuple(rows))


def _ordered(subject: Subject, path: str, texts: Sequence[str]) -> list[str]:
    """Return the texts of a setting in the order of its values."""
    by_text = {setting_text_of_run(run, path): run.config[path] for run in subject.runs}
    order = in_order(path, [by_text[text] for text in texts])
    return sorted(texts, key=lambda text: order.index(by_text[text]))


def _results_table(subject: Subject) -> Table:
    names = ("Seeds", "Accuracy (%)", "95 % interval", "Measured on", "Lowest cross-entropy", "Time")
    rows = tuple((*group.cells, *_result_cells(group)) for group in subject.groups)
    caption = (
        "Results of the best epochs: mean ± sample standard deviation over seeds; the interval counts the sampling of "
        "the images. The lowest cross-entropy of all epochs is in nats per image, the time that of one training."
    )
    right = ("Seeds", "Accuracy (%)", "95 % interval", "Lowest cross-entropy", "Time")
    return Table("results", caption, (*subject.columns, *names), rows, right)


def _result_cells(group: Group) -> tuple[str, ...]:
    result = group.result
    if result is None:
        return ("0", *["–"] * 5)
    mean, sd = result.spread.mean, result.spread.sd
    epochs = [run.epochs for run in group.runs if run.epochs]
    losses = [one.min_val_loss for one in epochs if known(one.min_val_loss)]
    return (
        str(result.spread.n),
        f"{100 * mean:.2f}" + ("" if sd is None else f" ± {100 * sd:.2f}"),
        percent_range(*result.interval),
        f"{result.images:,} {result.kind} images{', which chose the epoch' if result.chose_epoch else ''}",
        nats(spread(losses).mean) if losses else "–",
        duration(spread([one.seconds for one in epochs]).mean),
    )


def _runs_table(subject: Subject) -> Table:
    columns = ("Run", "What", "Seed", "State", "Best epoch", "Test accuracy", "Validation accuracy", "Time")
    rows = tuple(_run_cells(subject, run) for run in subject.runs)
    caption = "All runs. The validation accuracy is that on held-out images, which chose the epoch."
    return Table("runs", caption, columns, rows, columns[4:])


def _run_cells(subject: Subject, run: RunSummary) -> tuple[str, ...]:
    assert run.epochs is not None
    return (
        run.id,
        subject.names[run.id],
        str(run.config.train.seed),
        run.state,
        f"{run.epochs.best_epoch} of {run.config.train.epochs}",
        percent(run.accuracy_on_test),
        percent(run.accuracy_on_held_out),
        duration(run.epochs.seconds),
    )


# --- findings -------------------------------------------------------------------------------------


def _claims(subject: Subject) -> tuple[tuple[Claim, ...], tuple[str, ...]]:
    """Return the findings, and a sentence for what could not be compared."""
    if subject.study is not None:
        found = []
        for axis in subject.study.axes:
            for panel in panels.panels(subject.study, subject.outcomes, axis.path, subject.store.many_predictions):
                for finding in panel.findings:
                    of = f", {finding.label}" if finding.label else ""
                    found.append(_claim(f"{panel.title} against {axis.label.lower()}{of}", finding))
        return tuple(found), ()
    originals = [contender for contender in subject.contenders if not contender.repeat]
    if len(originals) < 2:
        return (), ()
    by_id = {contender.id: contender for contender in subject.contenders}
    first, second = (by_id[contender_id] for contender_id in best_two(subject.contenders))
    others = [second, *(contender for contender in originals if contender.id not in (first.id, second.id))]
    claims, problems = [], []
    for other in others[:MOST_FINDINGS]:
        try:
            compared = gap(first, other, len(originals), subject.store.many_predictions)
        except LabError as error:
            problems.append(str(error))
            continue
        which = "the two most accurate experiments" if len(originals) > 2 else "the two experiments"
        claims.append(
            _claim(f"Accuracy of {which if other is second else f'{first.label} and {other.label}'}", compared)
        )
    if left := len(others[MOST_FINDINGS:]):
        problems.append(f"{counted(left, 'more experiment')} were not compared with the most accurate one.")
    return tuple(claims), tuple(dict.fromkeys(problems))


def _claim(about: str, finding: Finding) -> Claim:
    compared = finding.agreement if isinstance(finding, StudyFinding) else None
    apart = compared.sentence if compared else None
    return Claim(about, finding, tuple(detail for detail in finding.details if detail != apart))


def _agreement(claims: Sequence[Claim]) -> tuple[str, ...]:
    """Return how each finding compares with the report that the study repeats; a sentence about several once."""
    abouts: dict[str, list[str]] = {}
    for claim in claims:
        if isinstance(claim.finding, StudyFinding) and claim.finding.agreement:
            abouts.setdefault(claim.finding.agreement.sentence, []).append(claim.about)
    return tuple(f"{'; '.join(names)}: {sentence}" for sentence, names in abouts.items())


# --- charts ---------------------------------------------------------------------------------------


def _charts(subject: Subject, claims: Sequence[Claim]) -> Iterator[Chart]:
    if subject.study is not None:
        yield from _study_charts(subject)
    elif len(subject.contenders) == 1 and len(subject.runs) == 1:
        yield from _run_charts(subject)
    else:
        yield from _compare_charts(subject, claims)


def _study_charts(subject: Subject) -> Iterator[Chart]:
    study = subject.study
    assert study is not None
    for axis in study.axes:
        name = axis.path.partition(".")[2].replace("_", "-")
        for panel in panels.panels(study, subject.outcomes, axis.path, subject.store.many_predictions):
            caption = f"{panel.title} against {axis.label.lower()}."
            yield Chart(f"{name}-{panel.metric}", caption, panel.figure, panel.alt)
    axis = study.axes[0]
    groups = panels.curves_by_value(subject.store, study, subject.cells, axis.path)
    for kind, title in _KINDS.items():
        figure = study_figures.curves(groups, View(), kind)  # type: ignore[arg-type]
        text = study_figures.curves_text(groups, kind)  # type: ignore[arg-type]
        yield Chart(f"curves-{kind}", f"{title} of each epoch, by {axis.label.lower()}.", figure, text)


#: What curves show, in the order of the charts.
_KINDS = {"accuracy": "Accuracy", "loss": "Cross-entropy"}


def _run_charts(subject: Subject) -> Iterator[Chart]:
    (run,) = subject.runs
    curves = [RunCurves.of(run, subject.names[run.id], subject.store.metrics(run.id))]
    figures = {"accuracy": curves_figures.accuracy(curves), "loss": curves_figures.loss(curves)}
    for kind, figure in figures.items():
        title = f"{_KINDS[kind]} of each epoch, training and validation."
        yield Chart(f"curves-{kind}", title, figure, title)
    title = f"Accuracy of each class at the best epoch, on {SELECTED_ON[run.selected_on]}."
    yield Chart("classes", title, bars_figures.class_accuracy(curves), title)


def _compare_charts(subject: Subject, claims: Sequence[Claim]) -> Iterator[Chart]:
    drawn = subject.contenders[:MOST_DRAWN]
    looks = marks([contender.id for contender in drawn])
    by_run = {run.id: looks[contender.id].colour for contender in drawn for run in contender.runs}
    for claim in claims[:1]:  # that of the two most accurate; the others are in words
        if isinstance(claim.finding, Gap):
            sides = (claim.finding.better, claim.finding.other)
            colours = [by_run.get(side.run_ids[0], NEUTRAL) for side in sides]
            caption = f"{claim.about}: the runs, their mean, and its 95 % interval."
            figure = compare_figures.gap_intervals(claim.finding, colours)
            yield Chart("accuracies", caption, figure, f"{caption} {claim.finding.summary}")
    with_epochs = {run.id for run in subject.runs}
    groups = [
        GroupCurves(
            contender.id,
            contender.label,
            looks[contender.id],
            tuple(
                RunCurves.of(run, subject.names[run.id], subject.store.metrics(run.id))
                for run in contender.runs
                if run.id in with_epochs
            ),
        )
        for contender in drawn
    ]
    left_out = len(subject.contenders) - len(drawn)
    more = f" {counted(left_out, 'more experiment')} would be too many for one chart." if left_out else ""
    for kind, title in _KINDS.items():
        figure = compare_figures.bands(groups, View(), kind)  # type: ignore[arg-type]
        caption = f"{title} of each epoch: mean of the seeds, and a band of one standard deviation.{more}"
        yield Chart(f"curves-{kind}", caption, figure, f"{caption} {', '.join(group.label for group in groups)}.")


# --- to repeat it ---------------------------------------------------------------------------------


def _commands(subject: Subject) -> tuple[str, ...]:
    trained = dict.fromkeys(command_line(config) for config in subject.configs)
    if subject.study is None:
        return ("resnet-lab data", *trained)
    create = "resnet-lab study create --file data/study.json"
    return ("resnet-lab data", create, "resnet-lab study run latest", "# or run by run:", *trained)


def _data(subject: Subject) -> dict[str, str]:
    files = {
        "results.csv": exports.as_csv(_results_frame(subject)),
        "runs.csv": exports.table_csv(subject.runs),
        "epochs.csv": exports.metrics_csv(subject.store, [run.id for run in subject.runs]),
    }
    if subject.study is not None:
        files["study.json"] = as_text(subject.study)
        for axis in subject.study.axes:
            name = f"{axis.path.partition('.')[2]}.csv"
            files[name] = exports.as_csv(panels.data(subject.study, subject.outcomes, axis.path))
    return files


def _results_frame(subject: Subject) -> pd.DataFrame:
    """Return the results as numbers, a row for each group: accuracies from 0 to 1."""
    rows = []
    for group in subject.groups:
        row: dict[str, Any] = dict(zip(subject.columns, group.cells, strict=True))
        if (result := group.result) is not None:
            low, high = result.interval
            row |= {"n": result.spread.n, "kind": result.kind, "images": result.images}
            row |= {"chose_epoch": result.chose_epoch}
            row |= {"accuracy_mean": result.spread.mean, "accuracy_sd": result.spread.sd}
            row |= {"accuracy_low": low, "accuracy_high": high}
        rows.append(row)
    columns = ["n", "kind", "images", "chose_epoch", "accuracy_mean", "accuracy_sd", "accuracy_low", "accuracy_high"]
    return pd.DataFrame(rows, columns=[*subject.columns, *columns])
