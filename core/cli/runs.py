"""The commands about runs there are: list, show, stop, evaluate, classify, the trash, export and import."""

import argparse
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import Any

from core.base.bulk import Outcome, each
from core.base.errors import ImageError, StoreError
from core.base.files import write_atomically
from core.base.text import SELECTED_ON, duration, filesize, known, moment, nats, percent
from core.cli.answer import Answer, facts, table
from core.config.presets import command_line, nearest
from core.config.run_config import SETTINGS, RunConfig
from core.runs import transfer
from core.runs.store import RunStore
from core.runs.summary import EpochSummary
from core.runs.table import SUMMARY


def list_runs(args: argparse.Namespace, store: RunStore) -> Answer:
    """All runs, newest first: how far they are and how good."""
    frame = store.frame()[list(SUMMARY)].astype(object)
    data = [dict(zip(SUMMARY, row, strict=True)) for row in frame.where(frame.notna(), None).to_numpy()]
    if not data:
        return Answer("There are no runs yet; `python -m core train --preset quick` makes the first.", [])
    columns = ("id", "name", "state", "epoch", "best val", "chosen on", "test")
    rows = [
        (
            run["id"], run["name"] or "", run["state"], _of(run["epoch"], run["epochs"]),
            percent(run["best_val_accuracy"]),
            SELECTED_ON[run["selected_on"]] if known(run["best_val_accuracy"]) else "–",
            percent(run["test_accuracy"]),
        )
        for run in data
    ]  # fmt: skip
    return Answer(table(columns, rows, right=("epoch", "best val", "test")), data, errors=_damage(data))


def _of(epoch: int | None, epochs: int | None) -> str:
    return "–" if epoch is None or epochs is None else f"{int(epoch)}/{int(epochs)}"


def _damage(runs: list[dict[str, Any]]) -> list[str]:
    """What is wrong with the folders that cannot be read; the others are listed all the same."""
    return [str(run["error"]) for run in runs if run["state"] == "damaged"]


# --- one run --------------------------------------------------------------------------------------


def show(args: argparse.Namespace, store: RunStore) -> Answer:
    """Everything about one run: where it came from, what is special about it, best and last, its machine."""
    run_id = store.find(args.run)
    meta, status, config = store.run(run_id).meta(), store.run(run_id).status(), store.run(run_id).config()
    records, result, base = store.run(run_id).records(), store.run(run_id).result(), nearest(config)
    differences = {
        path: {"run": ours, "preset": theirs} for path, (ours, theirs) in config.differences(base.config).items()
    }
    sizes, summary = config.data.sizes(), EpochSummary.of(records)
    results = asdict(summary) if summary else {}
    data = {
        "id": run_id, "meta": asdict(meta), "status": asdict(status), "config": config.to_dict(),
        "nearest_preset": base.name, "differences": differences, "command": command_line(config),
        "part_sizes": asdict(sizes), "selected_on": config.data.validation, "summary": results,
        "result": result,
    }  # fmt: skip
    head = {
        "run": run_id, "name": meta.name, "state": status.state, "epoch": f"{status.epoch} of {config.train.epochs}",
        "created": moment(meta.created_at) + (f" by {meta.owner}" if meta.owner else ""), "tags": ", ".join(meta.tags),
        "note": meta.note, "study": meta.study, "continues": meta.parent, "error": status.error,
        "images": f"{sizes.train:,} to train, {sizes.validation or sizes.test:,} "
                  f"{SELECTED_ON[config.data.validation]} to validate, {sizes.test:,} to test",
    }  # fmt: skip
    parts = [facts(head), _special(config), _figures(config, summary, result), _machine(meta.environment)]
    return Answer("\n\n".join(part for part in parts if part), data)


def _special(config: RunConfig) -> str:
    """What differs from the nearest preset, and the command that trains the same."""
    base = nearest(config)
    rows = [
        (path, SETTINGS[path].show(ours), SETTINGS[path].show(theirs))
        for path, (ours, theirs) in config.differences(base.config).items()
    ]
    told = (
        table(("setting", "this run", f"preset {base.name}"), rows) if rows else f"The preset {base.name}, unchanged."
    )
    return f"{told}\n{command_line(config)}"


