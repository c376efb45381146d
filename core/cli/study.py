"""The commands about studies: define one, run it, see how far it is, get its figures.

``study run`` trains the cells in this process one after the other, as ``train`` does with seeds; killed in
the middle it goes on when it is called again. With ``--queue`` the app's thread does it.
"""

import argparse
import itertools
import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from core.base.bulk import Outcome
from core.base.errors import ConfigError, LabError
from core.base.files import write_atomically
from core.base.text import duration, moment, percent
from core.cli.answer import Answer, table
from core.cli.train import INTERRUPTED, CtrlC, need_data, say, train_new, wanted_config, watched
from core.cost.network import memory_in_words
from core.runs.folder import AT_WORK, RESUMABLE
from core.runs.store import RunStore
from core.study import outcomes as outcomes_study
from core.study import progress as progress_study
from core.study.form import grow
from core.study.presets import PUBLISHED, published_study, scale_for, seconds
from core.study.store import StudyStore, as_text, read_study
from core.study.study import Study, axis_from_text, path_and_values, seeds_from_text

#: What `study create` makes a study from, the first that is given, and the options that go with each.
_SOURCES = {"file": (), "figure": ("scale", "minutes", "split"), "vary": ("preset", "config", "set")}

_STUDY = "a study: its id, a unique beginning or end of it, its name, or “latest”"


# --- defining -------------------------------------------------------------------------------------


def presets(args: argparse.Namespace, store: RunStore) -> Answer:
    """The report's studies, and how long each takes here, whole and at a tenth of its epochs."""
    rows, data = [], []
    for figure, about in PUBLISHED.items():
        study = published_study(figure)
        whole, least = seconds(study, store), seconds(study.scaled(0.1), store)
        data.append({"figure": figure, "name": about.name, "cells": study.size, "seconds": whole, "least": least})
        rows.append((figure, study.axes[0].text, *(duration(one) if one else "?" for one in (whole, least))))
    text = table(("figure", "varied", "whole", "at a tenth"), rows)
    if any(one["seconds"] is None for one in data):
        text += "\nNothing was measured on this machine yet: after a first run the times are known."
    return Answer(text, data)


def create(args: argparse.Namespace, store: RunStore) -> Answer:
    """Keep a new study: one of the report's, one from a file, or settings varied on a configuration."""
    study = _wanted(args, store)
    if args.name:
        study = replace(study, name=args.name)
    study_id = StudyStore(store).create(study)
    told = _status(store, study_id)
    told.text = f"Study {study_id} is defined; `python -m core study run {study_id}` runs it.\n{told.text}"
    return told


def _wanted(args: argparse.Namespace, store: RunStore) -> Study:
    _refuse_without_effect(args)
    seeds = seeds_from_text(args.seeds) if args.seeds else None
    if args.file is not None:
        study = read_study(args.file)
        return replace(study, seeds=seeds) if seeds else study
    if args.figure is not None:
        parted = [figure for figure, about in PUBLISHED.items() if about.path == "data.train_size"]
        if args.split and args.figure in PUBLISHED and args.figure not in parted:
            where = " and ".join(map(str, parted))
            raise ConfigError({"--split": f"has an effect only in figures {where}, where the training size varies."})
        whole = published_study(args.figure, split=args.split or "common", seeds=seeds or (0,))
        scale = args.scale if args.scale is not None else _scale(whole, store, args.minutes)
        return whole if scale == 1 else whole.scaled(scale)
    if not args.vary:
        raise ConfigError(
            {"vary": "is missing: name a setting and its values, as in --vary train.batch_size=32,64,128."}
        )
    axes = tuple(axis_from_text(one) for one in args.vary)
    return Study(args.name or "A study", wanted_config(args), axes, seeds or (0,))


def _refuse_without_effect(args: argparse.Namespace) -> None:
    """Raise ConfigError for an option that does not belong to what the study is made from."""
    options = (*_SOURCES, *itertools.chain(*_SOURCES.values()))
    given = [name for name in options if getattr(args, name) not in (None, [])]
    source = next((name for name in _SOURCES if name in given), "vary")
    for name in given:
        if name != source and name not in _SOURCES[source]:
            raise ConfigError({f"--{name}": f"has no effect beside --{source}; leave one of the two out."})


def _scale(study: Study, store: RunStore, minutes: float | None) -> float:
    if minutes is None:
        return 1.0
    scale = scale_for(study, store, 60 * minutes)
    if scale is None:
        raise ConfigError(
            {"minutes": "cannot be kept yet: nothing was measured on this machine. Train a run, or give --scale."}
        )
    return scale


def add(args: argparse.Namespace, store: RunStore) -> Answer:
    """Add values or seeds to a study; what was trained stays."""
    studies = StudyStore(store)
    study_id = studies.find(args.study)
    grow(studies, study_id, [path_and_values(text) for text in args.vary], args.seeds)
    return _status(store, study_id)


# --- running --------------------------------------------------------------------------------------


