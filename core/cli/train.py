"""The commands that train: train, resume and extend, with their progress on stderr.

A run is trained in this process and holds its lock from the first instant, so that no app beside it
takes it from the queue. Ctrl-C stops it after the current batch and keeps it.
"""

import argparse
import contextlib
import signal
import statistics
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from core.base.errors import ConfigError, DataError, LabError
from core.base.files import MOST_BYTES
from core.base.strict_json import from_json
from core.base.text import SELECTED_ON, duration, nats, percent
from core.cli.answer import Answer
from core.config.draft import runs_by_seed
from core.config.presets import preset
from core.config.run_config import RunConfig
from core.runs.folder import Status
from core.runs.store import RunStore

if TYPE_CHECKING:
    from core.records import BatchRecord, EpochRecord

INTERRUPTED = 130  # what a shell calls a program that Ctrl-C ended

#: Trains one run: called with the callbacks of :func:`core.jobs.runner.run`.
Work = Callable[..., Status]


def train(args: argparse.Namespace, store: RunStore) -> Answer:
    """Make a run per seed and train them one after the other, or leave them for the app's queue."""
    wanted = runs_by_seed(wanted_config(args), args.name, args.seeds)
    about = {"tags": tuple(args.tag), "note": args.note}
    if args.queue:
        ids = [store.create(config, name=name, **about) for config, name in wanted]
        runs = [{"id": run_id, "state": "queued", "seed": store.run(run_id).config().train.seed} for run_id in ids]
        return Answer("\n".join(f"Queued run {run_id}; the app trains it." for run_id in ids), {"runs": runs})
    need_data()
    outcomes: list[dict[str, Any]] = []
    with CtrlC() as ctrl_c:
        for config, name in wanted:
            outcomes.append(train_new(store, config, {"name": name, **about}, ctrl_c))
            if ctrl_c.pressed:
                break
    return _answer(outcomes, ctrl_c.pressed and (len(outcomes) < len(wanted) or outcomes[-1]["state"] == "stopped"))


def resume(args: argparse.Namespace, store: RunStore) -> Answer:
    """Train a run that waits, stopped, failed or was interrupted from where it was to its end."""
    return _go_on(store, store.find(args.run), args.queue)


def extend(args: argparse.Namespace, store: RunStore) -> Answer:
    """Make a child of a finished run and train it to more epochs."""
    from core.jobs import extend as extend_module

    run_id = store.find(args.run)
    if args.queue:
        return _queued(extend_module.extend(store, run_id, args.epochs))
    config, about = extend_module.extension(store, run_id, args.epochs)
    need_data()
    with CtrlC() as ctrl_c:
        outcome = train_new(store, config, about, ctrl_c)
    return _answer([outcome], ctrl_c.pressed and outcome["state"] == "stopped")


def wanted_config(args: argparse.Namespace) -> RunConfig:
    """The configuration that ``--preset`` or ``--config`` and the ``--set`` options name, checked."""
    if args.config is not None:
        base = read_config(args.config)
    else:
        base = preset(args.preset).config if args.preset else RunConfig()
    return base.set_from_text(args.set).checked()


def read_config(path: Path) -> RunConfig:
    """The configuration in a config.json. Raises ConfigError if it is missing, damaged or not allowed."""
    try:
        with path.open("rb") as file:  # a file, or what a shell's <(…) hands over
            content = from_json(file.read(MOST_BYTES))
    except FileNotFoundError:
        raise ConfigError({"config": f"there is no file {path}."}) from None
    except OSError as error:
        raise ConfigError({"config": f"{path} cannot be read: {error.strerror}."}) from error
    except ValueError as error:
        raise ConfigError({"config": f"{path} is no JSON file ({error})."}) from error
    return RunConfig.from_dict(content)


def need_data() -> None:
    """Raise DataError if CIFAR-10 is not here."""
    from core.data import cifar10

    if not cifar10.available():
        raise DataError("CIFAR-10 is not on this computer yet; run `python -m core data` first.")


# --- training one run -----------------------------------------------------------------------------


def train_new(store: RunStore, config: RunConfig, about: dict[str, Any], ctrl_c: "CtrlC") -> dict[str, Any]:
    """Make a run that is this process's from the first instant, train it, and tell how it then stands."""
    from core.jobs import runner

    with store.create_held(config, **about) as run_id:
        status = watched(store, run_id, runner.run_held, ctrl_c)
        discard = store.run(run_id).stop_request() == "discard"
        store.run(run_id).clear_stop()
    if discard and status.state == "stopped":
        store.trash.put(run_id)
    return _outcome(store, run_id, status, config)


def _go_on(store: RunStore, run_id: str, queue: bool) -> Answer:
    from core.jobs import runner

    config = store.run(run_id).config()
    if queue:
        if store.run(run_id).status().state != "queued":
            store.queue.enqueue(run_id)
        return _queued(run_id)
    need_data()
    with CtrlC() as ctrl_c:
        outcome = _outcome(store, run_id, watched(store, run_id, runner.run, ctrl_c), config)
    return _answer([outcome], ctrl_c.pressed and outcome["state"] == "stopped")


def _queued(run_id: str) -> Answer:
    return Answer(f"Queued run {run_id}; the app trains it.", {"runs": [{"id": run_id, "state": "queued"}]})


