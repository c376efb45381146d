"""Commands about existing runs: list, show, stop, evaluate, predict, slices, classify, the trash, export and import."""

import argparse
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import Any

from core.base.errors import ImageError, Outcome, StoreError, each
from core.base.files import write_atomically
from core.base.terminal import say
from core.base.text import (
    SELECTED_ON,
    counted,
    duration,
    filesize,
    known,
    moment,
    nats,
    one_line,
    p_text,
    percent,
    percent_range,
)
from core.cli.answer import Answer, facts, table
from core.config.presets import command_line, nearest
from core.config.run_config import SETTINGS
from core.config.sections import CLASSES
from core.data import cifar10
from core.records import HEALTH, STAGES, EpochRecord
from core.runs import transfer
from core.runs.folder import BEST
from core.runs.store import RunStore
from core.runs.summary import KIND_OF_VALIDATION, Accuracy, DamagedRun, EpochSummary, RunSummary, title
from core.runs.table import SUMMARY

#: Image files in memory at a time.
CLASSIFIED_AT_ONCE = 64


def list_runs(args: argparse.Namespace, store: RunStore) -> Answer:
    """List all runs, newest first: state, epochs and accuracy."""
    data = store.frame()[list(SUMMARY)].to_dict("records")
    if not data:
        return Answer("There are no runs yet. Train one with `resnet-lab train --preset quick`.", [])
    columns = ("id", "name", "state", "epoch", "test accuracy", "val accuracy", "epoch chosen on")
    text = table(columns, map(_row, store.runs()), right=("epoch", "test accuracy", "val accuracy"))
    return Answer(text, data, errors=[run.error for run in store.damaged()])


def _row(run: RunSummary | DamagedRun) -> tuple[str, ...]:
    if isinstance(run, DamagedRun):
        return run.id, "", "damaged", "–", "–", "–", "–"
    epoch = f"{run.status.epoch}/{run.config.train.epochs}"
    accuracies = percent(run.accuracy_on_test), percent(run.accuracy_on_held_out)
    return run.id, one_line(title(run), 50), run.state, epoch, *accuracies, SELECTED_ON[run.selected_on]


# --- one run --------------------------------------------------------------------------------------


def show(args: argparse.Namespace, store: RunStore) -> Answer:
    """Show a run: its origin, the settings that differ from a preset, its results and its environment."""
    run = store.run(store.find(args.run))
    meta, status, config, result = run.meta(), run.status(), run.config(), run.result()
    sizes, records, base = config.data.sizes(), run.records(), nearest(config)
    epochs = EpochSummary.of(records)
    differences = config.differences(base.config)
    data = {
        "id": run.id,
        "meta": asdict(meta),
        "status": asdict(status),
        "config": config.to_dict(),
        "nearest_preset": base.name,
        "differences": {path: {"run": ours, "preset": theirs} for path, (ours, theirs) in differences.items()},
        "command": command_line(config),
        "part_sizes": asdict(sizes),
        "selected_on": config.data.validation,
        "summary": asdict(epochs) if epochs else {},
        "health": [{name: getattr(record, name) for name in ("epoch", *HEALTH)} for record in records],
        "result": result,
    }
    validation = f"{sizes.validation or sizes.test:,} {SELECTED_ON[config.data.validation]}"
    head = {
        "run": run.id,
        "name": meta.name,
        "state": status.state,
        "epoch": f"{status.epoch} of {config.train.epochs}",
        "created": moment(meta.created_at) + (f" by {meta.owner}" if meta.owner else ""),
        "tags": ", ".join(meta.tags),
        "note": meta.note,
        "study": meta.study,
        "extends": meta.parent,
        "error": status.error,
        "images": f"{sizes.train:,} for training, {validation} for validation, {sizes.test:,} for testing",
    }
    values = [(path, *map(SETTINGS[path].show, pair)) for path, pair in differences.items()]
    settings = table(("setting", "this run", f"preset {base.name}"), values)
    settings = settings if values else f"All settings are those of the preset {base.name}."
    blocks = [
        facts(head),
        f"{settings}\nEquivalent command: {command_line(config)}",
        "\n".join(filter(None, [_results(store.summary(run.id), result or {}), _health(records)])),
        facts(meta.environment),
    ]
    return Answer("\n\n".join(filter(None, blocks)), data)


