"""Evaluate a run's best weights class by class, whenever someone asks."""

from typing import Any, Literal

import torch

from core.base.errors import LabError
from core.config.run_config import RunConfig
from core.data.task import load_task
from core.runs.store import RunStore
from core.training.checkpoint import load_weights
from core.training.environment import Environment, processor_name, resolve
from core.training.evaluation import evaluate


def evaluate_best(store: RunStore, run_id: str, part: Literal["validation", "test"] = "validation") -> dict[str, Any]:
    """Return ``epoch``, ``part`` and the :class:`Evaluation` of the best weights on the validation or test set.

    It is computed as the run was, so that the accuracy is that of the run's own record. ``device`` and ``precision``
    say with what; ``as_trained`` is false on another processor, or without the run's device.
    """
    run = store.run(run_id)
    config = run.config()
    environment, as_trained = recorded_environment(run.meta().environment)
    environment.claim_threads()
    model, _ = load_weights(run.read_weights(), run_id, config)
    model.to(environment.torch_device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    task = load_task(config, environment.torch_device)
    images = task.validation if part == "validation" else task.test
    evaluation = evaluate(model, images, task.normalization, environment)
    computed = {"device": environment.device, "precision": environment.precision, "as_trained": as_trained}
    return {"epoch": run.status().best_epoch, "part": part, **evaluation.to_dict(), **computed}


def recorded_environment(recorded: dict[str, Any]) -> tuple[Environment, bool]:
    """Return what the run was computed with, or the CPU in full precision, and whether the run was computed with it."""
    try:
        if {"device", "precision", "threads"} <= recorded.keys():
            # The fused operator is for training: evaluation does not need it.
            environment = resolve(RunConfig(), recorded | {"kernels": "stock"})
            return environment, recorded.get("processor") in (None, processor_name())
    except LabError:
        pass  # this computer does not have the device
    return Environment("cpu", "fp32", torch.get_num_threads()), False