def _figures(config: RunConfig, summary: EpochSummary | None, result: dict[str, Any] | None) -> str:
    """Best and last epoch, and the lowest losses over all of them."""
    if summary is None:
        return "No epoch is finished yet."
    told, tested = asdict(summary), result or {}
    rows = [
        (
            which, told[f"{which}_epoch"],
            percent(told[f"{which}_val_accuracy"]), nats(told[f"{which}_val_loss"]),
            percent(tested.get(which, {}).get("accuracy")), nats(tested.get(which, {}).get("loss")),
        )
        for which in ("best", "last")
    ]  # fmt: skip
    columns = ("", "epoch", "val accuracy", "val loss", "test accuracy", "test loss")
    return "\n".join([
        table(columns, rows, right=columns[1:]),
        f"Best is the epoch of highest accuracy on {SELECTED_ON[config.data.validation]}. Losses are cross-entropy.",
        f"Lowest over all epochs: val loss {nats(told['min_val_loss'])}, "
        f"val objective (with the penalty) {nats(told['min_val_objective'])}.",
        f"Trained for {duration(told['seconds'])}.",
    ])  # fmt: skip


def _machine(environment: dict[str, Any]) -> str:
    return facts(environment)


def stop(args: argparse.Namespace, store: RunStore) -> Answer:
    """Stop a waiting run, or ask whoever trains a run to stop it."""
    run_id = store.find(args.run)
    store.queue.request_stop(run_id, keep=not args.discard)
    try:
        state: str = store.run(run_id).status().state
    except StoreError:
        state = "trashed"
    then = "goes to the trash" if args.discard else "is kept"
    told = {
        "trashed": f"Run {run_id} was waiting; it is in the trash now.",
        "stopped": f"Run {run_id} is stopped.",
        "stopping": f"Run {run_id} stops after the current batch and {then}.",
    }
    return Answer(told.get(state, f"Run {run_id} is {state}."), {"id": run_id, "state": state})


def evaluate(args: argparse.Namespace, store: RunStore) -> Answer:
    """The best epoch's weights on the validation or the test part, class by class."""
    from core.jobs import (
        evaluate as evaluate_module,  # here, not above: torch takes seconds to import, and most commands do without
    )

    run_id = store.find(args.run)
    found = evaluate_module.evaluate_best(store, run_id, args.part)
    config = store.run(run_id).config()
    rows = [
        (name, percent(accuracy), nats(loss))
        for name, accuracy, loss in zip(
            config.data.classes, found["accuracy_by_class"], found["loss_by_class"], strict=True
        )
    ]
    columns = ("class", "accuracy", "loss")
    images = SELECTED_ON[config.data.validation] if args.part == "validation" else SELECTED_ON["test"]
    text = "\n".join([
        f"Run {run_id}, weights of epoch {found['epoch']}, {args.part} part ({found['images']:,} {images}):",
        f"accuracy {percent(found['accuracy'])}, loss (cross-entropy) {nats(found['loss'])}",
        "",
        table(columns, rows, right=columns[1:]),
    ])  # fmt: skip
    return Answer(text, {"id": run_id, "part": args.part, "classes": config.data.classes, **found})


# --- classify -------------------------------------------------------------------------------------


