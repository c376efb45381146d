"""A model card: what a run's network is, how good, for what, and how to train it again, from the run's files.

Markdown with a YAML head, in the form that model hubs read: M. Mitchell et al., "Model Cards for Model Reporting",
FAT* 2019.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.base.errors import StoreError
from core.base.text import SELECTED_ON, counted, moment, nats, percent, percent_range
from core.compare.settings import setting_name, setting_text
from core.config.presets import command_line, nearest
from core.data import cifar10
from core.inspect.calibration import BINS, calibration, verdict
from core.inspect.classes import top_two
from core.inspect.mistakes import confusion
from core.inspect.slices import CUTS, measured, slices_by
from core.records import EpochRecord
from core.runs.folder import RunFolder
from core.runs.predictions import Answers
from core.runs.store import RunStore
from core.runs.summary import KIND_OF_VALIDATION, Accuracy, RunSummary, title
from core.stats.intervals import wilson
from core.takeaway import methods
from core.takeaway.render import rendered
from core.takeaway.subject import of_runs


@dataclass(frozen=True)
class ClassRow:
    """A class as text: its accuracy with its 95 % interval, and the most frequent wrong prediction."""

    name: str
    accuracy: str
    interval: str
    wrong: str


def model_card(store: RunStore, run_id: str) -> str:
    """Return the model card of a run's best weights, as Markdown.

    Raises StoreError if the run cannot be read, or has no finished epoch and so no network yet.
    """
    run = store.summary(run_id)
    if run.epochs is None:
        raise StoreError(f"Run {run_id} has no finished epoch yet, so there is no network to describe.")
    subject = of_runs(store, [run_id])
    preset = nearest(run.config)
    data, *described = methods.paragraphs(subject)
    kept = store.many_predictions([run_id]).get(run_id)
    answers = kept.answers("test", "best") if kept else None
    measured_on, rows = classes(run, matrix_of(store.run(run_id), answers), store.run(run_id).records())
    card = {
        "name": title(run),
        "run_id": run_id,
        "summary": _summary(run),
        "note": run.meta.note,
        "metrics": [_metric(accuracy) for accuracy in run.accuracies],
        "results": [*_results(run), *(_calibration(answers) if answers else [])],
        "measured_on": measured_on,
        "classes": rows,
        "slices": _slices(run, answers) if answers else [],
        "data": data,
        "methods": described,
        "preset": preset.name,
        "settings": [
            (setting_name(path), setting_text(run.config, path), setting_text(preset.config, path))
            for path in run.config.differences(preset.config)
        ],
        "limits": _limits(run, methods.limits(subject)),
        "command": command_line(run.config),
        "environment": _environment(run),
        "order": ", ".join(run.config.data.classes),
        "order_list": str(list(run.config.data.classes)),
    }
    return rendered("card.md", card=card)


def _summary(run: RunSummary) -> str:
    config, names = run.config, run.config.data.classes
    first = run.headline
    assert first is not None
    return (
        f"ResNet-{config.model.depth} for images of 32×32 pixels in {counted(len(names), 'class', 'classes')} of "
        f"CIFAR-10 ({', '.join(names)}), with {first.text()}. Trained with ResNet Lab; run {run.id}, created "
        f"{moment(run.meta.created_at)}."
    )


def _metric(accuracy: Accuracy) -> dict[str, Any]:
    return {
        "name": accuracy.name,
        "kind": accuracy.kind,
        "share": accuracy.share,
        "text": percent(accuracy.share),
        "interval": percent_range(*accuracy.interval),
        "images": f"{accuracy.images:,}",
        "chose": ", which chose the epoch" if accuracy.chose_epoch else "",
        "epoch": accuracy.epoch,
    }


def _calibration(answers: Answers) -> list[str]:
    """Return how far the confidence of the answers can be trusted."""
    found = calibration(answers)
    sentences = [
        f"{verdict(found, len(answers))} The expected calibration error is {percent(found.ece)} (95 % interval "
        f"{percent_range(*found.ece_interval)}, {BINS} bins), the Brier score {found.brier:.4f}."
    ]
    if answers.logits.shape[1] > 2:
        share = percent(top_two(answers))
        sentences.append(f"The right class is the first or the second choice for {share} of the images.")
    return sentences


def _results(run: RunSummary) -> list[str]:
    epochs = run.epochs
    assert epochs is not None
    kind, chosen = KIND_OF_VALIDATION[run.selected_on], SELECTED_ON[run.selected_on]
    found = [
        f"Epoch {epochs.best_epoch} of {run.config.train.epochs} has the highest accuracy on {chosen}; this card "
        "describes its weights.",
        f"Its {kind} cross-entropy is {nats(epochs.best_val_loss)} nats per image.",
    ]
    if run.test is not None:
        found.append(f"Its test cross-entropy is {nats(run.test.loss)} nats per image.")
    found.append("The intervals count the sampling of the images only, not seed-to-seed variation.")
    if not run.finished:
        found.append(f"The run is {run.state}: these are the results until epoch {epochs.last_epoch}.")
    return found


def matrix_of(run: RunFolder, answers: Answers | None) -> NDArray[np.int64] | None:
    """Return the confusion matrix of the best epoch on the test set, int64 (k, k), a row per true class.

    It comes from the run's one evaluation, else from its ``answers``; ``None`` without either.
    """
    k = len(run.config().data.classes)
    try:
        matrix = np.array((run.result() or {}).get("best", {}).get("confusion", []), np.int64)
    except (ValueError, TypeError, OverflowError):  # the file can come from anywhere
        matrix = np.zeros(0, np.int64)
    if matrix.shape == (k, k) and (matrix >= 0).all():
        return matrix
    return None if answers is None else confusion(answers)


def classes(
    run: RunSummary, matrix: NDArray[np.int64] | None, records: Sequence[EpochRecord]
) -> tuple[str, list[ClassRow]]:
    """Return on which images the classes were measured, and a row for each class.

    They come from the confusion ``matrix`` of the test set, else from the record of the best epoch, which has neither
    numbers of images nor mistakes.
    """
    assert run.epochs is not None
    names, epoch = run.config.data.classes, run.epochs.best_epoch
    if matrix is not None:
        return f"{int(matrix.sum()):,} test images", _rows_of(matrix, names)
    shares = next(record.val_accuracy_by_class for record in records if record.epoch == epoch)
    rows = [ClassRow(name, percent(share), "–", "–") for name, share in zip(names, shares, strict=False)]
    return SELECTED_ON[run.selected_on], rows


def _rows_of(matrix: NDArray[np.int64], names: Sequence[str]) -> list[ClassRow]:
    """Return the rows of a confusion matrix (a row per true class)."""
    rows = []
    for at, (name, counts) in enumerate(zip(names, matrix, strict=True)):
        right, number = int(counts[at]), int(counts.sum())
        wrong = np.where(np.arange(len(names)) == at, 0, counts)
        other = f"{names[int(wrong.argmax())]} ({int(wrong.max())} of {number:,})" if wrong.any() else "–"
        share = right / number if number else 0.0
        interval = percent_range(*wilson(share, number)) if number else "–"
        rows.append(ClassRow(name, percent(share) if number else "–", interval, other))
    return rows


def _slices(run: RunSummary, answers: Answers) -> list[tuple[str, str, str, str, str]]:
    """Return a row for each slice of the test images: its kind, its name, images, accuracy and interval.

    None without CIFAR-10 on this computer, because the images themselves decide.
    """
    if not cifar10.available():
        return []
    data = cifar10.load()
    return [
        (
            name,
            str(row["slice"]),
            f"{row['images']:,}",
            percent(row["accuracy"]),
            percent_range(row["low"], row["high"]),
        )
        for cut, name in CUTS.items()
        for row in measured(answers, slices_by(cut, answers, run.config, data)).to_dict("records")
    ]


def _limits(run: RunSummary, found: Sequence[str]) -> list[str]:
    k = len(run.config.data.classes)
    return [
        f"It answers with one of its {counted(k, 'class', 'classes')} for every image, whatever the image shows.",
        "It was trained on photographs of 32×32 pixels with the object in the middle. Larger images have to be scaled "
        "down, and scenes with several objects are not what it knows.",
        *found,
        "It is for study. Do not let it decide anything about people or safety.",
    ]


def _environment(run: RunSummary) -> str:
    recorded = {name: str(value) for name, value in run.meta.environment.items() if value is not None}
    known = ", ".join(f"{name} {value}" for name, value in recorded.items())
    return f"The run recorded: {known}." if known else "The run recorded nothing about its environment."
