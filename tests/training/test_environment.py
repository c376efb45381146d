"""Device, precision and threads: measured, recorded for resuming, refused where not available."""

import json
import threading
import time

import pytest
import torch

from core.base.errors import LabError
from core.data.task import load_task
from core.model import fused
from core.records import EpochRecord
from core.training import environment
from core.training.environment import Environment, resolve, threads
from core.training.trainer import Trainer
from tests.made import tiny_config


@pytest.fixture
def timed(monkeypatch):
    """Makes the steps of each precision take the given seconds; counts the steps."""
    taken = {"fp32": 0, "bf16": 0}

    def use(**seconds):
        def step(candidate, *_):
            def next_step():
                taken[candidate.precision] += 1
                given = seconds[candidate.precision]
                if isinstance(given, Exception):
                    raise given
                return given[min(taken[candidate.precision], len(given)) - 1]

            return next_step

        monkeypatch.setattr(environment, "_step", step)
        return taken

    monkeypatch.setattr(environment, "_may_have_bf16", lambda device: True)
    environment._choose_precision.cache_clear()
    yield use
    environment._choose_precision.cache_clear()


def test_auto_chooses_the_faster(timed):
    timed(fp32=[2.0], bf16=[1.0])
    assert resolve(tiny_config("train.precision=auto")).precision == "bf16"
    environment._choose_precision.cache_clear()
    timed(fp32=[1.0], bf16=[2.0])
    assert resolve(tiny_config("train.precision=auto")).precision == "fp32"


def test_a_choice_is_kept_for_a_while_and_made_anew_later(timed, monkeypatch):
    chosen = []
    for now, seconds in ((0, 1.0), (environment.CHOICE_SECONDS - 1, 3.0), (environment.CHOICE_SECONDS, 3.0)):
        monkeypatch.setattr(time, "monotonic", lambda now=now: now)
        timed(fp32=[seconds], bf16=[2.0])
        chosen.append(resolve(tiny_config("train.precision=auto")).precision)
    assert chosen == ["fp32", "fp32", "bf16"]


def test_a_busy_moment_does_not_decide(timed):
    """Both are slow at first; the one that is faster in an undisturbed step is chosen."""
    taken = timed(fp32=[9.0, 6.0, 6.0, 6.0, 1.0, 6.0], bf16=[3.0, 2.0])
    assert resolve(tiny_config("train.precision=auto")).precision == "fp32"
    assert taken["fp32"] > 5


def test_a_processor_without_the_instructions_is_not_timed(timed, monkeypatch):
    taken = timed(fp32=[2.0], bf16=[1.0])
    monkeypatch.setattr(environment, "_may_have_bf16", lambda device: False)
    assert resolve(tiny_config("train.precision=auto")).precision == "fp32"
    assert taken == {"fp32": 0, "bf16": 0}


@pytest.mark.parametrize(
    ("line", "has"), [("flags\t: fpu avx512f avx512_bf16", True), ("flags\t: fpu avx512f", False), ("other: x", True)]
)
def test_the_processor_is_asked_for_its_instructions(tmp_path, monkeypatch, line, has):
    (tmp_path / "cpuinfo").write_text(f"model name: x\n{line}\n")
    monkeypatch.setattr(environment, "Path", lambda path: tmp_path / "cpuinfo")
    assert environment._may_have_bf16("cpu") is has


@pytest.mark.parametrize(
    ("lines", "name"),
    [
        (
            "cpu family\t: 26\nmodel\t\t: 2\nmodel name\t: AMD EPYC\n\ncpu family\t: 1\n",
            "AMD EPYC (family 26, model 2)",
        ),
        ("cpu family\t: 25\nmodel\t\t: 17\nmodel name\t: AMD EPYC 9354\n", "AMD EPYC 9354"),
        ("model name\t: Some processor\n", "Some processor"),
    ],
)
def test_a_processor_with_a_vague_name_is_named_with_its_family(tmp_path, monkeypatch, lines, name):
    (tmp_path / "cpuinfo").write_text(lines)
    monkeypatch.setattr(environment, "Path", lambda path: tmp_path / "cpuinfo")
    assert environment.processor_name.__wrapped__() == name


def test_a_candidate_that_cannot_run_is_not_chosen(timed):
    timed(fp32=[1.0], bf16=RuntimeError("no such kernel"))
    assert resolve(tiny_config("train.precision=auto")).precision == "fp32"


def test_a_slow_candidate_is_given_up_at_its_first_step(timed):
    taken = timed(fp32=[1.0], bf16=[11.0])
    assert resolve(tiny_config("train.precision=auto")).precision == "fp32"
    assert taken == {"fp32": 2, "bf16": 1}


