"""Everything that this project measures on a GPU, as one command: agreement, speed, trainings, the report's cells.

    python -m benchmarks.gpu [STAGE …] [--out FOLDER] [--seconds 500] [--tiny]

The stages, in their usual order:

- ``agree``: 50 steps in fp32 on the GPU and on the CPU; two trainings and a resumed one on the GPU, bit by bit.
- ``speed``: whole runs at batch sizes 32, 128 and 512 beside the plain loop (benchmarks/plain.py), and the floor that
  the GPU's arithmetic and memory set.
- ``variants``: a step with and without a CUDA graph, ``torch.compile`` and deterministic convolutions; its kernels.
- ``share``: the images per second of 1 to 8 runs at once.
- ``fast``: seeds of the preset ``fast``, one after another.
- ``tune``: three seeds of the preset ``fast`` with each number of ``--epochs``, on held-out images.
- ``try``: the recipes in :data:`TRIED`, compared on held-out images, with the first cells of the report's studies
  beside them.
- ``best``: three seeds of the best of these recipes, together.

Every stage is tried, whatever happened in the one before. No training begins after ``--seconds``; those under way then
stop. The Markdown tables are in FOLDER/gpu.md, finished runs in FOLDER/runs-N.tar (without the state to resume from),
as soon as they are there. ``--tiny`` tries the script itself, with random images, on any device.
"""

import argparse
import contextlib
import copy
import faulthandler
import json
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from core.base.paths import PROJECT
from core.config.presets import PRESETS
from core.config.run_config import RunConfig
from core.data.augmentation import plan_epoch
from core.data.task import load_task
from core.jobs import runner
from core.jobs.probe import random_task
from core.model import fused
from core.records import EpochRecord
from core.runs.folder import LAST
from core.runs.store import RunStore
from core.study.presets import published_study
from core.training import step
from core.training.environment import Environment
from core.training.graphs import Replayed
from core.training.trainer import Trainer

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
#: Arithmetic of a training step of ResNet-20 per image, and what its tensors move if no two operations are fused.
FLOP_PER_IMAGE, BYTES_PER_IMAGE = 0.246e9, 5.6e6
#: Recipes that were compared on held-out images, as changes from the preset ``fast``.
_LONG = ["augment.grow_from=32", "augment.flip=random", "model.shortcut=B"]
TRIED = {
    "muon": _LONG,
    "muon, mixup": [*_LONG, "augment.mix=mixup", "augment.mix_until=0.85"],
    "muon, cutmix": [*_LONG, "augment.mix=cutmix", "augment.mix_alpha=0.2", "augment.mix_until=0.85"],
    "muon, cutout": [*_LONG, "augment.cutout=8"],
}
#: Bytes of a .tar after which another one is begun.
TAR_BYTES = 12_000_000


class Report:
    """The text of gpu.md, written anew with each line."""

    def __init__(self, folder: Path):
        self.path, self.lines = folder / "gpu.md", [f"{machine_text()}, {time.strftime('%Y-%m-%d')}"]

    def add(self, *lines: str) -> None:
        """Add lines, print them and write the file."""
        self.lines += lines
        print("\n".join(lines), flush=True)
        self.path.write_text("\n".join(self.lines) + "\n", encoding="utf-8")


def machine_text() -> str:
    """Return the name of the GPU, or of the device that takes its place, and the version of PyTorch."""
    name = torch.cuda.get_device_name() if DEVICE == "cuda" else "CPU"
    return f"one {name}, PyTorch {torch.__version__}"


def synchronize() -> None:
    """Wait for the GPU."""
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def new_trainer(config: RunConfig, precision: str = "bf16", device: str = DEVICE) -> Trainer:
    """Return a trainer on random images."""
    kernels = "fused" if fused.available(device) else "stock"
    environment = Environment(device, precision, os.cpu_count() or 1, kernels)
    return Trainer(config, random_task(config, environment.torch_device), environment)


