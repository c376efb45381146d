"""Made-up training for tests of searches: the accuracy of a trial is a function of its settings, without a network."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from core.config.run_config import RunConfig
from core.runs.store import RunStore
from core.search import driver
from core.search.search import Search
from core.search.space import range_from_text
from core.search.store import SearchStore
from core.search.trials import Trial, trials_of
from tests.made import made_record, tiny_config

RANGES = ("train.lr=0.01 to 1", "train.optimizer=sgd,adamw", "train.momentum=0.5 to 0.99")


def made_search(*ranges: str, base: RunConfig | None = None, **parts) -> Search:
    parts = {"trials": 12, "pruner": "none", **parts}
    base = base or tiny_config("train.epochs=9")
    return Search("rates", base, tuple(range_from_text(text) for text in ranges or RANGES), **parts)


def quality(config: RunConfig, epoch: int) -> float:
    """Return a validation accuracy: best at a learning rate of 0.1 with SGD; it grows with the epochs."""
    away = abs(math.log10(config.train.lr) + 1)
    best = 0.9 - 0.3 * away - (0.05 if config.train.optimizer != "sgd" else 0.1 * abs(config.train.momentum - 0.9))
    return round(max(0.1, best - 0.002 * (config.train.seed % 7)) * (1 - math.exp(-epoch / 2)), 4)


def made_training(
    store: RunStore,
    run_id: str,
    on_epoch: Callable[[], object] = lambda: None,
    accuracy: Callable[[RunConfig, int], float] = quality,
) -> str:
    """Train a queued run with made-up accuracies from where it is; it hears requests to stop. Return its last state."""
    run = store.run(run_id)
    config, classes = run.config(), len(run.config().data.classes)
    with run.hold():
        status = replace(run.stored_status(), state="running", started_at=1.0)
        run.clear_stop()
        run.write_status(status)
        for epoch in range(status.epoch + 1, config.train.epochs + 1):
            value = accuracy(config, epoch)
            run.append_record(made_record(epoch, classes, val_accuracy=value, seconds=2.0 * epoch))
            best = max(status.best_val_accuracy or 0.0, value)
            status = replace(status, epoch=epoch, best_epoch=epoch, best_val_accuracy=best)
            run.write_status(status)
            on_epoch()
            if run.stop_request():
                run.clear_stop()
                run.write_status(replace(status, state="stopped"))
                return "stopped"
        if config.data.validation == "held-out":
            last = config.train.epochs
            tested = {"epoch": last, "images": 200, "loss": 0.5, "accuracy": accuracy(config, last)}
            run.write_result({"best": tested, "last": tested})
        run.write_status(replace(status, state="finished", finished_at=60.0))
    return "finished"


def started(store: RunStore, search: Search) -> str:
    """Return the id of a search that goes on."""
    search_id = SearchStore(store).create(search)
    driver.start(store, search_id)
    return search_id


def driven(store: RunStore, search_id: str, *, looks_late: bool = False, most: int = 200) -> list[Trial]:
    """Drive a search to its end, each step with a memory of its own, as after a kill; return its trials.

    With ``looks_late`` the driver sees a run only when it has ended.
    """
    for _ in range(most):
        if not driver.Steps(store).take(search_id).control.going:
            break
        steps = driver.Steps(store)
        look = partial(steps.take, search_id)
        for run_id in store.queue.ids():
            made_training(store, run_id, (lambda: None) if looks_late else look)
    return trials_of(search_id, SearchStore(store).get(search_id).search, store)


def settings(search: Search, trials: list[Trial]) -> list[dict[str, object]]:
    return [search.varied(trial.config) for trial in trials]
