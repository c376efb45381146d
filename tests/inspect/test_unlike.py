"""Images unlike the training images are flagged, at a rate that held-out images set."""

import numpy as np
import pytest

from core.data import cifar10
from core.inspect.features import Activations, Shelf, activations
from core.inspect.unlike import FALSE_RATE, Detector, Gaussian, Survey, energy, kept_knowledge
from tests.inspect.networks import red_network
from tests.made import made_run, made_weights


def made_activations(rng, count, shift=0.0, level=0.0):
    """Activations of images whose channels and logits differ from usual ones by ``shift`` and ``level``."""
    stages = tuple(rng.normal(shift, 1, (count, size)).astype(np.float32) for size in (8, 16, 32))
    logits = rng.normal([5 + level, level, level], 1, (count, 3)).astype(np.float32)
    return Activations(stages[-1][:, :16], stages, logits)


@pytest.fixture
def detector():
    rng = np.random.default_rng(0)
    return Detector.fit(made_activations(rng, 2_000), made_activations(rng, 1_000), "validation")


def test_energy_is_the_negative_logarithm_of_the_summed_exponentials():
    logits = np.array([[1.0, 2.0, 3.0], [500.0, 0.0, 0.0]], np.float32)
    assert energy(logits) == pytest.approx([-np.log(np.exp([1, 2, 3]).sum()), -500.0])


def test_the_distance_counts_in_standard_deviations():
    values = np.random.default_rng(0).normal([1, 2], [1, 10], (50_000, 2)).astype(np.float32)
    fitted = Gaussian.fit(values)
    points = np.array([[1, 2], [4, 2], [1, 32]], np.float32)
    assert fitted.distance(points) == pytest.approx([0, 9, 9], abs=0.4)


def test_a_dead_channel_gives_finite_distances():
    fitted = Gaussian.fit(np.zeros((10, 3), np.float32))
    assert np.isfinite(fitted.distance(np.ones((2, 3), np.float32))).all()


def test_five_per_cent_of_images_like_the_held_out_ones_are_flagged(detector):
    fresh = made_activations(np.random.default_rng(5), 4_000)
    assert detector.unlike(fresh).mean() == pytest.approx(FALSE_RATE, abs=0.02)
    assert (detector.part, detector.held_out) == ("validation", 1_000)


@pytest.mark.parametrize("change", [{"shift": 2.0}, {"level": -10.0}])
def test_other_channels_or_no_class_are_flagged(detector, change):
    assert detector.unlike(made_activations(np.random.default_rng(6), 200, **change)).mean() > 0.95


def test_a_detector_survives_as_arrays(detector):
    again = Detector.from_arrays(detector.arrays())
    seen = made_activations(np.random.default_rng(7), 20, 0.5)
    np.testing.assert_array_equal(again.score(seen), detector.score(seen))
    assert (again.threshold, again.part, again.held_out) == (detector.threshold, "validation", 1_000)
    with pytest.raises(LookupError):
        Detector.from_arrays({})


@pytest.mark.parametrize(("validation", "part"), [("held-out", "validation"), ("test", "test")])
def test_a_survey_is_kept_and_flags_what_is_not_red_like_the_others(store, validation, part):
    network = red_network()
    size = {"data.train_size": 400 if validation == "held-out" else 300}
    config = network.config.replace({"data.validation": validation} | size)
    run_id = made_run(store, config=config)
    made_weights(store, run_id)
    rng = np.random.default_rng(0)
    images = np.zeros((60_000, 3, 32, 32), np.uint8)
    images[:, 0, ::2] = rng.integers(60, 120, (60_000, 1, 1), np.uint8)
    data = cifar10.Cifar10(images, np.tile(np.arange(10), 6_000))
    shelf = Shelf(store, run_id)
    assert kept_knowledge(shelf) is None
    survey = Survey(type(network)(run_id, config, 1, network.model, network.normalization), data, shelf)
    assert (survey.part, survey.images, survey.share) == (part, 400, 0)
    survey.advance()
    assert 0 < survey.share < 1 and not survey.done
    while not survey.done:
        survey.advance()
    knowledge = survey.finish()
    assert len(knowledge.training) == 300 and knowledge.detector.held_out == 100
    strange = np.full((1, 3, 32, 32), 255, np.uint8)
    seen = activations(network, np.concatenate([images[50_000:50_040], strange]))
    flags = knowledge.detector.unlike(seen)
    assert flags[-1] and flags[:-1].mean() < 0.3
    kept = kept_knowledge(Shelf(store, run_id))
    assert kept is not None
    np.testing.assert_array_equal(kept.detector.unlike(seen), flags)
    np.testing.assert_array_equal(kept.training.values, knowledge.training.values)