def watched(store: RunStore, run_id: str, work: Work, ctrl_c: "CtrlC") -> Status:
    """Train a run while its progress is shown and Ctrl-C is heard."""
    display = Display(store.run(run_id).config().train.epochs)

    def on_batch(record: "BatchRecord") -> None:
        display.on_batch(record)
        if ctrl_c.take():
            store.queue.request_stop(run_id)

    say(f"Training run {run_id}. Ctrl-C stops it and keeps it.")
    with contextlib.closing(display):
        return work(store, run_id, on_batch=on_batch, on_epoch=display.on_epoch)


class CtrlC:
    """Hears Ctrl-C inside a ``with`` block: the first asks for a stop, the second ends the program at once."""

    def __init__(self) -> None:
        self.pressed = False
        self._taken = False

    def __enter__(self) -> "CtrlC":
        self._main = threading.current_thread() is threading.main_thread()
        if self._main:
            self._before = signal.signal(signal.SIGINT, self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        if self._main:
            signal.signal(signal.SIGINT, self._before)

    def _hear(self, signum: int, frame: FrameType | None) -> None:
        if self.pressed:
            raise KeyboardInterrupt
        self.pressed = True
        with contextlib.suppress(RuntimeError):  # the signal may arrive in the middle of writing to stderr
            say("\nStopping after this batch; press Ctrl-C again to end at once.")

    def take(self) -> bool:
        """Whether a stop was asked for and not yet passed on."""
        first = self.pressed and not self._taken
        self._taken = self.pressed
        return first


class Display:
    """Training in a terminal: a bar for the epoch at work and a line for each finished one.

    Without a terminal the lines alone are written, so that a log file stays readable.
    """

    def __init__(self, epochs: int):
        self.epochs = epochs
        self._bar: tqdm[Any] | None = None

    def on_batch(self, record: "BatchRecord") -> None:
        """Move the bar to where the epoch stands."""
        if not sys.stderr.isatty():
            return
        if self._bar is None:
            self._bar = tqdm(
                total=record.batches, desc=f"epoch {record.epoch}/{record.epochs}", leave=False, file=sys.stderr,
                bar_format="{desc} |{bar}| {n_fmt}/{total_fmt}{postfix}",
            )  # fmt: skip
        self._bar.set_postfix_str(
            f"loss {record.loss:.3f}, accuracy {percent(record.accuracy)}, {duration(record.seconds_left)} left",
            refresh=False,
        )
        self._bar.update(record.batch - self._bar.n)

    def on_epoch(self, record: "EpochRecord") -> None:
        """Write the finished epoch's line."""
        self.close()
        say(
            f"epoch {record.epoch:>{len(str(self.epochs))}}/{self.epochs}"
            f"  train loss {nats(record.train_loss)}  val loss {nats(record.val_loss)}"
            f"  val accuracy {percent(record.val_accuracy)}"
            f"  lr {record.lr:.3g}  {record.images_per_second:,.0f} images/s"
        )

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def say(text: str) -> None:
    """A line for the person who watches; stdout is for the answer alone."""
    print(text, file=sys.stderr, flush=True)


# --- how it went ----------------------------------------------------------------------------------


def _outcome(store: RunStore, run_id: str, status: Status, config: RunConfig) -> dict[str, Any]:
    """How a run that was trained here stands, JSON-ready."""
    result = None
    with contextlib.suppress(LabError):  # a discarded run is in the trash by now
        result = store.run(run_id).result()
    keys = ("state", "epoch", "epochs", "best_epoch", "best_val_accuracy", "error")
    told = asdict(status)
    return {
        "id": run_id,
        **{key: told[key] for key in keys},
        "seed": config.train.seed,
        "selected_on": config.data.validation,
        "test_accuracy": result["best"]["accuracy"] if result else None,
    }


def _answer(outcomes: list[dict[str, Any]], interrupted: bool) -> Answer:
    told = [_sentence(one) for one in outcomes]
    good = [text for one, text in zip(outcomes, told, strict=True) if one["state"] == "finished"]
    bad = [text for one, text in zip(outcomes, told, strict=True) if one["state"] != "finished"]
    if len(good) > 1:
        good.append(_over_seeds(outcomes))
    code = INTERRUPTED if interrupted else int(bool(bad))
    return Answer("\n".join(good), {"runs": outcomes}, errors=bad, code=code)


def _sentence(run: dict[str, Any]) -> str:
    name, at = f"Run {run['id']}", f"after {run['epoch']} of {run['epochs']} epochs"
    match run["state"]:
        case "finished":
            best = f"best validation accuracy {percent(run['best_val_accuracy'])} in epoch {run['best_epoch']}"
            tested = f"; test accuracy {percent(run['test_accuracy'])}" if run["test_accuracy"] is not None else ""
            return f"{name} finished {at}: {best}, chosen on {SELECTED_ON[run['selected_on']]}{tested}."
        case "failed":
            return f"{name} failed {at}: {run['error']}"
        case _:
            return f"{name} was stopped {at}. `python -m core resume {run['id']}` goes on from there."


def _over_seeds(outcomes: list[dict[str, Any]]) -> str:
    """Mean and sample standard deviation of the best validation accuracy over the finished runs."""
    best = [one["best_val_accuracy"] for one in outcomes if one["state"] == "finished"]
    mean, spread = 100 * statistics.mean(best), 100 * statistics.stdev(best)
    return f"Best validation accuracy of {len(best)} seeds: {mean:.2f} ± {spread:.2f} % (mean ± standard deviation)."
