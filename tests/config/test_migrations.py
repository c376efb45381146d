"""Configurations of an older program: read as what they mean today, and never lost."""

import json
from typing import Any

import pytest

from core.base.errors import ConfigError, StoreError
from core.config import migrations
from core.config import run_config as config_module
from core.config.run_config import SCHEMA_VERSION, RunConfig
from core.jobs.runner import run
from core.runs.store import RunStore
from tests.made import made_run, tiny_config


@pytest.fixture
def two_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if there had been two schemas: one called the learning rate “rate”, one before had it ten times as large."""

    def tenfold(content: dict[str, Any]) -> dict[str, Any]:
        content["train"] = {**content["train"], "rate": content["train"]["rate"] / 10}
        return content

    def renamed(content: dict[str, Any]) -> dict[str, Any]:
        train = dict(content["train"])
        return {**content, "train": {"lr": train.pop("rate"), **train}}

    monkeypatch.setitem(migrations.STEPS, SCHEMA_VERSION - 2, tenfold)
    monkeypatch.setitem(migrations.STEPS, SCHEMA_VERSION - 1, renamed)


def old(config: RunConfig, rate: float, schema: int) -> dict[str, Any]:
    content = json.loads(json.dumps(config.to_dict()))
    content["train"].pop("lr")
    content["train"]["rate"], content["schema"] = rate, schema
    return content


def test_every_schema_so_far_is_read() -> None:
    assert set(migrations.STEPS) == set(range(1, SCHEMA_VERSION)), "a raised SCHEMA_VERSION needs its step"


@pytest.mark.usefixtures("two_steps")
@pytest.mark.parametrize(("schema", "rate"), [(SCHEMA_VERSION - 1, 0.05), (SCHEMA_VERSION - 2, 0.5)])
def test_an_older_configuration_means_the_same_today(schema: int, rate: float) -> None:
    content = old(RunConfig(), rate, schema)
    given = json.dumps(content)
    assert RunConfig.from_dict(content) == RunConfig().replace({"train.lr": 0.05})
    assert json.dumps(content) == given, "what was given is not changed"


@pytest.mark.parametrize("schema", [0, -1, SCHEMA_VERSION - 3, None, "1", 0.5])
def test_without_a_step_from_it_a_schema_is_refused(schema: object) -> None:
    with pytest.raises(ConfigError, match=f"this program reads schema {SCHEMA_VERSION}"):
        RunConfig.from_dict({"schema": schema, "train": {}})


def test_a_newer_schema_is_refused_with_what_to_do() -> None:
    with pytest.raises(ConfigError, match=r"written by a newer ResNet Lab .* update this one to read it"):
        RunConfig.from_dict({"schema": SCHEMA_VERSION + 1})


@pytest.mark.usefixtures("two_steps")
def test_looking_at_an_old_run_changes_nothing_and_training_it_keeps_a_copy(store: RunStore) -> None:
    config = tiny_config("train.epochs=1", "train.warmup_epochs=0")
    run_id = store.create(config)
    path = store.run(run_id).path / "config.json"
    path.write_text(json.dumps(old(config, 10 * config.train.lr, SCHEMA_VERSION - 2)))
    before = path.read_bytes()
    assert store.run(run_id).config() == config and store.frame().loc[0, "train.lr"] == config.train.lr
    assert path.read_bytes() == before
    assert run(store, run_id).state == "finished"
    assert path.with_name(f"config.json.v{SCHEMA_VERSION - 2}").read_bytes() == before
    assert json.loads(path.read_text()) == json.loads(json.dumps(config.to_dict()))


def test_a_run_of_today_is_left_as_it_is(store: RunStore) -> None:
    run_id = made_run(store)
    before = sorted(one.name for one in store.run(run_id).path.iterdir())
    store.run(run_id).migrate()
    assert sorted(one.name for one in store.run(run_id).path.iterdir()) == before


def test_a_run_of_a_newer_program_is_told_and_not_touched(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = made_run(store)
    path = store.run(run_id).path / "config.json"
    before = path.read_bytes()
    monkeypatch.setattr(config_module, "SCHEMA_VERSION", SCHEMA_VERSION - 1)
    with pytest.raises(StoreError, match="newer ResNet Lab"):
        store.run(run_id).migrate()
    assert path.read_bytes() == before
