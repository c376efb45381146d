"""Everything that this project measures on a GPU, as one command: agreement, speed, trainings, the report's cells.

    python -m benchmarks.gpu [plan | STAGE …] [--seconds 780] [--out FOLDER] [--again] [--tiny]

The stages of ``plan``, in their order:

- ``warm``: compiles the kernels, once for all stages, and reads the images.
- ``agree``: 50 steps in fp32 on the GPU and on the CPU; two trainings and a resumed one on the GPU, bit by bit.
- ``speed``: whole runs at batch sizes 128, 32 and 512 beside the plain loop (benchmarks/plain.py), and the floor that
  the GPU's arithmetic and memory set.
- ``convolutions``: steps with convolutions that give the same bits each time, with any, and with those found by trying.
- ``share``: the images per second of 1 to 8 runs at once.
- ``fast``: three seeds of the preset ``fast``, one after another.
- ``try``: the recipes in :data:`TRIED`, two seeds each, on held-out images.
- ``best``: three seeds of the best of these recipes, together.
- ``main``: the report's recipe for its 200 epochs.
- ``cells``: the cells of the report's four studies, three seeds each, until the time is over.

By name alone: ``variants`` (a step with and without each means of making it fast; its kernels), ``compile`` (with
``torch.compile``) and ``tune`` (numbers of epochs for the preset ``fast``, three seeds each, on held-out images).

Each stage is a process of its own with a limit (benchmarks/gpu_plan.py), and what it leaves is in FOLDER as it comes:
tables in gpu.md, what was printed in gpu.log, a line for each training in trainings.jsonl, and finished runs in
runs-N.tar, without the state to resume from. Given again, for example where one command may not take as long, it goes
on with the stages that have not ended; with ``--again`` it begins anew. ``--tiny`` tries the script itself, on any
device.
"""

import argparse
import faulthandler
import json
import operator
import os
import shutil
import statistics
import sys
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import gpu_speed
from benchmarks.gpu_plan import CUT_OFF, GRACE, Plan, Stage, Workplace, keep_run
from benchmarks.gpu_speed import DEVICE, Report, attempt
from core.base.paths import PROJECT
from core.config.presets import PRESETS
from core.config.run_config import RunConfig
from core.jobs import runner
from core.records import EpochRecord
from core.runs.store import RunStore
from core.study.presets import published_study

#: The stages of ``plan``, with the most and the least seconds for each.
PLAN = (
    Stage("warm", 75, 15),
    Stage("agree", 75, 40),
    Stage("speed", 130, 60),
    Stage("convolutions", 90, 50),
    Stage("share", 90, 40),
    Stage("fast", 110, 40),
    Stage("try", 130, 60),
    Stage("best", 230, 90),
    Stage("main", 180, 120),
    Stage("cells", 3_600, 60),
)
#: Stages by name alone.
OTHERS = (Stage("variants", 150, 60), Stage("compile", 200, 90), Stage("tune", 200, 90))
#: Recipes that are compared on held-out images, as changes from the preset ``fast``.
_LONG = ["augment.grow_from=32", "augment.flip=random", "model.shortcut=B"]
TRIED = {
    "muon": _LONG,
    "mixup": [*_LONG, "augment.mix=mixup", "augment.mix_until=0.85"],
    "cutmix": [*_LONG, "augment.mix=cutmix", "augment.mix_alpha=0.2", "augment.mix_until=0.85"],
    "cutout": [*_LONG, "augment.cutout=8"],
}
#: Seeds of each recipe of the stage ``try``, and most epochs of a run of the stages ``try`` and ``best``.
TRIED_SEEDS, TRIED_EPOCHS, BEST_EPOCHS = 2, 75, 400
#: Images that the stage ``best`` holds out: it chooses nothing on them, so it trains on more images than ``try``.
BEST_HELD_OUT = 1_000
#: Runs that share the GPU, at most.
AT_ONCE = 8
#: The studies of the report by their figures, in the order in which their cells are trained.
STUDIES = (3, 7, 5, 9)
#: Accuracies in the tables of trainings, and what they are called.
ACCURACIES = {
    "train": "train",
    "validation": "validation, last epoch",
    "best_validation": "validation, best epoch",
    "test": "test, last epoch",
}
#: Seconds between two lines on how far the trainings are.
SHOW_SECONDS = 10.0


