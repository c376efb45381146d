"""The page Inspect: which run, which answers, and what each tab shows of them."""

import base64

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core.config.run_config import RunConfig
from core.data import cifar10
from core.inspect.mistakes import Cell, ranked
from tests.made import made_predictions, made_run, made_weights, tiny_config
from tests.pages.shown import action, charts, image_grids, pixels, texts


@pytest.fixture
def page(app):
    """Opens the page on the test's own runs."""

    def open_page(**query: object) -> AppTest:
        app.switch_page("pages/inspect.py")
        app.query_params.update(query)
        app.run()
        assert not app.exception
        return app

    return open_page


def test_without_a_run_the_next_step_is_offered(page):
    app = page()
    assert "No run to inspect" in app.info[0].value
    assert [button.key for button in app.button] == ["new-run"]


def tab(app: AppTest, title: str) -> AppTest:
    """Open a tab, as a click on it does."""
    app.session_state["view"] = title
    app.run()
    assert not app.exception
    return app


def matrix(app: AppTest, side: int = 0) -> np.ndarray:
    """The numbers in the confusion matrix."""
    others, diagonal = charts(app)[f"confusion-{side}"]["figure"]["data"][:2]
    return np.nansum([np.array(values(trace["z"]), float) for trace in (others, diagonal)], axis=0)


def values(array: object) -> np.ndarray:
    """An array of a figure, which may be packed."""
    if isinstance(array, dict):
        flat = np.frombuffer(base64.b64decode(array["bdata"]), array["dtype"])
        return flat.reshape([int(size) for size in array["shape"].split(",")]) if "shape" in array else flat
    return np.array([[np.nan if value is None else value for value in row] for row in array])


def test_the_matrix_has_the_answers_and_a_cell_its_images(page, store):
    run_id = made_run(store)
    answers = made_predictions(store, run_id).answers()
    assert answers is not None
    app = page(run=run_id)
    expected = np.zeros((10, 10))
    np.add.at(expected, (answers.labels, answers.predicted), 1)
    assert (matrix(app) == expected).all()
    app.selectbox(key="inspect_true_0").set_value("cat")
    app.selectbox(key="inspect_predicted_0").set_value("deer").run()
    assert f"{expected[3, 4]:.0f} images of cat called deer" in texts(app)
    (grid,) = image_grids(app)
    chosen = answers.images[(answers.labels == 3) & (answers.predicted == 4)]
    shown = {image.tobytes() for image in pixels(grid)}
    assert shown <= {image.tobytes() for image in cifar10.load().images[chosen]} and len(shown) > 1
    assert (app.query_params["true"], app.query_params["predicted"]) == ("cat", "deer")
    app.button_group(key="inspect_cells").set_value("rows").run()
    assert matrix(app).sum(1) == pytest.approx([100] * 10)


def test_a_link_opens_a_cell(page, store):
    run_id = made_run(store)
    made_predictions(store, run_id)
    assert "images of cat called dog" in texts(page(run=run_id, true="cat", predicted="dog"))


def test_classes_show_scores_that_the_answers_have(page, store):
    run_id = made_run(store)
    answers = made_predictions(store, run_id).answers()
    assert answers is not None
    app = tab(page(run=run_id), "Classes")
    assert app.metric[0].value == f"{100 * answers.accuracy:.2f} %" and app.metric[1].label == "Top-2 accuracy"
    recall = charts(app)["class-recall"]["figure"]["data"][0]
    assert recall["x"][3] == pytest.approx(100 * answers.correct[answers.labels == 3].mean())
    app.button_group(key="inspect_score").set_value("precision").run()
    precision = charts(app)["class-precision"]["figure"]["data"][0]
    assert precision["x"][3] == pytest.approx(100 * answers.correct[answers.predicted == 3].mean())


