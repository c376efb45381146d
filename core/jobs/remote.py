"""Train a run on another computer: what travels there, and how its records come back.

The laboratory keeps the run's folder and is the only one that writes it. It sends a :class:`RunCopy`; the other
computer trains it with the same code as a thread of the laboratory, and its :class:`Outbox` stands where the
:class:`~core.jobs.recorder.Recorder` stands at home. The laboratory fetches deliveries at its own pace and makes the
calls in them on its recorder. Nothing here knows what carries the deliveries; :mod:`core.jobs.ray_cluster` does.
"""

import contextlib
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from core.base.errors import StoreError
from core.base.memory import release_freed_memory
from core.config.run_config import RunConfig
from core.records import BatchRecord, EpochRecord
from core.runs.folder import LAST, Meta

#: Seconds without a fetch after which a training ends itself: the laboratory is dead, or cannot be reached.
LOST_SECONDS = 45.0


@dataclass
class RunCopy:
    """What another computer needs of a run: its settings, its saved states and its best weights.

    ``recorded``: the environment that the run was or shall be computed with. ``epochs``: its first finished epochs, at
    most two: with more than one and no saved state, it cannot resume.
    """

    id: str
    settings: dict[str, Any]
    recorded: dict[str, Any]
    parent: str | None = None
    epochs: tuple[EpochRecord, ...] = ()
    saved: dict[str, bytes] = field(default_factory=dict)
    weights: bytes | None = None

    def config(self) -> RunConfig:
        """Return the configuration."""
        return RunConfig.from_dict(self.settings)

    def meta(self) -> Meta:
        """Return the run's parent and environment."""
        return Meta(parent=self.parent, environment=self.recorded)

    def records(self) -> list[EpochRecord]:
        """Return the epochs that were finished when the copy was made."""
        return list(self.epochs)

    def states(self) -> list[str]:
        """Return the names of the saved states, the newest first."""
        return list(self.saved)

    def read_state(self, name: str = LAST) -> bytes:
        """Return the content of a saved state."""
        return self.saved[name]

    def read_weights(self) -> bytes:
        """Return the content of best.safetensors. Raises StoreError if the run has none yet."""
        if self.weights is None:
            raise StoreError(f"Run {self.id} has no weights yet; they are kept from its first finished epoch on.")
        return self.weights


#: The name of a method of :class:`~core.jobs.recorder.Recorder`, and its arguments.
Call = tuple[str, tuple[Any, ...]]


@dataclass(frozen=True)
class Delivery:
    """What a training has to tell since the last delivery, as calls in their order.

    ``number`` counts the deliveries of a training from 1. ``ended``: no other will follow. ``lost``: the training ended
    because nobody fetched for :data:`LOST_SECONDS`, and is not at the run's end.
    """

    number: int
    calls: tuple[Call, ...]
    ended: bool
    lost: bool = False


class LaboratorySilent(Exception):
    """Nobody has fetched for too long."""


