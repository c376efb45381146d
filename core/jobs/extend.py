"""Extend a finished run: a child run continues from its saved state to more epochs."""

import math
from dataclasses import fields
from typing import Any

from core.base.errors import ConfigError, RunBusy, StoreError
from core.base.text import counted
from core.config.run_config import RunConfig
from core.runs.store import RunStore
from core.training.environment import Environment
from core.training.schedule import ENDS_AT_ZERO, stops_early

#: What a child must share with its parent to become the run that had been trained longer.
SHARED = tuple(field.name for field in fields(Environment))


def extend(store: RunStore, run_id: str, epochs: int) -> str:
    """Queue a child run that continues a finished run to ``epochs`` in all, and return its id.

    Raises LabError for a run that is not finished, and for schedules that end at zero.
    """
    config, about = extension(store, run_id, epochs)
    return store.create(config, **about)


def extension(store: RunStore, run_id: str, epochs: int) -> tuple[RunConfig, dict[str, Any]]:
    """Return the config of :func:`extend`'s child and the other arguments of ``store.create``."""
    run = store.run(run_id)
    config, status, meta, state = run.config(), run.status(), run.meta(), run.last_state()
    if status.active:
        raise RunBusy(f"Run {run_id} is {status.state}; it can be extended when it is finished.")
    if status.state != "finished":
        raise StoreError(f"Run {run_id} is {status.state}; resume it instead of extending it.")
    if state is None:
        raise StoreError(
            f"Run {run_id} has no saved state to continue from: it was deleted to save space, or the run came without "
            "it. Copy its settings into a new run with more epochs instead."
        )
    if config.train.schedule in ENDS_AT_ZERO:
        raise StoreError(
            f"The {config.train.schedule} schedule has brought the learning rate to zero, so more epochs would change "
            "nothing. Copy the settings into a new run with more epochs instead."
        )
    if epochs <= status.epoch:
        raise ConfigError(
            {"train.epochs": f"The run has {counted(status.epoch, 'epoch')} already; enter more than that."}
        )
    changes: dict[str, Any] = {"train.epochs": epochs}
    if config.in_effect("augment.grow_until"):
        # Crops that have grown stay full: the same share of more epochs would make them small again.
        share = math.floor(1e9 * config.augment.grow_until * config.train.epochs / epochs) / 1e9
        changes["augment.grow_until"] = min(share, 1.0)
    records = run.records()
    losses, accuracies = [record.val_loss for record in records], [record.val_accuracy for record in records]
    if stops_early(config.train, losses, accuracies):
        changes["train.early_stopping"] = "off"  # or the child would stop at once
    about = {
        "name": f"{meta.name} → {counted(epochs, 'epoch')}" if meta.name else "",  # its settings name the child
        "tags": meta.tags,
        "parent": run_id,
        # Versions and processor are recorded where the child is trained.
        "environment": {name: meta.environment[name] for name in SHARED if name in meta.environment},
        "files": {"last.pt": run.read_state(state.name), "best.safetensors": run.read_weights()},
    }
    return config.replace(changes), about