def run(args: argparse.Namespace, store: RunStore) -> Answer:
    """Train every cell that is not finished, here or by the app's queue; one that fails does not stop the others."""
    study_id = StudyStore(store).find(args.study)
    if args.queue:
        return _done(progress_study.start(store, study_id), store, study_id, "queued; the app trains them")
    need_data()
    study, problems = StudyStore(store).get(study_id), []
    with CtrlC() as ctrl_c:
        for at, cell in enumerate(cells := study.cells(), 1):
            # Anew for each: another process may have trained one meanwhile.
            now = next(
                one for one in progress_study.statuses(study_id, study, store.summaries())
                if one.cell.signature == cell.signature
            )  # fmt: skip
            if now.state == "finished" or now.state in AT_WORK:
                continue
            say(f"Cell {at} of {len(cells)}: {cell.label}")
            try:
                state = _train_cell(store, study_id, study, now, ctrl_c)
                if state == "failed":
                    problems.append(f"Cell {cell.label} failed; `study status` names its run.")
            except LabError as error:
                problems.append(str(error))
            if ctrl_c.pressed:
                break
    answer = _status(store, study_id)
    if not problems and (left := [one for one in answer.data["cells"] if one["state"] != "finished"]):
        problems.append(f"{len(left)} of {len(cells)} cells are not finished; `study run` goes on with them.")
    answer.errors.extend(problems)
    answer.code = INTERRUPTED if ctrl_c.pressed else int(bool(problems))
    return answer


def _train_cell(store: RunStore, study_id: str, study: Study, now: progress_study.CellStatus, ctrl_c: CtrlC) -> str:
    from core.jobs import runner

    if now.run_id is None or now.state not in ("queued", *RESUMABLE):
        about = progress_study.run_meta(study_id, study, now.cell)
        return str(train_new(store, now.cell.config, about, ctrl_c)["state"])
    return watched(store, now.run_id, runner.run, ctrl_c).state


def pause(args: argparse.Namespace, store: RunStore) -> Answer:
    """Take a study's waiting runs out of the queue; with ``--running-too`` stop the one at work as well."""
    study_id = StudyStore(store).find(args.study)
    return _done(progress_study.pause(store, study_id, running_too=args.running_too), store, study_id, "stopped")


def retry(args: argparse.Namespace, store: RunStore) -> Answer:
    """Queue a study's failed cells again."""
    study_id = StudyStore(store).find(args.study)
    return _done(progress_study.retry(store, study_id), store, study_id, "queued again")


def _done(outcome: Outcome, store: RunStore, study_id: str, what: str) -> Answer:
    answer = _status(store, study_id)
    count = len(outcome.done)
    answer.text = f"{count} run{'s' * (count != 1)} {what}.\n{answer.text}"
    answer.errors.extend(outcome.problems)
    answer.code = int(bool(outcome.problems))
    return answer


# --- looking --------------------------------------------------------------------------------------


def list_studies(args: argparse.Namespace, store: RunStore) -> Answer:
    """All studies, newest first."""
    studies, damaged = StudyStore(store).all()
    runs = store.summaries()
    rows, data = [], []
    for study_id, study in studies.items():
        cells = progress_study.statuses(study_id, study, runs)
        data.append({"id": study_id, "name": study.name, "cells": progress_study.counts(cells)})
        rows.append((study_id, study.name, moment(study.created_at), progress_study.counts_text(cells)))
    text = table(("id", "name", "created", "cells"), rows) if rows else (
        "There are no studies yet; `python -m core study create --figure 3 --minutes 60` makes one."
    )  # fmt: skip
    return Answer(text, data, errors=[one.problem for one in damaged])


def status(args: argparse.Namespace, store: RunStore) -> Answer:
    """Every cell of a study, its state and its result, and what is still to do."""
    return _status(store, StudyStore(store).find(args.study))


def _status(store: RunStore, study_id: str) -> Answer:
    study = StudyStore(store).get(study_id)
    cells = progress_study.statuses(study_id, study, store.summaries())
    found = outcomes_study.cell_table(study, cells)
    rows = [
        (one.cell.label, row["state"], row["epoch"] or "–", percent(row["accuracy"]), row["run_id"] or "–")
        for one, row in zip(cells, found.to_dict("records"), strict=True)
    ]
    left = progress_study.preview(cells, store)
    text = "\n".join([
        f"{study.name}: {progress_study.counts_text(cells)}",
        table(("cell", "state", "epoch", "accuracy", "run"), rows, right=("epoch", "accuracy")),
        *([_left(left)] if left.runs else []),
    ])  # fmt: skip
    data = {
        "id": study_id, "study": study.to_dict(), "counts": progress_study.counts(cells), "left": asdict(left),
        "cells": [{**one.cell.settings, "train.seed": one.cell.seed, "state": one.state, "run": one.run_id}
                  for one in cells],
        "outcomes": outcomes_study.outcome_table(study, cells).to_dict("records"),
    }  # fmt: skip
    return Answer(text, data)


