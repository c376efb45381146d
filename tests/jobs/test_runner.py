"""A run from its folder to its end: files, stopping, going on exactly, failing with a cause, extending."""

import itertools
import json
import os
import re
import shutil
import signal
import time
from dataclasses import asdict, replace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from core.base import files
from core.base.errors import LabError, RunBusy, StoreError
from core.cli.main import main
from core.config.run_config import RunConfig
from core.images.classify import Classifier
from core.jobs import recorder, runner
from core.jobs.evaluate import evaluate_best
from core.jobs.extend import extend
from core.jobs.runner import run, run_held
from core.jobs.worker import Worker
from core.model import fused
from core.runs.folder import SAVED_STATES, RunFolder
from core.runs.store import RunStore
from core.runs.transfer import export, import_runs
from core.training import environment
from core.training.step import TrainingStep
from tests.conftest import wait_for
from tests.made import tiny_config
from tests.programs import Program

AVERAGED = ("train.averaging=ema", "train.averaging_start=2", "augment.flip=alternating", "augment.translate=crop")
REPORT = (
    "train.optimizer=adam",
    "train.lr=0.001",
    "train.schedule=report",
    "train.milestones=1,2,3,4",
    "model.shortcut=report",
    "augment.translate=shift",
    "data.validation=test",
    "data.normalization=pixel-mean",
)


def ran(store: RunStore, *settings: str, **about) -> str:
    run_id = store.create(tiny_config(*settings), **about)
    status = run(store, run_id)
    assert status.error is None
    return run_id


def untimed(store: RunStore, run_id: str) -> list[dict]:
    """metrics.jsonl without what a clock decides."""
    return [
        {name: value for name, value in asdict(one).items() if name not in ("seconds", "images_per_second")}
        for one in store.run(run_id).records()
    ]


@pytest.fixture(scope="module")
def once(tmp_path_factory) -> tuple[RunFolder, RunFolder]:
    """Two runs of the same settings: one was trained to its end, and one stopped after three of its four epochs."""
    store = RunStore(tmp_path_factory.mktemp("once") / "runs")
    return store.run(ran(store)), store.run(stopped(store))


def copied(run: RunFolder, store: RunStore) -> str:
    """Copy a run into a store; return its id."""
    shutil.copytree(run.path, store.root / run.id)
    return run.id


@pytest.fixture
def straight(store, once) -> str:
    """A run that was never interrupted."""
    return copied(once[0], store)


@pytest.fixture
def halted(store, once) -> str:
    """A run like ``straight`` that was stopped after its third epoch."""
    return copied(once[1], store)


def same_weights(store: RunStore, first: str, second: str) -> bool:
    """Whether best and last weights of two runs are equal to the last bit."""
    best = [load_file(store.run(one).best_weights()) for one in (first, second)]
    last = [torch.load(store.run(one).last_state(), weights_only=True)["model"] for one in (first, second)]
    return all(torch.equal(a[name], b[name]) for a, b in (best, last) for name in a)


def test_a_finished_run_holds_every_fact(store, straight):
    run_id = straight
    folder = store.run(run_id).path
    assert store.run(run_id).status().state == "finished"
    records = store.run(run_id).records()
    assert [one.epoch for one in records] == [1, 2, 3, 4]
    assert len(records[0].val_loss_by_class) == 10
    best = max(records, key=lambda one: one.val_accuracy)
    assert store.run(run_id).status().best_epoch == best.epoch
    with safe_open(folder / "best.safetensors", "pt") as weights:
        assert weights.metadata()["epoch"] == str(best.epoch)
        assert {"input.mean", "input.std"} <= set(weights.keys())
    environment = store.run(run_id).meta().environment
    assert (environment["precision"], environment["threads"]) == ("fp32", 1)
    assert environment["torch"] == torch.__version__
    assert not (folder / "stop").exists() and not (folder / "progress.json").exists()
    assert "Finished after 4 epochs" in store.run(run_id).log()


def test_the_test_part_is_looked_at_once_at_the_end(store, straight):
    run_id = straight
    result = store.run(run_id).result()
    assert result["best"]["epoch"] == store.run(run_id).status().best_epoch
    assert result["best"]["images"] == sum(map(sum, result["best"]["confusion"])) == 200
    assert evaluate_best(store, run_id, "test")["accuracy"] == pytest.approx(result["best"]["accuracy"])
    validation = evaluate_best(store, run_id, "validation")
    assert validation["accuracy"] == pytest.approx(store.run(run_id).status().best_val_accuracy)
    assert store.run(ran(store, "data.validation=test")).result() is None


