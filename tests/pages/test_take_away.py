"""The buttons that make files: on Run, on Studies and on Compare; what they make, and what they say if they cannot."""

import io
import zipfile

import pytest

from tests.made import made_run, made_weights
from tests.pages.shown import action, texts
from tests.takeaway.made import BASE, made_study


def opened(app, page: str, box: str, **address: str):
    """Return the page with the popover ``box`` open."""
    app.session_state[box] = True
    for name, value in address.items():
        app.query_params[name] = value
    app.switch_page(f"pages/{page}.py")
    return app.run()


def saved(app) -> list[str]:
    """Return the labels of the buttons that save a file that was made here."""
    labels = [button.label for button in app.get("download_button")]
    return [label for label in labels if label.startswith("Save ")]


@pytest.fixture
def run_id(store):
    """A finished run with weights."""
    run_id = made_run(store, 4, "finished", BASE.replace({"model.depth": 8, "model.width": 4}), name="cats")
    made_weights(store, run_id)
    return run_id


@pytest.mark.parametrize("name", ["model-card.md", "best.safetensors", "network.onnx"])
def test_a_file_of_a_run_is_made_on_a_click_and_can_be_saved(app, run_id, name):
    opened(app, "run", f"take_away {run_id}", run=run_id)
    assert saved(app) == []
    action(app, f"take_{name}").click().run()
    assert "Prepare" not in (labels := saved(app))[0] and len(labels) == 1
    assert not app.exception and not app.error


def test_what_cannot_be_made_is_said_in_a_sentence(app, store, run_id):
    (store.root / run_id / "best.safetensors").write_bytes(b"damaged")
    opened(app, "run", f"take_away {run_id}", run=run_id)
    action(app, "take_network.onnx").click().run()
    assert "best.safetensors" in texts(app) and saved(app) == []


def test_a_run_without_an_epoch_has_nothing_to_take_away(app, store):
    run_id = made_run(store, 0, "queued")
    opened(app, "run", f"take_away {run_id}", run=run_id)
    assert [button for button in app.button if (button.key or "").startswith("take_")] == []


@pytest.mark.parametrize("name", ["report.html", "report.zip"])
def test_a_report_about_a_study_is_made_with_title_and_author(app, store, name, monkeypatch):
    monkeypatch.setenv("BROWSER_PATH", "/nonexistent/chromium")
    opened(app, "studies", "hand_in_box", study=made_study(store, 2))
    app.text_input(key="hand_in_title").set_value("My study").run()
    app.text_input(key="hand_in_author").set_value("Ada").run()
    action(app, f"take_{name}").click().run()
    assert len(saved(app)) == 1 and not app.exception
    (made,) = app.session_state["taken_away"].values()
    assert (b"<h1>My study</h1>" in made and b"Ada" in made) if name == "report.html" else made[:2] == b"PK"
    app.text_input(key="hand_in_title").set_value("Another title").run()
    assert saved(app) == []  # what was made has another title


def test_a_report_about_selected_runs_is_made(app, store):
    ids = [made_run(store, 4, "finished", BASE.replace({"train.lr": rate})) for rate in (0.1, 0.2)]
    opened(app, "compare", "hand_in_box", runs=",".join(ids))
    action(app, "take_report.html").click().run()
    (made,) = app.session_state["taken_away"].values()
    assert all(run_id.encode() in made for run_id in ids) and len(saved(app)) == 1


def test_whole_runs_are_packed_on_a_click(app, run_id):
    opened(app, "compare", "whole_runs_box", runs=run_id)
    assert saved(app) == []
    action(app, "take_runs.zip").click().run()
    (made,) = app.session_state["taken_away"].values()
    names = zipfile.ZipFile(io.BytesIO(made)).namelist()
    assert f"{run_id}/best.safetensors" in names and len(saved(app)) == 1


def test_a_run_that_cannot_be_packed_says_why(app, store, run_id):
    (store.root / run_id / "best.safetensors").write_bytes(b"damaged")
    opened(app, "compare", "whole_runs_box", runs=run_id)
    action(app, "take_runs.zip").click().run()
    assert "best.safetensors" in texts(app) and saved(app) == []


def test_runs_without_an_epoch_are_told_in_a_sentence(app, store):
    opened(app, "compare", "hand_in_box", runs=made_run(store, 0, "queued"))
    action(app, "take_report.html").click().run()
    assert "nothing to report" in texts(app) and saved(app) == []
