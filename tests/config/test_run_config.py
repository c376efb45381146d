"""RunConfig: the checks, reading and writing, and what makes two configs the same."""

import json
from typing import Any

import pytest
from hypothesis import given

from core.base.errors import ConfigError
from core.config import run_config
from core.config.run_config import HOW_COMPUTED, SCHEMA_VERSION, SETTINGS, RunConfig
from core.config.sections import CLASSES, SetSizes
from core.runs.store import RunStore
from tests.strategies import any_config, sound_config

PAIR = ("deer", "dog")


def changed(**changes: Any) -> RunConfig:
    """The default config with some changes changed, ``data__split`` for ``data.split``."""
    return RunConfig().replace({name.replace("__", "."): value for name, value in changes.items()})


# --- the checks -----------------------------------------------------------------------------------

POOLED = {"data__split": "pooled"}


@pytest.mark.parametrize(
    ("changes", "path", "words"),
    [
        ({"data__classes": PAIR, "data__train_size": 10_001}, "data.train_size", "at most 10,000"),
        ({"data__classes": PAIR, "data__test_size": 2_001}, "data.test_size", "at most 2,000"),
        (POOLED, "data.train_size", "is missing"),
        (POOLED | {"data__train_size": 60_000}, "data.train_size", "at most 59,990"),
        (POOLED | {"data__train_size": 50_000, "data__test_size": 10_001}, "data.train_size", "at most 49,999"),
        (POOLED | {"data__test_size": 60_000}, "data.test_size", "at most 59,990"),
        (
            POOLED | {"data__classes": PAIR, "data__train_size": 6_000, "data__test_size": 60_000},
            "data.test_size",
            "at most 11,998",
        ),
        ({"data__test_size": 9}, "data.test_size", "at least 10"),
        ({"data__validation_size": 9}, "data.validation_size", "at least 10"),
        ({"data__train_size": 500, "data__validation_size": 600}, "data.validation_size", "leaves 0 training images"),
        ({"data__train_size": 15}, "data.train_size", "leaves 5 training images"),
        ({"data__train_size": 100}, "train.batch_size", "at most 90"),
        ({"model__depth": 21}, "model.depth", "6n+2"),
        ({"augment__grow_from": 22}, "augment.grow_from", "not a multiple of 4"),
        ({"train__nesterov": True, "train__momentum": 0.0}, "train.nesterov", "momentum above 0"),
        ({"train__schedule": "multi-step", "train__milestones": (5, 5)}, "train.milestones", "rising order"),
        ({"train__schedule": "multi-step", "train__milestones": (9, 5)}, "train.milestones", "rising order"),
        ({"train__schedule": "multi-step", "train__milestones": ()}, "train.milestones", "at least one epoch"),
        ({"train__schedule": "report", "train__milestones": (80, 120)}, "train.milestones", "four epochs"),
        ({"train__epochs": 5, "train__warmup_epochs": 5.0}, "train.warmup_epochs", "less than 5"),
        ({"train__averaging": "ema", "train__averaging_start": 25}, "train.averaging_start", "at most 24"),
        ({"train__lr": 0.0}, "train.lr", "0 is out of range"),
    ],
)
def test_each_impossible_choice_is_a_problem_of_its_setting(changes: dict[str, Any], path: str, words: str) -> None:
    config = changed(**changes)
    assert set(config.problems()) == {path}
    assert words in config.problems()[path]
    with pytest.raises(ConfigError) as caught:
        config.checked()
    assert str(caught.value) == f"{path}: {config.problems()[path]}"


@pytest.mark.parametrize(
    "config",
    [
        changed(train__optimizer="adam", train__nesterov=True, train__momentum=0.0),
        changed(train__milestones=(9, 5)),
        changed(train__schedule="plateau", train__warmup_epochs=1_000.0),
        changed(train__averaging_start=10_000),
        changed(data__train_size=10, data__validation="test", train__batch_size=10),
        changed(data__split="pooled", data__train_size=50_000, data__test_size=10_000),
        changed(data__split="pooled", data__train_size=59_990, data__validation="test"),
        changed(train__epochs=5, train__warmup_epochs=4.99),
    ],
)
def test_what_has_no_effect_or_just_fits_is_allowed(config: RunConfig) -> None:
    assert config.checked() is config