def _left(left: progress_study.Preview) -> str:
    time = f"about {duration(left.seconds)}" if left.seconds is not None else "an unknown time (nothing measured yet)"
    disk = f", {memory_in_words(left.bytes)} on the disk" if left.bytes else ""
    return f"To do: {left.runs} run{'s' * (left.runs != 1)}, {time} on this machine{disk}."


def figures(args: argparse.Namespace, store: RunStore) -> Answer:
    """A study's figures and what they say, as SVG, PNG and CSV files in a folder."""
    from core.figures import panels

    study_id = StudyStore(store).find(args.study)
    files = panels.write(store, study_id, args.to)
    return Answer("\n".join(str(one) for one in files), {"files": [str(one) for one in files]})


def export(args: argparse.Namespace, store: RunStore) -> Answer:
    """The study's definition as a JSON file that ``create --file`` reads on any machine."""
    study = StudyStore(store).get(StudyStore(store).find(args.study))
    if args.to is not None:
        write_atomically(args.to, as_text(study))
        return Answer(f"Wrote {args.to}.", {"file": str(args.to)})
    return Answer(as_text(study).rstrip(), json.loads(as_text(study)))


def trash(args: argparse.Namespace, store: RunStore) -> Answer:
    """Put a study away; its runs stay."""
    study_id = StudyStore(store).find(args.study)
    StudyStore(store).trash.put(study_id)
    return Answer(f"Study {study_id} is in the trash; its runs stay.", {"trashed": study_id})


def restore(args: argparse.Namespace, store: RunStore) -> Answer:
    """Bring a study back from the trash, or list those in it."""
    studies = StudyStore(store)
    if args.study is None:
        ids = studies.trash.ids()
        return Answer("\n".join(ids) or "No study is in the trash.", {"trash": ids})
    study_id = studies.trash.find(args.study)
    studies.trash.restore(study_id)
    return Answer(f"Study {study_id} is back.", {"restored": study_id})


# --- the words ------------------------------------------------------------------------------------


def add_parser(
    parser: argparse.ArgumentParser, common: argparse.ArgumentParser, add_config: Callable[..., None]
) -> None:
    """The subcommands of ``python -m core study``; ``add_config`` adds the options that name a configuration."""
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def one(name: str, command: Callable[..., Answer], help: str, **settings: Any) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=help, description=f"{help[0].upper()}{help[1:]}.", parents=[common])
        made.set_defaults(command=command, **{"needs_store": True, "makes_runs": False, **settings})
        return made

    one("presets", presets, "list the report's studies and the time each takes here", makes_runs=True)
    _add_create(one("create", create, "define a study", makes_runs=True), add_config)
    one("list", list_studies, "list all studies, newest first")
    _study(one("status", status, "tell how each cell of a study stands"))
    running = _study(one("run", run, "train every cell that is not finished"))
    running.add_argument("--queue", action="store_true", help="leave it to the app instead of training it here")
    more = _study(one("add", add, "add values or seeds to a study"))
    _add_values(more)
    pausing = _study(one("pause", pause, "take a study's waiting runs out of the queue"))
    pausing.add_argument("--running-too", action="store_true", help="stop the run at work as well")
    _study(one("retry", retry, "queue a study's failed cells again"))
    drawing = _study(one("figures", figures, "write a study's figures and what they say"))
    drawing.add_argument("--to", type=Path, required=True, metavar="DIR", help="the folder for the files")
    exporting = _study(one("export", export, "write a study's definition as JSON"))
    exporting.add_argument("--to", type=Path, metavar="FILE", help="default: the terminal")
    _study(one("trash", trash, "put a study away; its runs stay"))
    one("restore", restore, "bring a study back from the trash, or list those in it").add_argument(
        "study", nargs="?", metavar="STUDY", help="a study in the trash: a part of its id"
    )


def _study(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("study", metavar="STUDY", help=_STUDY)
    return parser


def _add_create(parser: argparse.ArgumentParser, add_config: Callable[..., None]) -> None:
    add_config(parser, required=False)
    parser.add_argument("--figure", type=int, metavar="N", help="one of the report's studies: 3, 5, 7 or 9")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--scale", type=float, metavar="S", help="shrink its epochs and milestones, 0.1 to 1")
    size.add_argument("--minutes", type=float, metavar="M", help="shrink it to about so many minutes here")
    parser.add_argument(
        "--split", choices=("common", "report"),
        help="where the training size varies: the same test images in all cells (default), or the report's way",
    )  # fmt: skip
    parser.add_argument("--file", type=Path, metavar="FILE", help="a study's JSON file")
    parser.add_argument("--name", default="", help="what to call it")
    _add_values(parser)


def _add_values(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--vary",
        action="append",
        default=[],
        metavar="SETTING=V1,V2,…",
        help="a setting and its values; may be repeated",
    )
    parser.add_argument("--seeds", default="", metavar="SEEDS", help="as in 0,1,2 or 0-4")