def test_steps_are_real():
    step = environment._step(Environment("cpu", "fp32", 1), 8, 4)
    assert 0 < step() < 60


def test_a_recorded_environment_is_used_again():
    recorded = {"device": "cpu", "precision": "bf16", "threads": 3}
    assert resolve(tiny_config("train.precision=fp32"), recorded) == Environment("cpu", "bf16", 3)


@pytest.mark.skipif(torch.cuda.is_available(), reason="has the device that must be missing")
def test_a_missing_device_is_refused():
    with pytest.raises(LabError, match=r"cuda is not available.*available: cpu"):
        resolve(tiny_config("train.device=cuda"))


def test_the_description_is_complete_and_json_ready():
    described = Environment("cpu", "fp32", 2).describe()
    assert json.loads(json.dumps(described)) == described
    assert {"device", "precision", "threads", "python", "torch", "torchvision", "processor", "commit"} <= set(described)


def test_all_threads_are_those_of_the_container(monkeypatch):
    monkeypatch.setattr(environment, "core_count", lambda: 3)
    assert resolve(tiny_config("train.threads=all")).threads == 3
    assert resolve(tiny_config("train.threads=5")).threads == 5


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


# --- kernels --------------------------------------------------------------------------------------


@pytest.fixture
def compiled(monkeypatch):
    """Makes the fused operator compiled, or not."""
    return lambda there: monkeypatch.setattr(fused, "load", lambda: there)


@pytest.mark.parametrize("there", [True, False])
def test_new_runs_on_the_cpu_use_the_fused_operator_if_it_is_compiled(compiled, there):
    compiled(there)
    chosen = resolve(tiny_config("train.device=cpu"))
    assert chosen.kernels == chosen.describe()["kernels"] == ("fused" if there else "stock")


def test_recorded_kernels_are_used_again_and_runs_from_before_had_pytorchs(compiled):
    compiled(True)
    recorded = {"device": "cpu", "precision": "fp32", "threads": 1}
    assert resolve(tiny_config(), recorded).kernels == "stock"
    for kernels in ("stock", "fused"):
        assert resolve(tiny_config(), recorded | {"kernels": kernels}).kernels == kernels
        assert resolve(tiny_config(), {"kernels": kernels}).kernels == kernels


def test_a_run_with_the_fused_operator_is_refused_where_that_is_missing(compiled):
    compiled(False)
    recorded = {"device": "cpu", "precision": "fp32", "threads": 1}
    with pytest.raises(LabError, match=r"fused operator.*not available"):
        resolve(tiny_config(), recorded | {"kernels": "fused"})
    with pytest.raises(LabError, match="“fussed”"):
        resolve(tiny_config(), recorded | {"kernels": "fussed"})


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_resuming_with_the_fused_operator_is_exact(precision):
    if not fused.load():
        pytest.skip("the fused operator is not compiled: run `python -m core.model.fused`")
    config = tiny_config("train.averaging=ema", "train.epochs=3")
    task = load_task(config, torch.device("cpu"))

    def new_trainer(kernels: str = "fused") -> Trainer:
        return Trainer(config, task, Environment("cpu", precision, 1, kernels))

    def train(trainer: Trainer, until: int) -> Trainer:
        for record in trainer.train():
            if isinstance(record, EpochRecord) and record.epoch == until:
                break
        return trainer

    straight, resumed = train(new_trainer(), 3), new_trainer()
    resumed.load(train(new_trainer(), 1).state())
    other = train(new_trainer("stock"), 3)
    resumed = train(resumed, 3)
    for name, tensor in straight.weights().items():
        assert torch.equal(tensor, resumed.weights()[name]), name
    assert not torch.equal(straight.weights()["conv.weight"], other.weights()["conv.weight"]), "it was not used"
    assert straight.history[-1].train_loss == pytest.approx(other.history[-1].train_loss, rel=0.05)


# --- several threads that train -------------------------------------------------------------------


compiled_only = pytest.mark.skipif(not fused.load(), reason="the fused operator is not compiled")


@pytest.mark.parametrize("kernels", ["stock", pytest.param("fused", marks=compiled_only)])
def test_a_thread_that_trains_keeps_its_number_of_threads_whatever_others_set(kernels):
    """The fused operator took the number that another thread had set last, at its first call in a thread."""
    claimed, changed, found = threading.Event(), threading.Event(), []

    def compute():
        Environment("cpu", "fp32", 3, kernels).claim_threads()
        claimed.set()
        assert changed.wait(60)
        if kernels == "fused":
            fused.first_call()
        torch.rand(2**16).sum()
        found.append(torch.get_num_threads())

    thread = threading.Thread(target=compute)
    thread.start()
    assert claimed.wait(60)
    with threads(1):
        changed.set()
        thread.join(60)
    assert found == [3]
