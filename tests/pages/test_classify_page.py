"""Classify: files in, the network's own probabilities out; a bad file is a warning and does not stop the others."""

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.proto.WidgetStates_pb2 import WidgetState
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Selectbox

import core.jobs.worker
from core.config.run_config import RunConfig
from core.config.sections import CLASSES
from core.data import cifar10
from core.data.split import make_split
from core.images.classify import Classifier
from core.images.read import Square, read_image, to_network
from core.inspect.features import Shelf, activations
from core.inspect.unlike import kept_knowledge
from tests.made import idle_worker, made_record, made_run, made_weights
from tests.pages.shown import action, image_grids, pixels

APP = Path(__file__).parents[2] / "app.py"
PAIR = ("deer", "dog")


def run_with_weights(store, classes=PAIR, seed=0, data=None, **about):
    """A run whose network was never trained, which is enough to have opinions; ``data`` are more of its settings."""
    settings = {"data.classes": classes, "model.depth": 8, "model.width": 4, "train.epochs": 4}
    run_id = made_run(store, config=RunConfig().replace(settings | (data or {})), **about)
    made_weights(store, run_id, seed)
    return run_id


def png(seed, size=(48, 40)):
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def as_png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels.transpose(1, 2, 0)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def app(store, monkeypatch):
    """The app on the test's own runs, with a worker that takes none."""
    monkeypatch.setenv("RESNET_LAB_RUNS", str(store.root))
    monkeypatch.setattr(core.jobs.worker, "ensure_worker", idle_worker)
    # Most tests do not wait until the training images were looked at.
    monkeypatch.setattr(cifar10, "available", lambda folder=None: False)
    return AppTest.from_file(str(APP), default_timeout=20)


def opened(app):
    app.switch_page("pages/classify.py").run()
    assert not app.exception
    return app


def drop(app, *files):
    for name, content in files:
        app.file_uploader[0].upload(name, content)
    app.run()
    assert not app.exception


def expected(store, run_id, content, crop="centre"):
    picture = read_image(content, "x.png")
    return Classifier.load(store, run_id).probabilities(to_network(picture, crop)[None])[0]


def test_without_a_run_the_next_step_is_offered(app):
    opened(app)
    assert app.info and app.button(key="new-run")


@pytest.mark.parametrize("name", ["photo.jfif", "photo.jpe", "photo", "photo.txt", "photo.PNG.bak"])
def test_the_bytes_of_a_file_decide_whatever_it_is_called(app, store, name):
    run_with_weights(store)
    opened(app)
    assert not app.file_uploader[0].proto.type, "the browser refuses no ending"
    drop(app, (name, png(1)))
    assert len(app.session_state["classify.tray"].images) == 1


def test_a_damaged_profile_is_said_below_its_image(app, store):
    run_with_weights(store)
    opened(app)
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "PNG", icc_profile=b"x" * 200)
    drop(app, ("odd.png", file.getvalue()))
    assert any("profile" in caption.value for caption in app.caption)


def test_a_run_without_weights_cannot_be_chosen(app, store):
    made_run(store, name="weightless")
    run_with_weights(store, name="able")
    opened(app)
    assert [label.split(" · ")[0] for label in app.selectbox(key="classify.run").options] == ["able"]


def test_the_newest_run_is_chosen_unless_the_address_names_another(app, store):
    old, new = run_with_weights(store), run_with_weights(store)
    opened(app)
    assert app.selectbox(key="classify.run").value == new
    app.query_params["run"] = old
    app.run()
    assert app.selectbox(key="classify.run").value == old


def test_of_two_runs_with_one_name_the_chosen_one_is_shown(app, store):
    old, new = run_with_weights(store, name="same"), run_with_weights(store, name="same")
    opened(app)
    for run_id in (old, new):
        app.selectbox(key="classify.run").set_value(run_id).run()
        assert app.selectbox(key="classify.run").value == run_id


def test_a_run_stays_chosen_while_its_label_changes(app, store):
    training, _ = run_with_weights(store), run_with_weights(store)
    opened(app)
    box = app.selectbox(key="classify.run").set_value(training)
    for epoch in (5, 6):
        before = box.options
        store.run(training).append_record(made_record(epoch, len(PAIR)))
        app.run()
        box = app.selectbox(key="classify.run")
        assert box.value == training
        assert box.options != before
        assert box.proto.raw_value == box.options[box.index], "the browser gets the new label"


