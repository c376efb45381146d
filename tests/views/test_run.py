"""The Run page: which run it shows, how far it is, and its key figures, each from the run's files."""

import json
import time
from dataclasses import replace

import pytest

from core.config.run_config import RunConfig
from core.records import BatchRecord
from core.runs.store import RunStore
from core.views import run as run_views
from tests.made import made_record, made_run

PROGRESS = {
    "epoch": 3,
    "epochs": 4,
    "batch": 25,
    "batches": 100,
    "loss": 1.5,
    "accuracy": 0.5,
    "lr": 0.1,
    "images_per_second": 2134.4,
    "seconds_left": 200.0,
}


def seen(store: RunStore, run_id: str) -> run_views.RunView:
    return run_views.read_view(store, run_id, "a run")


def shown(store: RunStore, wanted: str | None = None) -> tuple[str | None, str | None]:
    return run_views.choose_run(store, store.runs(), wanted)


@pytest.fixture
def at_work(store):
    """A run in its third epoch of four, held as by the process that trains it."""
    run_id = made_run(store, 2, "running")
    config = store.run(run_id).config().replace({"train.epochs": 4})
    store.run(run_id).checksums.write("config.json", json.dumps(config.to_dict()))
    store.run(run_id).write_progress(BatchRecord(**PROGRESS))
    with store.run(run_id).hold():
        yield run_id


def test_a_running_run_is_shown_before_newer_ones(store, at_work):
    made_run(store)
    assert shown(store) == (at_work, None)


def test_otherwise_the_newest_run_is_shown(store):
    assert shown(store) == (None, None)
    made_run(store)
    newest = made_run(store)
    assert shown(store) == (newest, None)


def test_a_run_is_chosen_by_id_or_name(store):
    old = made_run(store, name="old one")
    made_run(store)
    assert shown(store, old) == shown(store, "old one") == (old, None)


def test_instead_of_an_unknown_run_another_one_is_shown_with_a_sentence(store):
    run_id = made_run(store)
    for wish in ("20200101-000000-abcd", "../../etc/passwd", "nobody"):
        found, problem = shown(store, wish)
        assert found == run_id
        assert problem.startswith("There is no run")


def test_a_damaged_run_is_reported_and_not_shown(store):
    good, bad = made_run(store), made_run(store)
    (store.root / bad / "config.json").write_text("{")
    assert shown(store) == (good, None)
    found, problem = shown(store, bad)
    assert found == good
    assert "config.json" in problem and "damaged" in problem


def test_the_progress_of_a_running_run(store, at_work):
    view = seen(store, at_work)
    assert (
        run_views.status_text(store, view)
        == "Epoch 3 of 4 · batch 25 of 100 · loss 1.5000 · 2,134 images/s · 3 min left"
    )
    assert run_views.share_of_epoch(view) == 0.25
    assert run_views.share_done(view) == 2.25 / 4
    assert run_views.tab_title(view) == "56% · a run"


def test_before_its_first_batch_a_run_is_getting_ready(store, at_work):
    (store.root / at_work / "progress.json").unlink()
    view = seen(store, at_work)
    assert run_views.status_text(store, view).startswith("Getting ready")
    assert run_views.share_done(view) == 0.5


def test_a_stop_request_is_shown(store, at_work):
    store.queue.request_stop(at_work)
    assert run_views.status_text(store, seen(store, at_work)) == "Stopping after this batch."


def test_the_place_in_the_queue(store):
    first, second, third = (made_run(store, 0, "queued") for _ in range(3))
    for at, run_id in enumerate((first, second, third)):
        store.run(run_id).write_status(replace(store.run(run_id).status(), queued_at=float(at)))
    texts = [run_views.status_text(store, seen(store, run_id)) for run_id in (first, second, third)]
    assert texts == ["Waiting: next in the queue.", "Waiting: 1 run before it.", "Waiting: 2 runs before it."]


def test_how_a_run_ended(store):
    assert run_views.status_text(store, seen(store, made_run(store, 4))) == "Trained 4 of 4 epochs in 30 s."
    pruned = made_run(store, 2, "stopped", study="20261128-010245-n83m", trial=7)
    store.run(pruned).mark_pruned(1)
    assert "step 1;" in run_views.status_text(store, seen(store, pruned))
    failed = seen(store, made_run(store, state="failed"))
    assert run_views.problem_text(failed) == failed.run.status.error != ""
    dead = seen(store, made_run(store, state="running"))  # nobody holds its lock
    assert dead.run.state == "interrupted"
    assert dead.progress is None
    assert run_views.problem_text(dead) == "The program that trained this run ended before the run did."
    assert run_views.problem_text(seen(store, made_run(store))) is None


