"""Settings as text, and which of them differ between runs."""

from core.compare import settings as settings_compare
from tests.compare.conftest import BASE
from tests.made import made_run


def test_a_config_comes_back_from_its_row(store):
    configs = [
        BASE,
        BASE.replace({"data.train_size": None, "train.threads": 2, "data.classes": ("cat", "dog")}),
        BASE.replace({"data.test_size": 300, "train.milestones": (1, 2)}),
    ]
    ids = [made_run(store, config=config) for config in configs]
    (store.root / made_run(store) / "config.json").write_text("{")
    frame = store.frame().set_index("id", drop=False)
    for run_id, config in zip(ids, configs, strict=True):
        assert settings_compare.config_of(frame.loc[run_id].to_dict()) == config


def test_only_settings_that_differ_and_have_an_effect_are_told(store):
    # Nesterov has no effect with Adam, and Adam's epsilon none with SGD.
    sgd = made_run(store, config=BASE.replace({"train.adam_eps": 1e-3}))
    adam = made_run(store, config=BASE.replace({"train.optimizer": "adam", "train.lr": 0.01}))
    table = settings_compare.differing_settings(store.frame())
    assert {"train.optimizer", "train.lr", "train.momentum", "train.adam_eps"} <= set(table.index)
    assert table.loc["train.optimizer"].to_dict() == {sgd: "sgd", adam: "adam"}
    assert table.loc["train.momentum", adam] == settings_compare.NO_EFFECT
    assert "train.epochs" not in table.index
    assert "train.milestones" not in table.index


def test_runs_of_the_same_settings_differ_in_nothing(store):
    for _ in range(2):
        made_run(store, config=BASE.replace({"data.train_size": None}))
    assert settings_compare.differing_settings(store.frame()).empty


def test_cells_of_a_setting_are_numbers_where_all_are(store):
    made_run(store, config=BASE.replace({"data.train_size": None, "train.momentum": 0.5}))
    made_run(store, config=BASE.replace({"train.optimizer": "adam"}))
    frame = store.frame()
    assert settings_compare.setting_cells(frame, "train.momentum").dropna().tolist() == [0.5]
    assert settings_compare.setting_cells(frame, "data.train_size").tolist() == ["4500", "all"]


def test_axes_worth_most_are_numbers_and_the_seed_comes_last():
    paths = ["data.split", "train.lr", "train.seed", "train.batch_size"]
    assert settings_compare.default_axes(paths, most=2) == ["train.lr", "train.batch_size"]
    assert settings_compare.default_axes(paths, most=3) == ["data.split", "train.lr", "train.batch_size"]
