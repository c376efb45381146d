"""The driver: the same trials whatever happens, pruning, pausing, budgets, failures."""

import threading
from dataclasses import replace

import pytest

from core.base.errors import DIVERGED, StoreError
from core.runs.store import RunStore
from core.search import driver
from core.search.space import Range
from core.search.store import SearchStore
from core.search.trials import best_of, counts_text, progress_of, table, trials_of
from tests.made import change_file
from tests.search_made import driven, made_search, made_training, quality, settings, started


@pytest.fixture
def searches(store):
    return SearchStore(store)


def trials(store, search_id):
    stored = SearchStore(store).get(search_id)
    return trials_of(search_id, stored.search, store, stored.control)


def summed(found):
    return [(trial.number, trial.state, trial.value, trial.pruned_at) for trial in found]


def test_a_search_trains_its_trials_and_ends(store, searches):
    search = made_search(trials=6)
    search_id = started(store, search)
    found = driven(store, search_id)
    assert [trial.number for trial in found] == list(range(6))
    assert {trial.state for trial in found} == {"finished"}
    control = searches.get(search_id).control
    assert not control.going and control.done and not control.problem
    assert found[0].config == search.base
    assert best_of(found)[0].value == max(trial.value for trial in found)
    assert all(trial.value == max(quality(trial.runs[0].config, epoch) for epoch in range(1, 10)) for trial in found)
    runs = store.summaries()
    assert {run.meta.study for run in runs} == {search_id}
    assert sorted(run.meta.trial for run in runs) == list(range(6))


@pytest.mark.parametrize("pruner", ["none", "median", "asha"])
def test_the_same_trials_follow_however_late_the_driver_looks(tmp_path, pruner):
    search = made_search(trials=8, pruner=pruner)
    stores = [RunStore(tmp_path / name) for name in ("soon", "late")]
    soon, late = (
        driven(store, started(store, search), looks_late=late)
        for store, late in zip(stores, (False, True), strict=True)
    )
    assert settings(search, soon) == settings(search, late)
    assert summed(soon) == summed(late)
    assert (pruner == "none") == all(trial.pruned_at is None for trial in soon)


def test_with_several_trials_at_a_time_the_order_in_which_they_end_decides_nothing(tmp_path):
    search = made_search(trials=8, parallel=3, pruner="asha")
    found = []
    for name, backwards in (("a", False), ("b", True)):
        store = RunStore(tmp_path / name)
        search_id = started(store, search)
        steps = driver.Steps(store)
        while steps.take(search_id).control.going:
            queue = store.queue.ids()
            assert len(queue) <= 3
            made_training(store, queue[-1 if backwards else 0], lambda: None)
        found.append(trials(store, search_id))
    assert settings(search, found[0]) == settings(search, found[1])
    assert summed(found[0]) == summed(found[1])


def test_a_pruned_run_is_stopped_with_its_reason_and_can_be_resumed(store):
    search = made_search(trials=8, pruner="median")
    search_id = started(store, search)
    found = driven(store, search_id)
    pruned = next(trial for trial in found if trial.state == "pruned")
    run = store.run(pruned.runs[0].id)
    assert run.status().state == "stopped"
    assert run.meta().pruned_at == pruned.pruned_at < search.base.train.epochs
    assert search.name in run.log()
    before = summed(found)
    store.queue.enqueue(run.id)
    searches = SearchStore(store)
    searches.extend(search_id, 9, None)
    driver.start(store, search_id)
    steps = driver.Steps(store)
    assert made_training(store, run.id, lambda: steps.take(search_id)) == "finished"
    assert summed(trials(store, search_id))[:8] == before


def test_an_interrupted_trial_continues(store):
    search_id = started(store, made_search(trials=2))
    driver.Steps(store).take(search_id)
    (run_id,) = store.queue.ids()
    change_file(store, run_id, "status.json", state="running")  # by a process that is dead
    assert trials(store, search_id)[0].state == "waiting"
    driver.Steps(store).take(search_id)
    assert store.queue.ids() == [run_id]
    assert len(driven(store, search_id)) == 2


def test_a_paused_search_continues_with_the_same_run(store, searches):
    search_id = started(store, made_search(trials=3))
    steps = driver.Steps(store)
    steps.take(search_id)
    (run_id,) = store.queue.ids()
    pausing = []

    def pause():
        if not pausing:
            pausing.append(driver.pause(store, search_id))

    assert made_training(store, run_id, pause) == "stopped"
    assert searches.get(search_id).control.held == (run_id,)
    assert trials(store, search_id)[0].state == "paused"
    assert not steps.take(search_id).control.going
    assert store.queue.ids() == []
    driver.start(store, search_id)
    assert store.queue.ids() == [run_id]
    assert [trial.state for trial in driven(store, search_id)] == ["finished"] * 3


def test_a_run_that_a_person_stops_counts_as_it_was(store):
    search_id = started(store, made_search(trials=2))
    driver.Steps(store).take(search_id)
    (run_id,) = store.queue.ids()
    made_training(store, run_id, lambda: store.queue.request_stop(run_id))
    found = driven(store, search_id)
    assert [trial.state for trial in found] == ["stopped", "finished"]
    assert found[0].value == quality(found[0].config, 1)