def test_an_old_label_chooses_no_other_run(app, store, monkeypatch):
    first, second, _ = (run_with_weights(store) for _ in range(3))
    opened(app)
    app.selectbox(key="classify.run").set_value(first)
    app.selectbox(key="classify.other").set_value(second).run()
    late = property(lambda box: WidgetState(id=box.id, string_value="what it was called an epoch ago"))
    monkeypatch.setattr(Selectbox, "_widget_state", late)
    app.run()
    assert not app.exception
    assert [app.selectbox(key=f"classify.{box}").value for box in ("run", "other")] == [first, second]
    assert app.query_params["run"] == first


def test_the_address_names_the_chosen_run_and_is_obeyed_again(app, store):
    asked, other, _ = (run_with_weights(store) for _ in range(3))
    for _ in range(2):
        app.query_params["run"] = asked  # as a button on Run does
        opened(app)
        assert app.selectbox(key="classify.run").value == asked
        app.selectbox(key="classify.run").set_value(other).run()
        assert app.selectbox(key="classify.run").value == app.query_params["run"] == other
        app.switch_page("pages/home.py").run()
    app.query_params.clear()  # as the menu does
    opened(app)
    assert app.selectbox(key="classify.run").value == app.query_params["run"] == other


def test_the_table_has_the_networks_own_probabilities(app, store):
    run_id = run_with_weights(store)
    opened(app)
    drop(app, ("one.png", png(1)), ("two.png", png(2)))
    table = app.dataframe[0].value.set_index("image")
    for name, seed in (("one.png", 1), ("two.png", 2)):
        row = expected(store, run_id, png(seed))
        np.testing.assert_allclose(table.loc[name, list(PAIR)].astype(float), row, rtol=1e-4)
        assert table.loc[name, "prediction"] == PAIR[row.argmax()]
        assert table.loc[name, "probability"] == pytest.approx(row.max(), rel=1e-4)


def test_other_weights_give_other_answers(app, store):
    run_id = run_with_weights(store)
    opened(app)
    drop(app, ("one.png", png(1)))
    before = app.dataframe[0].value["probability"][0]
    made_weights(store, run_id, seed=5)
    app.run()
    row = expected(store, run_id, png(1))
    assert app.dataframe[0].value["probability"][0] == pytest.approx(row.max(), rel=1e-4)
    assert app.dataframe[0].value["probability"][0] != before


def test_a_bad_file_is_a_warning_and_does_not_stop_the_others(app, store):
    run_with_weights(store)
    opened(app)
    drop(app, ("good.png", png(1)), ("bad.png", b"no image"), ("cut.png", png(2)[:200]))
    assert ["bad.png" in line for line in app.warning[0].value.splitlines()] == [True, False]
    assert ["cut.png" in line for line in app.warning[0].value.splitlines()] == [False, True]
    assert list(app.dataframe[0].value["image"]) == ["good.png"]


def test_the_crop_changes_what_the_network_sees(app, store):
    run_id = run_with_weights(store)
    opened(app)
    content = png(3, (90, 30))
    drop(app, ("wide.png", content))
    app.button_group(key="classify.crop").set_value("whole").run()
    row = expected(store, run_id, content, "whole")
    assert app.dataframe[0].value["probability"][0] == pytest.approx(row.max(), rel=1e-4)


def test_a_manual_crop_is_what_the_network_sees_and_in_the_table(app, store):
    run_id = run_with_weights(store)
    opened(app)
    content = png(3, (90, 30))
    drop(app, ("wide.png", content), ("other.png", png(4, (90, 30))))
    app.button_group(key="classify.crop").set_value("hand").run()
    assert set(app.dataframe[0].value["crop"]) == {"manual crop, x 33–67 %, y 0–100 %"}
    tray = app.session_state["classify.tray"]
    tray.images[0].cut(Square(0.1, 0.5, 0.5))
    app.run()
    seen = to_network(read_image(content, "x.png"), "hand", Square(0.1, 0.5, 0.5))
    row = Classifier.load(store, run_id).probabilities(seen[None])[0]
    table = app.dataframe[0].value
    assert table["probability"][0] == pytest.approx(row.max(), rel=1e-4)
    assert table["crop"].tolist() == ["manual crop, x 1–18 %, y 23–73 %", "manual crop, x 33–67 %, y 0–100 %"]
    placed = [json.loads(element.proto.json)["square"] for element in app.get("bidi_component")]
    assert placed == [[0.1, 0.5, 0.5], [0.5, 0.5, 1.0]]


def test_images_survive_a_visit_to_another_page(app, store):
    run_with_weights(store)
    opened(app)
    drop(app, ("one.png", png(1)))
    app.switch_page("pages/home.py").run()
    opened(app)
    assert list(app.dataframe[0].value["image"]) == ["one.png"]
    fresh = AppTest.from_file(str(APP), default_timeout=20).run()
    fresh.query_params["images"] = kept = app.query_params["images"]
    opened(fresh).switch_page("pages/home.py").run()
    fresh.query_params.clear()  # as the menu does
    assert opened(fresh).query_params["images"] == kept, "a second refresh finds them too"
    app.button(key="clear").click().run()
    assert not app.dataframe


