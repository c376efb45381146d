"""Predictions: what is written comes back, accuracies stay exact, and files that do not fit are refused."""

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load, save

from core.base.errors import StoreError
from core.base.tensors import with_metadata
from core.config.run_config import RunConfig
from core.records import best
from core.runs import predictions as module
from core.runs.predictions import (
    PREDICTIONS,
    Answers,
    Part,
    Predictions,
    contradiction,
    predictions_bytes,
    read_predictions,
)
from core.runs.store import RunStore
from tests.made import made_record, made_run, tiny_config

K = 10


def made_answers(part: Part = "test", epoch: int = 2, n: int = 50, seed: int = 0) -> Answers:
    draw = np.random.default_rng(seed)
    logits = draw.normal(0, 4, (n, K)).astype(np.float32)
    images = np.sort(draw.choice(60_000, n, replace=False))
    return Answers(part, epoch, images, draw.integers(0, K, n), logits, logits.argmax(1))


def made_predictions(*kept: Answers, best: int = 2, last: int = 2) -> Predictions:
    return Predictions(RunConfig().data.classes, best, last, False, kept)


def test_what_is_written_comes_back(store: RunStore) -> None:
    config = tiny_config()
    run = store.run(store.create(config))
    assert run.predictions() is None
    kept = (made_answers(), made_answers("validation"), made_answers(epoch=3, seed=0), made_answers("validation", 3))
    run.write_predictions(predictions_bytes(made_predictions(*kept, last=3), config))
    predictions = run.predictions()
    assert predictions is not None and not predictions.later and len(predictions.kept) == 4
    for written in kept:
        read = predictions.answers(written.part, "best" if written.epoch == 2 else "last")
        assert read is not None and read.logits.dtype == np.float32
        assert read.logits == pytest.approx(written.logits, rel=2**-11)
        for name in ("images", "labels", "predicted"):
            assert getattr(read, name).dtype == np.int64
            assert (getattr(read, name) == getattr(written, name)).all()


def test_equal_predictions_are_equal_files_and_large_logits_stay_finite() -> None:
    config = tiny_config()
    answers = made_answers()
    answers.logits[0, 0] = 1e6
    first, second = (predictions_bytes(made_predictions(answers), config) for _ in range(2))
    assert first == second
    read = read_predictions(first, "a-run", config).answers()
    assert read is not None and np.isfinite(read.logits).all() and read.probabilities[0, 0] == 1


def test_rounding_to_16_bits_changes_no_answer() -> None:
    config = tiny_config()
    logits = np.full((1, K), 7.0, np.float32)
    logits[0, 4] = 7.0001  # is 7 in 16 bits
    answers = Answers("test", 2, np.array([5]), np.array([4]), logits, logits.argmax(1))
    read = read_predictions(predictions_bytes(made_predictions(answers), config), "a-run", config).answers()
    assert read is not None and read.accuracy == 1 and read.logits[0].argmax() == 0


def test_probabilities_are_the_softmax_of_the_logits() -> None:
    answers = Answers("test", 1, np.arange(1), np.array([1]), np.log([[1, 2, 5]]).astype(np.float32), np.array([2]))
    assert answers.probabilities[0] == pytest.approx([0.125, 0.25, 0.625])
    assert answers.confidence == pytest.approx([0.625]) and not answers.correct[0]


def test_predictions_of_another_configuration_are_refused(store: RunStore) -> None:
    content = predictions_bytes(made_predictions(made_answers()), tiny_config())
    run = store.run(store.create(tiny_config("train.seed=7")))
    run.write_predictions(content)
    with pytest.raises(StoreError, match=r"another configuration .*train\.seed"):
        run.predictions()


