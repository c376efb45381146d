"""A short measurement of how fast this machine trains a network, for an estimate before any run.

It trains on made-up pictures by the trainer itself, so that a step costs what a run's step costs.
"""

import statistics
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from core.base.errors import LabError
from core.config.run_config import RunConfig
from core.config.sections import IMAGE_SIZE
from core.cost.network import step_work
from core.cost.speed import Speed, how, remember, shape
from core.data.task import Normalization, Part, Task
from core.records import BatchRecord
from core.runs.folder import AT_WORK, this_host
from core.runs.store import RunStore
from core.training.environment import resolve
from core.training.evaluation import evaluate
from core.training.trainer import Trainer

#: Training steps stop after so many seconds; with the choice of a precision a probe takes about five.
PROBE_SECONDS = 3.0
#: The first steps also prepare kernels and memory.
WARM_UP = 2
MOST_STEPS = 60
#: A step that costs more is timed with fewer pictures, which by then cost the same each.
MOST_WORK = 16e9


def measure(config: RunConfig, store: RunStore) -> Speed:
    """Time a few training steps of a checked ``config``, keep the speed for estimates, and return it.

    Raises LabError while a run is training, because the two would slow each other, and for a device that
    is not here.
    """
    if any(state in AT_WORK for state in store.frame()["state"]):
        raise LabError("A run is training, and measuring beside it would tell a wrong speed. Measure when it is done.")
    # In a thread of its own: how many threads compute is a property of the thread that asks.
    with ThreadPoolExecutor(max_workers=1) as own:
        speed = own.submit(_measured, config).result()
    remember(store, speed)
    return speed


def _measured(config: RunConfig) -> Speed:
    environment = resolve(config)
    # A rate this low cannot make the loss infinite, however strange the config.
    probed = config.replace(
        {
            "train.lr": 1e-7,
            "train.epochs": 1_000,
            "train.early_stopping": "off",
            "augment.grow_from": IMAGE_SIZE,  # an estimate counts smaller windows by itself
            "train.batch_size": _affordable_batch(config),
        }
    )
    task = made_up_task(probed, environment.torch_device)
    trainer = Trainer(probed, task, environment)
    seconds = _step_seconds(trainer)
    evaluate(trainer.model, task.test, task.normalization, environment)  # prepares its kernels too
    began = time.perf_counter()
    evaluate(trainer.model, task.test, task.normalization, environment)
    evaluation = len(task.test) / (time.perf_counter() - began)
    used = environment.device, environment.precision, environment.threads
    training = probed.train.batch_size / seconds
    return Speed(this_host(), how(config), used, *shape(config), training, evaluation, "probe")


def _affordable_batch(config: RunConfig) -> int:
    share = min(1.0, MOST_WORK / step_work(config))
    return max(1, int(config.train.batch_size * share))


def _step_seconds(trainer: Trainer) -> float:
    """The median of timed training steps."""
    steps: list[float] = []
    began = last = time.perf_counter()
    records = trainer.train()
    for record in records:
        now = time.perf_counter()
        if isinstance(record, BatchRecord):  # what comes between two epochs is no step
            steps.append(now - last)
        last = now
        if len(steps) > WARM_UP and (len(steps) >= MOST_STEPS or now - began > PROBE_SECONDS):
            records.close()
            break
    return statistics.median(steps[WARM_UP:])


def made_up_task(config: RunConfig, device: torch.device) -> Task:
    """Noise for pictures and chance for labels, in parts of a few thousand: enough to train on for a moment."""
    chance = torch.Generator().manual_seed(0)
    k = len(config.data.classes)

    def part(images: int) -> Part:
        pixels = torch.randint(0, 256, (images, 3, 32, 32), dtype=torch.uint8, generator=chance)
        labels = torch.randint(0, k, (images,), generator=chance)
        return Part(pixels.to(device), labels.to(device), np.arange(images))

    test = part(1_000)
    normalization = Normalization(torch.full((3, 1, 1), 0.5), torch.full((3, 1, 1), 0.25)).to(device)
    # Enough batches that the time between epochs is rare, and no more memory than a run has.
    train = part(config.train.batch_size * max(4, min(MOST_STEPS, 20_000 // config.train.batch_size)))
    return Task(config.data.classes, train, test, test, normalization)