def _results(run: RunSummary, result: dict[str, Any]) -> str:
    """Return the results of the best and the last epoch, test results first, and the lowest losses."""
    epochs = run.epochs
    if epochs is None:
        return "No epoch is finished yet."
    kind = KIND_OF_VALIDATION[run.selected_on]

    def row(which: str, epoch: int, accuracy: float, loss: float) -> tuple[object, ...]:
        test = result.get(which, {})
        tested = (percent(test.get("accuracy")), nats(test.get("loss"))) if kind == "validation" else ()
        return which, epoch, *tested, percent(accuracy), nats(loss)

    rows = [
        row("best", epochs.best_epoch, epochs.best_val_accuracy, epochs.best_val_loss),
        row("last", epochs.last_epoch, epochs.last_val_accuracy, epochs.last_val_loss),
    ]
    kinds = ("test", "validation") if kind == "validation" else ("test",)
    columns = ("", "epoch", *(f"{name} {what}" for name in kinds for what in ("accuracy", "loss")))
    lines = [
        *(f"{accuracy.name}: {_accuracy_text(accuracy)}" for accuracy in run.accuracies),
        table(columns, rows, right=columns[1:]),
        f"The best epoch has the highest accuracy on {SELECTED_ON[run.selected_on]}. Losses are cross-entropy.",
        f"With the L2 penalty, the {kind} loss of the best epoch is {nats(epochs.best_val_objective)}.",
        f"Lowest {kind} loss of all epochs: {nats(epochs.min_val_loss)}"
        f" ({nats(epochs.min_val_objective)} with the L2 penalty).",
        f"Training time: {duration(epochs.seconds)}.",
    ]
    return "\n".join(lines)


def _health(records: Sequence[EpochRecord]) -> str:
    """Return the health of the last epoch, empty for a run of an earlier version."""
    last = records[-1] if records else None
    if last is None or last.dead_relus is None:
        return ""
    ratios = ", ".join(f"{stage} {ratio:.1e}" for stage, ratio in zip(STAGES, last.update_ratio, strict=True))
    norm = "overflowed" if last.grad_norm is None else f"{last.grad_norm:.3g}"
    return (
        f"Health of epoch {last.epoch}: gradient norm {norm}; update / weight: {ratios}; "
        f"dead ReLUs {percent(last.dead_relus)}."
    )


def _accuracy_text(accuracy: Accuracy) -> str:
    chose = ", which also chose the epoch" if accuracy.chose_epoch else ""
    return f"{percent(accuracy.share)} ({accuracy.interval_text()}, {accuracy.images:,} images{chose})"


def stop(args: argparse.Namespace, store: RunStore) -> Answer:
    """Take a run out of the queue, or ask the process that trains it to stop."""
    run_id = store.find(args.run)
    store.queue.request_stop(run_id, keep=not args.discard)
    state = "trashed" if run_id in store.trash.ids() else store.run(run_id).status().state
    then = "moved to the trash" if args.discard else "kept"
    texts = {
        "trashed": f"Run {run_id} was queued; it is in the trash now.",
        "stopped": f"Run {run_id} is stopped.",
        "stopping": f"Run {run_id} stops after the current batch and is {then}.",
    }
    return Answer(texts.get(state, f"Run {run_id} is {state}."), {"id": run_id, "state": state})


def evaluate(args: argparse.Namespace, store: RunStore) -> Answer:
    """Evaluate the best weights on the validation or the test set, class by class."""
    from core.jobs.evaluate import evaluate_best

    run_id = store.find(args.run)
    config, result = store.run(run_id).config(), evaluate_best(store, run_id, args.part)
    by_class = zip(config.data.classes, result["accuracy_by_class"], result["loss_by_class"], strict=True)
    rows = [(name, percent(accuracy), nats(loss)) for name, accuracy, loss in by_class]
    images = SELECTED_ON[config.data.validation if args.part == "validation" else "test"]
    accuracy = Accuracy(
        "test" if images == SELECTED_ON["test"] else "validation", result["accuracy"], result["images"], 0, False
    )
    lines = [
        f"Run {run_id}, epoch {result['epoch']}, {args.part} set ({result['images']:,} {images}):",
        f"{accuracy.text()}, loss {nats(result['loss'])} (cross-entropy), computed {_computed_text(result)}",
        "",
        table(("class", "accuracy", "loss"), rows, right=("accuracy", "loss")),
    ]
    return Answer("\n".join(lines), {"id": run_id, "part": args.part, "classes": config.data.classes, **result})


