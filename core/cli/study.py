"""Commands about studies: define one, run it, show its state, write its figures.

``study run`` trains the runs in this process in turn. If it is killed, the same command continues. With ``--queue`` the
app trains them.
"""

import argparse
import contextlib
import itertools
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace

from core.base.errors import ConfigError, Outcome, collected
from core.base.files import write_atomically
from core.base.terminal import say
from core.base.text import counted, duration, moment, percent
from core.cli.answer import Answer, table
from core.cli.shelved import bring_back, put_away
from core.cli.train import INTERRUPTED, CtrlC, chosen_config, require_data, train_existing, train_held
from core.cost.machine import fit_all, require_fit
from core.runs.folder import AT_WORK
from core.runs.store import RunStore
from core.study import progress
from core.study.form import grow
from core.study.idle import idle_notes
from core.study.outcomes import cell_table, outcome_table
from core.study.presets import PUBLISHED, published_study, scale_for, seconds
from core.study.progress import CellStatus
from core.study.store import StudyStore, as_text, read_study
from core.study.study import LEAST_SCALE, Cell, Study, axis_from_text, path_and_values, seeds_from_text

#: What ``study create`` makes a study from, and the options that each of these allows. The first that is given counts.
_SOURCES = {"file": (), "figure": ("scale", "minutes", "split"), "vary": ("preset", "config", "set", "redraw")}


# --- defining -------------------------------------------------------------------------------------


def presets(args: argparse.Namespace, store: RunStore) -> Answer:
    """List the report's studies and how long each takes on this machine, in full and at a tenth of the epochs."""
    rows, data = [], []
    for figure, preset in PUBLISHED.items():
        study = published_study(figure)
        whole, least = seconds(study, store), seconds(study.scaled(0.1), store)
        data.append({"figure": figure, "name": preset.name, "cells": study.size, "seconds": whole, "least": least})
        rows.append((figure, study.axes[0].text, *(duration(time) if time else "?" for time in (whole, least))))
    text = table(("figure", "setting and values", "full", "scale 0.1"), rows)
    if any(study["seconds"] is None for study in data):
        text += "\nTimes are known once a run has been trained on this computer."
    return Answer(text, data)


def create(args: argparse.Namespace, store: RunStore) -> Answer:
    """Create a study: one of the report's, one from a file, or settings varied on a configuration."""
    study = _requested(args, store)
    study_id = StudyStore(store).create(replace(study, name=args.name) if args.name else study)
    fits = fit_all(cell.config for cell in study.cells())
    for note in filter(None, (fits.too_big, *fits.notes, *idle_notes(study))):
        say(f"Note: {note}")
    answer = _status(store, study_id)
    answer.text = f"Created study {study_id}. Run it with `resnet-lab study run {study_id}`.\n{answer.text}"
    return answer


def _requested(args: argparse.Namespace, store: RunStore) -> Study:
    _refuse_unused_options(args)
    seeds = seeds_from_text(args.seeds) if args.seeds else None
    if args.file is not None:
        study = read_study(args.file)
        return replace(study, seeds=seeds) if seeds else study
    if args.figure is not None:
        split_figures = [figure for figure, preset in PUBLISHED.items() if preset.path == "data.train_size"]
        if args.split and args.figure in PUBLISHED and args.figure not in split_figures:
            figures = " and ".join(map(str, split_figures))
            raise ConfigError({"--split": f"applies only to figures {figures}, where the training size varies."})
        study = published_study(args.figure, split=args.split or "common", seeds=seeds or (0,))
        scale = args.scale if args.scale is not None else _scale(study, store, args.minutes)
        if args.minutes is not None and scale <= LEAST_SCALE:
            least = seconds(study.scaled(scale), store) or 0.0
            if least > 60 * args.minutes:
                say(f"Note: Even with a tenth of its epochs, the study takes about {duration(least)} here.")
        return study if scale == 1 else study.scaled(scale)
    if not args.vary:
        raise ConfigError({"--vary": "name a setting and its values, such as --vary train.batch_size=32,64,128."})
    axes = tuple(axis_from_text(text) for text in args.vary)
    return Study(args.name or "A study", chosen_config(args), axes, seeds or (0,), redraw=bool(args.redraw))