def test_an_evaluation_is_computed_as_the_run_was(store):
    run_id = ran(store, "train.precision=bf16", "train.epochs=1", "train.warmup_epochs=0", "data.train_size=300")
    (record,) = store.run(run_id).records()
    evaluation = evaluate_best(store, run_id)
    assert (evaluation["precision"], evaluation["device"], evaluation["as_trained"]) == ("bf16", "cpu", True)
    assert (evaluation["accuracy"], evaluation["loss"]) == (record.val_accuracy, record.val_loss)
    test = evaluate_best(store, run_id, "test")
    assert test["loss"] == store.run(run_id).result()["best"]["loss"]


def test_an_evaluation_elsewhere_says_so(store):
    run_id = ran(store, "train.epochs=1", "train.warmup_epochs=0")
    environment = store.run(run_id).meta().environment
    for elsewhere in ({"processor": "another one"}, {"device": "cuda"}):
        store.run(run_id).write_environment(environment | elsewhere)
        evaluation = evaluate_best(store, run_id)
        assert (evaluation["device"], evaluation["as_trained"]) == ("cpu", False)


def test_a_run_from_before_the_fused_operator_goes_on_without_it(store, monkeypatch):
    run_id = store.create(tiny_config("train.epochs=2"), environment={"kernels": "stock"})
    run(store, run_id, on_epoch=lambda _: store.queue.request_stop(run_id))
    recorded = store.run(run_id).meta().environment
    assert recorded.pop("kernels") == "stock"
    store.run(run_id).write_environment(recorded)
    monkeypatch.setattr(fused, "load", lambda: True)
    monkeypatch.setattr(fused, "norm_add_relu", None)  # cannot be called
    store.queue.enqueue(run_id)
    assert run(store, run_id).state == "finished"
    assert "kernels" not in store.run(run_id).meta().environment


@pytest.mark.parametrize("recipe", [AVERAGED, REPORT], ids=["sgd, one-cycle, averaging", "adam, report"])
def test_stopped_after_two_of_four_and_resumed_equals_four_straight(store, recipe):
    straight = ran(store, *recipe)
    stopped = store.create(tiny_config(*recipe))
    status = run(store, stopped, on_epoch=lambda line: line.epoch == 2 and store.queue.request_stop(stopped))
    assert (status.state, status.epoch) == ("stopped", 2)
    store.queue.enqueue(stopped)
    assert run(store, stopped).state == "finished"
    assert untimed(store, stopped) == untimed(store, straight)
    assert same_weights(store, stopped, straight)


KILLED = """
import os, signal, sys
from core.jobs.runner import run
from core.runs.store import RunStore
def on_batch(record):
    if (record.epoch, record.batch) == (3, 4):
        os.kill(os.getpid(), signal.SIGKILL)
run(RunStore(sys.argv[1]), sys.argv[2], on_batch=on_batch)
"""
RECIPES = {"sgd, one-cycle, averaging": AVERAGED, "adam, report": REPORT}


@pytest.fixture(scope="module")
def killed_once(tmp_path_factory) -> dict[str, RunFolder]:
    """A run of each recipe, killed in its third epoch."""
    store = RunStore(tmp_path_factory.mktemp("killed") / "runs")
    ids = [store.create(tiny_config(*recipe)) for recipe in RECIPES.values()]
    programs = [Program(store.root, run_id, code=KILLED) for run_id in ids]
    assert [program.wait() for program in programs] == [-signal.SIGKILL] * len(ids)
    return {name: store.run(run_id) for name, run_id in zip(RECIPES, ids, strict=True)}


@pytest.mark.parametrize("recipe", RECIPES)
def test_killed_in_the_third_epoch_and_resumed_equals_four_straight(store, killed_once, recipe):
    straight = ran(store, *RECIPES[recipe])
    killed = copied(killed_once[recipe], store)
    assert store.run(killed).stored_status().state == "running"
    assert store.run(killed).status().state == "interrupted"
    assert len(store.run(killed).records()) == 2
    assert store.queue.mark_interrupted() == [killed]
    store.queue.enqueue(killed)
    assert run(store, killed).state == "finished"
    assert untimed(store, killed) == untimed(store, straight)
    assert same_weights(store, killed, straight)


