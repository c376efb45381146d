"""Evaluate a run's best weights class by class, whenever someone asks."""

from typing import Any, Literal

import torch

from core.data.task import load_task
from core.runs.store import RunStore
from core.training.checkpoint import load_weights
from core.training.environment import Environment
from core.training.evaluation import evaluate


def evaluate_best(store: RunStore, run_id: str, part: Literal["validation", "test"] = "validation") -> dict[str, Any]:
    """Return ``epoch``, ``part`` and the :class:`Evaluation` of the best weights on the validation or test set."""
    run = store.run(run_id)
    config, environment = run.config(), Environment("cpu", "fp32", torch.get_num_threads())
    model, _ = load_weights(run.best_weights(), config)
    task = load_task(config, environment.torch_device)
    images = task.validation if part == "validation" else task.test
    evaluation = evaluate(model, images, task.normalization, environment)
    return {"epoch": run.status().best_epoch, "part": part, **evaluation.to_dict()}