class Trainings:
    """Trains runs in a folder of their own and keeps those that finish. Those under way after ``seconds`` stop."""

    def __init__(self, report: Report, workplace: Workplace, seconds: float, tiny: bool):
        self.report, self.tiny = report, tiny
        self._workplace, self._ends = workplace, time.monotonic() + seconds
        self._store = RunStore(workplace.folder / "runs")
        self._writing, self._shown, self._at_work = threading.Lock(), 0.0, dict[str, str]()
        #: Whether a run was stopped or not begun because the time was over.
        self.cut_off = False

    def left(self) -> float:
        """Return the seconds until runs stop."""
        return self._ends - time.monotonic()

    def train(self, config: RunConfig, name: str, keep: bool) -> dict[str, Any]:
        """Train a run; return what there is to say of it."""
        here = config.replace({"train.device": DEVICE, "train.precision": "bf16"})
        run_id = self._store.create(here, name=name)
        history: list[EpochRecord] = []
        ends: list[float] = []

        def watch(record: EpochRecord) -> None:
            history.append(record)
            ends.append(time.perf_counter())
            self._show(name, f"epoch {record.epoch} of {here.train.epochs}, {record.val_accuracy:.2%}")
            if self.left() < 0 and record.epoch < here.train.epochs:
                self.cut_off = True
                self._store.run(run_id).request_stop(keep=True)

        began = time.perf_counter()
        status = runner.run(self._store, run_id, on_epoch=watch)
        seconds = time.perf_counter() - began
        with self._writing:
            self._at_work.pop(name, None)
        print(f"{name}: {status.state} after {len(history)} epochs, {seconds:.1f} s", flush=True)
        if status.state == "finished" and keep:
            keep_run(self._store.root / run_id, self._workplace.finished, without="*.pt")
        result = self._store.run(run_id).result() or {}
        outcome = {
            "name": name,
            "run": run_id,
            "state": status.state,
            "epochs": len(history),
            "seconds": seconds,
            "seconds_per_epoch": statistics.median(map(operator.sub, ends[1:], ends)) if len(ends) > 1 else None,
            "train": history[-1].train_accuracy if history else None,
            "validation": history[-1].val_accuracy if history else None,
            "best_validation": max((record.val_accuracy for record in history), default=None),
            "test": result.get("last", {}).get("accuracy") if keep else None,
            "curve": [round(record.val_accuracy, 4) for record in history],
            "error": status.error,
        }
        with self._writing, self._workplace.trainings.open("a", encoding="utf-8") as file:
            file.write(json.dumps(outcome) + "\n")
        return outcome

    def together(
        self, configs: dict[str, RunConfig], at_once: int = AT_ONCE, *, keep: bool = True, show: bool = True
    ) -> list[dict[str, Any]]:
        """Train several runs at once, in the order given; those that would begin too late are left out.

        With ``show``, each has its row in a table of the report when it has ended.
        """
        if show:
            self.report.add(f"| run | epochs | seconds | {' | '.join(ACCURACIES.values())} |", "|" + " --- |" * 7)

        def one(item: tuple[str, RunConfig]) -> dict[str, Any] | None:
            name, config = item
            if self.left() < 0:
                self.cut_off = True
                return None
            try:
                outcome = self.train(shortened(config) if self.tiny else config, name, keep)
            except Exception as error:  # the others may be fine
                print("".join(traceback.format_exception(error)), flush=True)
                return None
            if show:
                with self._writing:
                    self.report.add(_row(outcome))
            return outcome

        with ThreadPoolExecutor(at_once) as pool:
            return [outcome for outcome in pool.map(one, configs.items()) if outcome]

    def affordable_epochs(self, configs: dict[str, RunConfig], most: int) -> int:
        """Return how many epochs these runs, trained together, have time for: ``most`` at most.

        Four epochs of each are trained for it. The first prepares kernels, the last may train without mixing.
        """
        trial = {f"trial of {name}": config.replace({"train.epochs": 4}) for name, config in configs.items()}
        seconds = [one["seconds_per_epoch"] for one in self.together(trial, len(trial), keep=False, show=False)]
        slowest = max(filter(None, seconds), default=60.0)
        return max(3, min(most, int(0.9 * self.left() / slowest)))

    def _show(self, name: str, text: str) -> None:
        with self._writing:
            self._at_work[name] = text
            if time.monotonic() - self._shown > SHOW_SECONDS:
                self._shown = time.monotonic()
                print("; ".join(f"{name}: {text}" for name, text in self._at_work.items()), flush=True)


