"""Device, precision and threads: chosen by measuring, kept on going on, refused where not there."""

import json

import pytest
import torch

from core.errors import LabError
from core.training import environment
from core.training.environment import Environment, faster_precision, resolve
from tests.made import tiny_config


@pytest.mark.parametrize(
    ("seconds", "faster"), [({"fp32": 2.0, "bf16": 1.0}, "bf16"), ({"fp32": 1.0, "bf16": 2.0}, "fp32")]
)
def test_auto_keeps_the_faster(monkeypatch, seconds, faster):
    monkeypatch.setattr(environment, "_step_seconds", lambda one, *_, **__: seconds[one.precision])
    faster_precision.cache_clear()
    assert resolve(tiny_config("train.precision=auto")).precision == faster
    faster_precision.cache_clear()


def test_a_candidate_that_cannot_run_is_not_chosen(monkeypatch):
    def seconds(one, *_, **__):
        if one.precision == "bf16":
            raise RuntimeError("no such kernel")
        return 1.0

    monkeypatch.setattr(environment, "_step_seconds", seconds)
    faster_precision.cache_clear()
    assert resolve(tiny_config("train.precision=auto")).precision == "fp32"
    faster_precision.cache_clear()


def test_the_probe_times_real_steps():
    seconds = environment._step_seconds(Environment("cpu", "fp32", 1), 8, 4, float("inf"))
    assert 0 < seconds < 60


def test_a_slow_candidate_is_given_up_at_its_first_timed_step(monkeypatch):
    ticks = iter([0.0, 1.0, 1.0, 2.0])
    monkeypatch.setattr(environment.time, "perf_counter", lambda: next(ticks))
    assert environment._step_seconds(Environment("cpu", "fp32", 1), 8, 4, limit=0.5) == 1.0


def test_what_was_recorded_is_used_again():
    recorded = {"device": "cpu", "precision": "bf16", "threads": 3}
    assert resolve(tiny_config("train.precision=fp32"), recorded) == Environment("cpu", "bf16", 3)


@pytest.mark.skipif(torch.cuda.is_available(), reason="has the device that must be missing")
def test_a_device_that_is_not_here_is_refused_with_those_that_are():
    with pytest.raises(LabError, match="cuda is not available on this computer; available: cpu"):
        resolve(tiny_config("train.device=cuda"))


def test_the_description_is_complete_and_speaks_json():
    told = Environment("cpu", "fp32", 2).describe()
    assert json.loads(json.dumps(told)) == told
    assert {"device", "precision", "threads", "python", "torch", "torchvision", "processor", "commit"} <= set(told)


def test_threads_are_claimed_for_the_calling_thread():
    before = torch.get_num_threads()
    Environment("cpu", "fp32", 1).claim_threads()
    assert torch.get_num_threads() == 1
    torch.set_num_threads(before)


def test_autocast_computes_in_the_precision():
    layer, x = torch.nn.Linear(4, 4), torch.zeros(1, 4)
    for precision, kind in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        with Environment("cpu", precision, 1).autocast():
            assert layer(x).dtype == kind
