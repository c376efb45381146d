"""Contested labels: several networks that agree against the label, and when there are too few of them."""

from collections.abc import Iterable

import numpy as np
import pytest

from core.inspect.contested import FEWEST_RUNS, contested_labels, ensemble
from core.runs.predictions import Answers, Predictions
from core.runs.store import RunStore
from tests.made import made_predictions, made_run, tiny_config

K = 3


def member(rows: list[list[float]], labels: list[int]) -> Answers:
    """Return answers with these probabilities."""
    logits = np.log(np.array(rows, np.float32))
    return Answers("test", 1, np.arange(100, 100 + len(rows)), np.array(labels), logits, logits.argmax(1))


def test_only_labels_that_most_runs_contest_with_conviction():
    labels = [0, 0, 0, 0, 2]
    sure = [0.05, 0.9, 0.05]
    usual = [[0.9, 0.05, 0.05], sure, sure, [0.3, 0.4, 0.3], [0.02, 0.96, 0.02]]
    # Image 2: two of five disagree with the other three. Image 3: all say class 1, but hardly.
    other = [*usual[:2], [0.05, 0.05, 0.9], *usual[3:]]
    table = contested_labels([member(usual, labels)] * 3 + [member(other, labels)] * 2)
    assert table["image"].tolist() == [104, 101] and table["place"].tolist() == [4, 1]
    assert table["label"].tolist() == [2, 0] and table["other"].tolist() == [1, 1]
    assert table["agreeing"].tolist() == pytest.approx([1, 1])
    assert table["probability"].tolist() == pytest.approx([0.96, 0.9])
    assert table["label_probability"].tolist() == pytest.approx([0.02, 0.05])


def test_four_of_five_runs_are_enough_three_are_not():
    against, for_it = member([[0.01, 0.98, 0.01]], [0]), member([[0.98, 0.01, 0.01]], [0])
    assert contested_labels([against] * 4 + [for_it])["agreeing"].tolist() == pytest.approx([0.8])
    assert contested_labels([against] * 3 + [for_it] * 2).empty


def test_too_few_runs_are_refused():
    with pytest.raises(ValueError, match="5 runs"):
        contested_labels([member([[0.1, 0.8, 0.1]], [0])] * (FEWEST_RUNS - 1))


def test_the_ensemble_has_the_runs_on_the_same_images(store: RunStore) -> None:
    def read(run_ids: Iterable[str]) -> dict[str, Predictions]:
        kept = {run_id: store.run(run_id).predictions() for run_id in run_ids}
        return {run_id: predictions for run_id, predictions in kept.items() if predictions}

    same = [made_run(store, config=tiny_config(f"train.seed={seed}")) for seed in range(3)]
    others = [made_run(store, config=tiny_config(text)) for text in ("data.split=pooled", "data.classes=cat,dog")]
    moved = made_run(store, config=tiny_config("data.split_seed=1"))
    made_run(store, epochs=0, state="queued", config=tiny_config())
    for run_id in (*same[:2], *others, moved):
        made_predictions(store, run_id)
    first = store.run(same[0])
    predictions = first.predictions()
    assert predictions is not None
    answers = predictions.answers()
    assert answers is not None
    found = ensemble(first.config(), answers, store.summaries(), read)
    assert set(found.answers) == set(same[:2]) and not found.complete
    assert found.waiting == (same[2],)