def test_no_more_than_two_hundred_are_kept(app, store, monkeypatch):
    run_with_weights(store)
    opened(app)
    tiny = png(1, (2, 2))
    drop(app, *((f"{at}.png", tiny) for at in range(203)))
    assert len(app.dataframe[0].value) == 200
    assert "3 of the images" in app.warning[0].value


def test_two_runs_side_by_side(app, store):
    first, second = run_with_weights(store, seed=1), run_with_weights(store, ("cat", "dog", "frog"), seed=2)
    opened(app)
    app.selectbox(key="classify.other").set_value(first).run()
    drop(app, ("one.png", png(1)))
    assert len(app.dataframe) == 2
    assert app.dataframe[0].value["probability"][0] == pytest.approx(expected(store, second, png(1)).max(), rel=1e-4)
    assert app.dataframe[1].value["probability"][0] == pytest.approx(expected(store, first, png(1)).max(), rel=1e-4)


def test_both_runs_survive_a_refresh(app, store):
    first, second = run_with_weights(store), run_with_weights(store)
    opened(app)
    app.selectbox(key="classify.run").set_value(first).run()
    app.selectbox(key="classify.other").set_value(second).run()
    address = {name: app.query_params[name] for name in ("run", "with")}
    fresh = AppTest.from_file(str(APP), default_timeout=20)
    fresh.query_params.update(address)
    opened(fresh.run())
    drop(fresh, ("one.png", png(1)))
    assert [fresh.selectbox(key=f"classify.{box}").value for box in ("run", "other")] == [first, second]
    assert len(fresh.selectbox(key="classify.other").options) == 1, "a run is not compared with itself"
    fresh.selectbox(key="classify.other").set_value(None).run()
    assert "with" not in fresh.query_params and len(fresh.dataframe) == 1


def test_a_second_run_that_is_gone_is_said(app, store):
    run_with_weights(store)
    app.query_params["with"] = "20200101-000000-gone"
    opened(app)
    assert "20200101-000000-gone" in app.error[0].value
    assert "with" not in app.query_params


def test_damaged_weights_are_an_error(app, store):
    run_id = run_with_weights(store)
    (store.root / run_id / "best.safetensors").write_bytes(b"no weights")
    opened(app)
    drop(app, ("one.png", png(1)))
    assert run_id in app.error[0].value


@pytest.fixture
def cifar(monkeypatch):
    """CIFAR-10 in black: the labels alone tell its images apart."""
    data = cifar10.Cifar10(np.zeros((60_000, 3, 32, 32), np.uint8), np.tile(np.arange(10), 6_000))
    monkeypatch.setattr(cifar10, "load", lambda folder=None: data)
    return data


def add_test_images(app):
    app.button_group(key="classify.source").set_value("test").run()
    action(app, "add-test").click().run()
    assert not app.exception


def test_test_images_are_ones_the_run_did_not_train_on(app, store, cifar):
    run_with_weights(store)
    opened(app)
    add_test_images(app)
    table = app.dataframe[0].value
    assert list(table["true class"]) == list(PAIR)
    assert all(int(name.removeprefix("CIFAR-10 ")) >= 50_000 for name in table["image"])


def test_another_runs_test_images_count_only_where_they_test_this_one(app, store, cifar):
    pooled = {"data.split": "pooled", "data.train_size": 9_000}
    pair, ten = run_with_weights(store, data=pooled), run_with_weights(store, CLASSES)
    opened(app)
    for _ in range(8):
        add_test_images(app)
    assert app.selectbox(key="classify.run").value == ten
    assert "of 80 " in app.caption[-1].value
    app.selectbox(key="classify.run").set_value(pair).run()
    assert not app.exception
    table = app.dataframe[0].value
    test = make_split(store.run(pair).config(), cifar.labels).test
    counted = [int(name.removeprefix("CIFAR-10 ")) in test for name in table["image"]]
    assert 0 < sum(counted) < 16, "of the 16 deer and dogs some are in the training set"
    assert f"of {sum(counted)} " in app.caption[-1].value
    assert "(64)" in app.caption[-1].value
    assert (table["not counted"] == "").tolist() == counted
    verdicts = [text.value for text in app.markdown if "true class" in text.value or "correct]" in text.value]
    assert [":gray[" not in verdict for verdict in verdicts] == counted[: len(verdicts)]


