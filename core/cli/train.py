"""Commands that train: train, resume and extend, with progress on stderr.

The process holds a run's lock from the moment the run exists, so that no app takes it from the queue. Ctrl-C stops the
run after the current batch and keeps it.
"""

import argparse
import contextlib
import re
import signal
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from core.base.errors import ConfigError, LabError, collected
from core.base.files import MOST_BYTES
from core.base.strict_json import from_json
from core.base.terminal import reporting, say
from core.base.text import SELECTED_ON, counted, duration, nats, percent
from core.cli.answer import Answer
from core.config.draft import runs_by_seed
from core.config.presets import preset
from core.config.run_config import RunConfig
from core.cost.effect import idle_settings
from core.cost.machine import require_fit
from core.runs.folder import CONFIG, Status
from core.runs.shelf import ID
from core.runs.store import RunStore
from core.runs.summary import Accuracy, accuracies_of, shared_precision

if TYPE_CHECKING:
    from core.records import BatchRecord, EpochRecord

INTERRUPTED = 130  # the exit code that shells give a program ended by Ctrl-C


@dataclass(frozen=True)
class Outcome:
    """How training a run ended: ``data`` ready for JSON, ``accuracies`` of a run with a finished epoch."""

    data: dict[str, Any]
    accuracies: tuple[Accuracy, ...]

    @property
    def state(self) -> str:
        """The state of the run."""
        return str(self.data["state"])


def train(args: argparse.Namespace, store: RunStore) -> Answer:
    """Make a run for each seed and train them in turn, or add them to the app's queue."""
    base = base_config(args)  # read once: it may be a pipe
    config = base.set_from_text(args.set).checked()
    wanted = runs_by_seed(config, args.name, args.seeds)
    changed = [setting.partition("=")[0].strip() for setting in args.set]
    _say_fit(config, confirmed=args.yes)
    for note in idle_settings(config, changed, base).values():
        say(f"Note: {note}")
    about = {"tags": tuple(args.tag), "note": args.note}
    if args.queue:
        created: list[str] = []
        problems: list[str] = []
        for config, name in wanted:
            with collected(problems, f"The run with seed {config.train.seed}"):
                created.append(store.create(config, name=name, **about))
        return _queued(store, created, problems)
    return _train_all([partial(_train_seed, store, config, {"name": name}, about) for config, name in wanted])


def resume(args: argparse.Namespace, store: RunStore) -> Answer:
    """Train a queued, stopped, failed or interrupted run from where it was to its end."""
    run = store.run(store.find(args.run))
    _say_fit(run.config(), confirmed=args.yes)
    if not args.queue:
        return _train_all([partial(train_existing, store, run.id, take_over=args.take_over)])
    if run.status().state != "queued":
        store.queue.enqueue(run.id, take_over=args.take_over)
    return _queued(store, [run.id])


def extend(args: argparse.Namespace, store: RunStore) -> Answer:
    """Continue a finished run to more epochs, as a new run."""
    from core.jobs.extend import extend, extension

    run_id = store.find(args.run)
    _say_fit(store.run(run_id).config(), confirmed=args.yes)
    if args.queue:
        return _queued(store, [extend(store, run_id, args.epochs)])
    return _train_all([partial(train_new, store, *extension(store, run_id, args.epochs))])


def _say_fit(config: RunConfig, *, confirmed: bool) -> None:
    """Say how a run fits this machine. Raises LabError if it is too big and that is not ``confirmed``."""
    for note in require_fit([config], confirmed=confirmed):
        say(f"Note: {note}")


def chosen_config(args: argparse.Namespace) -> RunConfig:
    """Return the configuration that ``--preset`` or ``--config`` and ``--set`` choose. Raises ConfigError."""
    return base_config(args).set_from_text(args.set).checked()


def base_config(args: argparse.Namespace) -> RunConfig:
    """Return the configuration that ``--preset`` or ``--config`` names. Raises ConfigError."""
    if args.config is not None:
        return read_config(args.config)
    return preset(args.preset).config if args.preset else RunConfig()


def read_config(path: Path) -> RunConfig:
    """Return the configuration in a JSON file. Raises ConfigError if it is missing, damaged or not allowed.

    The file of a run is verified. Raises StoreError if it is damaged.
    """
    folder = path.absolute().parent
    if path.name == CONFIG and re.fullmatch(ID, folder.name) and path.is_file():
        RunStore(folder.parent).run(folder.name).config()  # raises if it is damaged
    try:
        with path.open("rb") as file:  # not read_file: it may be a pipe, such as a shell's <(…)
            content = from_json(file.read(MOST_BYTES))
    except FileNotFoundError:
        raise ConfigError({"config": f"the file {path} does not exist."}) from None
    except OSError as error:
        raise ConfigError({"config": f"{path} cannot be read: {error.strerror}."}) from error
    except ValueError as error:
        raise ConfigError({"config": f"{path} is not a JSON file ({error})."}) from error
    return RunConfig.from_dict(content)


