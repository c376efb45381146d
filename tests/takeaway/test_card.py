"""A model card has the numbers of its run's files."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from core.base.errors import StoreError
from core.base.text import percent
from core.inspect.calibration import calibration
from core.runs.predictions import Predictions, predictions_bytes
from core.stats.intervals import wilson
from core.takeaway.card import model_card
from tests.made import made_run
from tests.runs.test_predictions import made_answers
from tests.takeaway.made import BASE, HOSTILE, made_tested_run


def head(card: str) -> list[str]:
    """Return the lines between the two rules that begin a card."""
    start, lines, _ = re.split(r"^---$", card, maxsplit=2, flags=re.MULTILINE)
    assert start == ""
    return lines.splitlines()


def table(card: str, first: str) -> dict[str, list[str]]:
    """Return the rows of the table whose first column is ``first``, by their first cell."""
    body = card.split(f"| {first} |")[1].split("\n\n")[0].splitlines()[2:]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in body]
    return {row[0].strip(): row[1:] for row in rows}


@pytest.fixture
def pair_run(store):
    """A run on cats and dogs whose test set was evaluated: 80 of 100 cats and 90 of 100 dogs right."""
    run_id = made_tested_run(
        store, 0.85, name="cats", note="for a lesson", environment={"torch": "2.14", "commit": "abc"}
    )
    best = {"epoch": 4, "loss": 0.4321, "accuracy": 0.85, "images": 200, "confusion": [[80, 20], [10, 90]]}
    store.run(run_id).write_result({"best": best, "last": best})
    return run_id


def test_accuracies_classes_and_losses_are_those_of_the_files(store, pair_run):
    card = model_card(store, pair_run)
    run = store.summary(pair_run)
    accuracies = table(card, "accuracy")
    for accuracy in run.accuracies:
        _, images, epoch = accuracies[f"**{percent(accuracy.share)}** {accuracy.kind}"]
        assert images.startswith(f"{accuracy.images:,}") and epoch == "4"
    assert f"{run.test.loss:.4f}" == "0.4321" and "0.4321" in card
    low, high = wilson(0.8, 100)
    assert table(card, "class")["cat"] == ["80.00 %", f"{100 * low:.1f}–{100 * high:.1f} %", "dog (20 of 100)"]
    assert table(card, "class")["dog"][0] == "90.00 %"
    assert "for a lesson" in card and "abc" in card


def test_the_head_can_be_read_by_a_program(store, pair_run):
    values = [json.loads(line.split("value:")[1]) for line in head(model_card(store, pair_run)) if "value:" in line]
    assert values == [accuracy.share for accuracy in store.summary(pair_run).accuracies]


def test_settings_are_those_that_differ_from_the_preset_and_the_command_repeats_them(store, pair_run):
    card = model_card(store, pair_run)
    assert table(card, "setting")["Classes"][0] == "cat, dog"
    assert "--set data.classes=cat,dog" in card


def test_a_name_of_markup_is_shown_and_does_nothing(store):
    run_id = made_run(store, 4, "finished", BASE, name=HOSTILE)
    card = model_card(store, run_id)
    (name,) = [line.split("name:")[1] for line in head(card) if line.startswith("- name:")]
    assert json.loads(name) == store.run(run_id).meta().name
    body = card.split("---", 2)[2]
    assert r"\<script\>" in body and "<script>" not in body.replace(r"\<script\>", "")
    assert "{{ 7*7 }}" not in body and "49" not in body.split("\n")[2]


def test_without_an_evaluation_the_classes_come_from_the_best_epoch(store):
    run_id = made_run(store, 4, "stopped", BASE)
    card = model_card(store, run_id)
    best = store.run(run_id).records()[-1]
    rows = table(card, "class")
    assert [rows[name][0] for name in ("cat", "dog")] == [percent(share) for share in best.val_accuracy_by_class]
    assert "stopped" in card


@pytest.mark.parametrize(
    "confusion", [[[1], [2, 3]], "text", [[-1, 2], [3, 4]], [[1e300, 0], [0, 1]], np.eye(3).tolist()]
)
def test_a_damaged_confusion_matrix_is_left_out(store, confusion):
    run_id = made_tested_run(store, 0.85)
    store.run(run_id).write_result({"best": {"accuracy": 0.85, "loss": 0.5, "epoch": 4, "confusion": confusion}})
    assert table(model_card(store, run_id), "class")["cat"][1] == "–"


def test_predictions_tell_mistakes_and_calibration(store):
    run_id = made_run(store, 4, "finished", BASE)
    kept = made_answers(epoch=4, n=2_000)
    labels, predicted = kept.labels % 2, kept.logits[:, :2].argmax(1)
    answers = replace(kept, labels=labels, logits=kept.logits[:, :2], predicted=predicted)
    predictions = Predictions(("cat", "dog"), 4, 4, False, (answers,))
    store.run(run_id).write_predictions(predictions_bytes(predictions, store.run(run_id).config()))
    card = model_card(store, run_id)
    wrong = int(((labels == 0) & (predicted == 1)).sum())
    assert table(card, "class")["cat"][2] == f"dog ({wrong:,} of {int((labels == 0).sum()):,})"
    assert percent(calibration(store.predictions(run_id).answers()).ece) in card
    slices = [
        line.split(" | ") for line in card.split("## Slices")[1].split("## ")[0].splitlines() if line[:2] == "| "
    ][2:]
    counts = {}
    for kind, _, images, *_ in slices:
        counts[kind] = counts.get(kind, 0) + int(images.replace(",", ""))
    assert set(counts.values()) == {len(answers)} and len(counts) == 3


def test_a_run_without_an_epoch_has_no_card(store):
    with pytest.raises(StoreError, match="no finished epoch"):
        model_card(store, made_run(store, 0, "queued"))
