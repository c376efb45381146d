"""Which runs are seeds of one experiment, and which two experiments to compare."""

from hypothesis import given

from core.compare.contenders import best_two, group_key, group_runs, siblings
from core.config.presets import PRESETS
from core.config.run_config import RunConfig
from core.runs.summary import labels
from tests.compare.conftest import BASE
from tests.made import made_run
from tests.strategies import sound_config


def test_siblings_differ_in_the_seed_alone(store):
    first = made_run(store, config=BASE)
    seeds = [made_run(store, config=BASE.replace({"train.seed": seed})) for seed in (1, 2)]
    made_run(store, config=BASE.replace({"train.momentum": 0.5, "train.seed": 3}))
    made_run(store, config=BASE.replace({"train.lr": 0.5}))
    runs = store.summaries()
    assert set(siblings(runs, [first])) == set(seeds)
    assert siblings(runs, [first, *seeds]) == []
    assert siblings(runs, []) == []


@given(config=sound_config)
def test_seeds_share_a_group_and_other_settings_do_not(config):
    assert group_key(config.replace({"train.seed": 77})) == group_key(config)
    other = "adam" if config.train.optimizer != "adam" else "sgd"
    assert group_key(config.replace({"train.optimizer": other})) != group_key(config)


def test_seeds_become_one_contender_with_a_common_name(store):
    for seed in range(3):
        made_run(store, config=BASE.replace({"train.seed": seed}), name=f"try (seed {seed})")
    made_run(store, config=BASE.replace({"train.lr": 0.5}), name="other")
    runs = store.summaries()
    single, seeds = group_runs(runs, labels(runs))
    assert (single.label, seeds.label) == ("other", "try · 3 seeds")
    assert seeds.run_ids == sorted(seeds.run_ids)
    assert seeds.id == seeds.run_ids[0]
    assert len(group_runs(runs, labels(runs), by="")) == 4


def test_a_repeated_seed_counts_once_and_the_repeat_is_a_contender_of_its_own(store):
    seeds = [BASE.replace({"train.seed": seed}) for seed in range(2)]
    done, newer = (made_run(store, config=seeds[0], name="again") for _ in range(2))
    half = made_run(store, 2, "stopped", seeds[0], name="again")
    other = made_run(store, config=seeds[1], name="again")
    runs = store.summaries()
    groups = {tuple(group.run_ids) for group in group_runs(runs, labels(runs))}
    assert groups == {(newer, other), (done,), (half,)}
    made_run(store, config=BASE.replace({"train.lr": 0.2}), epochs=3, name="another")
    every = group_runs(store.summaries(), labels(store.summaries()))
    assert {group.id for group in every if group.repeat} == {done, half}
    assert done not in best_two(every)
    assert siblings(runs, [other]) == [newer]
    assert siblings(runs, [half]) == [other]


def test_seeds_that_draw_their_training_images_anew_are_one_contender(store):
    base = BASE.replace({"data.split": "official", "data.test_size": None, "data.train_size": 1_000})
    assert base.data.whole_test_set
    drawn = [base.replace({"train.seed": seed, "data.split_seed": seed}) for seed in range(3)]
    ids = [made_run(store, config=config) for config in drawn]
    runs = store.summaries()
    (contender,) = group_runs(runs, labels(runs))
    assert (contender.run_ids, contender.repeat) == (sorted(ids), False)
    fixed = [made_run(store, config=base.replace({"train.seed": seed})) for seed in (1, 2)]
    runs = store.summaries()
    groups = {frozenset(group.run_ids) for group in group_runs(runs, labels(runs))}
    assert groups == {frozenset({ids[0], *fixed}), frozenset(ids[1:])}, "split 0 is one of several seeds now"


def test_other_splits_are_other_contenders(store):
    drawn = [BASE.replace({"data.split": "official", "data.split_seed": split}) for split in (1, 2)]
    pooled = [BASE.replace({"data.split": "pooled", "train.seed": n, "data.split_seed": n}) for n in (1, 2)]
    for config in (*drawn, *pooled):
        made_run(store, config=config)
    runs = store.summaries()
    assert len(group_runs(runs, labels(runs))) == 4


def test_groups_with_the_same_name_get_distinct_labels(store):
    for lr in (0.1, 0.2):
        for seed in range(2):
            made_run(store, config=BASE.replace({"train.lr": lr, "train.seed": seed}), name=f"try, seed {seed}")
    runs = store.summaries()
    groups = group_runs(runs, labels(runs))
    assert {group.label for group in groups} == {f"try · learning rate {lr} · 2 seeds" for lr in (0.1, 0.2)}


def test_an_unfinished_seed_does_not_exclude_its_group_from_the_best_two(store):
    on_test = BASE.replace({"data.validation": "test"})
    for seed, epochs in enumerate((4, 4, 1)):
        made_run(store, epochs, "finished" if epochs == 4 else "running", on_test.replace({"train.seed": seed}))
    others = [made_run(store, 3, config=on_test.replace({"train.lr": lr})) for lr in (0.2, 0.3)]
    runs = store.summaries()
    groups = group_runs(runs, labels(runs))
    assert len(groups) == 3
    assert set(best_two(groups)) - set(others)


def test_the_best_two_have_the_most_common_task(store):
    made_run(store, config=BASE.replace({"data.classes": ("deer", "dog")}), epochs=4, name="pair")
    for lr, epochs in ((0.1, 1), (0.2, 4), (0.3, 3)):
        made_run(store, config=BASE.replace({"train.lr": lr}), epochs=epochs)
    runs = store.summaries()
    groups = group_runs(runs, labels(runs))
    chosen = best_two(groups)
    assert [next(group.config.train.lr for group in groups if group.id == run_id) for run_id in chosen] == [0.2, 0.3]


def test_runs_are_grouped_by_any_setting_in_the_order_of_its_values(store):
    for lr, seed, precision in ((0.3, 0, "fp32"), (0.1, 0, "fp32"), (0.1, 1, "fp32"), (0.1, 1, "bf16")):
        made_run(store, config=RunConfig().replace({"train.lr": lr, "train.seed": seed, "train.precision": precision}))
    runs = store.summaries()
    groups = group_runs(runs, labels(runs), by="train.lr")
    originals = [group for group in groups if not group.repeat]
    assert [(group.label, len(group.runs)) for group in originals] == [
        ("learning rate 0.1 · 2 runs", 2),
        ("learning rate 0.3", 1),
    ]
    assert sum(len(group.runs) for group in groups) == 4  # the repeat stands alone
    assert all(group.runs for group in group_runs(runs, labels(runs), by="train.precision"))


def test_unnamed_seeds_are_one_experiment_by_name(store):
    config = PRESETS["quick"].config.replace({"model.depth": 8})
    for seed in range(3):
        made_run(store, config=config.replace({"train.seed": seed}))
    runs = store.summaries()
    (group,) = group_runs(runs, labels(runs))
    assert group.label == "quick · depth 8 · 3 seeds"
