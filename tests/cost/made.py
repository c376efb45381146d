"""Runs and measurements with a known speed, for the tests of estimates."""

from dataclasses import replace

from core.config.presets import PRESETS
from core.cost.speed import Speed, how, shape
from core.runs.folder import this_host
from tests.made import made_record, made_run

MACHINE = {"device": "cpu", "precision": "fp32", "threads": 2}
QUICK = PRESETS["quick"].config


def timed_run(store, config=QUICK, speed=500.0, epochs=4, environment=MACHINE, host=None, evaluation=5_000.0):
    """Make a finished run of ``config`` that trained at ``speed`` and evaluated at ``evaluation``; return its id."""
    run_id = made_run(store, epochs=0, config=config)
    run, sizes, seconds = store.run(run_id), config.data.sizes(), 0.0
    for epoch in range(1, epochs + 1):
        seconds += sizes.train / speed + sizes.validation / evaluation
        size = len(config.data.classes), sizes.train, config.train.batch_size
        run.append_record(made_record(epoch, *size, images_per_second=speed, seconds=seconds))
    run.write_environment(environment)
    run.write_status(replace(run.stored_status(), host=host or this_host(), epoch=epochs))
    return run_id


def made_speed(config, training=500.0):
    """Return a measurement of ``config``."""
    return Speed(this_host(), how(config), ("cpu", "fp32", 2), *shape(config), training, 3 * training, "probe")