def _refuse_unused_options(args: argparse.Namespace) -> None:
    """Raise ConfigError for an option that has no effect with what the study is made from."""
    options = (*_SOURCES, *itertools.chain(*_SOURCES.values()))
    given = [name for name in options if getattr(args, name) not in (None, [])]
    source = next((name for name in _SOURCES if name in given), "vary")
    for name in given:
        if name != source and name not in _SOURCES[source]:
            raise ConfigError({f"--{name}": f"has no effect together with --{source}. Remove one of the two."})


def _scale(study: Study, store: RunStore, minutes: float | None) -> float:
    if minutes is None:
        return 1.0
    if minutes <= 0:
        raise ConfigError({"--minutes": f"{minutes:g} is not a time; give more than 0 minutes, or use --scale."})
    scale = scale_for(study, store, 60 * minutes)
    if scale is None:
        from core.jobs.probe import measure  # imports torch, which takes seconds

        say("Measuring how fast this computer trains; this takes about ten seconds.")
        measure(study.base.checked(), store)
        scale = scale_for(study, store, 60 * minutes)
    if scale is None:
        raise ConfigError({"--minutes": "the speed of this computer is not known yet. Train a run or use --scale."})
    return scale


def add(args: argparse.Namespace, store: RunStore) -> Answer:
    """Add values or seeds to a study; trained runs are kept."""
    studies = StudyStore(store)
    study_id = studies.find(args.study)
    grow(studies, study_id, [path_and_values(text) for text in args.vary], args.seeds)
    return _status(store, study_id)


# --- running --------------------------------------------------------------------------------------


def run(args: argparse.Namespace, store: RunStore) -> Answer:
    """Train all unfinished runs of a study, here or in the app. A failed run does not stop the rest."""
    study_id = StudyStore(store).find(args.study)
    study = StudyStore(store).get(study_id)
    states = progress.statuses(study_id, study, store.summaries())
    todo = [status.cell.config for status in states if status.state not in ("finished", *AT_WORK)]
    for note in require_fit(todo, confirmed=args.yes):
        say(f"Note: {note}")
    if args.queue:
        return _changed(progress.start(store, study_id), store, study_id, "queued; the app will train them")
    require_data()
    errors: list[str] = []
    cells = study.cells()
    with CtrlC() as ctrl_c:
        for number, cell in enumerate(cells, 1):
            head = f"Run {number} of {len(cells)}: {cell.label}"
            with collected(errors, f"The run with {cell.label}"):
                if _train(store, study_id, study, cell, head, ctrl_c) == "failed":
                    errors.append(f"The run with {cell.label} failed. `resnet-lab study status` shows its id.")
            if ctrl_c.pressed:
                break
    answer = _status(store, study_id)
    if not errors and (left := [cell for cell in answer.data["cells"] if cell["state"] != "finished"]):
        errors.append(f"{len(left)} of {counted(len(cells), 'run')} not finished. `resnet-lab study run` continues.")
    answer.errors.extend(errors)
    answer.code = INTERRUPTED if ctrl_c.pressed else int(bool(errors))
    return answer


def _train(store: RunStore, study_id: str, study: Study, cell: Cell, head: str, ctrl_c: CtrlC) -> str | None:
    """Train the run of a cell and return its final state, or None if it is trained already or by another process."""
    with contextlib.ExitStack() as held:
        # Read again for each run, and made under the lock: another process may work on this study too.
        with StudyStore(store).lock(study_id):
            states = progress.statuses(study_id, study, store.summaries())
            now = next(status for status in states if status.cell.signature == cell.signature)
            if now.run_id is None:
                about = progress.run_meta(study_id, study, cell, states)
                run_id, train = held.enter_context(store.create_held(cell.config, **about)), train_held
            elif now.state in ("finished", *AT_WORK) or store.run(now.run_id).held():
                return None
            else:
                run_id, train = now.run_id, train_existing
        say(head)
        return train(store, run_id, ctrl_c).state


def pause(args: argparse.Namespace, store: RunStore) -> Answer:
    """Take a study's runs out of the queue; with ``--running-too`` also stop the running one."""
    study_id = StudyStore(store).find(args.study)
    return _changed(progress.pause(store, study_id, running_too=args.running_too), store, study_id, "stopped")