def _computed_text(result: dict[str, Any]) -> str:
    """Return with what an evaluation was computed, and whether the run itself was computed with something else."""
    text = f"in {result['precision']} on {result['device']}"
    return text if result["as_trained"] else f"{text}, unlike the run, so its own results may differ slightly"


def slices(args: argparse.Namespace, store: RunStore) -> Answer:
    """Show how accurate a run is on parts of its images: near-duplicates of training images, dark and bright ones."""
    from core.inspect.slices import CUTS, slice_table  # scipy takes a while to import
    from core.jobs.predict import predictions_of

    run_id = store.find(args.run)
    answers = predictions_of(store, run_id).answers(args.part)
    if answers is None:
        raise StoreError(f"Run {run_id} has no {args.part} images of its own; it is validated on its test images.")
    data = slice_table(answers, store.run(run_id).config(), cifar10.load()).to_dict("records")
    rows = [
        (
            f"{CUTS[row['cut']]}: {row['slice']}",
            f"{row['images']:,}",
            percent(row["accuracy"]),
            percent_range(row["low"], row["high"]),
            f"{100 * row['difference']:+.2f}" if known(row["difference"]) else "–",
            p_text(row["p"]),
        )
        for row in data
    ]
    columns = ("slice", "images", "accuracy", "95 % interval", "difference", "p")
    lines = [
        f"Run {run_id}, epoch {answers.epoch}, {len(answers):,} {answers.part} images: {percent(answers.accuracy)}",
        "",
        table(columns, rows, right=columns[1:]),
        "",
        "Differences are to the other images at the same mix of classes, in points.",
    ]
    known_only = [{name: None if value != value else value for name, value in row.items()} for row in data]
    about = {"id": run_id, "part": args.part, "epoch": answers.epoch, "images": len(answers)}
    return Answer("\n".join(lines), {**about, "accuracy": answers.accuracy, "slices": known_only})


def predict(args: argparse.Namespace, store: RunStore) -> Answer:
    """Compute the predictions of runs that have none. Without runs and ``--missing``, say how many these are."""
    missing = store.without_predictions()
    if not args.run and not args.missing:
        advice = " `resnet-lab predict --missing` computes them." if missing else ""
        text = f"{counted(len(missing), 'run')} with weights and without predictions.{advice}"
        return Answer("\n".join([*missing, text]), {"missing": missing})
    from core.jobs.predict import predict_all  # imports torch

    run_ids = [*(store.find(text) for text in args.run), *(missing if args.missing else ())]
    outcome = predict_all(store, run_ids, lambda run_id, number, count: say(f"Run {run_id} ({number} of {count}) …"))
    rows, data = [], []
    for run_id, predictions in store.many_predictions(outcome.done).items():
        for answers in predictions.kept:
            which = "best" if answers.epoch == predictions.best_epoch else "last"
            row = {"id": run_id, "weights": which, "epoch": answers.epoch, "part": answers.part}
            data.append({**row, "images": len(answers), "accuracy": answers.accuracy, "later": predictions.later})
            rows.append((*row.values(), f"{len(answers):,}", percent(answers.accuracy)))
    columns = ("run", "weights", "epoch", "set", "images", "accuracy")
    text = table(columns, rows, right=("epoch", "images", "accuracy")) if rows else ""
    text = text or ("" if outcome.problems else "Every run with weights has predictions.")
    answer = {"predictions": data, "errors": outcome.problems}
    return Answer(text, answer, outcome.problems, code=int(bool(outcome.problems)))


