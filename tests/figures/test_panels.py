"""A study's figures and sentences, as a page shows them and as files."""

import asyncio
import csv
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import plotly.graph_objects as go
import pytest

from core.base.errors import LabError
from core.figures import panels
from core.published.points import POINTS
from core.study import progress as progress_study
from core.study.outcomes import outcome_table
from core.study.presets import published_study
from core.study.store import StudyStore
from core.study.study import Axis, Study
from tests.browser.conftest import chromium_path
from tests.made import made_run, tiny_config


def finished(store, study: Study) -> str:
    """The study with a made-up run for every cell."""
    study_id = StudyStore(store).create(study)
    for at, cell in enumerate(study.cells()):
        made_run(store, 6 + at % 3, "finished", cell.config, study=study_id)
    return study_id


@pytest.fixture
def table(store):
    """Figure 3 at a tenth with two seeds: the study, its cells and its outcomes."""
    study = published_study(3, scale=0.1, seeds=(0, 1))
    cells = progress_study.statuses(finished(store, study), study, store.summaries())
    return study, cells, outcome_table(study, cells)


def test_a_published_study_has_the_reports_points_next_to_its_own(table):
    study, _, found = table
    accuracy, objective = panels.panels(study, found, "data.train_size")
    assert (accuracy.metric, objective.metric) == ("accuracy", "objective")
    for panel, name, scale in ((accuracy, "best_accuracy", 100), (objective, "loss", 1)):
        report = next(trace for trace in panel.figure.data if trace.uid == "report")
        assert list(report.y) == [scale * getattr(point, name) for point in POINTS if point.figure == 3]
        assert panel.findings[0].sentences
        assert "6,000" in panel.alt


def test_ones_own_study_has_none_of_them(store):
    study = Study("own", tiny_config("data.classes=deer,dog"), (Axis("data.train_size", (400, 700)),))
    assert panels.published(study, "data.train_size") == ()


def test_without_a_result_there_is_no_figure(store, tmp_path):
    study = published_study(3)
    assert panels.panels(study, outcome_table(study, []), "data.train_size") == []
    with pytest.raises(LabError, match="nothing to draw"):
        panels.write(store, StudyStore(store).create(study), tmp_path / "figures")


def test_curves_are_grouped_by_value_with_the_seeds_together(store, table):
    study, cells, _ = table
    groups = panels.curves_by_value(store, study, cells, "data.train_size")
    assert [label for label, _ in groups] == ["6,000", "7,000", "8,000", "9,000", "10,000"]
    assert {len(runs) for _, runs in groups} == {2}


@pytest.mark.parametrize(
    ("path", "values", "names"),
    [
        ("data.train_size", (None, 400, 300), ["300", "400", "all"]),
        ("data.validation_size", (None, 50), ["50", "tenth"]),
        ("data.test_size", (None, 100), ["100", "all"]),
    ],
)
def test_a_value_that_is_a_word_is_called_by_it(store, path, values, names):
    study = Study("own", tiny_config(), (Axis(path, values),))
    cells = progress_study.statuses(finished(store, study), study, store.summaries())
    assert [label for label, _ in panels.curves_by_value(store, study, cells, path)] == names


def test_a_study_is_written_as_files(store, tmp_path):
    if not any(map(shutil.which, ("chromium", "google-chrome", "chromium-browser", "google-chrome-stable"))):
        pytest.skip("drawing images needs Chromium")
    study_id = finished(store, published_study(3, scale=0.1, seeds=(0, 1)))
    files = panels.write(store, study_id, tmp_path / "figures")
    names = {path.name for path in files}
    assert names == {
        "train_size.csv",
        *(f"train_size-{metric}.{kind}" for metric in ("accuracy", "objective") for kind in ("json", "svg", "png")),
    }
    rows = list(csv.DictReader((tmp_path / "figures" / "train_size.csv").open(encoding="utf-8-sig")))
    assert [row["source"] for row in rows] == ["here"] * 5 + ["report, derived"] * 5
    (record,) = json.loads((tmp_path / "figures" / "train_size-accuracy.json").read_text())
    assert record["sentences"]
    assert b"<svg" in (tmp_path / "figures" / "train_size-accuracy.svg").read_bytes()[:200]
    assert (tmp_path / "figures" / "train_size-accuracy.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("browser", ["/nonexistent/chromium", shutil.which("false") or "/bin/false"])
def test_without_a_browser_that_starts_the_data_is_written_all_the_same(store, tmp_path, monkeypatch, browser):
    monkeypatch.setenv("BROWSER_PATH", browser)
    study_id = finished(store, published_study(3, scale=0.1))
    with pytest.raises(LabError, match="Install Chromium"):
        panels.write(store, study_id, tmp_path / "figures")
    assert {path.suffix for path in Path(tmp_path / "figures").iterdir()} == {".csv", ".json"}


@pytest.mark.skipif(chromium_path() is None, reason="drawing images needs Chromium")
def test_images_are_drawn_where_an_event_loop_runs_as_in_a_notebook(tmp_path):
    async def cell() -> list[Path]:
        return panels.draw([(tmp_path / "empty", go.Figure())])

    with ThreadPoolExecutor(max_workers=1) as notebook:  # this thread may have a loop already: Playwright's
        files = notebook.submit(asyncio.run, cell()).result()
    assert [path.suffix for path in files] == [".svg", ".png"]