def retry(args: argparse.Namespace, store: RunStore) -> Answer:
    """Queue a study's failed runs again."""
    study_id = StudyStore(store).find(args.study)
    return _changed(progress.retry(store, study_id), store, study_id, "queued again")


def _changed(outcome: Outcome, store: RunStore, study_id: str, what: str) -> Answer:
    answer = _status(store, study_id)
    answer.text = f"{counted(len(outcome.done), 'run')} {what}.\n{answer.text}"
    answer.errors.extend(outcome.problems)
    answer.code = int(bool(outcome.problems))
    return answer


# --- looking --------------------------------------------------------------------------------------


def list_studies(args: argparse.Namespace, store: RunStore) -> Answer:
    """List all studies, newest first."""
    studies, damaged = StudyStore(store).all()
    runs = store.summaries()
    rows, data = [], []
    for study_id, study in studies.items():
        cells = progress.statuses(study_id, study, runs)
        data.append({"id": study_id, "name": study.name, "cells": progress.counts(cells)})
        rows.append((study_id, study.name, moment(study.created_at), progress.counts_text(cells)))
    text = "There are no studies yet. Create one with `resnet-lab study create --figure 3 --minutes 60`."
    if rows:
        text = table(("id", "name", "created", "runs"), rows)
    return Answer(text, data, errors=[study.problem for study in damaged])


def status(args: argparse.Namespace, store: RunStore) -> Answer:
    """Show the state and result of each run of a study, and what is left to do."""
    return _status(store, StudyStore(store).find(args.study))


def _status(store: RunStore, study_id: str) -> Answer:
    study = StudyStore(store).get(study_id)
    cells = progress.statuses(study_id, study, store.summaries())
    found = cell_table(study, cells)
    rows = [  # in a column with texts, pandas keeps a missing one as NaN
        (cell.cell.label, row["state"], row["epoch"] or "–", percent(row["accuracy"]), row["run_id"] or "–")
        for cell, row in zip(cells, found.astype(object).where(found.notna(), None).to_dict("records"), strict=True)
    ]
    left = progress.preview(cells, store)
    lines = [
        f"{study.name}: {progress.counts_text(cells)}",
        f"Base settings: {study.recipe}.",
        table(("settings", "state", "epoch", "test accuracy", "run"), rows, right=("epoch", "test accuracy")),
        *_precisions_text(cells),
        *([f"To do: {left.text}."] if left.runs else []),
    ]
    data = {
        "id": study_id,
        "study": study.to_dict(),
        "counts": progress.counts(cells),
        "left": asdict(left),
        "cells": [
            {**cell.cell.settings, "train.seed": cell.cell.seed, "state": cell.state, "run": cell.run_id}
            for cell in cells
        ],
        "outcomes": outcome_table(study, cells).to_dict("records"),
    }
    return Answer("\n".join(lines), data)


def _precisions_text(cells: Sequence[CellStatus]) -> list[str]:
    """Return a line that says in which precisions the runs were computed, if in more than one."""
    precisions = Counter(cell.run.meta.environment.get("precision") for cell in cells if cell.run)
    known = [f"{precision} ({counted(number, 'run')})" for precision, number in precisions.items() if precision]
    return [f"The runs were computed in different precisions: {', '.join(known)}."] if len(known) > 1 else []


def figures(args: argparse.Namespace, store: RunStore) -> Answer:
    """Write a study's figures, their data and the findings into a folder, as SVG, PNG and CSV files."""
    from core.figures import panels

    files = [str(path) for path in panels.write(store, StudyStore(store).find(args.study), args.to)]
    return Answer("\n".join(files), {"files": files})


def export(args: argparse.Namespace, store: RunStore) -> Answer:
    """Write a study's definition as JSON, which ``create --file`` reads on any machine."""
    text = as_text(StudyStore(store).get(StudyStore(store).find(args.study)))
    if args.to is None:
        return Answer(text.rstrip(), json.loads(text))
    write_atomically(args.to, text)
    return Answer(f"Wrote {args.to}.", {"file": str(args.to)})


def trash(args: argparse.Namespace, store: RunStore) -> Answer:
    """Move a study to the trash; its runs stay."""
    return put_away(StudyStore(store), "study", args.study)


def restore(args: argparse.Namespace, store: RunStore) -> Answer:
    """Restore a study from the trash, or list the trash."""
    return bring_back(StudyStore(store), "study", "studies", args.study)