def test_calibration_fits_a_temperature_where_images_were_held_out(page, store):
    run_id = made_run(store)
    made_predictions(store, run_id)
    app = tab(page(run=run_id), "Calibration")
    assert {"Calibration error", "Negative log-likelihood", "Brier score"} == {metric.label for metric in app.metric}
    assert len(charts(app)["reliability-0"]["figure"]["data"]) == 3, "the diagonal, as trained, with temperature"
    assert len(app.table) == 1
    bare = made_run(store, config=RunConfig().replace({"data.validation": "test"}))
    made_predictions(store, bare)
    app = tab(page(run=bare), "Calibration")
    assert "no validation images of its own" in texts(app)
    assert len(charts(app)["reliability-0"]["figure"]["data"]) == 2 and not app.table


def test_two_runs_are_compared_on_their_images(page, store):
    runs = [made_run(store, name=name) for name in ("one", "two")]
    first, second = (made_predictions(store, run_id, seed).answers() for seed, run_id in enumerate(runs))
    assert first is not None and second is not None
    app = tab(page(run=runs[0], **{"with": runs[1]}), "Two runs")
    counts = {
        "Both right": (first.correct & second.correct).sum(),
        "Only the first": (first.correct & ~second.correct).sum(),
        "Only the second": (~first.correct & second.correct).sum(),
        "Both wrong": (~first.correct & ~second.correct).sum(),
    }
    alt = charts(app)["agreement"]["alt"]
    assert all(f"{name} ({count:,})" in alt for name, count in counts.items())
    app.button_group(key="inspect_agreement").set_value("neither").run()
    (grid,) = image_grids(app)
    wrong = cifar10.load().images[first.images[~first.correct & ~second.correct]]
    assert {image.tobytes() for image in pixels(grid)} <= {image.tobytes() for image in wrong}
    assert len(app.dataframe) == 1 and len(app.dataframe[0].value) == 10


def test_runs_with_other_splits_share_only_images_that_neither_trained_on(page, store):
    configs = [
        RunConfig().replace({"data.split": "pooled", "data.train_size": 50_000, "data.split_seed": seed})
        for seed in (0, 1)
    ]
    runs = [made_run(store, config=config) for config in configs]
    answers = [made_predictions(store, run_id, seed).answers() for seed, run_id in enumerate(runs)]
    shared = np.intersect1d(*(each.images for each in answers if each))
    assert 0 < len(shared) < 10_000
    app = tab(page(run=runs[0], **{"with": runs[1]}), "Two runs")
    assert f"{len(shared):,} test images that both runs have" in texts(app)


def test_best_and_last_epoch_of_one_run_are_compared(page, store):
    run_id = made_run(store)
    predictions = made_predictions(store, run_id, last=True)
    best, last = predictions.answers(), predictions.answers("test", "last")
    assert best is not None and last is not None
    app = tab(page(run=run_id), "Two runs")
    assert f"Both wrong ({(~best.correct & ~last.correct).sum():,})" in charts(app)["agreement"]["alt"]
    plain = made_run(store)
    made_predictions(store, plain)
    app = tab(page(run=plain), "Two runs")
    assert "Choose a second run" in app.info[0].value and "agreement" not in charts(app)


def test_runs_with_other_classes_stand_beside_each_other_but_are_not_compared(page, store):
    pair = made_run(store, config=RunConfig().replace({"data.classes": ("deer", "dog"), "data.train_size": 9_000}))
    all_ten = made_run(store)
    for run_id in (pair, all_ten):
        made_predictions(store, run_id)
    app = page(run=pair, **{"with": all_ten})
    assert matrix(app).shape == (2, 2) and matrix(app, 1).shape == (10, 10)
    assert "different classes" in tab(app, "Two runs").info[0].value


def test_missing_predictions_are_computed_when_asked(page, store):
    run_id = made_run(store, 4, config=tiny_config())
    made_weights(store, run_id)
    app = page(run=run_id)
    assert "evaluates 300 images" in texts(app) and not charts(app)
    action(app, "predict").click().run()
    assert not app.exception and not app.error
    answers = store.predictions(run_id).answers()
    assert matrix(app).sum() == len(answers) == 200 and np.trace(matrix(app)) == answers.correct.sum()


