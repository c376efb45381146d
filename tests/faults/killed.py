"""Fork child processes and kill each at a different instant: ``python -m tests.faults.killed``.

Each line of stdin is a request, a JSON list: what is done, in which folder, and numbers. Every child does the same
thing to a store, until one reaches the end. The modules are imported once, before the first fork. For each child a
line of JSON on stdout says at which step it was killed, its exit code, its store, the runs concerned, the digest of
every file that existed before, and, if it trained, how many epochs it had reported. ``null`` ends the answer.
"""

import hashlib
import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.records import EpochRecord
from core.runs.backup import Backup
from core.runs.store import RunStore
from tests.faults.operations import OPERATIONS, tiny
from tests.faults.steps import die_at, watched


def digests(store: RunStore) -> dict[str, str]:
    """Return the SHA-256 of every file of every run, in the store and in its trash, by path."""
    return {
        str(path.relative_to(store.root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(store.root.rglob("*"))
        if path.is_file() and path.name not in (".lock", ".queue.lock") and ".cache" not in path.parts
    }


def forked(work: Callable[[], object]) -> int:
    """Do ``work`` in a child process and return its process id."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return child


def ended(child: int) -> int:
    """Wait for a child; return 0 if it reached the end, the negative signal if it was killed."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def report(**values: Any) -> None:
    print(json.dumps(values), flush=True)


# --- at every step --------------------------------------------------------------------------------


def every_step(name: str, folder: Path, first: int, stride: int) -> None:
    """Kill an operation at every ``stride``-th step from ``first`` on, each time in a new store."""
    operation = OPERATIONS[name]
    for number in range(first, 1_000, stride):
        store = RunStore(folder / f"{name}-{number}" / "runs")
        with operation.prepared(store) as subject:
            before = digests(store)

            def work(store: RunStore = store, subject: Any = subject, number: int = number) -> None:
                with watched(store.root, die_at(number), tears=True) as watch:
                    watch.act = _noted(watch.act, store.root.parent / "step")
                    operation.act(store, subject)

            code = ended(forked(work))
        step = (store.root.parent / "step").read_text() if code else "the end"
        report(step=step, code=code, root=str(store.root), subject=subject, before=before)
        if code != -signal.SIGKILL:
            return


def _noted(act: Callable[[Any], object], path: Path) -> Callable[[Any], object]:
    """Return ``act`` preceded by writing the step into ``path``, outside the watched folder."""

    def noted(step: Any) -> None:
        path.write_text(f"{step.number}: {step.what} {Path(step.path).name}")
        act(step)

    return noted


# --- training -------------------------------------------------------------------------------------


def train(store: RunStore, run_id: str, pipe: int, act: Callable[[Any], object] | None) -> None:
    """Train a run and report each finished epoch through ``pipe``, with ``act`` at each step if given."""
    from core.jobs.runner import run

    def on_epoch(record: EpochRecord) -> None:
        os.write(pipe, b".")

    if act is None:
        run(store, run_id, on_epoch=on_epoch)
    else:
        with watched(store.root, act, tears=True) as watch:
            watch.act = _noted(act, store.root.parent / "step")
            run(store, run_id, on_epoch=on_epoch)


def killed_training(store: RunStore, act: Callable[[Any], object] | None, strike: Callable[[int], object]) -> int:
    """Train a new run in a child that ``act`` or ``strike`` (called with its process id) kills, and report it."""
    run_id = store.create(tiny())
    before = {path: digest for path, digest in digests(store).items() if run_id not in path}
    reader, writer = os.pipe()
    child = forked(lambda: train(store, run_id, writer, act))
    os.close(writer)
    strike(child)
    code = ended(child)
    with os.fdopen(reader, "rb") as pipe:
        epochs = len(pipe.read())
    noted = store.root.parent / "step"
    step = noted.read_text() if act and code else "a random moment" if code else "the end"
    report(step=step, code=code, root=str(store.root), subject=run_id, before=before, epochs=epochs)
    return code


def every_step_of_training(store: RunStore, first: int, stride: int) -> None:
    """Kill a run at every ``stride``-th step from ``first`` on."""
    number = first
    while killed_training(store, die_at(number), lambda child: None) == -signal.SIGKILL:
        number += stride


Copy = Callable[[Path, Path], None]


def random_moments(
    store: RunStore, seed: int, times: int, copies: Path | None = None, copy: Copy | None = None
) -> None:
    """Kill ``times`` runs at random moments, after a ``copy`` of the runs into a folder in ``copies`` if given."""
    began = time.monotonic()
    killed_training(store, None, lambda child: None)
    duration, rng = time.monotonic() - began, random.Random(seed)
    done = 0
    while done < times:

        def strike(child: int, index: int = done, moment: float = rng.uniform(0, duration)) -> None:
            time.sleep(moment)
            if copy and copies:
                copy(store.root, copies / f"{index}" / "runs")
            os.kill(child, signal.SIGKILL)

        in_time = killed_training(store, None, strike) != 0
        duration *= 1.0 if in_time else 0.9  # the machine has become faster
        done += in_time or copies is not None


def copy_folder(source: Path, target: Path) -> None:
    """Copy a folder while it is being written to; files that vanish meanwhile are left out."""

    def copy(path: str, copied: str) -> None:
        try:
            shutil.copyfile(path, copied)
        except FileNotFoundError:  # it was temporary
            Path(copied).unlink(missing_ok=True)

    shutil.copytree(source, target, copy_function=copy)


def back_up_and_restore(source: Path, target: Path) -> None:
    """Back up a folder while it is being written to, and restore the backup into ``target``."""
    backup = target.parent / "backup"
    assert Backup(RunStore(source), backup).update().problems == []
    assert Backup(RunStore(target), backup).restore().problems == []


def perform(what: str, folder: Path, *numbers: int) -> None:
    """Answer one request."""
    if what in OPERATIONS:
        every_step(what, folder, *numbers)
        return
    import core.jobs.runner  # noqa: F401 - imports torch once for all children
    from core.data import cifar10

    cifar10.load()
    store = RunStore(folder / "runs")
    match what:
        case "steps":
            every_step_of_training(store, *numbers)
        case "moments":
            random_moments(store, *numbers)
        case "copies":
            random_moments(store, *numbers, folder / "copies", copy_folder)
        case "backups":
            random_moments(store, *numbers, folder / "copies", back_up_and_restore)


def main() -> None:
    for line in sys.stdin:
        what, folder, *numbers = json.loads(line)
        perform(what, Path(folder), *numbers)
        print("null", flush=True)


if __name__ == "__main__":
    main()