def _row(outcome: dict[str, Any]) -> str:
    """Return a row of the table of :meth:`Trainings.together`."""
    cells = [f"{outcome[key]:.2%}" if outcome[key] is not None else "–" for key in ACCURACIES]
    state = "" if outcome["state"] == "finished" else f" ({outcome['state']}) {outcome['error'] or ''}"
    return f"| {outcome['name']}{state} | {outcome['epochs']} | {outcome['seconds']:.1f} | {' | '.join(cells)} |"


def fast(trainings: Trainings) -> None:
    """Train three seeds of the preset ``fast``, one after another."""
    trainings.report.add("## The preset fast", "")
    trainings.together(seeded("fast", PRESETS["fast"].config, 3), at_once=1)


def tune(trainings: Trainings) -> None:
    """Compare numbers of epochs of the preset ``fast`` on held-out images."""
    trainings.report.add("## Epochs of the preset fast, on held-out images", "")
    base = PRESETS["fast"].config
    configs = {
        name: config
        for epochs in (26, 29, 32)
        for name, config in seeded(f"{epochs} epochs", base.replace({"train.epochs": epochs}), 3).items()
    }
    trainings.together(configs, keep=False)


def try_recipes(trainings: Trainings) -> None:
    """Compare recipes on held-out images, all at once, with as many epochs as there is time for."""
    configs: dict[str, RunConfig] = {}
    for name, settings in TRIED.items():
        configs |= seeded(name, PRESETS["fast"].config.set_from_text(settings).checked(), TRIED_SEEDS)
    epochs = trainings.affordable_epochs(configs, TRIED_EPOCHS)
    trainings.report.add(f"## Recipes of {epochs} epochs, on held-out images", "")
    configs = {name: config.replace({"train.epochs": epochs}) for name, config in configs.items()}
    trainings.together(configs, keep=False)


def best_tried(outcomes: list[dict[str, Any]]) -> str:
    """Return the tried recipe with the highest mean accuracy on held-out images after the last epoch."""
    accuracies: dict[str, list[float]] = {name: [] for name in TRIED}
    for one in outcomes:
        name = one["name"].partition(",")[0]
        if name in accuracies and one["state"] == "finished":
            accuracies[name].append(one["validation"])
    return max(TRIED, key=lambda name: sum(accuracies[name]) / max(len(accuracies[name]), 1))


def best(trainings: Trainings, chosen: str) -> None:
    """Train three seeds of a recipe together, with as many epochs as there is time for."""
    settings = [*TRIED[chosen], f"data.validation_size={BEST_HELD_OUT}"]
    configs = seeded("best", PRESETS["fast"].config.set_from_text(settings).checked(), 3)
    epochs = trainings.affordable_epochs(configs, BEST_EPOCHS)
    trainings.report.add(f"## The best recipe, {chosen}", "", f"The preset fast with {' '.join(settings)}", "")
    configs = {name: config.replace({"train.epochs": epochs}) for name, config in configs.items()}
    trainings.together(configs, at_once=3)


def main_run(trainings: Trainings) -> None:
    """Train the report's recipe for its 200 epochs; it validates on the test images."""
    trainings.report.add("## The report's main run", "")
    trainings.together({"the report's recipe": PRESETS["report"].config})


def cells(trainings: Trainings, done: set[str]) -> None:
    """Train the cells of the report's studies that are not ``done``."""
    configs: dict[str, RunConfig] = {}
    for figure in STUDIES:
        study = published_study(figure, seeds=range(3))
        (axis,) = study.axes
        for cell in study.cells():
            name = f"figure {figure}, {axis.path} {cell.config[axis.path]}, seed {cell.seed}"
            if name not in done:
                configs[name] = cell.config
    if trainings.tiny:
        configs = dict(list(configs.items())[:2])
    trainings.report.add("## The report's cells", "")
    trainings.together(configs)