def test_all_problems_are_found_at_once() -> None:
    related = changed(model__depth=9, train__epochs=1, train__warmup_epochs=2.0)
    assert set(related.problems()) == {"model.depth", "train.warmup_epochs"}
    unsound = related.replace({"train.lr": -1.0, "train.seed": -1})
    assert set(unsound.problems()) == {"train.lr", "train.seed", "model.depth", "train.warmup_epochs"}
    unsound = unsound.replace({"train.epochs": 0})
    assert "train.warmup_epochs" not in unsound.problems(), "what it would be compared with means nothing"
    assert set(unsound.problems(unread=["train.lr"])) == {"train.epochs", "train.seed", "model.depth"}


@pytest.mark.parametrize(("warmup", "words"), [(1.0, "1 epoch leaves none of the run's 1 epoch"), (2.0, "2 epochs")])
def test_a_warmup_of_the_whole_run_is_told_in_plain_words(warmup: float, words: str) -> None:
    problem = changed(train__epochs=1, train__warmup_epochs=warmup).problems()["train.warmup_epochs"]
    assert words in problem and "1 epochs" not in problem


@given(any_config)
def test_any_config_is_allowed_or_explained(config: RunConfig) -> None:
    for path, sentence in config.problems().items():
        assert path in SETTINGS
        assert sentence.endswith((".", "?"))
        assert " -" not in sentence, "no advice to take a negative number"
    if not config.problems():
        sizes, k = config.data.sizes(), len(config.data.classes)
        assert sizes.train >= k and sizes.test >= k
        assert sizes.train + sizes.validation + sizes.test <= 6_000 * k
        assert config.steps_per_epoch() >= 1


# --- sizes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "sizes"),
    [
        (changed(), SetSizes(45_000, 5_000, 10_000)),
        (changed(data__validation="test"), SetSizes(50_000, 0, 10_000)),
        (changed(data__validation_size=2_000), SetSizes(48_000, 2_000, 10_000)),
        (changed(data__train_size=1_000, data__test_size=500), SetSizes(900, 100, 500)),
        (changed(data__train_size=50), SetSizes(40, 10, 10_000)),
        (changed(data__classes=PAIR), SetSizes(9_000, 1_000, 2_000)),
        (changed(data__split="pooled", data__train_size=50_000), SetSizes(45_000, 5_000, 10_000)),
        (changed(data__split="pooled", data__test_size=10_000), SetSizes(45_000, 5_000, 10_000)),
        (changed(data__split="pooled", data__train_size=30_000, data__validation="test"), SetSizes(30_000, 0, 30_000)),
        (
            changed(data__split="pooled", data__train_size=30_000, data__test_size=10_000, data__validation="test"),
            SetSizes(30_000, 0, 10_000),
        ),
        (
            changed(data__classes=PAIR, data__split="pooled", data__train_size=6_000, data__validation="test"),
            SetSizes(6_000, 0, 6_000),
        ),
    ],
)
def test_set_sizes(config: RunConfig, sizes: SetSizes) -> None:
    assert config.problems() == {} or config.train.batch_size > sizes.train
    assert config.data.sizes() == sizes


def test_the_last_batch_of_an_epoch_may_be_smaller() -> None:
    assert changed(data__validation_size=5_000).steps_per_epoch() == 352  # 45,000 / 128 = 351.6
    assert changed(data__validation="test", train__batch_size=125).steps_per_epoch() == 400


# --- reading and writing --------------------------------------------------------------------------


@given(sound_config)
def test_what_is_written_is_read_back(config: RunConfig) -> None:
    assert RunConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert config.to_dict()["schema"] == SCHEMA_VERSION


@given(any_config)
def test_every_config_can_be_said_on_a_command_line(config: RunConfig) -> None:
    settings = [f"{path}={SETTINGS[path].show(value)}" for path, value in config.values().items()]
    assert RunConfig().set_from_text(settings) == config


def test_settings_that_are_missing_take_their_defaults() -> None:
    config = RunConfig.from_dict({"schema": 1, "train": {"lr": 1}})
    assert config == changed(train__lr=1.0)
    assert isinstance(config.train.lr, float)


