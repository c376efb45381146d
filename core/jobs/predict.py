"""Predictions: what a run's network answers for its validation and test images, and where they are kept.

A run that reaches its end keeps them with its result. For older runs, and for those that came with the program, they
are computed when someone asks, from the weights, as the run itself was computed.
"""

import contextlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

from core.base.descriptors import with_reserve
from core.base.errors import LabError, Outcome, RunBusy, StoreError, each
from core.config.run_config import RunConfig
from core.data.task import ImageSet, Task, load_task
from core.jobs.evaluate import recorded_environment
from core.records import best
from core.runs.folder import RunFolder
from core.runs.predictions import Answers, Part, Predictions, predictions_bytes
from core.runs.store import RunStore
from core.training.checkpoint import load_state, load_weights
from core.training.environment import Environment, threads
from core.training.evaluation import evaluation_of, predict
from core.training.trainer import Trainer

#: Called before each run with its id, its number from 1 on, and how many there are.
OnRun = Callable[[str, int, int], object]


class HasWeights(Protocol):
    """A run whose best weights can be read: a folder, or the copy of a run on another computer."""

    id: str

    def config(self) -> RunConfig: ...
    def read_weights(self) -> bytes: ...


def predictions_of(store: RunStore, run_id: str) -> Predictions:
    """Return a run's predictions: those that are kept, or else computed from its weights and kept.

    Reading takes milliseconds. Computing takes as long as evaluating the validation and test images with the best
    weights, and with the last ones if the run still has its saved state: seconds to a minute, with as many threads as
    the run trained with. Meanwhile the run's lock is held, unless it is a reference run, so that nobody computes them
    twice.

    Raises RunBusy for a run that waits, trains, or is worked on by another process; StoreError for a run without
    weights or with damaged files; DataError if CIFAR-10 is not on this computer.
    """
    if (kept := store.predictions(run_id)) is not None:
        return kept
    run = store.run(run_id)
    if (status := run.status()).active:
        raise RunBusy(f"Run {run_id} is {status.state}; its predictions can be computed when it has ended.")
    with contextlib.nullcontext() if run.stored_meta().reference else run.hold():
        if store.predictions(run_id) is None:  # or another process has just computed them
            run.keep_predictions(predictions_bytes(computed(run), run.config()))
    if (kept := store.predictions(run_id)) is None:
        raise StoreError(f"The weights of run {run_id} changed while its predictions were computed; try again.")
    return kept


def predict_all(store: RunStore, run_ids: Iterable[str], on_run: OnRun = lambda run_id, number, count: None) -> Outcome:
    """Compute the predictions of each run that has none, in turn; for how long it takes see :func:`predictions_of`.

    Returns the runs that have predictions now, and a sentence for each other one. ``store.without_predictions()``
    names the runs that it is for; ``on_run`` is called before each.
    """
    wanted = list(dict.fromkeys(run_ids))

    def one(run_id: str) -> None:
        on_run(run_id, wanted.index(run_id) + 1, len(wanted))
        predictions_of(store, run_id)

    return each(wanted, one)


def final_predictions(run: HasWeights, trainer: Trainer) -> Predictions:
    """Return the predictions of a run that ``trainer`` has trained to its end.

    Each network is evaluated once on each set of images; the last one's answers for the validation set are those of the
    last epoch's validation. Logits are not rounded to 16 bits yet.
    """
    best_epoch, last_epoch = best(trainer.history).epoch, trainer.epoch
    networks = {best_epoch: trainer.evaluated_model, last_epoch: trainer.evaluated_model}
    if best_epoch != last_epoch:
        networks[best_epoch] = _best_network(run, trainer.environment)
    part: Part = "validation" if trainer.config.data.validation == "held-out" else "test"
    known = {} if trainer.validated is None else {(part, last_epoch): trainer.validated}
    kept = _answers(trainer.task, networks, trainer.environment, known)
    return Predictions(trainer.config.data.classes, best_epoch, last_epoch, False, kept)


def computed(run: RunFolder) -> Predictions:
    """Return the predictions of a run that nobody trains, computed from its weights and its saved state.

    They are computed as the run was, if this computer has its device, so that the accuracies are those of the run's
    own record. Without a saved state, those of the last epoch are missing. Raises LabError.
    """
    config, records = run.config(), run.records()
    environment, _ = recorded_environment(run.meta().environment)
    with threads(environment.threads):
        network = _best_network(run, environment)  # raises if there are no weights yet
        if not records:
            raise StoreError(f"Run {run.id} has no finished epoch, so nobody can tell which one its weights are from.")
        task = load_task(config, environment.torch_device)
        best_epoch, last_epoch = best(records).epoch, records[-1].epoch
        networks = {best_epoch: network}
        if last_epoch != best_epoch and (last := _last_network(run, task, environment, last_epoch)) is not None:
            networks[last_epoch] = last
        return Predictions(config.data.classes, best_epoch, last_epoch, True, _answers(task, networks, environment))


def result_of(predictions: Predictions) -> dict[str, Any]:
    """Return the content of result.json: the evaluation of the best and of the last weights on the test set.

    From predictions whose logits are not rounded.
    """
    which: tuple[Literal["best", "last"], ...] = ("best", "last")
    tested = {name: answers for name in which if (answers := predictions.answers("test", name))}
    return {
        name: {
            "epoch": answers.epoch,
            **evaluation_of(torch.from_numpy(answers.logits), torch.from_numpy(answers.labels)).to_dict(),
        }
        for name, answers in tested.items()
    }


# --- evaluating -----------------------------------------------------------------------------------


def _answers(
    task: Task,
    networks: Mapping[int, nn.Module],
    environment: Environment,
    known: Mapping[tuple[Part, int], Tensor] | None = None,
) -> tuple[Answers, ...]:
    """Return the answers of the ``networks`` of some epochs for each set of images; ``known`` logits are used."""
    parts: dict[Part, ImageSet] = {"test": task.test}
    if task.validation is not task.test:
        parts["validation"] = task.validation
    answers = []
    for part, images in parts.items():
        for epoch, network in networks.items():
            logits = (known or {}).get((part, epoch))
            if logits is None:
                logits = predict(network, images.images, task.normalization, environment).cpu()
            labels, predicted = images.labels.cpu().numpy(), logits.argmax(1).numpy()
            answers.append(Answers(part, epoch, images.indices, labels, logits.numpy(), predicted))
    return tuple(answers)


def _best_network(run: HasWeights, environment: Environment) -> nn.Module:
    network, _ = with_reserve(lambda: load_weights(run.read_weights(), run.id, run.config()))
    return network.to(environment.torch_device, memory_format=torch.channels_last)  # type: ignore[call-overload]


def _last_network(run: RunFolder, task: Task, environment: Environment, epoch: int) -> nn.Module | None:
    """Return the network of the last ``epoch``, from a saved state; ``None`` if none is intact and of that epoch."""
    config, parent = run.config(), run.meta().parent
    trainer = Trainer(config, task, environment)
    for name in run.states():
        with contextlib.suppress(LabError):
            trainer.load(load_state(run.read_state(name), run.id, config, parent=parent, name=name))
            if trainer.epoch == epoch:
                return trainer.evaluated_model
    return None
