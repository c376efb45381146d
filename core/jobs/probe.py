"""A short measurement of how fast this machine trains a network, for an estimate before the first run.

The trainer itself trains on random images, so a step costs as much as in a run.
"""

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from core.base.errors import LabError
from core.config.run_config import RunConfig
from core.config.sections import IMAGE_SIZE
from core.cost.machine import has_gpu
from core.cost.network import step_work
from core.cost.speed import Speed, fast, how, remember, shape
from core.cost.together import chosen, cores_each
from core.data.task import ImageSet, Normalization, Task
from core.records import BatchRecord
from core.runs.folder import this_host
from core.runs.store import RunStore
from core.training.environment import resolve
from core.training.evaluation import evaluate
from core.training.trainer import Trainer

#: Training ends after so many seconds; with the choice of a precision a measurement takes about five.
PROBE_SECONDS = 3.0
#: Steps that are not counted: they also prepare kernels and memory.
WARM_UP = 2
MAX_STEPS = 60
#: A step that costs more is measured with a smaller batch; large batches cost the same per image.
MAX_WORK = 16e9


def measure(config: RunConfig, store: RunStore) -> Speed:
    """Time a few training steps of a checked ``config``, keep the speed for estimates, and return it.

    Raises LabError while a run is training, which would slow the measurement, and for a missing device.
    """
    if any(run.at_work for run in store.summaries()):
        raise LabError("A run is training and would slow the measurement. Measure when it has finished.")
    cores = None if has_gpu() else cores_each(chosen(store))  # what a run has that waits alone
    # In a thread of its own: the number of threads that PyTorch uses is set per thread.
    with ThreadPoolExecutor(max_workers=1) as thread:
        speed = thread.submit(_measure, config, cores).result()
    remember(store, speed)
    return speed


def _measure(config: RunConfig, cores: int | None) -> Speed:
    environment = resolve(config, cores=cores)
    batch_size = _affordable_batch(config)
    measured = config.replace(
        {
            "train.lr": 1e-7,  # too small to diverge, whatever the config
            "train.epochs": 1_000,
            "train.early_stopping": "off",
            "augment.grow_from": IMAGE_SIZE,  # estimates count smaller crops themselves
            "train.batch_size": batch_size,
        }
    )
    task = random_task(measured, environment.torch_device)
    trainer = Trainer(measured, task, environment)
    seconds = _step_seconds(trainer)
    evaluation = 0.0
    for _ in range(3):  # the first evaluation prepares kernels
        began = time.perf_counter()
        evaluate(trainer.model, task.test, task.normalization, environment)
        evaluation = max(evaluation, len(task.test) / (time.perf_counter() - began))
    used = environment.device, environment.precision, environment.threads
    return Speed(this_host(), how(config), used, *shape(config), batch_size / seconds, evaluation, "probe")


def _affordable_batch(config: RunConfig) -> int:
    share = min(1.0, MAX_WORK / step_work(config))
    return max(1, int(config.train.batch_size * share))


def _step_seconds(trainer: Trainer) -> float:
    """Return the seconds of a training step, in the fastest quarter: other programs only make steps slower."""
    steps: list[float] = []
    began = last = time.perf_counter()
    records = trainer.train()
    for record in records:
        now = time.perf_counter()
        if isinstance(record, BatchRecord):  # not the evaluation between epochs
            steps.append(now - last)
        last = now
        if len(steps) > WARM_UP and (len(steps) >= MAX_STEPS or now - began > PROBE_SECONDS):
            records.close()
            break
    return 1 / fast((1 / seconds for seconds in steps[WARM_UP:]), share=0.25)


def random_task(config: RunConfig, device: torch.device) -> Task:
    """Return a task with random images and labels, a few thousand for training."""
    generator = torch.Generator().manual_seed(0)
    k = len(config.data.classes)

    def image_set(images: int) -> ImageSet:
        pixels = torch.randint(0, 256, (images, 3, IMAGE_SIZE, IMAGE_SIZE), dtype=torch.uint8, generator=generator)
        labels = torch.randint(0, k, (images,), generator=generator)
        return ImageSet(pixels.to(device), labels.to(device), np.arange(images))

    test = image_set(1_000)
    normalization = Normalization(torch.full((3, 1, 1), 0.5), torch.full((3, 1, 1), 0.25)).to(device)
    # Enough batches that evaluations between epochs are rare, and no more memory than a run needs.
    train = image_set(config.train.batch_size * max(4, min(MAX_STEPS, 20_000 // config.train.batch_size)))
    return Task(config.data.classes, train, test, test, normalization)