def test_classes_are_kept_in_the_order_of_cifar10() -> None:
    assert changed(data__classes=["dog", "deer"]).data.classes == ("deer", "dog")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([], "config: is not a configuration"),
        (None, "config: is not a configuration"),
        ({"schema": 1, "trian": {}}, "trian: is not a section of a configuration. Did you mean “train”?"),
        ({"schema": 1, "train": 3}, "train: is not a section of a configuration"),
        ({"schema": 1, "train": {"epoch": 3}}, "train.epoch: is not a known setting. Did you mean “train.epochs”?"),
        ({"schema": 1, "train": {"lr": "high"}}, "train.lr: “high” is not a number from 1e-07 to 10."),
        ({"schema": 1, "model": {"depth": 21}}, "model.depth: 21 is not 6n+2"),
        ({"schema": 1, "train": {"lr": 10**400}}, "train.lr: 10,000,000,000,000,0… is out of range"),
    ],
)
def test_an_edited_file_is_refused_with_the_reason(content: Any, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        RunConfig.from_dict(content)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("train.lr", "train.lr: needs a value"),
        ("train.epoch=3", "train.epoch: is not a known setting. Did you mean “train.epochs”?"),
        ("lr=3", "Did you mean “train.lr”?"),
        ("batchsize=3", "Did you mean “train.batch_size”?"),
        ("train.lr=high", "train.lr: “high” is not a number from 1e-07 to 10."),
        ("=3", ": is not a known setting."),
    ],
)
def test_a_bad_setting_is_refused_with_the_reason(setting: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        RunConfig().set_from_text([setting])
    assert words in str(caught.value)


# --- older and newer schemas ----------------------------------------------------------------------


def test_an_older_schema_is_brought_up_to_date_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    def divide(content: dict[str, Any]) -> dict[str, Any]:
        return content | {"train": {"rate": content["train"]["rate"] / 10}}

    def rename(content: dict[str, Any]) -> dict[str, Any]:
        return content | {"train": {"lr": content["train"]["rate"]}}

    assert set(run_config.MIGRATIONS) == set(range(1, SCHEMA_VERSION)), "a raised SCHEMA_VERSION needs its step"
    monkeypatch.setitem(run_config.MIGRATIONS, SCHEMA_VERSION - 2, divide)
    monkeypatch.setitem(run_config.MIGRATIONS, SCHEMA_VERSION - 1, rename)
    for age, rate in ((1, 0.05), (2, 0.5)):
        content = {"schema": SCHEMA_VERSION - age, "train": {"rate": rate}}
        given = json.dumps(content)
        assert RunConfig.from_dict(content) == changed(train__lr=0.05)
        assert json.dumps(content) == given, "the content is not changed in place"


@pytest.mark.parametrize("schema", [0, -1, None, "1", 0.5, "x"])
def test_a_schema_without_a_step_is_refused(schema: object) -> None:
    with pytest.raises(ConfigError, match=f"reads schema {SCHEMA_VERSION}"):
        RunConfig.from_dict({"schema": schema, "train": {}})


def test_a_newer_schema_is_refused_with_what_to_do() -> None:
    with pytest.raises(ConfigError, match=r"newer ResNet Lab \(schema 2\). Update this one"):
        RunConfig.from_dict({"schema": SCHEMA_VERSION + 1})


def test_training_an_old_run_updates_its_config_and_keeps_a_copy(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = store.create(changed(train__lr=0.05))
    path = store.run(run_id).path / "config.json"
    today = path.read_bytes()
    store.run(run_id).migrate()
    assert [path.read_bytes(), list(path.parent.glob("config.json.v*"))] == [today, []], "a current run is left alone"
    path.write_text(json.dumps(json.loads(today) | {"schema": 0}))
    path.with_name("checksums.txt").unlink()  # so old a run has none
    old = path.read_bytes()
    monkeypatch.setitem(run_config.MIGRATIONS, 0, dict)
    assert store.run(run_id).config().train.lr == 0.05
    assert path.read_bytes() == old, "reading changes nothing"
    store.run(run_id).migrate()
    assert path.with_name("config.json.v0").read_bytes() == old
    assert json.loads(path.read_text()) == json.loads(today)


# --- settings from text ---------------------------------------------------------------------------


def test_all_bad_settings_are_named_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        RunConfig().set_from_text(["train.lr=high", "train.epochs=3", "model.depht=8"])
    assert set(caught.value.problems) == {"train.lr", "model.depht"}
    with pytest.raises(ConfigError) as caught:
        RunConfig().set_from_text(["train.epochs=many", "model.depth=21", "train.warmup_epochs=30"])
    assert set(caught.value.problems) == {"train.epochs", "model.depth"}


def test_an_unknown_setting_is_refused_everywhere() -> None:
    config = RunConfig()
    for ask in (lambda: config["train.x"], lambda: config.in_effect("x"), lambda: config.replace({"data.y": 1})):
        with pytest.raises(ConfigError, match="is not a known setting"):
            ask()


# --- what makes two configs the same --------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("train.device", "cpu"),
        ("train.precision", "bf16"),
        ("train.threads", 3),
        ("train.adam_eps", 1e-3),
        ("train.plateau_patience", 9),
        ("train.averaging_decay", 0.5),
        ("train.milestones", (3, 4)),
        ("augment.translate_pixels", 2),
    ],
)
def test_how_it_is_computed_and_what_has_no_effect_is_not_in_the_signature(path: str, value: Any) -> None:
    assert RunConfig()[path] != value
    assert RunConfig().replace({path: value}).signature() == RunConfig().signature()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("train.lr", 0.2),
        ("train.seed", 1),
        ("train.momentum", 0.5),
        ("data.classes", PAIR),
        ("data.split_seed", 1),
        ("augment.translate", "crop"),
        ("model.shortcut", "B"),
    ],
)
def test_what_changes_the_training_changes_the_signature(path: str, value: Any) -> None:
    assert RunConfig().replace({path: value}).signature() != RunConfig().signature()