def test_killed_between_the_record_and_the_state_loses_nothing(store, straight, monkeypatch):
    """The line of epoch 3 is written, its state is not: going on writes that line again, once."""
    cut = store.create(tiny_config())
    real = RunFolder.write_state

    def die_at_third_state(self, content):
        if len(self.records()) == 3:
            raise KeyboardInterrupt
        real(self, content)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(RunFolder, "write_state", die_at_third_state)
        run(store, cut)
    assert len(store.run(cut).records()) == 3
    store.queue.enqueue(cut)
    run(store, cut)
    assert untimed(store, cut) == untimed(store, straight)
    assert same_weights(store, cut, straight)


def test_thread_command_line_and_test_give_the_same_metrics(store):
    config = tiny_config(*AVERAGED)
    here = ran(store, *AVERAGED)
    by_thread = store.create(config)
    worker = Worker(store)
    worker.start()
    wait_for(lambda: store.run(by_thread).status().state == "finished")
    worker.stop()
    path = store.root / "given.json"
    path.write_text(json.dumps(config.to_dict()))
    assert main(["train", "--config", str(path), "--runs", str(store.root), "--json"]) == 0
    by_command = store.ids()[0]
    assert by_command not in (here, by_thread)
    assert untimed(store, by_thread) == untimed(store, here) == untimed(store, by_command)
    assert same_weights(store, by_thread, by_command)


def test_stop_takes_effect_within_a_batch_and_discards_on_request(store):
    run_id = store.create(tiny_config())
    heard = []

    def on_batch(record):
        heard.append((record.epoch, record.batch))
        if heard[-1] == (2, 3):
            store.queue.request_stop(run_id, keep=False)

    assert run(store, run_id, on_batch=on_batch).state == "stopped"
    assert heard[-1] == (2, 3)
    assert run_id not in store.ids() and run_id in store.trash.ids()
    store.trash.restore(run_id)
    assert store.run(run_id).status().state == "stopped"
    assert len(store.run(run_id).records()) == 1


def test_a_new_run_held_from_the_start_is_discarded_on_request(store):
    with store.create_held(tiny_config()) as run_id:
        status = run_held(store, run_id, on_batch=lambda record: store.queue.request_stop(run_id, keep=False))
    assert status.state == "stopped"
    assert store.ids() == [] and store.trash.ids() == [run_id]


def test_progress_tells_where_the_epoch_is(store, monkeypatch):
    monkeypatch.setattr(recorder, "PROGRESS_SECONDS", 0.0)
    run_id = store.create(tiny_config("train.epochs=2"))
    seen = []
    run(store, run_id, on_batch=lambda record: seen.append(store.run(run_id).progress()))
    assert [(one.epoch, one.batch) for one in seen] == [(e, b) for e in (1, 2) for b in range(1, 11)]
    assert seen[0].batches == 10 and seen[0].seconds_left > seen[-1].seconds_left


def test_a_run_at_work_is_nobody_elses(store):
    run_id = store.create(tiny_config())
    with store.run(run_id).hold(), pytest.raises(RunBusy, match="working on run"):
        run(store, run_id)
    assert store.run(run_id).status().state == "queued"


def failing(monkeypatch, error: BaseException) -> None:
    def broken(*_: object) -> None:
        raise error

    monkeypatch.setattr(TrainingStep, "_step", broken)


def test_out_of_memory_advises_only_what_can_be_made_smaller(store, monkeypatch):
    failing(monkeypatch, MemoryError())
    error = run(store, store.create(tiny_config("train.batch_size=4"))).error
    assert "batch size" in error and "width" in error and "depth" not in error


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (MemoryError(), "ran out of memory"),
        (RuntimeError("CUDA out of memory. Tried to allocate"), "ran out of memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9"), "ran out of memory"),
        (ZeroDivisionError("a bug"), "ZeroDivisionError: a bug"),
    ],
)
def test_what_goes_wrong_ends_the_run_with_its_cause(store, monkeypatch, error, sentence):
    run_id = store.create(tiny_config())
    failing(monkeypatch, error)
    status = run(store, run_id)
    assert status.state == "failed" and sentence in status.error
    assert store.run(run_id).status() == status
    assert "Traceback" in store.run(run_id).log()


