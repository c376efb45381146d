"""Training on another computer, without one: what a delivery holds, and that nothing differs from training at home."""

import threading
import time

import numpy as np
import pytest

from core.data import cifar10
from core.jobs import remote
from core.jobs.extend import extend
from core.jobs.recorder import Recorder
from core.jobs.remote import LaboratorySilent, Outbox, RemoteTrainer, RunCopy
from core.jobs.runner import run
from core.runs.folder import LAST
from tests.made import made_progress, made_record, tiny_config


def outbox(state_seconds=0.0):
    return Outbox(RunCopy("a-run", tiny_config().to_dict(), {}), state_seconds)


def test_a_slow_laboratory_gets_all_epochs_and_the_newest_state_and_weights():
    box = outbox()
    box.epoch(made_record(1), b"state 1", b"weights 1")
    box.epoch(made_record(2), b"state 2", b"weights 2")
    box.epoch(made_record(3), b"state 3", None)
    box.batch(made_progress(4, batch=1))
    box.batch(made_progress(4, batch=2))
    delivery = box.fetch(0, 0)
    assert delivery.calls == (
        ("epochs", ((made_record(1), made_record(2), made_record(3)), b"state 3", b"weights 2")),
        ("batch", (made_progress(4, batch=2),)),
    )
    assert (delivery.number, delivery.ended, delivery.lost) == (1, False, False)
    assert box.fetch(1, 0).calls == ()


def test_a_delivery_that_did_not_arrive_is_sent_again():
    box = outbox()
    box.log("a line")
    first = box.fetch(0, 0)
    box.log("another line")
    assert box.fetch(0, 0) == first
    assert [call[1] for call in box.fetch(1, 0).calls] == [("another line",)]


def test_with_many_runs_a_state_is_sent_at_times_and_at_the_end():
    box = outbox(state_seconds=1_000)
    sent = []
    for epoch in (1, 2, 3):
        box.epoch(made_record(epoch), b"state %d" % epoch, b"weights" if epoch == 2 else None)
        sent += box.fetch(epoch - 1, 0).calls
    box.end("stopped")
    box.log("Stopped.")
    sent += box.fetch(3, 0).calls
    assert [arguments[1:] for name, arguments in sent if name == "epochs"] == [
        (b"state 1", None),  # without it, the run could not continue
        (None, None),
        (None, None),
        (b"state 3", b"weights"),
    ]
    assert [name for name, _ in sent] == ["epochs", "epochs", "epochs", "epochs", "end", "log"]


def test_a_fetch_gathers_what_is_new_until_the_training_ends():
    box, deliveries = outbox(), []
    fetching = threading.Thread(target=lambda: deliveries.append(box.fetch(0, 600)))  # it does not last so long
    fetching.start()
    box.epoch(made_record(1), b"state 1", None)
    box.log("more")
    box.close()
    fetching.join()
    (delivery,) = deliveries
    assert [name for name, _ in delivery.calls] == ["epochs", "log"] and delivery.ended


def test_a_training_that_nobody_fetches_ends_itself(monkeypatch):
    box = outbox()
    assert box.stop_requested() is False
    box.stop()
    assert box.stop_requested() is True
    monkeypatch.setattr(remote, "LOST_SECONDS", -1.0)
    with pytest.raises(LaboratorySilent):
        box.stop_requested()


# --- a whole run ----------------------------------------------------------------------------------


def train_away(store, run_id, each=lambda trainer, delivery: None):
    """Train a run as on another computer, whose deliveries arrive here; ``each`` is called after every one."""

    def train(store, folder, recorder, on_batch, on_epoch):
        assert folder.stored_status().on_cluster
        images = cifar10.load()
        trainer = RemoteTrainer()
        config, recorded = folder.config(), folder.meta().environment
        if "torch" not in recorded:
            recorded = trainer.environment(config.to_dict(), recorded, 1)
            recorder.environment(recorded)
        saved = {name: folder.read_state(name) for name in folder.states()}
        weights = folder.read_weights() if saved else None
        copy = RunCopy(
            folder.id, config.to_dict(), recorded, folder.meta().parent, tuple(folder.records()), saved, weights
        )
        trainer.start(copy, images.images, images.labels)
        received, delivery = 0, None
        while delivery is None or not delivery.ended:
            delivery = trainer.fetch(received, 0.05)
            received = delivery.number
            for name, arguments in delivery.calls:
                getattr(recorder, name)(*arguments)
            each(trainer, delivery)

    return run(store, run_id, train=train)