def classify(args: argparse.Namespace, store: RunStore) -> Answer:
    """The classes a run's best weights see in pictures, the likeliest first. A bad file spoils no other."""
    import numpy as np

    from core.images.classify import Classifier
    from core.images.read import read_many, to_network

    classifier = Classifier.load(store, store.find(args.run))
    read = read_many([(str(path), path) for path in args.image])
    errors = [str(one) for one in read if isinstance(one, ImageError)]
    good = [(path, one) for path, one in zip(args.image, read, strict=True) if not isinstance(one, ImageError)]
    seen = np.stack([to_network(one, args.crop) for _, one in good]) if good else np.zeros((0, 3, 32, 32), np.uint8)
    tops = [_likeliest(classifier.classes, shares, args.top) for shares in classifier.probabilities(seen)]
    answers = [{"file": str(path), "top": top} for (path, _), top in zip(good, tops, strict=True)]
    rows = [
        (path if rank == 0 else "", one["class"], percent(one["probability"]))
        for (path, _), top in zip(good, tops, strict=True)
        for rank, one in enumerate(top)
    ]
    head = f"Run {classifier.run_id}, weights of epoch {classifier.epoch}"
    data = {"id": classifier.run_id, "epoch": classifier.epoch, "pictures": answers, "errors": errors}
    text = f"{head}\n{table(('picture', 'class', 'probability'), rows, right=('probability',))}" if rows else ""
    return Answer(text, data, errors, code=int(bool(errors)))


def _likeliest(classes: Sequence[str], shares: Iterable[float], top: int) -> list[dict[str, Any]]:
    ranked = sorted(zip(classes, map(float, shares), strict=True), key=lambda one: -one[1])
    return [{"class": name, "probability": share} for name, share in ranked[:top]]


# --- the trash ------------------------------------------------------------------------------------


def trash(args: argparse.Namespace, store: RunStore) -> Answer:
    """Move runs to the trash."""
    return _each("trashed", [store.find(text) for text in args.run], store.trash.put)


def restore(args: argparse.Namespace, store: RunStore) -> Answer:
    """Bring runs back from the trash; without naming one, tell which are there."""
    if args.run:
        return _each("restored", [store.trash.find(text) for text in args.run], store.trash.restore)
    ids = store.trash.ids()
    return Answer("\n".join(ids) if ids else "The trash is empty.", {"trash": ids})


def empty_trash(args: argparse.Namespace, store: RunStore) -> Answer:
    """Tell what emptying the trash frees, and with ``--yes`` do it: there is no way back."""
    count, size = len(store.trash.ids()), store.trash.size()
    data = {"runs": count, "bytes": size, "emptied": bool(args.yes and count)}
    if not count:
        return Answer("The trash is empty.", data)
    runs = "1 run" if count == 1 else f"{count:,} runs"
    if not args.yes:
        return Answer(f"{runs} with {filesize(size)} would be deleted for good; add --yes to do it.", data)
    data["bytes"] = store.trash.empty()
    return Answer(f"Deleted {runs} for good; {filesize(data['bytes'])} are free again.", data)


# --- elsewhere and back ---------------------------------------------------------------------------


def export(args: argparse.Namespace, store: RunStore) -> Answer:
    """Pack runs into one .zip."""
    ids = list(dict.fromkeys(store.find(text) for text in args.run))
    if args.to.exists():
        raise StoreError(f"{args.to} exists already; give another name or remove it.")
    write_atomically(args.to, lambda file: transfer.export(store, ids, file))
    size = args.to.stat().st_size
    runs = f"Run {ids[0]} is" if len(ids) == 1 else f"{len(ids)} runs are"
    return Answer(f"{runs} in {args.to} ({filesize(size)}).", {"file": str(args.to), "runs": ids, "bytes": size})


def bring_in(args: argparse.Namespace, store: RunStore) -> Answer:
    """Take the runs from a .zip; those that are here already are left as they are."""
    return _answer("imported", transfer.bring_in(store, args.file, str(args.file)))


def _each(done: str, ids: Iterable[str], act: Callable[[str], object]) -> Answer:
    """``act`` on each run once, and what came of it."""
    return _answer(done, each(dict.fromkeys(ids), act))


def _answer(done: str, outcome: Outcome) -> Answer:
    text = "\n".join(f"Run {run_id} is {done}." for run_id in outcome.done)
    return Answer(
        text, {done: outcome.done, "errors": outcome.problems}, outcome.problems, code=int(bool(outcome.problems))
    )