def require_data() -> None:
    """Raise DataError if CIFAR-10 is not on this computer."""
    from core.data import cifar10

    cifar10.require()


# --- training -------------------------------------------------------------------------------------


def _train_all(tasks: Sequence[Callable[["CtrlC"], Outcome]]) -> Answer:
    """Train runs in turn until Ctrl-C is pressed."""
    require_data()
    outcomes: list[Outcome] = []
    problems: list[str] = []
    with CtrlC() as ctrl_c:
        for number, task in enumerate(tasks, 1):
            with collected(problems, f"Run {number} of {len(tasks)}"):
                outcomes.append(task(ctrl_c))
            if ctrl_c.pressed:
                break
    interrupted = ctrl_c.pressed and (len(outcomes) < len(tasks) or outcomes[-1].state == "stopped")
    return _answer(outcomes, problems, interrupted)


def _train_seed(
    store: RunStore, config: RunConfig, own: dict[str, Any], shared: dict[str, Any], ctrl_c: "CtrlC"
) -> Outcome:
    """Train one of several seeds; ``shared`` passes the precision that ``auto`` chose for the first to the others."""
    outcome = train_new(store, config, own | shared, ctrl_c)
    if "environment" not in shared:
        with contextlib.suppress(LabError):  # discarded meanwhile
            precision = shared_precision([store.summary(outcome.data["id"])])
            shared |= {"environment": {"precision": precision}} if precision else {}
    return outcome


def train_new(store: RunStore, config: RunConfig, about: dict[str, Any], ctrl_c: "CtrlC") -> Outcome:
    """Make a run that this process holds from the start, and train it."""
    with store.create_held(config, **about) as run_id:
        return train_held(store, run_id, ctrl_c)


def train_held(store: RunStore, run_id: str, ctrl_c: "CtrlC") -> Outcome:
    """Train a run that this process holds to its end."""
    from core.jobs.runner import run_held

    return _train(store, run_id, store.run(run_id).config(), run_held, ctrl_c)


def train_existing(
    store: RunStore,
    run_id: str,
    ctrl_c: "CtrlC",
    *,
    take_over: bool = False,
    on_epoch: "Callable[[EpochRecord], object] | None" = None,
) -> Outcome:
    """Train a run that exists to its end; with ``take_over`` even if another computer trains it.

    ``on_epoch`` receives each finished epoch.
    """
    from core.jobs.runner import run

    train = partial(run, take_over=True) if take_over else run
    return _train(store, run_id, store.run(run_id).config(), train, ctrl_c, on_epoch)


def _train(
    store: RunStore,
    run_id: str,
    config: RunConfig,
    train: Callable[..., Status],
    ctrl_c: "CtrlC",
    on_epoch: "Callable[[EpochRecord], object] | None" = None,
) -> Outcome:
    """Train a run, show its progress, stop it on Ctrl-C, and return how it ended, ready for JSON."""
    display, stopping = Display(config.train.epochs), False

    def on_batch(record: "BatchRecord") -> None:
        nonlocal stopping
        display.on_batch(record)
        if ctrl_c.pressed and not stopping:
            stopping = True
            store.queue.request_stop(run_id)

    def on_each_epoch(record: "EpochRecord") -> None:
        display.on_epoch(record)
        if on_epoch is not None:
            on_epoch(record)

    say(f"Training run {run_id}. Press Ctrl-C to stop it; finished epochs are kept.")
    with contextlib.closing(display):
        status = train(store, run_id, on_batch=on_batch, on_epoch=on_each_epoch)
    result = None
    with contextlib.suppress(LabError):  # a discarded run is in the trash by now
        result = store.run(run_id).result()
    names = ("state", "epoch", "epochs", "best_epoch", "best_val_accuracy", "error")
    tested = result["best"]["accuracy"] if result else None
    data = {
        "id": run_id,
        **{name: getattr(status, name) for name in names},
        "seed": config.train.seed,
        "selected_on": config.data.validation,
        "test_accuracy": tested,
    }
    if status.best_epoch is None or status.best_val_accuracy is None:
        return Outcome(data, ())
    return Outcome(data, accuracies_of(config.data, status.best_epoch, status.best_val_accuracy, tested))


