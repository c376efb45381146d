"""TODO: core.jobs.extend."""

import math
from dataclasses import fields
from typing import Any

from core.base.errors import ConfigError, RunBusy, StoreError
from core.config.run_config import RunConfig
from core.runs.store import RunStore
from core.training.environment import Environment
from core.training.schedule import ENDS_AT_ZERO, stops_early

#: Of a run's environment what a child must share to be the run that had been longer.
_GOES_ON = tuple(one.name for one in fields(Environment))


def extend(store: RunStore, run_id: str, epochs: int) -> str:
    """Queue a child run that goes on from the end of a finished run, to ``epochs`` in all; returns its id.

    Raises LabError for a run that is not finished, and for schedules that end at zero.
    """
    config, about = extension(store, run_id, epochs)
    return store.create(config, **about)


def extension(store: RunStore, run_id: str, epochs: int) -> tuple[RunConfig, dict[str, Any]]:
    """The child of :func:`extend`, not yet made: its config, and what ``store.create`` is to be told about it."""
    config, status = store.run(run_id).config(), store.run(run_id).status()
    if status.active:
        raise RunBusy(f"Run {run_id} is {status.state}; it can be extended when it is finished.")
    state = store.run(run_id).last_state()
    if status.state != "finished":
        raise StoreError(f"Run {run_id} is {status.state}; resume it instead of extending it.")
    if state is None:
        raise StoreError(f"Run {run_id} came without the state to go on from; clone it with more epochs instead.")
    if config.train.schedule in ENDS_AT_ZERO:
        raise StoreError(
            f"The {config.train.schedule} schedule has brought the learning rate to zero: more epochs would change "
            "nothing. Clone the run with more epochs instead."
        )
    if epochs <= status.epoch:
        raise ConfigError(
            {"train.epochs": f"{epochs} is no more than the {status.epoch} it has; take a higher number."}
        )
    meta = store.run(run_id).meta()
    about = {
        "name": f"{meta.name or run_id} → {epochs} epochs", "tags": meta.tags, "parent": run_id,
        # What makes it go on exactly. Versions and processor are of where the child is trained.
        "environment": {name: meta.environment[name] for name in _GOES_ON if name in meta.environment},
        "files": {"last.pt": state, "best.safetensors": store.run(run_id).best_weights()},
    }  # fmt: skip
    changes: dict[str, Any] = {"train.epochs": epochs}
    if config.in_effect("augment.grow_until"):
        # Windows that grow have grown: a share of more epochs would make them small again.
        grown = math.floor(1e9 * config.augment.grow_until * config.train.epochs / epochs) / 1e9
        changes["augment.grow_until"] = min(grown, 1.0)
    records = store.run(run_id).records()
    if stops_early(config.train, [one.val_loss for one in records], [one.val_accuracy for one in records]):
        changes["train.early_stopping"] = "off"  # or the child would stop at once
    return config.replace(changes), about