def test_divergence_fails_with_what_to_try(store):
    run_id = store.create(
        tiny_config("train.lr=10", "train.schedule=constant", "train.warmup_epochs=0", "train.weight_decay=1")
    )
    status = run(store, run_id)
    assert status.state == "failed" and "smaller learning rate" in status.error


def test_a_failed_run_can_be_retried_from_its_last_good_state(store, straight, monkeypatch):
    run_id = store.create(tiny_config())
    with monkeypatch.context() as patch:
        real = runner.Trainer._learning_rates
        patch.setattr(
            runner.Trainer,
            "_learning_rates",
            lambda self, epoch: [lr if epoch < 3 else 1e30 for lr in real(self, epoch)],
        )
        assert run(store, run_id).state == "failed"
    store.queue.enqueue(run_id)
    assert run(store, run_id).state == "finished"
    assert same_weights(store, run_id, straight)


def test_a_full_disk_fails_the_run_and_keeps_the_last_good_state(store, straight, monkeypatch):
    run_id = store.create(tiny_config())

    def full(descriptor):
        raise OSError(28, "No space left on device")

    def fill_disk(line):
        if line.epoch == 2:
            monkeypatch.setattr(files.os, "fsync", full)

    run(store, run_id, on_epoch=fill_disk)
    monkeypatch.undo()
    # Not even the failure could be written; the free lock tells that nobody is at work.
    assert store.run(run_id).status().state in ("failed", "interrupted")
    assert "disk is full" in store.run(run_id).log()
    assert [one.epoch for one in store.run(run_id).records()][:2] == [1, 2]
    store.queue.enqueue(run_id)
    assert run(store, run_id).state == "finished"
    assert same_weights(store, run_id, straight)


def test_a_disk_that_fills_up_inside_the_state_is_told_as_such(store, straight):
    """A limit on the size of files, which the state exceeds and the weights do not, refuses the write itself."""
    resource = pytest.importorskip("resource")
    limit = store.run(straight).best_weights().stat().st_size * 3 // 2
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    run_id = store.create(tiny_config())
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
        status = run(store, run_id)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert status.state == "failed"
    assert status.error.startswith("last.pt could not be written")


def test_a_run_that_returns_to_the_queue_is_never_stopped_and_ends_with_the_same_weights(store, straight, monkeypatch):
    run_id, other = (store.create(tiny_config()) for _ in range(2))
    states = []
    write_status = RunFolder.write_status
    monkeypatch.setattr(
        RunFolder, "write_status", lambda self, status: (states.append(status.state), write_status(self, status))[1]
    )
    assert run(store, run_id, on_epoch=lambda line: line.epoch == 2 and store.queue.request_return(run_id)).epoch == 2
    assert {*states} == {"running", "queued"}
    assert store.queue.ids() == [run_id, other]
    assert run(store, run_id, only_queued=True).state == "finished"
    assert same_weights(store, run_id, straight)


def test_a_run_that_was_asked_to_stop_does_not_return_to_the_queue(store):
    run_id = store.create(tiny_config())
    asked = []

    def stop_and_return(line):
        store.queue.request_stop(run_id)
        asked.append(store.queue.request_return(run_id))

    assert run(store, run_id, on_epoch=stop_and_return).state == "stopped"
    assert asked == [False]
    with pytest.raises(StoreError, match="stopped"):
        store.queue.request_return(run_id)


def test_a_run_without_the_state_to_go_on_from_keeps_what_it_has(store):
    run_id = store.create(tiny_config())
    run(store, run_id, on_epoch=lambda line: line.epoch == 2 and store.queue.request_stop(run_id))
    for name in SAVED_STATES:
        (store.run(run_id).path / name).unlink()
    before = {name: (store.run(run_id).path / name).read_bytes() for name in ("metrics.jsonl", "best.safetensors")}
    store.queue.enqueue(run_id)
    status = run(store, run_id)
    assert status.state == "failed" and "no saved state" in status.error
    assert before == {name: (store.run(run_id).path / name).read_bytes() for name in before}


def test_an_old_request_to_stop_does_not_stop_the_run_that_goes_on(store):
    run_id = store.create(tiny_config())
    run(store, run_id, on_epoch=lambda line: line.epoch == 2 and store.queue.request_stop(run_id))
    (store.run(run_id).path / "stop").write_text("discard")  # asked for just before its program was killed
    assert run(store, run_id).state == "finished"
    assert run_id in store.ids()