@pytest.mark.parametrize("damage", ["cut", "labels", "order", "missing", "classes", "nonsense"])
def test_damaged_predictions_are_refused(damage: str) -> None:
    config, answers = tiny_config(), made_answers()
    wrong = {
        "labels": Answers("test", 2, answers.images, answers.labels + K, answers.logits, answers.predicted),
        "order": Answers("test", 2, answers.images[::-1], answers.labels, answers.logits, answers.predicted),
        "classes": Answers("test", 2, answers.images, answers.labels, answers.logits[:, 1:], answers.predicted),
        "missing": Answers("test", 2, answers.images, answers.labels[1:], answers.logits, answers.predicted),
    }
    content = predictions_bytes(made_predictions(wrong.get(damage, answers)), config)
    content = {"cut": content[:-7], "nonsense": b"nonsense"}.get(damage, content)
    with pytest.raises(StoreError, match=f"{PREDICTIONS} of run a-run is damaged"):
        read_predictions(content, "a-run", config)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("test.labels", lambda values: values.astype(np.float32)),
        ("test.images", lambda values: values.astype(np.int64)),
        ("test.images", lambda values: (values + 20_000).astype(np.uint16)),
        ("test.2.logits", lambda values: values.astype(np.float32)),
        ("test.2.predicted", lambda values: values.reshape(5, 10)),
    ],
)
def test_tensors_of_another_kind_are_refused(name: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    config, answers = tiny_config(), made_answers()
    content = predictions_bytes(made_predictions(replace(answers, images=np.arange(50) * 1_200)), config)
    tensors = load(content)
    metadata = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]
    assert read_predictions(with_metadata(save(tensors), metadata), "a-run", config)
    changed = with_metadata(save({**tensors, name: np.ascontiguousarray(change(tensors[name]))}), metadata)
    with pytest.raises(StoreError, match="damaged"):
        read_predictions(changed, "a-run", config)


# --- what the run recorded ------------------------------------------------------------------------


def test_a_contradiction_to_the_record_is_named() -> None:
    config = tiny_config("data.test_size=50", "data.validation_size=50")
    kept = tuple(made_answers(part, epoch) for part in ("test", "validation") for epoch in (2, 3))
    test, validation = kept[0].accuracy, kept[2].accuracy
    fitting = Predictions(config.data.classes, 2, 3, False, kept)
    records = [made_record(epoch, val_accuracy=validation) for epoch in (1, 2, 3)]
    records[0] = replace(records[0], val_accuracy=0.0)
    result = {"best": {"epoch": 2, "accuracy": test}, "last": {"epoch": 3, "accuracy": test}}
    assert best(records).epoch == 2
    assert contradiction(fitting, config, records, result) is None
    other = [*records[:2], replace(records[2], val_accuracy=validation / 2)]
    wrong = {"best": {"epoch": 2, "accuracy": test + 0.02}}
    assert "epoch 3" in (contradiction(fitting, config, other, result) or "")
    assert "epoch 2" in (contradiction(fitting, config, records, wrong) or "")
    assert contradiction(replace(fitting, later=True), config, other, wrong) is None
    assert contradiction(fitting, config, records, None) is None
    assert "2 and 3" in (contradiction(fitting, config, [*records, made_record(4, val_accuracy=0)], result) or "")
    assert contradiction(fitting, config, [], result)
    assert "50 answers" in (contradiction(fitting, tiny_config("data.validation_size=50"), records, result) or "")


# --- reading those of many runs -------------------------------------------------------------------


def with_predictions(store: RunStore, seed: int = 0) -> str:
    config = tiny_config(f"train.seed={seed}")
    run_id = made_run(store, epochs=2, config=config)
    store.run(run_id).write_predictions(predictions_bytes(made_predictions(made_answers(seed=seed)), config))
    return run_id


def test_predictions_are_read_again_only_if_they_changed(store: RunStore) -> None:
    first, second = with_predictions(store), with_predictions(store, 1)
    read = store.many_predictions([first, second])
    assert list(read) == [first, second]
    assert all(store.predictions(run_id) is predictions for run_id, predictions in read.items())
    assert store.predictions(made_run(store)) is None
    config = store.run(first).config()
    store.run(first).write_predictions(predictions_bytes(made_predictions(made_answers(seed=7)), config))
    again = store.predictions(first)
    assert again is not None and (again.kept[0].labels != read[first].kept[0].labels).any()
    assert store.predictions(second) is read[second]


def test_damaged_ones_are_left_out_of_many_and_named_alone(store: RunStore) -> None:
    first, second = with_predictions(store), with_predictions(store, 1)
    path = store.run(first).path / PREDICTIONS
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert list(store.many_predictions([first, second, "no run"])) == [second]
    with pytest.raises(StoreError, match=f"{PREDICTIONS}.*{first}.*check"):
        store.predictions(first)


def test_memory_for_predictions_is_limited(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, third = (with_predictions(store, seed) for seed in range(3))
    monkeypatch.setattr(module, "RECENT_BYTES", 2 * module._bytes(store.predictions(first)))
    kept = [store.predictions(run_id) for run_id in (first, second, third)]
    assert store.predictions(third) is kept[2] and store.predictions(second) is kept[1]
    assert store.predictions(first) is not kept[0]
    monkeypatch.setattr(module, "RECENT_BYTES", 0)
    assert store.predictions(second) is store.predictions(second), "the last one stays"
