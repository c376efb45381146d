"""Which runs can be inspected, and which of their answers two runs share."""

import pytest

from core.inspect.subject import Subject, choose_subject, inspectable, shared_parts, shared_weights, two_epochs
from core.runs.store import RunStore
from tests.made import made_predictions, made_run
from tests.runs.test_predictions import made_answers
from tests.runs.test_predictions import made_predictions as predictions_of


def test_runs_with_a_finished_epoch_that_nobody_trains_can_be_inspected(store: RunStore) -> None:
    expected = [made_run(store, 3, state) for state in ("finished", "stopped", "failed")]
    made_run(store, 3, "queued")
    made_run(store, 0, "stopped")
    (store.root / made_run(store) / "config.json").write_text("{")
    assert {run.id for run in inspectable(store.runs())} == set(expected)


@pytest.mark.parametrize(("state", "epochs", "said"), [("queued", 3, "is queued"), ("stopped", 0, "no finished epoch")])
def test_a_run_that_cannot_be_inspected_is_replaced_by_the_newest_and_that_is_said(
    store: RunStore, state: str, epochs: int, said: str
) -> None:
    newest = [made_run(store), made_run(store)][-1]
    other = made_run(store, epochs, state)
    chosen, problem = choose_subject(store, store.runs(), other)
    assert chosen == newest and problem and said in problem and other in problem
    assert choose_subject(store, store.runs(), None) == (newest, None)
    assert choose_subject(store, store.runs(), newest[-4:]) == (newest, None)


def test_a_run_that_keeps_predictions_is_shown_before_a_newer_one(store: RunStore) -> None:
    kept, newer = made_run(store), made_run(store)
    made_predictions(store, kept)
    assert choose_subject(store, store.runs(), None) == (kept, None)
    assert choose_subject(store, store.runs(), newer) == (newer, None)


def test_only_answers_that_both_runs_have_can_be_chosen() -> None:
    both = predictions_of(made_answers(), made_answers("validation"), made_answers(epoch=3), best=2, last=3)
    tested = predictions_of(made_answers(), best=2, last=2)
    assert shared_parts([both]) == ["test", "validation"] and shared_parts([both, tested]) == ["test"]
    assert shared_weights([both], "test") == ["best", "last"] and shared_weights([both], "validation") == ["best"]
    assert shared_weights([tested], "test") == ["best"], "best and last are one epoch"
    assert shared_weights([both, tested], "test") == ["best", "last"]


def test_a_subject_knows_its_held_out_images_and_its_two_epochs(store: RunStore) -> None:
    run_id = made_run(store)
    predictions = made_predictions(store, run_id, last=True)
    answers = predictions.answers("test", "last")
    assert answers is not None
    subject = Subject(store.summary(run_id), "a run", predictions, answers)
    assert subject.held_out is predictions.answers("validation", "last")
    epochs = two_epochs(subject)
    assert epochs is not None and [each.answers.epoch for each in epochs] == [3, 4]
    plain = made_predictions(store, run_id)
    one_epoch = plain.answers()
    assert one_epoch is not None
    assert two_epochs(Subject(store.summary(run_id), "a run", plain, one_epoch)) is None