def test_a_damaged_state_is_told_and_a_pickle_in_its_place_does_not_run(store, tmp_path):
    run_id = store.create(tiny_config())
    run(store, run_id, on_epoch=lambda line: store.queue.request_stop(run_id))
    trap = tmp_path / "trap"

    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(trap),)

    for content in (b"", b"PK\x03\x04 not a state", (store.run(run_id).path / "last.pt").read_bytes()[:500]):
        store.run(run_id).write_file("last.pt", content)
        store.queue.enqueue(run_id)
        status = run(store, run_id)
        assert status.state == "failed" and "last.pt" in status.error and "damaged" in status.error
    torch.save(Trap(), store.run(run_id).path / "last.pt")
    store.run(run_id).checksums.record()
    store.queue.enqueue(run_id)
    assert run(store, run_id).state == "failed"
    assert not trap.exists()


def test_without_the_data_the_run_says_what_to_do(store, monkeypatch, tmp_path):
    monkeypatch.setenv("RESNET_LAB_DATA", str(tmp_path / "nothing"))
    run_id = store.create(tiny_config())
    status = run(store, run_id)
    assert status.state == "failed" and "resnet-lab data" in status.error


def test_an_edited_config_fails_its_run_alone(store):
    run_id = store.create(tiny_config())
    files = store.run(run_id).checksums
    files.write("config.json", files.read("config.json").replace(b'"epochs": 4', b'"epochs": "four"'))
    status = run(store, run_id)
    assert status.state == "failed" and "train.epochs" in status.error


CONSTANT = ("train.schedule=constant", "train.warmup_epochs=0")


def test_extending_equals_having_trained_longer(store):
    longer = ran(store, *CONSTANT, "train.epochs=5")
    parent = ran(store, *CONSTANT, "train.epochs=3")
    child = extend(store, parent, 5)
    assert store.run(child).meta().parent == parent
    assert store.run(child).status().state == "queued"
    assert run(store, child).state == "finished"
    assert untimed(store, child) == untimed(store, longer)
    assert same_weights(store, child, longer)
    assert len(store.run(parent).records()) == 3


def test_a_run_that_stopped_early_is_extended_in_earnest(store):
    early = ("train.early_stopping=accuracy", "train.patience=1", "train.min_delta=1", "augment.grow_from=24")
    parent = ran(store, *CONSTANT, *early, "train.epochs=30", "augment.grow_until=0.75")
    assert store.run(parent).status().epoch < 10
    child = extend(store, parent, 12)
    assert run(store, child).epoch == 12
    assert store.run(child).config().augment.grow_until == 1.0


def test_a_run_whose_patience_ended_with_its_last_epoch_is_extended_in_earnest(store):
    early = ("train.early_stopping=accuracy", "train.patience=2", "train.min_delta=1")
    parent = ran(store, *CONSTANT, *early, "train.epochs=3")
    assert store.run(parent).status().epoch == 3
    assert run(store, extend(store, parent, 5)).epoch == 5


def test_windows_that_have_grown_stay_whole_in_a_longer_run(store):
    parent = ran(store, *CONSTANT, "train.epochs=3", "augment.grow_from=24", "augment.grow_until=1")
    child = store.run(extend(store, parent, 7)).config()
    assert store.run(parent).config().crop_sizes() == [24, 24, 28]
    assert child.crop_sizes()[:3] == [24, 24, 28]
    assert child.crop_sizes()[3:] == [32] * 4


def test_a_child_waits_with_everything_its_parent_knew(store):
    """Whoever takes it, and however soon: it is whole from the instant it can be seen."""
    parent = ran(store, *CONSTANT, "train.epochs=2")
    child = extend(store, parent, 3)
    known = store.run(parent).meta().environment
    assert store.run(child).meta().environment == {
        name: known[name] for name in ("device", "precision", "threads", "kernels")
    }
    for name in ("best.safetensors", "last.pt"):
        assert (store.run(child).path / name).read_bytes() == (store.run(parent).path / name).read_bytes()
    store.trash.put(child)


