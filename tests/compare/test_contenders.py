"""Comparing: what the table shows, what is picked, which settings differ, which runs are seeds of one experiment."""

import pytest
from hypothesis import given

from core.compare import contenders as contenders_module
from core.compare import settings as settings_compare
from core.compare.contenders import contenders, group_key
from core.config.run_config import RunConfig
from core.runs.table import labels
from core.views import compare as compare_views
from core.views.compare import Filter, shown
from tests.made import made_record, made_run
from tests.strategies import sound_config

BASE = RunConfig().replace({"data.train_size": 4_500, "data.validation_size": 500, "train.epochs": 4})


def names(store, **wanted):
    return shown(store.frame(), Filter(**wanted))["name"].tolist()


@pytest.fixture
def some(store):
    """Four runs and a damaged one."""
    made_run(store, name="Baseline", tags=("old", "sgd"), config=BASE)
    made_run(store, name="Pair", epochs=6, config=BASE.replace({"data.classes": ("deer", "dog"), "train.epochs": 6}))
    made_run(store, name="adam", note="no warm-up", epochs=2, config=BASE.replace({"train.optimizer": "adam"}))
    made_run(store, name="waiting", epochs=0, state="queued", config=BASE)
    (store.root / made_run(store, name="broken") / "config.json").write_text("{")
    return store


# --- which runs are shown -------------------------------------------------------------------------


def test_without_a_filter_every_run_is_shown_the_newest_first_and_the_damaged_too(some):
    assert names(some)[1:] == ["waiting", "adam", "Pair", "Baseline"]
    assert shown(some.frame(), Filter())["state"].iloc[0] == "damaged"


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"search": "BASE"}, ["Baseline"]),
        ({"search": "warm-up"}, ["adam"]),
        ({"search": "old base"}, ["Baseline"]),
        ({"search": "old adam"}, []),
        ({"search": "(*["}, []),
        ({"states": ("queued",)}, ["waiting"]),
        ({"tags": ("sgd", "other")}, ["Baseline"]),
        ({"classes": ("deer, dog",)}, ["Pair"]),
        ({"classes": (settings_compare.ALL_CLASSES,), "states": ("finished",)}, ["adam", "Baseline"]),
    ],
)
def test_filters(some, wanted, found):
    assert names(some, **wanted) == found


def test_orders_put_pinned_runs_first_and_unknown_figures_last(some):
    assert names(some, sort="best")[:3] == ["Pair", "Baseline", "adam"]
    assert names(some, sort="loss")[0] == "Pair"
    assert names(some, sort="name", states=("finished",)) == ["adam", "Baseline", "Pair"]
    some.annotate(some.find("waiting"), pinned=True)
    assert names(some, sort="best")[:2] == ["waiting", "Pair"]
    assert names(some, sort="no such order")[0] == "waiting"


def test_tags_and_tasks_in_use(some):
    assert compare_views.all_tags(some.frame()) == ["old", "sgd"]
    assert compare_views.all_tasks(some.frame()) == ["all ten", "deer, dog"]


# --- which runs are picked ------------------------------------------------------------------------


def test_a_link_names_runs_and_what_is_not_here_is_told(some):
    frame, pair = some.frame(), some.find("Pair")
    found, problems = compare_views.picked_in_link(some, frame, f"{pair},../../etc/passwd,Pair,adam,,{pair}")
    assert found == [pair, some.find("adam")]
    assert len(problems) == 1
    assert "../../etc/passwd" in problems[0]


def test_a_link_of_a_thousand_strangers_is_not_looked_up_one_by_one(some):
    _, problems = compare_views.picked_in_link(some, some.frame(), ",".join(f"stranger-{one}" for one in range(1_000)))
    assert len(problems) == 6
    assert "995 more runs" in problems[-1]


def test_values_of_a_link_that_are_no_choices_are_told():
    choices = {"x": {"epoch": "Epoch", "step": "Step"}}
    assert compare_views.problems_in_link({"x": "Step", "other": "1"}, choices) == []
    (problem,) = compare_views.problems_in_link({"x": "Stop\x00<script>"}, choices)
    assert problem == "The link says x=“Stop?<script>”; it takes one of Epoch, Step."


def test_picking_in_a_filtered_table_keeps_what_is_out_of_sight():
    assert compare_views.after_selection(["far", "a"], ["a", "b", "c"], [1, 2]) == ["far", "b", "c"]
    assert compare_views.after_selection(["a"], ["a", "b"], [0, 1, 7, -1]) == ["a", "b"]


def test_siblings_differ_in_the_seed_alone(store):
    first = made_run(store, config=BASE)
    seeds = [made_run(store, config=BASE.replace({"train.seed": seed})) for seed in (1, 2)]
    made_run(store, config=BASE.replace({"train.momentum": 0.5, "train.seed": 3}))
    made_run(store, config=BASE.replace({"train.lr": 0.5}))
    frame = store.frame()
    assert set(contenders_module.siblings(frame, [first])) == set(seeds)
    assert contenders_module.siblings(frame, [first, *seeds]) == []
    assert contenders_module.siblings(frame, []) == []


# --- settings -------------------------------------------------------------------------------------