def test_a_setting_counts_as_soon_as_it_has_an_effect() -> None:
    adam = changed(train__optimizer="adam")
    assert adam.signature() != adam.replace({"train.adam_eps": 1e-3}).signature()
    assert adam.signature() == adam.replace({"train.momentum": 0.5}).signature()


def test_the_signature_counts_what_the_sizes_of_sets_come_to() -> None:
    whole = RunConfig()
    named = {"data.train_size": 50_000, "data.test_size": 10_000, "data.validation_size": 5_000}
    assert whole.signature() == whole.replace(named).signature()
    assert whole.signature() != whole.replace({"data.train_size": 49_999}).signature()
    pooled = whole.replace({"data.split": "pooled", "data.train_size": 40_000})
    assert pooled.signature() == pooled.replace({"data.test_size": 20_000}).signature()
    assert pooled.signature() != pooled.replace({"data.test_size": 10_000}).signature()


def test_the_signature_is_sixteen_hex_digits_and_the_same_tomorrow() -> None:
    signature = RunConfig().signature()
    assert len(signature) == 16
    assert int(signature, 16) >= 0
    assert RunConfig.from_dict(RunConfig().to_dict()).signature() == signature


def test_differences_leave_out_what_has_no_effect_in_either() -> None:
    sgd = changed(train__adam_eps=1e-3, train__lr=0.2)
    assert sgd.differences(RunConfig()) == {"train.lr": (0.2, 0.1)}
    adam = sgd.replace({"train.optimizer": "adam"})
    assert set(adam.differences(RunConfig())) == {"train.lr", "train.optimizer", "train.adam_eps"}


@given(sound_config, sound_config)
def test_equal_signatures_mean_no_differences_except_in_how_they_are_computed(
    ours: RunConfig, theirs: RunConfig
) -> None:
    assert (ours.signature() == theirs.signature()) == (set(ours.differences(theirs)) <= set(HOW_COMPUTED))


def test_the_classes_are_cifar10s() -> None:
    assert len(CLASSES) == 10
    assert RunConfig().data.classes == CLASSES


def test_crops_grow_in_equal_shares_of_the_epochs():
    def sides(**augment):
        return changed(train__epochs=32, **{f"augment__{name}": value for name, value in augment.items()}).crop_sizes()

    assert sides() == [32] * 32
    assert sides(grow_from=20) == [20] * 8 + [24] * 8 + [28] * 8 + [32] * 8
    assert sides(grow_from=28, grow_until=0.5) == [28] * 16 + [32] * 16
    assert sides(grow_from=16, grow_until=0.0) == [32] * 32
    assert sides(grow_from=20, grow_until=1.0)[-1] == 28


def test_mixing_ends_before_the_last_epochs_and_off_it_does_not_count():
    config = RunConfig().set_from_text(["train.epochs=8", "augment.mix=mixup", "augment.mix_until=0.75"])
    assert [config.mixes(epoch) for epoch in range(1, 9)] == [True] * 6 + [False] * 2
    off = config.replace({"augment.mix": "none"})
    assert not any(map(off.mixes, range(1, 9)))
    assert off.signature() == RunConfig().replace({"train.epochs": 8}).signature() != config.signature()