class CtrlC:
    """Catch Ctrl-C inside a ``with`` block: the first sets ``pressed``, the second ends the program at once."""

    pressed = False

    def __enter__(self) -> "CtrlC":
        self._before = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        if self.pressed:
            raise KeyboardInterrupt
        self.pressed = True
        with contextlib.suppress(RuntimeError):  # the signal may arrive while stderr is being written
            say("\nStopping after this batch. Press Ctrl-C again to quit at once.")


class Display:
    """Training progress in a terminal: a bar for the whole run and a line for each finished epoch.

    Without a terminal there are only the lines, so that a log file stays readable.
    """

    def __init__(self, epochs: int):
        self.epochs = epochs
        self._bar: tqdm[Any] | None = None

    def on_batch(self, record: "BatchRecord") -> None:
        """Move the bar."""
        with reporting():
            done = (record.epoch - 1) * record.batches + record.batch
            if self._bar is None:
                self._bar = tqdm(
                    total=record.batches * record.epochs,
                    desc=f"epoch {record.epoch}/{record.epochs}",
                    initial=done,
                    leave=False,
                    bar_format="{desc} |{bar}| {percentage:.0f} %{postfix}",
                    disable=None,  # without a terminal
                )
            results = f"loss {record.loss:.3f}, accuracy {percent(record.accuracy)}"
            left = f"{duration(record.seconds_left)} left"
            self._bar.set_postfix_str(f"batch {record.batch}/{record.batches}, {results}, {left}", refresh=False)
            self._bar.update(done - self._bar.n)

    def on_epoch(self, record: "EpochRecord") -> None:
        """Print the line of a finished epoch."""
        self.close()
        say(
            f"epoch {record.epoch:>{len(str(self.epochs))}}/{self.epochs}"
            f"  train loss {nats(record.train_loss)}  val loss {nats(record.val_loss)}"
            f"  val accuracy {percent(record.val_accuracy)}"
            f"  lr {record.lr:.3g}  {record.images_per_second:,.0f} images/s"
        )

    def close(self) -> None:
        """Remove the bar."""
        bar, self._bar = self._bar, None
        if bar is not None:
            with reporting():
                bar.close()


# --- the answer -----------------------------------------------------------------------------------


def _queued(store: RunStore, run_ids: list[str], problems: Sequence[str] = ()) -> Answer:
    _raise_if_all_failed(run_ids, problems)
    runs = [{"id": run_id, "state": "queued", "seed": store.run(run_id).config().train.seed} for run_id in run_ids]
    text = "\n".join(f"Run {run_id} is queued; the app will train it." for run_id in run_ids)
    return Answer(text, {"runs": runs}, list(problems), int(bool(problems)))


def _raise_if_all_failed(done: Sequence[object], problems: Sequence[str]) -> None:
    if problems and not done:
        raise LabError("\n".join(dict.fromkeys(problems)))


def _answer(outcomes: list[Outcome], problems: list[str], interrupted: bool) -> Answer:
    _raise_if_all_failed(outcomes, problems)
    finished = [run for run in outcomes if run.state == "finished"]
    lines = [_outcome_text(run) for run in finished]
    errors = [*(_outcome_text(run) for run in outcomes if run.state != "finished"), *problems]
    if len(finished) > 1:
        first = [run.accuracies[0] for run in finished]
        accuracies = [100 * accuracy.share for accuracy in first]
        mean, deviation = statistics.mean(accuracies), statistics.stdev(accuracies)
        seeds = counted(len(finished), "seed")
        lines.append(f"{first[0].name} of {seeds}: {mean:.2f} ± {deviation:.2f} % (mean ± standard deviation).")
    return Answer(
        "\n".join(lines),
        {"runs": [run.data for run in outcomes]},
        errors,
        INTERRUPTED if interrupted else int(bool(errors)),
    )


def _outcome_text(outcome: Outcome) -> str:
    run = outcome.data
    name, epochs = f"Run {run['id']}", f"after {run['epoch']} of {counted(run['epochs'], 'epoch')}"
    match run["state"]:
        case "finished":
            where = f"epoch {run['best_epoch']} of {run['epochs']}, chosen on {SELECTED_ON[run['selected_on']]}"
            return f"{name} finished: {', '.join(accuracy.text() for accuracy in outcome.accuracies)}; {where}."
        case "failed":
            return f"{name} failed {epochs}: {run['error']}"
        case _:
            return f"{name} was stopped {epochs}. Continue with `resnet-lab resume {run['id']}`."
