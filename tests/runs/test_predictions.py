"""Predictions: what is written comes back, accuracies stay exact, and files that do not fit are refused."""

import numpy as np
import pytest

from core.base.errors import StoreError
from core.config.run_config import RunConfig
from core.runs.predictions import PREDICTIONS, Answers, Part, Predictions, predictions_bytes, read_predictions
from core.runs.store import RunStore
from tests.made import tiny_config

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