def same(first, second):
    """Whether two runs have the same weights, curves, results and predictions, to the last bit."""
    states = [np.frombuffer(one.read_weights()[-1_000:], np.uint8) for one in (first, second)]
    curves = [[(record.train_loss, record.val_loss) for record in one.records()] for one in (first, second)]
    answers = [one.predictions().answers("test", "last").logits for one in (first, second)]
    return (
        first.read_weights() == second.read_weights()
        and np.array_equal(*states)
        and curves[0] == curves[1]
        and first.result() == second.result()
        and np.array_equal(*answers)
    )


def test_a_run_trained_away_equals_one_trained_at_home_also_after_a_stop(store):
    home, away = (store.create(tiny_config("train.epochs=3", "data.train_size=300")) for _ in range(2))
    assert run(store, home).state == "finished"
    seen = []

    def stop_once(trainer, delivery):
        seen.extend(name for name, _ in delivery.calls)
        if "epochs" in seen and "end" not in seen:
            trainer.stop()

    assert train_away(store, away, stop_once).state == "stopped"
    reached = len(store.run(away).records())
    assert 1 <= reached < 3 and store.run(away).states()[0] == LAST
    assert train_away(store, away).state == "finished"
    assert same(store.run(home), store.run(away))
    log = store.run(away).log()
    assert "Training from epoch 1 to 3" in log and f"Training from epoch {reached + 1} to 3" in log
    assert not store.run(away).stored_status().on_cluster
    assert store.run(away).status().best_epoch == store.run(home).status().best_epoch


def test_an_extended_run_trained_away_equals_one_at_home(store):
    parent = store.create(tiny_config("train.epochs=1", "train.warmup_epochs=0", "train.schedule=constant"))
    assert run(store, parent).state == "finished"
    home, away = extend(store, parent, 2), extend(store, parent, 2)
    assert run(store, home).state == train_away(store, away).state == "finished"
    assert [record.epoch for record in store.run(away).records()] == [1, 2]
    assert same(store.run(home), store.run(away))


def test_a_failure_away_is_in_the_status(store, monkeypatch):
    def broken(*arguments):
        raise ZeroDivisionError("no images")

    monkeypatch.setattr("core.data.task.make_task", broken)
    run_id = store.create(tiny_config())
    status = train_away(store, run_id)
    assert status.state == "failed" and "ZeroDivisionError: no images" in status.error
    assert "Traceback" in store.run(run_id).log()


def test_epochs_that_arrive_without_a_state_are_trained_again(store):
    run_id = store.create(tiny_config("train.epochs=3", "data.train_size=300"))
    recorder = Recorder(store.run(run_id))
    recorder.start()
    recorder.epochs((made_record(1), made_record(2)), b"state", b"weights")
    recorder.epochs((made_record(3),), None, None)
    assert [record.epoch for record in store.run(run_id).records()] == [1, 2, 3]
    assert (recorder.status.epoch, recorder.status.best_epoch) == (3, 2)
    recorder.epochs((), b"a later state", b"better weights")
    assert store.run(run_id).read_state() == b"a later state"
    assert (recorder.status.epoch, recorder.status.best_epoch) == (3, 3)
    recorder.resume((made_record(1),), None)
    assert len(store.run(run_id).records()) == recorder.status.epoch == 1


def test_nothing_is_fetched_for_a_moment_and_the_training_goes_on(monkeypatch):
    box = outbox()
    monkeypatch.setattr(remote, "LOST_SECONDS", 0.5)
    time.sleep(0.2)
    box.fetch(0, 0)
    time.sleep(0.4)
    assert box.stop_requested() is False
