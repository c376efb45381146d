"""The commands data, layers, settings and presets."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.base.errors import DataError
from core.config.presets import PRESETS
from core.config.run_config import SETTINGS, RunConfig
from core.data import fetch
from core.data.sources import Progress
from core.runs.store import RunStore
from tests.cli.conftest import Cli
from tests.made import made_run


def test_layers_of_a_preset_and_of_a_run(cli: Cli, store: RunStore) -> None:
    assert cli("layers", "--preset", "report").out.splitlines()[-1].startswith("273,066 ")
    pair = {"data.classes": ("deer", "dog"), "data.train_size": 10_000}
    made_run(store, config=PRESETS["report"].config.replace(pair))
    data = cli("layers", "latest", "--json").data
    assert data["parameters"] == 272_546 == sum(layer["parameters"] for layer in data["layers"])
    assert cli("layers", "--set", "model.depth=8", "--json").data["parameters"] < 269_722


def test_every_setting_is_explained(cli: Cli) -> None:
    text, data = cli("settings").out, cli("settings", "--json").data
    assert [setting["path"] for setting in data] == list(SETTINGS)
    for path, setting in SETTINGS.items():
        assert f"{path}  {setting.expects()}" in text
    default = RunConfig()
    fields = {"path", "label", "kind", "unit", "low", "high", "choices", "default", "when", "help"}
    for setting in data:
        assert fields <= setting.keys()
        value = default[setting["path"]]
        assert setting["default"] == (list(value) if isinstance(value, tuple) else value)
    assert cli("knobs", "--json").data == data, "the old name is accepted"


def test_every_preset_is_explained(cli: Cli) -> None:
    text, data = cli("presets").out, cli("presets", "--json").data
    assert [preset["name"] for preset in data] == list(PRESETS)
    assert all(f"{name}  {preset.title}" in text for name, preset in PRESETS.items())
    assert RunConfig.from_dict(data[0]["config"]) == PRESETS["quick"].config


def test_data_prints_where_the_images_are(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    requests: list[Any] = []

    def acquire(folder: Path, source: Path, progress: Callable[[Progress], None]) -> Path:
        requests.append((folder, source))
        progress(Progress("source", "Unpacking", 5, 10, "B"))
        progress(Progress("source", "Checking", 60_000, 60_000, "images"))
        return folder

    monkeypatch.setattr(fetch, "acquire", acquire)
    result = cli("data", "--folder", tmp_path, "--source", "a.tar.gz", "--json")
    assert requests == [(tmp_path, Path("a.tar.gz"))]
    assert result.data == {"folder": str(tmp_path), "images": 60_000, "verified": True}
    assert result.err == "", "without a terminal there is no bar"


def test_data_that_cannot_be_had_is_an_error(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise DataError("No source worked.")

    monkeypatch.setattr(fetch, "acquire", refuse)
    result = cli("data")
    assert (result.code, result.out, result.err) == (1, "", "No source worked.\n")
