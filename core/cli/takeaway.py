"""Commands that write something to take away: weights, an ONNX file, a model card, a report to hand in."""

import argparse
from collections.abc import Callable
from pathlib import Path

from core.base.errors import StoreError
from core.base.files import write_atomically
from core.base.text import counted, filesize
from core.cli.answer import Answer
from core.runs.store import RunStore
from core.study.store import StudyStore
from core.takeaway.subject import Subject, of_runs, of_study


def weights(args: argparse.Namespace, store: RunStore) -> Answer:
    """Write a run's best weights as a safetensors file."""
    return _one_file(args, store, "the weights", lambda run_id: store.run(run_id).read_weights())


def onnx(args: argparse.Namespace, store: RunStore) -> Answer:
    """Write a run's best weights as an ONNX file, checked to give the same logits."""
    from core.takeaway.onnx import onnx_bytes  # imports torch, which takes seconds

    return _one_file(args, store, "the network", lambda run_id: onnx_bytes(store, run_id))


def card(args: argparse.Namespace, store: RunStore) -> Answer:
    """Write a run's model card, or print it."""
    from core.takeaway.card import model_card

    if args.to is not None:
        return _one_file(args, store, "the model card", lambda run_id: model_card(store, run_id).encode())
    run_id = store.find(args.run)
    text = model_card(store, run_id)
    return Answer(text.rstrip(), {"run": run_id, "card": text})


def hand_in(args: argparse.Namespace, store: RunStore) -> Answer:
    """Write a report to hand in about runs."""
    ids = list(dict.fromkeys(store.find(text) for text in args.run))
    return _report(args, of_runs(store, ids, title=args.title, author=args.author))


def study_hand_in(args: argparse.Namespace, store: RunStore) -> Answer:
    """Write a report to hand in about a study."""
    study_id = StudyStore(store).find(args.study)
    return _report(args, of_study(store, study_id, title=args.title, author=args.author))


def _report(args: argparse.Namespace, subject: Subject) -> Answer:
    from core.takeaway.content import content_of
    from core.takeaway.report import write

    paths, missing = write(content_of(subject), args.to)
    text = (
        f"Wrote a report about {counted(len(subject.runs), 'run')} to {args.to}: open report.html, or compile main.tex."
    )
    data = {"folder": str(args.to), "files": [str(path) for path in paths], "missing": missing}
    return Answer(text, data, [missing] if missing else [], code=int(bool(missing)))


def _one_file(args: argparse.Namespace, store: RunStore, what: str, make: Callable[[str], bytes]) -> Answer:
    """Write what ``make`` returns for the run into a new file."""
    run_id, path = store.find(args.run), args.to
    _refuse_existing(path)
    content = make(run_id)
    write_atomically(path, content)
    text = f"Wrote {what} of run {run_id} to {path} ({filesize(len(content))})."
    return Answer(text, {"run": run_id, "file": str(path), "bytes": len(content)})


def _refuse_existing(path: Path) -> None:
    if path.exists():
        raise StoreError(f"{path} exists already. Choose another name or delete it.")