def fail_next(store, search_id, error):
    """Let the driver make a trial, which then fails."""
    control = driver.Steps(store).take(search_id).control
    for run_id in store.queue.ids():
        run = store.run(run_id)
        run.write_status(replace(run.stored_status(), state="failed", error=error))
    return control


def test_trials_that_fail_pause_the_search_until_a_person_continues_it(store, searches):
    search_id = started(store, made_search(trials=9))
    for done in (driver.MOST_FAILURES, 2 * driver.MOST_FAILURES):
        for _ in range(driver.MOST_FAILURES):
            assert fail_next(store, search_id, "The disk is full.").going
        control = driver.Steps(store).take(search_id).control
        assert not control.going and "The disk is full." in control.problem
        assert len(trials(store, search_id)) == done
        driver.start(store, search_id)
        assert searches.get(search_id).control.problem == ""


def test_trials_that_diverge_are_poor_ones_until_nothing_else_comes(store, monkeypatch):
    search_id = started(store, made_search(trials=9))
    monkeypatch.setattr(driver, "MOST_DIVERGED", 5)
    for _ in range(5):
        assert fail_next(store, search_id, f"The loss became nan in epoch 1, batch 2: {DIVERGED}.").going
    control = driver.Steps(store).take(search_id).control
    assert not control.going and DIVERGED in control.problem
    assert all(trial.diverged and trial.value is None for trial in trials(store, search_id))


def test_minutes_end_a_search_too(store):
    search = made_search(trials=None, minutes=1.0)  # a made-up trial takes 18 seconds
    search_id = started(store, search)
    found = driven(store, search_id)
    assert len(found) == 4
    progress = progress_of(search, found)
    assert progress.used_up and progress.share == 1.0 and progress.seconds == 72.0


def test_several_seeds_are_trained_one_after_the_other(store):
    search = made_search(trials=4, seeds=5, pruner="wilcoxon")
    search_id = started(store, search)
    found = driven(store, search_id)
    assert [run.config.train.seed for run in found[0].runs] == [0, 1, 2, 3, 4]
    assert found[0].value == pytest.approx(sum(found[0].steps) / 5)
    assert any(trial.state == "pruned" and len(trial.runs) < 5 for trial in found)


def test_a_search_without_new_combinations_ends(store, searches):
    search_id = started(store, made_search("train.optimizer=sgd,adam", sampler="grid", trials=9))
    assert len(driven(store, search_id)) == 2
    assert searches.get(search_id).control.done


def test_the_table_has_the_best_so_far_and_counts_say_what_there_is(store):
    search = made_search(trials=5, pruner="median")
    search_id = started(store, search)
    found = driven(store, search_id)
    rows = table(search, found)
    assert rows["number"].tolist() == [0, 1, 2, 3, 4]
    assert rows["best"].is_monotonic_increasing
    assert rows["best"].iloc[-1] == best_of(found)[0].value
    assert rows["train.lr"].tolist() == [trial.config.train.lr for trial in found]
    assert counts_text(found).startswith(str(sum(trial.state == "finished" for trial in found)))
    assert table(search, []).empty


def test_a_search_that_goes_on_is_not_moved_to_the_trash(store, searches):
    search_id = started(store, made_search(trials=1))
    with pytest.raises(StoreError):
        searches.trash.put(search_id)
    driver.pause(store, search_id)
    searches.trash.put(search_id)
    assert searches.ids() == []
    searches.trash.restore(search_id)
    assert searches.find("rates") == search_id


def test_the_thread_takes_the_steps_and_keeps_what_goes_wrong(store, searches, monkeypatch):
    search_id = started(store, made_search(trials=1))
    looked = threading.Event()

    def fails(self, search_id):
        looked.set()
        raise StoreError("The disk is full.")

    one = driver.Driver(store)
    with monkeypatch.context() as patched:
        patched.setattr(driver.Steps, "take", fails)
        one.start()
        assert looked.wait(30)
        one.stop()
    assert one.troubles == {search_id: "The disk is full."}
    one._take(search_id)
    assert one.troubles == {}
    assert len(store.queue.ids()) == 1


def test_nothing_is_done_again_while_nothing_changed(store, monkeypatch):
    search_id = started(store, made_search(trials=2, pruner="median"))
    steps = driver.Steps(store)
    looks, real = [], SearchStore.lock

    def counting(self, search_id):
        looks.append(search_id)
        return real(self, search_id)

    monkeypatch.setattr(SearchStore, "lock", counting)
    steps.take(search_id)
    steps.take(search_id)
    assert looks, "the first run is queued"
    looks.clear()
    steps.take(search_id)
    assert looks == []


def test_ranges_outside_the_base_leave_the_base_out(store):
    search = replace(made_search(trials=1), ranges=(Range("train.lr", low=0.5, high=1.0, log=True),))
    (trial,) = driven(store, started(store, search))
    assert trial.config.train.lr >= 0.5
