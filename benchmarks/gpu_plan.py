"""Stages of work on a machine that is lent for minutes: one after another, each in a process of its own.

A stage that takes longer than its limit is killed, with all that it started, and the next one begins; what it has
written is kept. Every few seconds the results are written anew and a line says how far the stage is. Stages that are
done are not repeated, so the same command goes on where the last one was cut off. Nothing here needs PyTorch or a GPU.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tarfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, NamedTuple

#: Seconds between two lines on the progress of a stage.
TICK = 20.0
#: Seconds that a stage has to end by itself, after it was to begin nothing more.
GRACE = 20.0
#: Exit status of a stage that was to begin nothing more before it had done everything.
CUT_OFF = 75
#: Bytes of a .tar after which another one is begun.
TAR_BYTES = 12_000_000
#: Characters of a line that are shown.
_WIDTH = 300


class Stage(NamedTuple):
    """A stage: its name, the seconds it may take, and the seconds without which it is not begun."""

    name: str
    limit: float
    least: float


class Workplace:
    """The files of a plan. ``folder`` keeps everything between two commands, ``results`` gets what a person reads.

    A stage writes its part of the report to :meth:`part`, a line for each training to ``trainings.jsonl``, and the
    folder of each finished run to :attr:`finished`.
    """

    def __init__(self, folder: Path, results: Path):
        self.folder, self.results = folder, results
        self.finished, self._packed = folder / "finished", folder / "packed"
        self.trainings = folder / "trainings.jsonl"
        for needed in (folder / "parts", self.finished, self._packed, results):
            needed.mkdir(parents=True, exist_ok=True)

    def part(self, stage: str) -> Path:
        """Return the file of a stage's part of the report, in Markdown."""
        return self.folder / "parts" / f"{stage}.md"

    def log(self, stage: str) -> Path:
        """Return the file of what a stage prints."""
        return self.folder / "parts" / f"{stage}.log"

    def outcome(self, stage: str) -> str | None:
        """Return what became of a stage; ``None`` if it has not ended."""
        file = self.part(stage).with_suffix(".outcome")
        return file.read_text(encoding="utf-8") if file.exists() else None

    def end(self, stage: str, outcome: str) -> None:
        """Keep what became of a stage."""
        self.part(stage).with_suffix(".outcome").write_text(outcome, encoding="utf-8")

    def outcomes(self) -> list[dict]:
        """Return what trainings.jsonl says of each training."""
        if not self.trainings.exists():
            return []
        lines = self.trainings.read_text(encoding="utf-8").splitlines()
        found = []
        for line in lines:
            with contextlib.suppress(ValueError):  # the stage was killed while it wrote this line
                found.append(json.loads(line))
        return found

    def publish(self, stages: Sequence[str]) -> None:
        """Write the report, the log and the finished runs of the stages to :attr:`results`."""
        report, log = [], []
        for stage in stages:
            if self.part(stage).exists():
                report.append(self.part(stage).read_text(encoding="utf-8").strip())
            if outcome := self.outcome(stage):
                report.append(f"({stage}: {outcome})")
            if self.log(stage).exists():
                log.append(f"--- {stage} ---\n{self.log(stage).read_text(encoding='utf-8', errors='replace')}")
        (self.results / "gpu.md").write_text("\n\n".join(report) + "\n", encoding="utf-8")
        (self.results / "gpu.log").write_text("\n".join(log), encoding="utf-8")
        if self.trainings.exists():
            shutil.copy2(self.trainings, self.results / self.trainings.name)
        self._pack()

    def _pack(self) -> None:
        for run in sorted(folder for folder in self.finished.iterdir() if not folder.name.endswith(".part")):
            number = 1
            while (tar := self.results / f"runs-{number}.tar").exists() and tar.stat().st_size > TAR_BYTES:
                number += 1
            with tarfile.open(tar, "a") as archive:
                archive.add(run, run.name)
            run.rename(self._packed / run.name)


def keep_run(folder: Path, finished: Path, without: str) -> None:
    """Copy the folder of a run, without the files like ``without``, to ``finished``: whole or not at all."""
    part = finished / f"{folder.name}.part"
    shutil.copytree(folder, part, ignore=shutil.ignore_patterns(without))
    part.rename(finished / folder.name)


class Plan:
    """Runs stages within ``seconds``. ``command`` returns the command of a stage that should end in so many seconds."""

    def __init__(self, workplace: Workplace, command: Callable[[Stage, float], list[str]], seconds: float):
        self._workplace, self._command = workplace, command
        self._ends = time.monotonic() + seconds

    def run(self, stages: Sequence[Stage]) -> None:
        """Run the stages that are not done, in order."""
        names = [stage.name for stage in stages]
        try:
            for stage in stages:
                if self._workplace.outcome(stage.name) is None:
                    self._run(stage, names)
        finally:
            self._workplace.publish(names)

    def _run(self, stage: Stage, names: Sequence[str]) -> None:
        left = self._ends - time.monotonic()
        if left < stage.least:
            print(
                f"[{stage.name}: not begun, {max(left, 0):.0f} s left of the {stage.least:.0f} s that it needs]",
                flush=True,
            )
            return
        limit = min(stage.limit, left)
        began = time.monotonic()
        print(f"[{stage.name}: begins, at most {limit:.0f} s]", flush=True)
        with self._workplace.log(stage.name).open("a", encoding="utf-8") as log:
            # In a session of its own, so that what it starts can be killed with it.
            process = subprocess.Popen(
                self._command(stage, max(limit - GRACE, limit / 2)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                exceeded = not self._watch(process, stage, began, limit, names)
            finally:
                _kill(process)
        seconds = time.monotonic() - began
        cut_off = process.returncode == CUT_OFF
        if (exceeded or cut_off) and limit < stage.limit:
            print(f"[{stage.name}: cut off after {seconds:.0f} s, as the time is over]", flush=True)
            return
        if exceeded or cut_off:
            outcome = f"{'killed' if exceeded else 'cut off'} after {seconds:.0f} s, its limit"
        elif process.returncode:
            outcome = f"failed after {seconds:.0f} s with exit status {process.returncode}"
        else:
            outcome = f"{seconds:.0f} s"
        self._workplace.end(stage.name, outcome)
        self._workplace.publish(names)
        print(f"[{stage.name}: {outcome}]", flush=True)

    def _watch(self, process: subprocess.Popen, stage: Stage, began: float, limit: float, names: Sequence[str]) -> bool:
        """Print how far a stage is until it ends or exceeds its limit; return whether it ended."""
        next_tick = began + TICK
        with self._workplace.log(stage.name).open(encoding="utf-8", errors="replace") as log:
            while True:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(max(0.0, min(next_tick, began + limit) - time.monotonic()))
                now = time.monotonic()
                ended = process.returncode is not None
                if ended or now - began >= limit:
                    _show(log, f"{stage.name} {now - began:.0f} s")
                    return ended
                _show(log, f"{stage.name} {now - began:.0f} of {limit:.0f} s")
                self._workplace.publish(names)
                next_tick += TICK


def _show(log: IO[str], title: str) -> None:
    """Print the last lines that have come to a log since it was last shown."""
    lines = [line for line in log.read().splitlines() if line.strip()]
    print(f"[{title}] " + "\n".join(line[:_WIDTH] for line in lines[-8:] or ["prints nothing"]), flush=True)


def _kill(process: subprocess.Popen) -> None:
    """End a process and all that it started. Waits a moment only: one that hangs in a driver may not even die."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(10)