def test_files_an_epoch_apart_are_made_to_agree_with_the_state(store, straight):
    """As a copy made while the run was trained has them: the state of epoch 3, best and record of epoch 1."""
    run_id = store.create(tiny_config())
    folder, early = store.run(run_id).path, {}

    def on_epoch(line):
        if line.epoch == 1:
            early.update({name: (folder / name).read_bytes() for name in ("best.safetensors", "metrics.jsonl")})
        if line.epoch == 3:
            store.queue.request_stop(run_id)

    run(store, run_id, on_epoch=on_epoch)
    assert store.run(run_id).status().best_epoch > 1
    for name, content in early.items():
        (folder / name).write_bytes(content)
    store.queue.enqueue(run_id)
    assert run(store, run_id).state == "finished"
    assert untimed(store, run_id) == untimed(store, straight)
    assert same_weights(store, run_id, straight)
    assert store.run(run_id).result() == store.run(straight).result()


def test_a_state_of_before_it_kept_the_best_weights_goes_on(store, straight, halted):
    run_id, path = halted, store.run(halted).last_state()
    state = torch.load(path, weights_only=True)
    torch.save({name: part for name, part in state.items() if name != "best"}, path)
    store.run(run_id).checksums.record()
    store.queue.enqueue(run_id)
    assert run(store, run_id).state == "finished"
    assert same_weights(store, run_id, straight)


@pytest.mark.parametrize("best", [{"stem.weight": torch.zeros(2)}, {"x": "y"}, [1], "text", {}], ids=str)
def test_a_state_with_another_networks_best_weights_is_refused(store, best):
    run_id = store.create(tiny_config("train.epochs=2"))
    run(store, run_id, on_epoch=lambda line: store.queue.request_stop(run_id))
    path, before = store.run(run_id).last_state(), store.run(run_id).best_weights().read_bytes()
    torch.save({**torch.load(path, weights_only=True), "best": best}, path)
    store.run(run_id).checksums.record()
    store.queue.enqueue(run_id)
    status = run(store, run_id)
    assert status.state == "failed" and "does not fit this configuration" in status.error
    assert store.run(run_id).best_weights().read_bytes() == before


def test_extending_is_refused_with_the_reason(store):
    finished = ran(store, "train.epochs=2")
    with pytest.raises(StoreError, match="one-cycle schedule has brought the learning rate to zero"):
        extend(store, finished, 4)
    constant = ran(store, *CONSTANT, "train.epochs=2")
    with pytest.raises(LabError, match="has 2 epochs already"):
        extend(store, constant, 2)
    with pytest.raises(RunBusy, match="queued"):
        extend(store, store.create(tiny_config()), 8)
    with pytest.raises(StoreError, match="finished; extend it"):
        run(store, constant)


def test_weights_of_another_network_are_refused(store):
    first, second = ran(store, "train.epochs=2"), ran(store, "train.epochs=2", "model.width=4")
    store.run(first).write_file("best.safetensors", store.run(second).best_weights().read_bytes())
    with pytest.raises(StoreError, match="belongs to another network"):
        evaluate_best(store, first)
    store.run(first).write_file("best.safetensors", b"no weights")
    with pytest.raises(StoreError, match="damaged"):
        evaluate_best(store, first)


def test_a_pair_has_two_outputs(store):
    run_id = ran(store, "data.classes=deer,dog", "train.epochs=2")
    assert load_file(store.run(run_id).best_weights())["classifier.weight"].shape == (2, 32)
    assert len(store.run(run_id).records()[0].val_accuracy_by_class) == 2
    assert store.run(run_id).config() == RunConfig.from_dict(
        tiny_config("data.classes=dog,deer", "train.epochs=2").to_dict()
    )


# --- one precision for what is compared -----------------------------------------------------------


@pytest.fixture
def choices(monkeypatch):
    """In place of timing: ``auto`` chooses fp32, then bf16, then fp32 again, as under a changing load."""
    turns = itertools.cycle(("fp32", "bf16"))
    monkeypatch.setattr(environment, "faster_precision", lambda *_: next(turns))
    monkeypatch.setattr(environment, "_may_have_bf16", lambda _: True)


SHORT = ("train.precision=auto", "train.epochs=1", "train.warmup_epochs=0", "data.train_size=300")


def precision_of(store: RunStore, run_id: str) -> str:
    return store.run(run_id).meta().environment["precision"]