def classify(args: argparse.Namespace, store: RunStore) -> Answer:
    """Classify image files, the most probable classes first. An unreadable file does not affect the rest."""
    import numpy as np

    from core.images.classify import Classifier
    from core.images.read import read_many, to_network

    classifier = Classifier.load(store, _to_classify(store, args.run))
    answers, rows, notes, errors = [], [], [], []
    for start in range(0, len(args.image), CLASSIFIED_AT_ONCE):
        paths = args.image[start : start + CLASSIFIED_AT_ONCE]
        images = read_many([(str(path), path) for path in paths])
        errors += [str(image) for image in images if isinstance(image, ImageError)]
        good = [
            (str(path), image) for path, image in zip(paths, images, strict=True) if not isinstance(image, ImageError)
        ]
        inputs = [to_network(image, args.crop) for _, image in good]
        predictions = classifier.probabilities(np.stack(inputs)) if inputs else ()
        for (path, image), probabilities in zip(good, predictions, strict=True):
            top = _top(classifier.classes, probabilities, args.top)
            answers.append({"file": path, "top": top})
            notes += [f"{path}: {note}." for note in image.notes]
            labels = [path, *[""] * (len(top) - 1)]
            rows += [
                (label, prediction["class"], percent(prediction["probability"]))
                for label, prediction in zip(labels, top, strict=True)
            ]
    # Scripts read the images under “pictures”, the name that the field had from the start.
    data = {"id": classifier.run_id, "epoch": classifier.epoch, "pictures": answers, "errors": errors}
    if notes:
        data["notes"] = notes
    name, classes = store.run(classifier.run_id).meta().name, counted(len(classifier.classes), "class", "classes")
    head = f"Run {classifier.run_id}{f' “{one_line(name, 50)}”' if name else ''}, epoch {classifier.epoch}, {classes}"
    shown = table(("image", "class", "probability"), rows, right=("probability",))
    text = "\n".join([head, shown, *notes]) if rows else ""
    return Answer(text, data, errors, code=int(bool(errors)))


def _to_classify(store: RunStore, text: str) -> str:
    """Return the id of the run that ``text`` means. ``latest`` is the newest that can classify, if possible into all
    classes: the newest of all may know only two, or have no weights yet.
    """
    if text != "latest":
        return store.find(text)
    able = [run for run in store.summaries() if (store.root / run.id / BEST).is_file()]
    complete = [run for run in able if set(run.config.data.classes) == set(CLASSES)]
    return next((run.id for run in complete + able), "") or store.find(text)


def _top(classes: Sequence[str], probabilities: Iterable[float], number: int) -> list[dict[str, Any]]:
    ranked = sorted(zip(classes, map(float, probabilities), strict=True), key=lambda pair: -pair[1])
    return [{"class": name, "probability": probability} for name, probability in ranked[:number]]


# --- the trash ------------------------------------------------------------------------------------


def trash(args: argparse.Namespace, store: RunStore) -> Answer:
    """Move runs to the trash."""
    return _each("trashed", [store.find(text) for text in args.run], store.trash.put)


def restore(args: argparse.Namespace, store: RunStore) -> Answer:
    """Restore runs from the trash, or list the trash."""
    if args.run:
        return _each("restored", [store.trash.find(text) for text in args.run], store.trash.restore)
    ids = store.trash.ids()
    return Answer("\n".join(ids) or "The trash is empty.", {"trash": ids})


def empty_trash(args: argparse.Namespace, store: RunStore) -> Answer:
    """Say how much space emptying the trash frees, and with ``--yes`` delete what is in it."""
    number, size = len(store.trash.ids()), store.trash.size()
    data = {"runs": number, "bytes": size, "emptied": bool(args.yes and number)}
    if not number:
        return Answer("The trash is empty.", data)
    runs = counted(number, "run")
    if not args.yes:
        return Answer(f"{runs} ({filesize(size)}) would be deleted permanently. Add --yes to delete.", data)
    data["bytes"] = store.trash.empty()
    return Answer(f"Deleted {runs} permanently; {filesize(data['bytes'])} freed.", data)


# --- export and import ----------------------------------------------------------------------------


def export(args: argparse.Namespace, store: RunStore) -> Answer:
    """Export runs into a .zip file."""
    ids = list(dict.fromkeys(store.find(text) for text in args.run))
    if args.to.exists():
        raise StoreError(f"{args.to} exists already. Choose another name or delete it.")
    write_atomically(args.to, lambda file: transfer.export(store, ids, file))
    size = args.to.stat().st_size
    text = f"Exported {counted(len(ids), 'run')} to {args.to} ({filesize(size)})."
    return Answer(text, {"file": str(args.to), "runs": ids, "bytes": size})


def import_runs(args: argparse.Namespace, store: RunStore) -> Answer:
    """Import runs from a .zip file; runs that exist here are left as they are."""
    return _answer("imported", transfer.import_runs(store, args.file, str(args.file)))


def _each(done: str, ids: Iterable[str], act: Callable[[str], object]) -> Answer:
    """Do ``act`` to each run once."""
    return _answer(done, each(dict.fromkeys(ids), act))


def _answer(done: str, outcome: Outcome) -> Answer:
    text = "\n".join(f"Run {run_id} is {done}." for run_id in outcome.done)
    data = {done: outcome.done, "errors": outcome.problems}
    return Answer(text, data, outcome.problems, code=int(bool(outcome.problems)))
