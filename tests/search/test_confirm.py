"""Confirmation: new seeds for the best trials and the base, and how much of the gain was selection."""

import pytest

from core.base.errors import StoreError
from core.search import driver
from core.search.confirm import BEST, confirm, sides_of, verdict
from core.search.store import SearchStore
from core.search.trials import best_of, trials_of
from tests.search_made import driven, made_search, made_training, quality, started


def lucky(config, epoch):
    """In the search every other learning rate is lucky; with new seeds there is noise alone."""
    bonus = 0.02 if config.train.seed == 0 and config.train.lr != 0.1 else 0.0
    return min(0.99, quality(config, epoch) + bonus + 0.001 * (config.train.seed % 3))


@pytest.fixture
def searched(store):
    """A finished search of one setting."""
    search = made_search("train.lr=0.05 to 0.2", trials=6)
    search_id = started(store, search)

    while driver.Steps(store).take(search_id).control.going:
        for run_id in store.queue.ids():
            made_training(store, run_id, accuracy=lucky)
    return search_id


def sides(store, search_id):
    stored = SearchStore(store).get(search_id)
    trials = trials_of(search_id, stored.search, store, stored.control)
    return sides_of(search_id, stored.search, stored.control, trials, store)


def test_the_best_trials_and_the_base_get_new_seeds(store, searched):
    outcome = confirm(store, searched, 3)
    assert outcome.problems == [] and len(outcome.done) == 3 * (BEST + 1)
    stored = SearchStore(store).get(searched)
    trials = trials_of(searched, stored.search, store, stored.control)
    best = [trial.number for trial in best_of(trials, BEST + 1) if trial.number != 0][:BEST]
    assert list(stored.control.confirm) == best
    assert len(trials) == 6, "a confirmation is no trial"
    used = {run.config.train.seed for trial in trials for run in trial.runs}
    assert used.isdisjoint(stored.control.confirm_seeds) and len(stored.control.confirm_seeds) == 3
    assert confirm(store, searched, 3).done == [], "everything is queued"
    assert len(confirm(store, searched, 5).done) == 2 * (BEST + 1)


def test_the_verdict_tells_the_gain_from_selection(store, searched):
    confirm(store, searched, 3)
    assert verdict(sides(store, searched)) is None
    for run_id in store.queue.ids():
        made_training(store, run_id, accuracy=lucky)
    found = sides(store, searched)
    assert [side.trial is None for side in found] == [True] + [False] * BEST
    judged = verdict(found)
    assert judged.gain_seen - judged.gain_confirmed == pytest.approx(judged.selection)
    assert judged.selection == pytest.approx(0.02, abs=0.005)
    assert judged.winner.validation.mean == max(side.validation.mean for side in found[1:])
    assert judged.finding.part == "test"
    assert judged.finding.judgement.interval is not None
    assert {judged.finding.better.label, judged.finding.other.label} == {"Base settings", judged.winner.label}


def test_a_stopped_confirmation_is_queued_again(store, searched):
    run_id = confirm(store, searched, 2).done[0]
    store.queue.request_stop(run_id)
    assert confirm(store, searched, 2).done == [run_id]


def test_what_cannot_be_confirmed_is_refused(store, searched):
    with pytest.raises(StoreError):
        confirm(store, searched, 1)
    SearchStore(store).extend(searched, 9, None)
    driver.start(store, searched)
    with pytest.raises(StoreError):  # it has finished trials, but it is going on
        confirm(store, searched)
    only_base = started(store, made_search(trials=1))
    driven(store, only_base)
    with pytest.raises(StoreError):
        confirm(store, only_base)