def seeded(name: str, config: RunConfig, seeds: int) -> dict[str, RunConfig]:
    """Return a config with so many seeds, by name."""
    return {f"{name}, seed {seed}": config.replace({"train.seed": seed}) for seed in range(seeds)}


def shortened(config: RunConfig) -> RunConfig:
    """Return a config that trains in seconds on a CPU."""
    sizes = ("data.train_size=400", "data.validation_size=100", "data.test_size=200")
    small = ("model.depth=8", "model.width=2", "train.epochs=2", "train.batch_size=50", "train.milestones=1,2,3,4")
    return config.set_from_text([*sizes, *small])


# --- the command ----------------------------------------------------------------------------------


def work(name: str, workplace: Workplace, seconds: float, tiny: bool) -> None:
    """Do a stage in this process, and begin nothing after ``seconds``. Raises SystemExit if that cut it off."""
    gpu_speed.SMALLER[:] = gpu_speed.TINY if tiny else []
    faulthandler.dump_traceback_later(seconds + GRACE / 2)  # where it is, if it hangs
    report = Report(workplace.part(name))
    trainings = Trainings(report, workplace, seconds, tiny)
    finished = [one for one in workplace.outcomes() if one["state"] == "finished"]
    measuring = (gpu_speed.warm, gpu_speed.agree, gpu_speed.speed, gpu_speed.convolutions, gpu_speed.share)
    stages: dict[str, Callable[[], None]] = {
        **{each.__name__: partial(each, report, tiny) for each in (*measuring, gpu_speed.variants)},
        "compile": partial(gpu_speed.variants, report, tiny, compile_it=True),
        "fast": partial(fast, trainings),
        "tune": partial(tune, trainings),
        "try": partial(try_recipes, trainings),
        "best": partial(best, trainings, best_tried(finished)),
        "main": partial(main_run, trainings),
        "cells": partial(cells, trainings, {one["name"] for one in finished}),
    }
    with attempt(report):
        stages[name]()
    if trainings.cut_off:
        raise SystemExit(CUT_OFF)


def main() -> None:
    """Run the stages, or with ``--work`` one of them in this process."""
    known = {stage.name: stage for stage in (*PLAN, *OTHERS)}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stages", nargs="*", default=["plan"], help="plan, or " + ", ".join(known))
    parser.add_argument("--seconds", type=float, default=780.0, help="end after so many seconds (default: %(default)g)")
    parser.add_argument("--out", type=Path, default=Path("build/gpu-results"), help="folder of the results")
    parser.add_argument("--again", action="store_true", help="begin anew")
    parser.add_argument("--tiny", action="store_true", help="try the script itself")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    names = [stage.name for stage in PLAN] if args.stages == ["plan"] else args.stages
    if unknown := [name for name in names if name not in known]:
        parser.error(f"{unknown[0]} is not a stage")
    folder = PROJECT / "build" / ("gpu-tiny" if args.tiny else "gpu")
    if args.again:
        shutil.rmtree(folder, ignore_errors=True)
    workplace = Workplace(folder, args.out)
    tiny = ["--tiny"] if args.tiny else []
    if args.work:
        work(names[0], workplace, args.seconds, args.tiny)
        return
    # Kernels that one stage has compiled are there for all.
    os.environ["TRITON_CACHE_DIR"] = str(folder / "kernels" / "triton")
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(folder / "kernels" / "inductor")

    def command(stage: Stage, seconds: float) -> list[str]:
        here = [sys.executable, "-m", "benchmarks.gpu", stage.name, "--work", "--seconds", f"{seconds:.0f}"]
        return [*here, "--out", str(args.out), *tiny]

    stages = [known[name] for name in names]
    if args.tiny:  # on a CPU that has other work
        stages = [stage._replace(limit=10 * stage.limit, least=0.0) for stage in stages]
    Plan(workplace, command, args.seconds).run(stages)


if __name__ == "__main__":
    main()