def test_damaged_predictions_are_repaired_when_asked(page, store):
    run_id = made_run(store, 4, config=tiny_config())
    made_weights(store, run_id)
    made_predictions(store, run_id)
    (store.root / run_id / "predictions.safetensors").write_bytes(b"damaged")
    app = page(run=run_id)
    assert "damaged" in app.error[0].value and not charts(app)
    action(app, "repair").click().run()
    assert not app.exception
    assert store.predictions(run_id).answers() is not None
    assert matrix(app).sum() == 200


def test_predictions_that_cannot_be_computed_say_why(page, store):
    run_id = made_run(store)
    made_predictions(store, made_run(store))
    app = page(run=run_id)
    action(app, "predict").click().run()
    assert not app.exception
    assert "no weights" in app.error[0].value


def test_without_the_images_everything_else_is_shown(page, store, monkeypatch):
    run_id = made_run(store)
    made_predictions(store, run_id)
    monkeypatch.setattr(cifar10, "available", lambda folder=None: False)
    app = page(run=run_id)
    assert "not on this computer" in app.info[0].value
    assert matrix(app).sum() == 10_000 and not image_grids(app)


def test_an_image_shows_the_probabilities_of_both_runs(page, store):
    runs = [made_run(store) for _ in range(2)]
    answers = [made_predictions(store, run_id, seed).answers() for seed, run_id in enumerate(runs)]
    app = tab(page(run=runs[0], **{"with": runs[1]}), "Two runs")
    grid = image_grids(app)[0]
    number = int(grid["tiles"][0]["label"].split(":")[0].removeprefix("Image ").replace(",", ""))
    app.session_state[f"picked of pair first {runs[0]} test 4 {runs[1]} test 4"] = number
    app.run()
    (chart,) = [chart for name, chart in charts(app).items() if name.startswith("probabilities")]
    for trace, each in zip(chart["figure"]["data"], answers, strict=True):
        place = int(np.flatnonzero(each.images == number)[0])
        assert max(trace["x"]) == pytest.approx(100 * each.confidence[place])


def test_a_picked_image_is_explained_on_its_tab(page, store):
    run_id = made_run(store)
    made_weights(store, run_id)
    answers = made_predictions(store, run_id).answers()
    number = int(answers.images[ranked(answers, Cell())[1]])  # the tab itself begins with the first
    app = tab(page(run=run_id), "Mistakes")
    app.session_state[f"picked of mistakes 0 {run_id} test 4 None None"] = number
    app.run()
    action(app, "explain").click().run()
    assert not app.exception
    assert app.number_input(key="inspect_image").value == number
    assert any(image.alt.startswith("Grad-CAM") for element in app.get("image") for image in element.proto.imgs)


def test_the_most_confident_mistakes_come_first(page, store):
    run_id = made_run(store)
    answers = made_predictions(store, run_id).answers()
    assert answers is not None
    (grid,) = image_grids(page(run=run_id))
    wrong = np.flatnonzero(~answers.correct)
    order = wrong[np.argsort(-answers.confidence[wrong])][: len(grid["tiles"])]
    assert (pixels(grid) == cifar10.load().images[answers.images[order]]).all()


def test_two_runs_stand_beside_each_other(page, store):
    first, second = made_run(store), made_run(store)
    for seed, run_id in enumerate((first, second)):
        made_predictions(store, run_id, seed)
    app = page(run=first, **{"with": second})
    assert len(image_grids(app)) == 2
    assert (app.selectbox(key="inspect_run").value, app.selectbox(key="inspect_with").value) == (first, second)


def test_a_link_to_a_run_that_cannot_be_inspected_says_why(page, store):
    made_predictions(store, made_run(store))
    for run_id in (made_run(store, 0, "queued"), made_run(store, 0, "stopped"), "20200101-000000-abcd"):
        app = page(run=run_id)
        assert run_id in app.error[0].value and len(app.error) == 1
        assert len(image_grids(app)) == 1


def test_part_and_epoch_can_be_chosen_where_both_are_kept(page, store):
    run_id = made_run(store)
    made_predictions(store, run_id, last=True)
    app = page(run=run_id, part="validation", weights="last")
    assert "500 validation images, epoch 4" in texts(app)
    plain = made_run(store)
    made_predictions(store, plain)
    app = page(run=plain, part="test")
    assert "10,000 test images, epoch 4" in texts(app)
