"""The commands that write something to take away, on a run that was really trained."""

import onnxruntime
import pytest
from safetensors import safe_open

from core.runs.store import RunStore
from core.study.store import StudyStore
from core.study.study import Axis, Study
from tests.cli.conftest import Cli


def test_weights_are_those_of_the_run(cli: Cli, trained: RunStore, tmp_path) -> None:
    result = cli("export-weights", "tiny", "--to", tmp_path / "w.safetensors", "--json", on=trained)
    (run_id,) = trained.ids()
    content = (trained.root / run_id / "best.safetensors").read_bytes()
    assert (result.code, result.data) == (
        0,
        {"run": run_id, "file": str(tmp_path / "w.safetensors"), "bytes": len(content)},
    )
    assert (tmp_path / "w.safetensors").read_bytes() == content
    with safe_open(tmp_path / "w.safetensors", "numpy") as weights:
        assert "input.mean" in set(weights.keys())


def test_the_network_is_written_as_onnx(cli: Cli, trained: RunStore, tmp_path) -> None:
    assert cli("export-onnx", "latest", "--to", tmp_path / "network.onnx", on=trained).code == 0
    session = onnxruntime.InferenceSession(tmp_path / "network.onnx", providers=["CPUExecutionProvider"])
    assert [node.name for node in (*session.get_inputs(), *session.get_outputs())] == ["images", "logits"]
    assert session.get_modelmeta().custom_metadata_map["run"] == trained.ids()[0]


def test_a_model_card_is_printed_or_written(cli: Cli, trained: RunStore, tmp_path) -> None:
    printed = cli("model-card", "tiny", "--json", on=trained)
    assert printed.data["card"].startswith("---\n") and printed.data["run"] in printed.data["card"]
    assert cli("model-card", "tiny", "--to", tmp_path / "card.md", on=trained).code == 0
    assert (tmp_path / "card.md").read_text(encoding="utf-8") == printed.data["card"]


def test_a_report_about_runs_is_written_and_says_what_is_missing(
    cli: Cli, trained: RunStore, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROWSER_PATH", "/nonexistent/chromium")
    words = ("hand-in", "tiny", "tiny", "--to", tmp_path / "report", "--title", "My <report>", "--author", "Ada")
    result = cli(*words, "--json", on=trained)
    assert result.code == 1 and "Chromium" in result.err and "Chromium" in result.data["missing"]
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert "My &lt;report&gt;" in page and "Ada" in page
    assert set(result.data["files"]) == {str(path) for path in (tmp_path / "report").rglob("*.*") if path.is_file()}
    assert "exists already" in cli(*words, on=trained).err


def test_a_report_about_a_study_is_written(
    cli: Cli, trained: RunStore, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROWSER_PATH", "/nonexistent/chromium")
    (run_id,) = trained.ids()
    config = trained.run(run_id).config()
    StudyStore(trained).create(Study("rates", config, (Axis("train.lr", (config.train.lr, 0.5)),)))
    result = cli("study", "hand-in", "rates", "--to", tmp_path / "report", "--json", on=trained)
    assert str(tmp_path / "report" / "data" / "study.json") in result.data["files"]


@pytest.mark.parametrize("command", ["export-weights", "export-onnx", "model-card"])
def test_an_existing_file_is_kept(cli: Cli, trained: RunStore, tmp_path, command: str) -> None:
    (tmp_path / "mine").write_text("mine")
    result = cli(command, "tiny", "--to", tmp_path / "mine", on=trained)
    assert result.code == 1 and "exists already" in result.err
    assert (tmp_path / "mine").read_text() == "mine"