def test_auto_chooses_one_precision_for_a_study(store, choices):
    rates = [store.create(tiny_config(*SHORT, f"train.lr={lr}"), study="a-study") for lr in (0.1, 0.2, 0.3)]
    alone = store.create(tiny_config(*SHORT, "train.lr=0.4"))
    for run_id in (*rates, alone):
        run(store, run_id)
    assert [precision_of(store, run_id) for run_id in rates] == ["fp32"] * 3
    assert precision_of(store, alone) == "bf16", "a run of its own chooses by itself"
    later = store.create(tiny_config(*SHORT, "train.lr=0.5"), study="a-study")
    run(store, later)
    assert precision_of(store, later) == "fp32"


def test_auto_chooses_one_precision_for_seeds_that_are_started_together(store, choices):
    seeds = [store.create(tiny_config(*SHORT, f"train.seed={seed}")) for seed in (0, 1)]
    for run_id in seeds:
        run(store, run_id)
    assert [precision_of(store, run_id) for run_id in seeds] == ["fp32", "fp32"]
    status = store.run(seeds[0]).status()
    for run_id in seeds:
        store.run(run_id).write_status(replace(status, started_at=time.time() - 3_600))
    later = store.create(tiny_config(*SHORT, "train.seed=2"))
    run(store, later)
    assert precision_of(store, later) == "bf16", "an hour later the machine may be quiet"


def test_a_precision_that_the_person_chose_is_kept(store, choices):
    run(store, store.create(tiny_config(*SHORT), study="a-study"))
    chosen = store.create(tiny_config(*SHORT, "train.precision=bf16", "train.lr=0.2"), study="a-study")
    run(store, chosen)
    assert precision_of(store, chosen) == "bf16"


def test_bf16_is_not_taken_over_by_a_machine_that_would_emulate_it(store, choices, monkeypatch):
    first = store.create(tiny_config(*SHORT), study="a-study", environment={"precision": "bf16"})
    monkeypatch.setattr(environment, "_may_have_bf16", lambda _: False)
    run(store, first)
    assert precision_of(store, first) == "fp32"


# --- states and weights belong to their run; the state before the last ----------------------------


def stopped(store, *settings, after=3):
    """A real run that was stopped after some epochs."""
    run_id = store.create(tiny_config(*settings))
    assert run(store, run_id, on_epoch=lambda line: line.epoch == after and store.queue.request_stop(run_id))
    assert store.run(run_id).status().state == "stopped"
    return run_id


def resumed(store, run_id):
    store.queue.enqueue(run_id)
    return run(store, run_id)


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("recorded", [True, False])
def test_the_state_of_another_run_is_refused(store, halted, recorded):
    """Whatever the record says: the other run has the same settings, and the file may be recorded as it is."""
    run_id, other = halted, stopped(store)
    for name in ("last.pt", "previous.pt"):
        shutil.copy(store.run(other).path / name, store.run(run_id).path / name)
    if recorded:
        store.run(run_id).checksums.record()
    status = resumed(store, run_id)
    assert status.state == "failed" and "last.pt" in status.error and run_id in status.error
    assert (other in status.error) == recorded and ("SHA-256" in status.error) != recorded


def test_a_state_of_another_configuration_is_refused(store, halted):
    run_id = halted
    files = store.run(run_id).checksums
    for name in ("last.pt", "previous.pt"):
        state = torch.load(store.run(run_id).path / name, weights_only=True)
        state["config"]["train"]["lr"] = 0.123
        torch.save(state, store.run(run_id).path / name)
    files.record()
    status = resumed(store, run_id)
    assert status.state == "failed" and "train.lr 0.123" in status.error and "configuration" in status.error


def test_weights_of_another_configuration_are_refused(store):
    first, second = ran(store, "train.epochs=2"), ran(store, "train.epochs=2", "train.seed=7")
    store.run(first).write_file("best.safetensors", store.run(second).read_weights())
    for use in (lambda: evaluate_best(store, first), lambda: Classifier.load(store, first)):
        with pytest.raises(StoreError, match=r"best\.safetensors.*train\.seed 7"):
            use()


def test_equal_weights_are_equal_files_that_name_their_configuration(store, straight):
    first, second = straight, ran(store)
    assert store.run(first).read_weights() == store.run(second).read_weights()
    with safe_open(store.run(first).best_weights(), framework="pt") as file:
        metadata = file.metadata()
    assert list(metadata) and RunConfig.from_dict(json.loads(metadata["config"])) == store.run(first).config()
    state = torch.load(store.run(first).last_state(), weights_only=True)
    assert state["run"] == first and RunConfig.from_dict(state["config"]) == store.run(first).config()