#: Settings that make every training of the script itself tiny, with ``--tiny``.
_smaller: list[str] = []


def recipe(*settings: str) -> RunConfig:
    """Return the recipe of He et al. with changes."""
    return PRESETS["he2016"].config.set_from_text([*settings, *_smaller]).checked()


# --- agreement ------------------------------------------------------------------------------------


def agree(report: Report, tiny: bool) -> None:
    """Compare 50 steps with the CPU, and resumed trainings with straight ones."""
    steps = 4 if tiny else 50
    config = recipe("train.epochs=1", "train.batch_size=128", "data.normalization=channel", "train.lr=0.05")
    weights, losses = {}, {}
    for name, device, precision in (("cpu", "cpu", "fp32"), ("gpu", DEVICE, "fp32"), ("bf16", DEVICE, "bf16")):
        trainer = new_trainer(config, precision, device)
        begin_epoch(trainer)
        for batch in range(1, steps + 1):
            trainer.steps.take(batch)
        losses[name], weights[name] = trainer.steps.read().loss, trainer.weights()
    report.add("", "## Agreement", "")
    for name in ("gpu", "bf16"):
        report.add(
            f"- {steps} steps at batch 128, {name} against the CPU in fp32: mean loss {losses[name]:.6f} and "
            f"{losses['cpu']:.6f}; weights differ by {distance(weights[name], weights['cpu']):.2e} (relative norm)."
        )
    for optimizer in ("sgd", "adam", "muon"):
        with attempt(report):
            resumes(report, optimizer)


def resumes(report: Report, optimizer: str) -> None:
    """Compare a training with a second one and with a resumed one."""
    extra = ["train.lr=0.001"] if optimizer == "adam" else []
    config = recipe(
        *("train.epochs=3", f"train.optimizer={optimizer}", "train.averaging=ema", "train.averaging_start=2"),
        *("augment.grow_from=24", "augment.mix=cutmix", "train.batch_size=96", *extra),
    )
    task = random_task(config.replace({"train.batch_size": 100}), torch.device(DEVICE))  # with a smaller last batch
    environment = Environment(DEVICE, "bf16", 1, "fused" if fused.available(DEVICE) else "stock")
    straight, again, begun, resumed = (Trainer(config, task, environment) for _ in range(4))
    for trainer in (straight, again):
        list(trainer.train())
    for record in begun.train():
        if isinstance(record, EpochRecord) and record.epoch == 2:
            break
    resumed.load(copy.deepcopy(begun.state()))
    list(resumed.train())
    report.add(
        f"- {optimizer}, bf16, 3 epochs with averaging, growing crops and CutMix: a second training differs from "
        f"the first by {distance(again.weights(), straight.weights()):.1e}, one resumed after epoch 2 by "
        f"{distance(resumed.weights(), straight.weights()):.1e}; last train loss "
        f"{straight.history[-1].train_loss:.4f}."
    )


def begin_epoch(trainer: Trainer) -> None:
    """Prepare the first epoch of a trainer."""
    plan = plan_epoch(trainer.config.augment, len(trainer.task.train), 0, 1)
    rates = [trainer.config.train.lr] * trainer.batches
    trainer.steps.begin_epoch(plan, rates, 32, trainer.config.mixes(1), averages=False)


