"""Made-up runs for tests of what reads runs: written through the store, shaped like real ones."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.base.paths import runs_folder
from core.config.run_config import RunConfig
from core.config.sections import CLASSES
from core.data import cifar10
from core.data.split import make_split
from core.jobs.worker import Worker
from core.records import STAGES, BatchRecord, EpochRecord
from core.runs.epochs import METRICS
from core.runs.folder import Meta, Status
from core.runs.predictions import Answers, Part, Predictions, predictions_bytes
from core.runs.store import RunStore
from core.runs.summary import EpochSummary, RunSummary
from core.search.driver import Driver
from core.views.curves import RunCurves
from tests.programs import Program


def made_record(
    epoch: int, classes: int = 10, train_images: int = 4_000, batch_size: int = 32, **changes: Any
) -> EpochRecord:
    """Return an epoch with smooth, plausible curves, in which all numbers differ; ``changes`` by field name."""
    share = 1 - math.exp(-epoch / 4)
    accuracy = 1 / classes + (0.9 - 1 / classes) * share
    loss = math.log(classes) * (1 - 0.8 * share)
    steps = math.ceil(train_images / batch_size)
    record = EpochRecord(
        epoch=epoch,
        step=epoch * steps,
        images=epoch * train_images,
        seconds=7.5 * epoch,
        lr=0.1 / epoch,
        images_per_second=train_images / 7.5,
        train_loss=loss * 0.95,
        train_objective=loss * 0.95 + 0.05,
        train_accuracy=accuracy + 0.01,
        val_loss=loss,
        val_objective=loss + 0.05,
        val_accuracy=accuracy,
        val_loss_by_class=[loss + 0.01 * index for index in range(classes)],
        val_accuracy_by_class=[accuracy - 0.005 * index for index in range(classes)],
        grad_norm=2.5 / epoch,
        update_ratio=[0.001 * (stage + 1) / epoch for stage in range(len(STAGES))],
        dead_relus=min(0.01 * epoch, 1.0),
    )
    return replace(record, **changes)


def made_run(
    store: RunStore, epochs: int = 4, state: str = "finished", config: RunConfig | None = None, **about: Any
) -> str:
    """A run in ``store`` with ``epochs`` made-up epochs, left in ``state``; returns its id."""
    config = config or RunConfig().replace(
        {"train.epochs": max(epochs, 1), "train.batch_size": 32, "data.train_size": 4_500, "data.validation_size": 500}
    )
    run_id = store.create(config, **about)
    for epoch in range(1, epochs + 1):
        store.run(run_id).append_record(made_record(epoch, len(config.data.classes)))
    best = store.run(run_id).records()[-1] if epochs else None
    error = "The loss became infinite in epoch 3; try a smaller learning rate." if state == "failed" else None
    store.run(run_id).write_status(
        replace(
            store.run(run_id).status(),
            state=state,
            epoch=epochs,
            started_at=1.0,
            finished_at=60.0,
            error=error,
            best_epoch=best.epoch if best else None,
            best_val_accuracy=best.val_accuracy if best else None,
        )
    )
    return run_id


def change_file(store: RunStore, run_id: str, name: str, **values: Any) -> None:
    """Change values in a JSON file of a run as if the program had written them: its record agrees."""
    files = store.run(run_id).checksums
    files.write(name, json.dumps(json.loads(files.read(name)) | values))


def made_curves(
    records: Sequence[EpochRecord], label: str = "a run", config: RunConfig | None = None, run_id: str = "a-run"
) -> RunCurves:
    """Return the curves of a run with these epochs, which is in no store."""
    config = config or RunConfig().replace({"data.train_size": 4_500, "data.validation_size": 500})
    run = RunSummary(run_id, config, Meta(), Status(), config.signature(), EpochSummary.of(records))
    return RunCurves.of(run, label, pd.DataFrame([vars(record) for record in records], columns=METRICS))


def made_progress(epoch: int = 3, epochs: int = 8, batch: int = 25, batches: int = 100) -> BatchRecord:
    """Return the state in the middle of an epoch."""
    return BatchRecord(epoch, epochs, batch, batches, 1.5, 0.5, 0.1, 2134.4, 200.0)


def made_weights(store: RunStore, run_id: str, seed: int = 0) -> None:
    """Best weights for a run: a network that was never trained, which is enough to have opinions."""
    import torch
    from safetensors.torch import save

    from core.model.resnet import make_network

    config = store.run(run_id).config()
    chance = torch.Generator().manual_seed(seed)
    model = make_network(config, chance)
    inputs = {"input.mean": torch.full((3, 1, 1), 0.5), "input.std": torch.full((3, 1, 1), 0.25)}
    store.run(run_id).write_file("best.safetensors", save({**model.state_dict(), **inputs}))


def made_predictions(
    store: RunStore, run_id: str, seed: int = 0, share: float = 0.8, *, last: bool = False
) -> Predictions:
    """Write predictions of a run for its own images, about ``share`` of them right; return them as they are read.

    With ``last``, the best epoch is the one before the last, and both are kept.
    """
    draw, run = np.random.default_rng(seed), store.run(run_id)
    config, epoch = run.config(), max(run.status().epoch, 2)
    labels, names = cifar10.load().labels, config.data.classes
    split, k = make_split(config, labels), len(names)
    new_label = np.array([names.index(name) if name in names else -1 for name in CLASSES])
    parts: dict[Part, np.ndarray] = {"test": split.test}
    if config.data.validation == "held-out":
        parts["validation"] = split.validation
    kept = []
    for part, images in parts.items():
        for which in (epoch - 1, epoch) if last else (epoch,):
            true = new_label[labels[images]]
            logits = draw.normal(0, 1.5, (len(images), k)).astype(np.float32)
            logits[np.arange(len(images)), np.where(draw.random(len(images)) < share, true, (true + 1) % k)] += 6
            kept.append(Answers(part, which, images, true, logits, logits.argmax(1)))
    predictions = Predictions(names, epoch - 1 if last else epoch, epoch, False, tuple(kept))
    run.write_predictions(predictions_bytes(predictions, config))
    read = run.predictions()
    assert read is not None
    return read


def tiny_config(*settings: str) -> RunConfig:
    """A config that trains for real in about a second: 8 layers, 160 real images in 10 batches, 4 epochs."""
    base = RunConfig().set_from_text(
        [
            "data.train_size=260",
            "data.validation_size=100",
            "data.test_size=200",
            "model.depth=8",
            "model.width=8",
            "train.epochs=4",
            "train.batch_size=16",
            "train.warmup_epochs=1",
            "train.threads=1",
            "train.precision=fp32",
        ]
    )
    return base.set_from_text(list(settings)).checked()


def idle_worker(root: Path | None = None) -> Worker:
    """In place of ``core.jobs.worker.ensure_worker``: a worker that was not started, so that no run is taken."""
    return Worker(RunStore(root or runs_folder()))


def idle_driver(root: Path | None = None) -> Driver:
    """In place of ``core.search.driver.ensure_driver``: a driver that was not started, so that no trial is made."""
    return Driver(RunStore(root or runs_folder()))


def many_times(program: str, count: int, *arguments: object) -> None:
    """Run a Python program in ``count`` processes at once; each is also told its number."""
    programs = [Program(*arguments, number, code=program) for number in range(count)]
    assert [program.wait() for program in programs] == [0] * count