@pytest.mark.parametrize("fault", ["flipped", "missing", "empty", "another run's"])
def test_a_damaged_state_costs_an_epoch_and_not_the_run(store, straight, halted, fault):
    run_id, path = halted, store.run(halted).path / "last.pt"
    if fault == "flipped":
        flip(path)
    elif fault == "missing":  # as after a crash between two renames
        path.unlink()
    elif fault == "empty":
        path.write_bytes(b"")
    else:
        path.write_bytes(store.run(stopped(store, after=1)).read_state())
    began = []
    store.queue.enqueue(run_id)
    assert run(store, run_id, on_epoch=lambda line: began.append(line.epoch)).state == "finished"
    assert began == [3, 4]
    assert untimed(store, run_id) == untimed(store, straight) and same_weights(store, run_id, straight)
    assert store.run(run_id).result() == store.run(straight).result()
    log = store.run(run_id).log()
    assert "last.pt" in log and "state before it" in log
    assert store.run(run_id).checksums.problems() == {}


def test_two_damaged_states_are_explained_and_left_alone(store, halted):
    run_id = halted
    for name in ("last.pt", "previous.pt"):
        flip(store.run(run_id).path / name)
    before = {name: (store.run(run_id).path / name).read_bytes() for name in ("last.pt", "previous.pt")}
    status = resumed(store, run_id)
    assert status.state == "failed" and "last.pt" in status.error and "previous.pt" in status.error
    assert "resnet-lab check" in status.error
    assert {name: (store.run(run_id).path / name).read_bytes() for name in before} == before


def test_the_state_before_the_last_is_kept_until_the_run_is_finished(store, halted):
    run_id = halted
    states = [torch.load(store.run(run_id).path / name, weights_only=True) for name in ("last.pt", "previous.pt")]
    assert [len(state["history"]) for state in states] == [3, 2]
    assert store.run(run_id).checksums.problems() == {}
    assert resumed(store, run_id).state == "finished"
    assert store.run(run_id).states() == ["last.pt"]
    assert len((store.run(run_id).path / "checksums.txt").read_text().splitlines()) == 10
    assert store.run(run_id).checksums.problems() == {}


def test_a_finished_folder_holds_no_unrecorded_file(store, straight):
    names = {path.name for path in store.run(straight).path.iterdir()} - {".lock", "checksums.txt"}
    assert names == set(store.run(straight).checksums.listed())


def test_a_child_continues_from_its_parents_state_wherever_it_is_moved(store, tmp_path):
    parent = ran(store, *CONSTANT, "train.epochs=3")
    child = extend(store, parent, 4)
    with (tmp_path / "child.zip").open("wb") as file:
        export(store, [child], file)
    elsewhere = RunStore(tmp_path / "elsewhere")
    assert import_runs(elsewhere, tmp_path / "child.zip", "child.zip").done == [child]
    assert resumed(elsewhere, child).state == "finished"
    grandchild = extend(elsewhere, child, 5)
    assert run(elsewhere, grandchild).epoch == 5


@pytest.mark.parametrize("name", ["last.pt", "best.safetensors", "config.json", "metrics.jsonl"])
def test_a_damaged_file_is_neither_extended_nor_exported(store, name, tmp_path):
    run_id = ran(store, *CONSTANT, "train.epochs=2")
    flip(store.run(run_id).path / name)
    with pytest.raises(StoreError, match=re.escape(name)):
        extend(store, run_id, 4)
    with (tmp_path / "runs.zip").open("wb") as file, pytest.raises(StoreError, match=f"{re.escape(name)}.*check"):
        export(store, [run_id], file)


def test_epochs_that_were_damaged_are_made_whole_by_resuming(store, straight, halted):
    run_id = halted
    flip(store.run(run_id).path / "metrics.jsonl")
    assert resumed(store, run_id).state == "finished"
    assert untimed(store, run_id) == untimed(store, straight)


def test_a_run_from_before_is_recorded_when_it_is_trained(store, halted):
    run_id = halted
    (store.run(run_id).path / "checksums.txt").unlink()
    assert resumed(store, run_id).state == "finished"
    files = store.run(run_id).checksums
    assert files.recorded_later and files.problems() == {}