class Outbox:
    """Collects what a training records until the laboratory fetches it. Safe to share between two threads.

    A laboratory that fetches slowly gets more epochs at once, but one state, that of the newest: an older one is of no
    use. A delivery is kept until the laboratory says that it has it.
    """

    def __init__(self, copy: RunCopy, state_seconds: float = 0.0):
        """``state_seconds``: the least time between two states, for laboratories with many runs. The first state and
        the last one are always sent."""
        self._copy, self._state_seconds = copy, state_seconds
        self._changed = threading.Condition()
        self._calls: list[Call] = []
        self._batch: BatchRecord | None = None
        self._unsent_state: bytes | None = None
        self._unsent_weights: bytes | None = None
        self._state_at: float | None = None
        self._delivery: Delivery | None = None
        self._ended = self._lost = self._stop = False
        self._fetched_at = time.monotonic()

    # --- for the training, in place of a Recorder ----------------------------------------------------

    def resume(self, history: Sequence[EpochRecord], weights: bytes | None) -> None:
        """Make the run's files agree with the state that training resumes from."""
        self._copy.weights = weights if weights is not None else self._copy.weights
        self._add("resume", tuple(history), weights)

    def batch(self, record: BatchRecord) -> None:
        """Show the progress within the epoch; the next fetch takes the newest."""
        with self._changed:
            self._batch = record

    def epoch(self, record: EpochRecord, state: bytes, weights: bytes | None) -> None:
        """Keep a finished epoch; ``weights`` if it is the best so far."""
        with self._changed:
            self._unsent_state = state
            if weights is not None:
                self._copy.weights = self._unsent_weights = weights
            last = self._calls[-1] if self._calls else None
            if last is not None and last[0] == "epochs":
                self._calls[-1] = "epochs", ((*last[1][0], record),)
            else:
                self._calls.append(("epochs", ((record,),)))
            self._batch = None

    def predictions(self, content: bytes) -> None:
        """Keep the answers of the network."""
        self._add("predictions", content)

    def result(self, result: Mapping[str, Any]) -> None:
        """Keep the evaluation on the test set."""
        self._add("result", dict(result))

    def log(self, text: str) -> None:
        """Add a line to the run's log."""
        self._add("log", text)

    def end(self, state: Literal["stopped", "finished", "failed"], error: str | None = None) -> None:
        """Mark the run as ended."""
        self._add("end", state, error)

    def restore_state(self) -> None:
        """Continue from the state before the last."""
        self._add("restore_state")

    def stop_requested(self) -> bool:
        """Return whether the laboratory asked the run to stop. Raises LaboratorySilent."""
        if time.monotonic() - self._fetched_at > LOST_SECONDS:
            raise LaboratorySilent
        return self._stop

    def close(self, *, lost: bool = False) -> None:
        """Say that nothing follows."""
        with self._changed:
            self._ended, self._lost = True, lost
            self._changed.notify_all()

    # --- for the laboratory --------------------------------------------------------------------------

    def stop(self) -> None:
        """Ask the training to stop within a batch."""
        self._stop = True

    def fetch(self, received: int, pause: float) -> Delivery:
        """Return what is new after ``pause`` seconds, or as soon as the training ends.

        ``received``: the number of the last delivery that arrived; an earlier one that did not is returned again.
        """
        with self._changed:
            self._fetched_at = time.monotonic()
            if self._delivery is not None and received < self._delivery.number:
                return self._delivery
            self._changed.wait_for(lambda: self._ended, timeout=pause)
            self._fetched_at = time.monotonic()
            self._delivery = Delivery(received + 1, self._take(), self._ended, self._lost)
            return self._delivery

    def _take(self) -> tuple[Call, ...]:
        now, ending = time.monotonic(), any(name == "end" for name, _ in self._calls)
        due = self._state_at is None or now - self._state_at >= self._state_seconds or ending
        calls: list[Call] = []
        for name, arguments in self._calls:
            if name == "epochs":
                is_newest = not any(later == "epochs" for later, _ in self._calls[len(calls) + 1 :])
                arguments = (*arguments, *(self._take_state() if due and is_newest else (None, None)))
            calls.append((name, arguments))
        if due and self._unsent_state is not None:  # of an epoch whose record was sent before
            before_end = next((i for i, (name, _) in enumerate(calls) if name == "end"), len(calls))
            calls.insert(before_end, ("epochs", ((), *self._take_state())))
        if self._batch is not None:
            calls.append(("batch", (self._batch,)))
        self._calls, self._batch = [], None
        return tuple(calls)

    def _take_state(self) -> tuple[bytes | None, bytes | None]:
        taken = self._unsent_state, self._unsent_weights
        self._unsent_state = self._unsent_weights = None
        self._state_at = time.monotonic()
        return taken

    def _add(self, name: str, *arguments: Any) -> None:
        with self._changed:
            self._calls.append((name, arguments))


class RemoteTrainer:
    """Trains one run after another in a thread of this process, for a laboratory elsewhere."""

    def __init__(self) -> None:
        self._outbox: Outbox | None = None
        self._thread: threading.Thread | None = None

    def environment(self, settings: Mapping[str, Any], recorded: Mapping[str, Any], threads: int) -> dict[str, Any]:
        """Return what a run is computed with here, as meta.json records it.

        ``recorded``: what is given (:func:`core.training.environment.resolve`); ``threads``: those of a run that asks
        for all. Raises LabError for a device that this computer does not have.
        """
        import platform

        from core.model import fused
        from core.training.environment import resolve

        if recorded.get("kernels") == "fused":  # chosen where the run began
            with contextlib.suppress(fused.CannotCompile):
                fused.compile_operator()
                fused.load.cache_clear()  # an earlier run of this process may have found no file
        environment = resolve(RunConfig.from_dict(dict(settings)), dict(recorded), threads)
        return {**environment.describe(), "node": platform.node()}

    def start(
        self, copy: RunCopy, images: NDArray[np.uint8], labels: NDArray[np.int64], state_seconds: float = 0.0
    ) -> None:
        """Begin to train the run ``copy`` on CIFAR-10's ``images`` and ``labels``, and return at once."""
        self._outbox = Outbox(copy, state_seconds)
        arguments = copy, self._outbox, images, labels
        self._thread = threading.Thread(target=_train, args=arguments, name=copy.id, daemon=True)
        self._thread.start()

    def fetch(self, received: int, pause: float) -> Delivery:
        """Return the next :meth:`delivery <Outbox.fetch>` of the run."""
        assert self._outbox is not None, "no run was started"
        return self._outbox.fetch(received, pause)

    def stop(self) -> None:
        """Ask the run to stop within a batch."""
        if self._outbox is not None:
            self._outbox.stop()


def _train(copy: RunCopy, outbox: Outbox, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> None:
    from core.data.task import make_task
    from core.jobs.runner import fail, train_here
    from core.training.environment import resolve

    lost = False
    try:
        environment = resolve(copy.config(), copy.recorded)
        task = make_task(copy.config(), images, labels, environment.torch_device)
        train_here(copy, outbox, task, environment)
    except LaboratorySilent:
        lost = True
    except Exception as error:
        fail(copy, outbox, error)
    release_freed_memory()
    outbox.close(lost=lost)