@given(config=sound_config)
def test_seeds_share_a_group_and_other_settings_do_not(config):
    assert group_key(config.replace({"train.seed": 77})) == group_key(config)
    other = "adam" if config.train.optimizer != "adam" else "sgd"
    assert group_key(config.replace({"train.optimizer": other})) != group_key(config)


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
    table = settings_compare.differing(store.frame())
    assert {"train.optimizer", "train.lr", "train.momentum", "train.adam_eps"} <= set(table.index)
    assert table.loc["train.optimizer"].to_dict() == {sgd: "sgd", adam: "adam"}
    assert table.loc["train.momentum", adam] == settings_compare.WITHOUT_EFFECT
    assert "train.epochs" not in table.index
    assert "train.milestones" not in table.index


def test_runs_of_the_same_settings_differ_in_nothing(store):
    for _ in range(2):
        made_run(store, config=BASE.replace({"data.train_size": None}))
    assert settings_compare.differing(store.frame()).empty


def test_cells_of_a_setting_are_numbers_where_all_are(store):
    made_run(store, config=BASE.replace({"data.train_size": None, "train.momentum": 0.5}))
    made_run(store, config=BASE.replace({"train.optimizer": "adam"}))
    frame = store.frame()
    assert settings_compare.setting_cells(frame, "train.momentum").dropna().tolist() == [0.5]
    assert settings_compare.setting_cells(frame, "data.train_size").tolist() == ["4500", "all"]


def test_axes_worth_most_are_numbers_and_the_seed_comes_last():
    paths = ["data.split", "train.lr", "train.seed", "train.batch_size"]
    assert settings_compare.telling(paths, most=2) == ["train.lr", "train.batch_size"]
    assert settings_compare.telling(paths, most=3) == ["data.split", "train.lr", "train.batch_size"]


# --- groups ---------------------------------------------------------------------------------------


def test_seeds_become_one_contender_with_a_common_name(store):
    for seed in range(3):
        made_run(store, config=BASE.replace({"train.seed": seed}), name=f"try (seed {seed})")
    made_run(store, config=BASE.replace({"train.lr": 0.5}), name="other")
    frame = store.frame()
    one, many = contenders(frame, labels(frame))
    assert (one.label, many.label) == ("other", "try · 3 seeds")
    assert many.run_ids == sorted(many.run_ids)
    assert many.id == many.run_ids[0]
    assert len(contenders(frame, labels(frame), grouped=False)) == 4
    table = contenders_module.over_seeds([one, many])
    assert table["n"].tolist() == [3]
    assert table["best_val_accuracy"].tolist() == [f"{100 * made_record(4)['val_accuracy']:.2f} ± 0.00"]


def test_a_seed_trained_twice_counts_once_and_the_repeat_stands_by_itself(store):
    seeds = [BASE.replace({"train.seed": seed}) for seed in range(2)]
    done, newer = (made_run(store, config=seeds[0], name="again") for _ in range(2))
    half = made_run(store, 2, "stopped", seeds[0], name="again")
    other = made_run(store, config=seeds[1], name="again")
    frame = store.frame()
    groups = {tuple(one.run_ids) for one in contenders(frame, labels(frame))}
    assert groups == {(newer, other), (done,), (half,)}
    made_run(store, config=BASE.replace({"train.lr": 0.2}), epochs=3, name="another")
    every = contenders(store.frame(), labels(store.frame()))
    assert {one.id for one in every if one.repeat} == {done, half}
    assert done not in contenders_module.best_two(every), "nothing is compared with itself unasked"
    assert contenders_module.siblings(frame, [other]) == [newer]
    assert contenders_module.siblings(frame, [half]) == [other]


def test_groups_of_one_name_are_told_apart(store):
    for lr in (0.1, 0.2):
        for seed in range(2):
            made_run(store, config=BASE.replace({"train.lr": lr, "train.seed": seed}), name=f"try, seed {seed}")
    frame = store.frame()
    groups = contenders(frame, labels(frame))
    assert {one.label for one in groups} == {f"try · 2 seeds ({one.id[-4:]})" for one in groups}
    assert len({one.label for one in groups}) == 2


def test_an_unfinished_seed_does_not_keep_its_group_from_the_best_two(store):
    on_test = BASE.replace({"data.validation": "test"})
    for seed, epochs in enumerate((4, 4, 1)):
        made_run(store, epochs, "finished" if epochs == 4 else "running", on_test.replace({"train.seed": seed}))
    others = [made_run(store, 3, config=on_test.replace({"train.lr": lr})) for lr in (0.2, 0.3)]
    frame = store.frame()
    groups = contenders(frame, labels(frame))
    assert len(groups) == 3
    assert set(contenders_module.best_two(groups)) - set(others)


def test_the_best_two_are_of_the_commonest_task(store):
    made_run(store, config=BASE.replace({"data.classes": ("deer", "dog")}), epochs=4, name="pair")
    for lr, epochs in ((0.1, 1), (0.2, 4), (0.3, 3)):
        made_run(store, config=BASE.replace({"train.lr": lr}), epochs=epochs)
    frame = store.frame()
    groups = contenders(frame, labels(frame))
    chosen = contenders_module.best_two(groups)
    assert [next(one.config.train.lr for one in groups if one.id == run_id) for run_id in chosen] == [0.2, 0.3]