def test_key_figures_are_those_of_the_files(store):
    run_id = made_run(store, 3)
    store.run(run_id).append_record(made_record(4, val_accuracy=0.25, val_loss=9.0))
    store.run(run_id).write_result({"best": {"epoch": 3, "accuracy": 0.4321, "images": 2_000}})
    figures = run_views.key_figures(seen(store, run_id))
    assert [(figure.label, figure.value) for figure in figures] == [
        ("Test accuracy, epoch 3", "43.21 %"),
        ("Validation accuracy, epoch 3", "52.21 %"),
        ("Last validation accuracy, epoch 4", "25.00 %"),
        ("Lowest validation loss, epoch 3", f"{made_record(3).val_loss:.4f}"),
    ]
    assert "42.2–44.2 %" in figures[0].note and "10,000 test images" in figures[0].help
    assert "47.8–56.6 %" in figures[1].note and "500 validation images" in figures[1].help
    assert run_views.key_figures(seen(store, made_run(store, 0))) == []


def test_an_epoch_chosen_on_test_images_says_so(store):
    config = RunConfig().replace({"data.train_size": 4_500, "data.validation": "test"})
    best, last, lowest = run_views.key_figures(seen(store, made_run(store, config=config)))
    assert best.label == "Test accuracy, epoch 4" and "chose the epoch" in best.help
    assert (last.label, lowest.label) == ("Last test accuracy, epoch 4", "Lowest test loss, epoch 4")


def test_a_chart_as_text_has_the_numbers(store):
    view = seen(store, made_run(store, 4))
    assert "a run: best validation accuracy 60.57 % in epoch 4, last 60.57 %." in run_views.curves_text(
        "Accuracy", [view]
    )
    assert f"lowest validation loss {made_record(4).val_loss:.4f}" in run_views.curves_text("Cross-entropy", [view])
    assert "no finished epoch yet" in run_views.curves_text("Accuracy", [seen(store, made_run(store, 0))])


@pytest.mark.parametrize(
    ("progress", "seconds"),
    [
        (None, run_views.SOON),  # getting ready, or being evaluated
        ({"batch": 25, "images_per_second": 640.0}, run_views.LATER),  # 175 batches of 32 in 8.75 s
        ({"batch": 139, "images_per_second": 640.0}, run_views.LATER),  # 3.05 s
        ({"batch": 141, "images_per_second": 640.0}, run_views.SOON),  # 2.95 s
        ({"batch": 200, "images_per_second": 640.0}, run_views.SOON),
        ({"batch": 1, "images_per_second": 0.0}, run_views.SOON),
    ],
)
def test_a_page_refreshes_often_near_the_end_of_an_epoch(store, progress, seconds):
    run_id = made_run(store, 2, "running")
    if progress:
        store.run(run_id).write_progress(BatchRecord(**PROGRESS | {"batches": 200} | progress))
    with store.run(run_id).hold():
        assert run_views.refresh_seconds([seen(store, run_id)]) == seconds


@pytest.mark.parametrize(
    ("state", "ago", "seconds"),
    [("stopped", 0, run_views.SOON), ("stopped", 60, None), ("stopped", -60, None), ("finished", 0, None)],
)
def test_a_run_that_has_just_stopped_is_looked_at_again_since_it_may_have_been_discarded(store, state, ago, seconds):
    run_id = made_run(store, 2, state)
    run = store.run(run_id)
    run.write_status(replace(run.status(), finished_at=time.time() - ago))
    assert run_views.refresh_seconds([seen(store, run_id)]) == seconds


def test_a_page_is_redrawn_at_an_epochs_end_and_in_another_state(store):
    run_id = made_run(store, 2, "running")
    with store.run(run_id).hold():
        before = run_views.redraw_key([seen(store, run_id)])
        store.run(run_id).write_progress(BatchRecord(**PROGRESS))
        assert run_views.redraw_key([seen(store, run_id)]) == before
        store.run(run_id).append_record(made_record(3))
        after = run_views.redraw_key([seen(store, run_id)])
    assert before != after != run_views.redraw_key([seen(store, run_id)])


def test_each_measure_of_health_has_a_note_that_fits_the_optimizer():
    fields = {"grad_norm", "update_ratio", "dead_relus"}
    sgd, muon = (
        run_views.health_notes(RunConfig().replace({"train.optimizer": name, "train.muon_lr": 0.0437}))
        for name in ("sgd", "muon")
    )
    assert sgd.keys() == muon.keys() == fields
    assert all(note.title and note.what and note.normal and note.otherwise for note in muon.values())
    assert "0.0437" in muon["update_ratio"].normal and "Muon" not in sgd["update_ratio"].normal