def test_each_prediction_says_which_classes_the_network_knows_and_louder_if_none_fits(app, store, monkeypatch):
    run_with_weights(store)
    opened(app)
    answers = iter([0.96, 0.51])
    monkeypatch.setattr(
        Classifier,
        "probabilities",
        lambda self, images: np.array([[1 - (p := next(answers)), p] for _ in images], "f4"),
    )
    drop(app, ("astronaut.png", png(1)), ("noise.png", png(2)))
    sure, unsure = (text.value for text in app.markdown if "knows only deer and dog" in text.value)
    assert "No class fits" in unsure and "orange" in unsure
    assert "No class fits" not in sure and "orange" not in sure


# --- what it looks at -----------------------------------------------------------------------------------


@pytest.fixture
def dim(monkeypatch):
    """CIFAR-10 in dim colours, with a little noise."""
    rng = np.random.default_rng(0)
    images = np.zeros((60_000, 3, 32, 32), np.uint8)
    for start in range(0, 60_000, 10_000):
        images[start : start + 10_000] = rng.integers(0, 40, (10_000, 3, 1, 1), np.uint8)
    images[:, :, ::3] += 20
    data = cifar10.Cifar10(images, np.tile(np.arange(10), 6_000))
    monkeypatch.setattr(cifar10, "load", lambda folder=None: data)
    monkeypatch.setattr(cifar10, "available", lambda folder=None: True)
    return data


SMALL = {"data.train_size": 600, "data.validation_size": 200, "data.test_size": 100}


def test_a_strange_image_is_flagged_and_usual_ones_are_not(app, store, dim):
    run_id = run_with_weights(store, data=SMALL)
    opened(app)
    split = make_split(store.run(run_id).config(), dim.labels)
    usual = {f"{at}.png": as_png(dim.images[at]) for at in split.test[:6]}
    drop(app, *usual.items(), ("noise.png", png(1)))
    assert kept_knowledge(Shelf(store, run_id)) is None, "nothing is computed unasked"
    action(app, "learn").click().run()
    known = kept_knowledge(Shelf(store, run_id))
    assert known is not None and known.detector.held_out == 200
    seen = activations(Classifier.load(store, run_id), dim.images[split.test[:6]])
    table = app.dataframe[0].value.set_index("image")["unlike"]
    assert table[list(usual)].tolist() == known.detector.unlike(seen).tolist()
    assert table["noise.png"] and table.sum() < 4
    assert sum("Unlike the training images" in text.value for text in app.markdown) == table.sum()
    grids = image_grids(app)
    assert [len(grid["tiles"]) for grid in grids] == [6] * 7
    nearest, _ = known.training.nearest(seen.features[:1], 6)
    assert (pixels(grids[list(table.index).index(f"{split.test[0]}.png")]) == dim.images[nearest[0]]).all()
    assert set(nearest[0]) <= set(split.train)


def test_each_card_has_a_grad_cam_of_its_prediction(app, store):
    run_id = run_with_weights(store)
    opened(app)
    drop(app, ("one.png", png(1)))
    prediction = PAIR[expected(store, run_id, png(1)).argmax()]
    alts = [image.alt for element in app.get("image") for image in element.proto.imgs]
    assert f"Grad-CAM of one.png for {prediction}" in alts


def test_each_of_two_runs_has_its_own_grad_cam_and_nearest_images(app, store, dim):
    first, second = (run_with_weights(store, seed=seed, data=SMALL) for seed in (0, 1))
    opened(app)
    app.selectbox(key="classify.run").set_value(first).run()
    app.selectbox(key="classify.other").set_value(second).run()
    drop(app, ("one.png", png(1)))
    alts = [image.alt for element in app.get("image") for image in element.proto.imgs]
    assert sum(alt.startswith("Grad-CAM of one.png") for alt in alts) == 2
    action(app, "learn").click().run()
    for run_id, grid in zip((first, second), image_grids(app), strict=True):
        network, known = Classifier.load(store, run_id), kept_knowledge(Shelf(store, run_id))
        own = activations(network, to_network(read_image(png(1), "x.png"), "centre")[None]).features
        assert (pixels(grid) == dim.images[known.training.nearest(own, 6)[0][0]]).all()


def test_a_run_that_trains_is_not_surveyed(app, store, dim):
    run_id = run_with_weights(store, data=SMALL)
    with store.run(run_id).hold():
        store.run(run_id).write_status(replace(store.run(run_id).stored_status(), state="running"))
        opened(app)
        drop(app, ("one.png", png(1)))
    assert kept_knowledge(Shelf(store, run_id)) is None
    assert not [button for button in app.button if (button.key or "").startswith("learn")]
    assert "unlike" not in app.dataframe[0].value
