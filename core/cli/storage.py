"""Commands about the files of all runs: checking, backing up, restoring, and the space they take."""

import argparse
import time
from dataclasses import asdict, fields

from core.base.text import counted, duration, filesize, one_line
from core.cli.answer import Answer, facts
from core.cost.together import slots
from core.runs import check as checks
from core.runs.backup import Backup
from core.runs.storage import Storage, StorageSettings, days_text
from core.runs.store import RunStore


def check(args: argparse.Namespace, store: RunStore) -> Answer:
    """Check every file against its record; with ``--repair``, repair what can be repaired."""
    checked = checks.check(store, [store.find(text) for text in args.run] or None)
    if args.repair and any(item.problems for item in checked):
        from core.jobs.repair import repair_all  # imports torch

        checked = repair_all(store, checked)
    lines = [line for item in checked for line in _lines(item)]
    wrong = sum(len(item.unsolved) for item in checked)
    if any(problem.repairable for item in checked for problem in item.unsolved) and not args.repair:
        lines.append("`resnet-lab check --repair` repairs what can be repaired; damaged files are kept.")
    text = "\n".join([*lines, checks.summary(checked)])
    return Answer(text, {"ok": not wrong, "checked": [asdict(item) for item in checked]}, code=int(bool(wrong)))


def _lines(item: checks.Checked) -> list[str]:
    """What is wrong with a run, a study or another file."""
    lines = []
    for problem in item.problems:
        solved = problem.repaired is not None
        lines.append(f"  {problem.problem}\n    {f'Repaired: {problem.repaired}' if solved else problem.advice}")
    if item.unknown:
        lines.append(f"  Files from elsewhere, which are not checked: {', '.join(map(one_line, item.unknown))}.")
    return [f"{item.kind.capitalize()} {item.id}", *lines] if lines else []


def backup(args: argparse.Namespace, store: RunStore) -> Answer:
    """Back up all runs and studies, and say what was copied."""
    began = time.monotonic()
    report = Backup(store, args.folder).update(verify=args.verify)
    seconds = time.monotonic() - began
    lines = [
        f"{counted(report.runs, 'run')} backed up to {args.folder}: {counted(report.copied, 'file')} "
        f"({filesize(report.copied_bytes)}) copied and read back, {report.unchanged:,} unchanged; {duration(seconds)}."
    ]
    if report.repaired:
        lines.append(f"Damaged or missing copies that were replaced: {report.repaired}.")
    if report.kept:
        lines.append(f"Runs that are no longer here and stay in the backup: {len(report.kept)}.")
    data = {"folder": str(args.folder), "seconds": seconds, **asdict(report)}
    return Answer("\n".join(lines), data, report.problems, code=int(bool(report.problems)))


def restore_backup(args: argparse.Namespace, store: RunStore) -> Answer:
    """Restore runs from a backup: those named, or all runs, studies and notes that are missing here."""
    source = Backup(store, args.folder)
    run_ids = [source.find(text) for text in args.run] or None
    outcome = source.restore(run_ids)
    text = f"Restored {counted(len(outcome.done), 'run')} from {args.folder}."
    data = {"restored": outcome.done, "errors": outcome.problems}
    return Answer(text, data, outcome.problems, code=int(bool(outcome.problems)))


def storage(args: argparse.Namespace, store: RunStore) -> Answer:
    """Show how much space the runs take, and show or change the settings of the laboratory."""
    space = Storage(store)
    names = {field.name for field in fields(StorageSettings)}
    wanted = {name: value for name, value in vars(args).items() if name in names}
    settings = space.change(**wanted) if wanted else space.settings()
    sizes, due = space.sizes(), space.due()
    rows = {
        "runs": filesize(sizes.runs),
        "saved states of finished runs": f"{filesize(sizes.states)} (part of the runs)",
        "trash": filesize(sizes.trash),
        "caches": filesize(sizes.cache),
        "free on the disk": filesize(sizes.free),
        "empty the trash": days_text(settings.empty_trash_after),
        "delete saved states of finished runs": days_text(settings.delete_states_after),
        "runs trained at once": str(settings.runs_at_once or f"automatic, up to {slots(None)}"),
    }
    text = facts(rows)
    if notice := space.notice(due):
        text += f"\n\n{notice}"
    data = {"bytes": asdict(sizes), **asdict(settings), "due": asdict(due)}
    return Answer(text, data)