def distance(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> float:
    """Return ‖ours − theirs‖ / ‖theirs‖ over all tensors."""
    pairs = [(ours[name].double(), theirs[name].double()) for name in theirs]
    return float(
        (sum((a - b).square().sum() for a, b in pairs) / sum(b.square().sum() for _, b in pairs)) ** 0.5  # type: ignore[operator, union-attr]
    )


# --- speed ----------------------------------------------------------------------------------------


def speed(report: Report, tiny: bool) -> None:
    """Time whole runs beside the plain loop, and the two floors."""
    peak, bandwidth = ceilings()
    report.add(
        "",
        "## Speed",
        "",
        f"Matrix products in bf16 reach {peak / 1e12:.0f} TFLOP/s and copies {bandwidth / 1e12:.2f} TB/s (read and "
        f"written). An image needs {FLOP_PER_IMAGE / 1e9} GFLOP and, unfused, about {BYTES_PER_IMAGE / 1e6} MB, so no "
        f"version trains more than {peak / FLOP_PER_IMAGE:,.0f} images/s, and none without fusion more than "
        f"{bandwidth / BYTES_PER_IMAGE:,.0f}.",
        "",
        "| batch size | whole run, images/s | steps alone | plain loop | whole run / plain loop |",
        "| --- | --- | --- | --- | --- |",
    )
    for batch_size in (128, 32, 512):
        alone = steps_per_second(recipe(f"train.batch_size={batch_size}"), 0.2 if tiny else 0.7) * batch_size
        whole = whole_run_speed(batch_size, tiny)
        typical = 0.0 if tiny or batch_size == 512 else plain_speed(batch_size)
        cells = [f"{typical:,.0f}", f"{whole / typical:.1f}"] if typical else ["not measured", "–"]
        report.add(f"| {batch_size} | {whole:,.0f} | {alone:,.0f} | {' | '.join(cells)} |")


def ceilings() -> tuple[float, float]:
    """Return the fastest matrix product in bf16, FLOP/s, and the fastest copy, bytes read and written per second."""
    side, size = (8192, 2**30) if DEVICE == "cuda" else (512, 2**22)
    a, b = (torch.randn(side, side, dtype=torch.bfloat16, device=DEVICE) for _ in range(2))
    source = torch.randn(size // 4, device=DEVICE)
    target = torch.empty_like(source)
    return 2 * side**3 / seconds_of(lambda: a @ b), 2 * size / seconds_of(lambda: target.copy_(source))


def seconds_of(work: Callable[[], object], repeats: int = 10) -> float:
    """Return the median seconds of ``work`` on the device."""
    for _ in range(3):
        work()
    times = []
    for _ in range(repeats):
        synchronize()
        began = time.perf_counter()
        work()
        synchronize()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def steps_per_second(config: RunConfig, seconds: float, prepare: Callable[[Trainer], None] = lambda _: None) -> float:
    """Return the steps per second of a trainer on random images, after a first epoch."""
    trainer = new_trainer(config)
    prepare(trainer)
    return count_steps(trainer, seconds)


def count_steps(trainer: Trainer, seconds: float) -> float:
    """Return the steps per second of ``trainer``, after a first epoch."""

    def one_epoch() -> int:
        begin_epoch(trainer)
        for batch in range(1, trainer.batches + 1):
            trainer.steps.take(batch)
        trainer.steps.read()
        return trainer.batches

    one_epoch()
    one_epoch()
    began, taken = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        taken += one_epoch()
    return taken / (time.perf_counter() - began)


def whole_run_speed(batch_size: int, tiny: bool) -> float:
    """Return the images per second of the epochs of a run after its first, with evaluations and all files."""
    images = 2_000 if tiny else len(load_images().train)
    config = recipe(
        *("data.validation=test", "data.normalization=channel", f"train.batch_size={batch_size}"),
        *(f"train.epochs={3 if tiny else 9 if batch_size > 32 else 4}", "train.schedule=constant"),
        *(f"train.device={DEVICE}", "train.precision=bf16", f"data.train_size={images // 10 * 10}"),
        *(["data.test_size=500"] if tiny else []),
    )
    ends: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        store = RunStore(folder)
        status = runner.run(store, store.create(config), on_epoch=lambda _: ends.append(time.perf_counter()))
    if status.state != "finished":
        raise RuntimeError(status.error)
    return (len(ends) - 1) * config.data.sizes().train / (ends[-1] - ends[0])


def plain_speed(batch_size: int) -> float:
    """Return the images per second of the plain loop with as many loader processes as there are cores."""
    workers, images = os.cpu_count() or 1, 128 * 100 if batch_size > 32 else 32 * 200
    command = [sys.executable, "-m", "benchmarks.plain", str(batch_size), str(workers), str(images), DEVICE]
    answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=PROJECT)
    return json.loads(answer.stdout.splitlines()[-1])["training"]


# --- variants of a step ---------------------------------------------------------------------------


def variants(report: Report, tiny: bool, compile_it: bool = False) -> None:
    """Time a step with and without each means of making it fast, and list the kernels that take the time."""
    report.add("", "## Variants of a step", "", "| batch size | variant | images/s | seconds to prepare |")
    report.add("| --- | --- | --- | --- |")
    seconds = 0.2 if tiny else 1.0

    def compiled(trainer: Trainer) -> None:
        trainer.steps.model = torch.compile(trainer.model, dynamic=False)  # type: ignore[assignment]

    def as_it_is(_: Trainer) -> None:
        pass

    usual = contextlib.nullcontext
    stock = partial(mock.patch.object, fused, "available", lambda device: False)
    autocast = partial(mock.patch.object, step, "HalfNetwork", lambda *_: None)
    without_graph = partial(mock.patch.object, Replayed, "__call__", lambda self, kind: self._function(kind))
    trying = partial(torch.backends.cudnn.flags, enabled=True, benchmark=True, allow_tf32=False)
    cases: list[tuple[int, str, list[Any], Callable[[Trainer], None], list[str]]] = [
        *((batch, "as it is", [usual], as_it_is, []) for batch in (128, 32, 512)),
        (128, "as it is, Muon", [usual], as_it_is, ["train.optimizer=muon"]),
        (128, "as it is, Adam", [usual], as_it_is, ["train.optimizer=adam", "train.lr=0.001"]),
        *((batch, "convolutions found by trying, not repeatable", [trying], as_it_is, []) for batch in (128, 32, 512)),
        *((batch, "PyTorch's operators and autocast", [stock, autocast], as_it_is, []) for batch in (128, 32, 512)),
        (128, "PyTorch's operators and autocast, no CUDA graph", [stock, autocast, without_graph], as_it_is, []),
        *((batch, "torch.compile", [stock, autocast], compiled, []) for batch in (128, 32, 512)),
    ]
    for batch_size, name, contexts, prepare, settings in cases:
        if (prepare is compiled) != compile_it:
            continue
        with contextlib.ExitStack() as stack, attempt(report):
            for context in contexts:
                stack.enter_context(context())
            if trying in contexts:
                stack.enter_context(mock.patch("core.training.trainer.claim_device"))
            began = time.perf_counter()
            trainer = new_trainer(recipe(f"train.batch_size={batch_size}", *settings))
            prepare(trainer)
            rate = count_steps(trainer, seconds)
            prepared = time.perf_counter() - began - seconds
            report.add(f"| {batch_size} | {name} | {rate * batch_size:,.0f} | {prepared:.1f} |")
    if not compile_it:
        with attempt(report):
            report.add("", "Kernels of steps at batch 128:", "", *kernels())


def kernels(steps: int = 10) -> list[str]:
    """Return a table of the kernels that take most of the time of a step."""
    trainer = new_trainer(recipe("train.batch_size=128"))
    count_steps(trainer, 0.1)
    begin_epoch(trainer)
    with torch.profiler.profile() as profiler:
        for batch in range(1, steps + 1):
            trainer.steps.take(batch)
        synchronize()
    rows = [event for event in profiler.key_averages() if event.self_device_time_total > 0]
    rows.sort(key=lambda event: -event.self_device_time_total)
    whole, count = sum(row.self_device_time_total for row in rows), sum(row.count for row in rows)
    lines = [f"{count / steps:.0f} kernels and {whole / steps:,.0f} µs a step", ""]
    lines += ["| kernel | calls a step | µs a step | share |", "| --- | --- | --- | --- |"]
    for row in rows[:25]:
        share = row.self_device_time_total / whole
        name = row.key.replace("|", "/")[:90]
        lines.append(f"| {name} | {row.count / steps:.1f} | {row.self_device_time_total / steps:.0f} | {share:.1%} |")
    return lines


# --- several runs at once -------------------------------------------------------------------------


def share(report: Report, tiny: bool) -> None:
    """Time several trainers at once, each in a thread of its own."""
    report.add("", "## Several runs at once", "", "| batch size | runs | images/s in all | of one |")
    report.add("| --- | --- | --- | --- |")
    for batch_size in (128, 32):
        alone = 0.0
        for runs in (1, 2, 4, 8) if not tiny else (1, 2):
            config = recipe(f"train.batch_size={batch_size}")
            with ThreadPoolExecutor(runs) as pool:
                rates = list(pool.map(steps_per_second, [config] * runs, [0.2 if tiny else 1.5] * runs))
            total = sum(rates) * batch_size
            alone = alone or total
            report.add(f"| {batch_size} | {runs} | {total:,.0f} | {total / alone:.2f} |")


# --- trainings ------------------------------------------------------------------------------------


class Trainings:
    """Trains runs in a temporary folder and keeps those that finish in .tar files."""

    def __init__(self, report: Report, folder: Path, ends: float):
        self.report, self.folder, self.ends = report, folder, ends
        self.store = RunStore(tempfile.mkdtemp())
        self._tar, self._writing = 1, threading.Lock()

    def train(self, config: RunConfig, name: str, keep: bool) -> dict[str, Any] | None:
        """Train a run; return what there is to say of it, or ``None`` if it did not finish in time."""
        here = config.replace({"train.device": DEVICE, "train.precision": "bf16"})
        run_id = self.store.create(here, name=name)
        history: list[EpochRecord] = []

        def watch(record: EpochRecord) -> None:
            history.append(record)
            if time.time() > self.ends:
                self.store.run(run_id).request_stop(keep=True)

        began = time.perf_counter()
        status = runner.run(self.store, run_id, on_epoch=watch)
        seconds = time.perf_counter() - began
        print(f"{name}: {status.state} after {len(history)} epochs, {seconds:.1f} s", flush=True)
        result = self.store.run(run_id).result() or {}
        outcome = {
            "name": name,
            "run": run_id,
            "state": status.state,
            "epochs": len(history),
            "seconds": seconds,
            "validation": history[-1].val_accuracy if history else None,
            "train": history[-1].train_accuracy if history else None,
            "test": result.get("last", {}).get("accuracy") if keep else None,
            "curve": [round(record.val_accuracy, 4) for record in history],
            "error": status.error,
        }
        if status.state == "finished" and keep:
            self._keep(run_id)
        with (self.folder / "trainings.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(outcome) + "\n")
        return outcome

    def together(
        self, configs: dict[str, RunConfig], at_once: int, keep: Callable[[str], bool] = lambda name: True
    ) -> list[dict[str, Any]]:
        """Train several runs at once, in the order given; those that would begin too late are left out."""

        def one(item: tuple[str, RunConfig]) -> dict[str, Any] | None:
            if time.time() > self.ends:
                return None
            try:
                return self.train(item[1], item[0], keep(item[0]))
            except Exception as error:  # the others may be fine
                print("".join(traceback.format_exception(error)), flush=True)
                return None

        with ThreadPoolExecutor(at_once) as pool:
            return [outcome for outcome in pool.map(one, configs.items()) if outcome]

    def table(self, outcomes: list[dict[str, Any]]) -> None:
        """Add a table of trainings to the report."""
        lines = ["| run | epochs | seconds | train | validation, last epoch | test, last epoch |", "|" + " --- |" * 6]
        for one in outcomes:
            accuracies = [f"{one[key]:.2%}" if one[key] is not None else "–" for key in ("train", "validation", "test")]
            state = "" if one["state"] == "finished" else f" ({one['state']}) {one['error'] or ''}"
            lines.append(
                f"| {one['name']}{state} | {one['epochs']} | {one['seconds']:.1f} | {' | '.join(accuracies)} |"
            )
        self.report.add(*lines)

    def _keep(self, run_id: str) -> None:
        with self._writing:
            self._add(run_id)

    def _add(self, run_id: str) -> None:
        path = self.folder / f"runs-{self._tar}.tar"
        with tarfile.open(path, "a") as archive:
            for file in sorted((self.store.root / run_id).iterdir()):
                if file.name != LAST:
                    archive.add(file, f"{run_id}/{file.name}")
        if path.stat().st_size > TAR_BYTES:
            self._tar += 1


def try_recipes(trainings: Trainings, epochs: int, seeds: int, tiny: bool) -> str:
    """Compare recipes of so many epochs on held-out images, with so many seeds of the first cells beside them; return
    the name of the recipe with the highest accuracy after its last epoch.
    """
    base = PRESETS["fast"].config.replace({"train.epochs": epochs})
    configs = {name: base.set_from_text(settings).checked() for name, settings in TRIED.items()}
    if tiny:
        configs = {name: shortened(config) for name, config in configs.items()}
    wanted = {**configs, **(cells(seeds, tiny) if seeds else {})}
    outcomes = trainings.together(wanted, at_once=len(wanted), keep=lambda name: name not in configs)
    tried = [one for one in outcomes if one["name"] in configs]
    trainings.report.add("", f"## Recipes of {epochs} epochs, on held-out images", "")
    trainings.table(tried)
    trainings.report.add("", "## The report's cells", "")
    trainings.table([one for one in outcomes if one["name"] not in configs])
    return max(tried, key=lambda one: one["validation"] or 0.0)["name"]


def tune(trainings: Trainings, epochs: list[int], tiny: bool) -> None:
    """Compare numbers of epochs of the fast preset on held-out images."""
    trainings.report.add("", "## Epochs of the preset fast, on held-out images", "")
    base = shortened(PRESETS["fast"].config) if tiny else PRESETS["fast"].config
    configs = {
        f"{number} epochs, seed {seed}": base.replace({"train.epochs": number, "train.seed": seed})
        for number in epochs
        for seed in range(3)
    }
    trainings.table(trainings.together(configs, at_once=9, keep=lambda _: False))


def fast(trainings: Trainings, seeds: int, tiny: bool) -> None:
    """Train seeds of the preset ``fast``, one after another."""
    config = shortened(PRESETS["fast"].config) if tiny else PRESETS["fast"].config
    trainings.report.add("", "## The preset fast", "")
    wanted = {f"fast, seed {seed}": config.replace({"train.seed": seed}) for seed in range(seeds)}
    trainings.table(trainings.together(wanted, at_once=1))


def best(trainings: Trainings, config: RunConfig, epochs: int, tiny: bool) -> None:
    """Train three seeds of the best recipe together; 0 epochs are as many as there is time for."""
    began = time.time()
    if not epochs:
        trial = config.replace({"train.epochs": 3, "data.split_seed": 1})
        trainings.together({f"trial {seed}": trial for seed in range(3)}, at_once=3, keep=lambda _: False)
        per_epoch = (time.time() - began) / 3
        epochs = max(3, int((trainings.ends - time.time() - 5) / per_epoch))
    config = config.replace({"train.epochs": epochs})
    wanted = {f"best, seed {seed}": config.replace({"train.seed": seed}) for seed in range(3)}
    if tiny:
        wanted = {name: shortened(config) for name, config in wanted.items()}
    trainings.report.add("", "## The best recipe", "")
    trainings.table(trainings.together(wanted, at_once=3))


def cells(seeds: int, tiny: bool) -> dict[str, RunConfig]:
    """Return the cells of the report's studies in the order in which they are trained."""
    study = published_study(3, seeds=range(seeds))
    wanted = {
        f"deer or dog, {cell.config.data.train_size:,} training images, seed {cell.config.train.seed}": cell.config
        for cell in sorted(study.cells(), key=lambda cell: cell.config.train.seed)
    }
    return {name: shortened(config) for name, config in list(wanted.items())[:2]} if tiny else wanted


def shortened(config: RunConfig) -> RunConfig:
    """Return a config that trains in seconds on a CPU."""
    sizes = ("data.train_size=400", "data.validation_size=100", "data.test_size=200")
    return config.set_from_text(["train.epochs=2", *sizes, "model.depth=8", "train.milestones=1,2,3,4"])


# --- the command ----------------------------------------------------------------------------------


def load_images() -> Any:
    """Return the task of all images."""
    return load_task(recipe("data.validation=test"), torch.device("cpu"))


@contextlib.contextmanager
def attempt(report: Report) -> Iterator[None]:
    """Go on after whatever is raised in the block, and say what it was."""
    try:
        yield
    except Exception as error:
        traceback.print_exc()
        report.add(f"Failed: {type(error).__name__}: {str(error)[:500]}")


def main() -> None:
    """Run the stages."""
    names = ("agree", "speed", "variants", "share", "fast", "try", "best")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stages", nargs="*", default=names, help=", ".join((*names, "compile", "tune")))
    parser.add_argument("--out", type=Path, default=Path("build/gpu"), help="folder of the results")
    parser.add_argument("--seconds", type=float, default=500.0, help="begin no training after so many seconds")
    parser.add_argument("--tried-epochs", type=int, default=75, help="epochs of each recipe of the stage try")
    parser.add_argument("--seeds", type=int, default=3, help="seeds of the stage fast")
    parser.add_argument("--cells", type=int, default=1, help="seeds of the report's cells beside the stage try")
    parser.add_argument("--epochs", type=int, nargs="*", default=[26, 29, 32], help="numbers for the stage tune")
    parser.add_argument("--best", help="a tried recipe to train as best, if the stage try is left out")
    parser.add_argument("--best-epochs", type=int, default=0, help="its epochs; 0: as many as there is time for")
    parser.add_argument("--tiny", action="store_true", help="try the script itself")
    args = parser.parse_args()
    _smaller[:] = ["model.depth=8", "model.width=2"] if args.tiny else []
    faulthandler.dump_traceback_later(120, repeat=True)  # where it is, if something hangs
    began = time.time()
    args.out.mkdir(parents=True, exist_ok=True)
    report = Report(args.out)
    trainings = Trainings(report, args.out, began + args.seconds)
    chosen = args.best or next(iter(TRIED))

    def choose() -> None:
        nonlocal chosen
        chosen = try_recipes(trainings, args.tried_epochs, args.cells, args.tiny)

    def train_best() -> None:
        config = PRESETS["fast"].config.set_from_text(TRIED[chosen]).checked()
        trainings.report.add("", f"Recipe: fast with {' '.join(TRIED[chosen])}")
        best(trainings, config, args.best_epochs, args.tiny)

    stages: dict[str, Callable[[], None]] = {
        **{work.__name__: partial(work, report, args.tiny) for work in (agree, speed, variants, share)},
        "compile": lambda: variants(report, args.tiny, compile_it=True),
        "fast": lambda: fast(trainings, args.seeds, args.tiny),
        "tune": lambda: tune(trainings, args.epochs, args.tiny),
        "try": choose,
        "best": train_best,
    }
    for name in args.stages:
        with attempt(report):
            stages[name]()
        report.add("", f"({name}: {time.time() - began:.0f} s since the start)")


if __name__ == "__main__":
    main()
