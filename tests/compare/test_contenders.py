"""Which runs are seeds of one experiment, and which two experiments to compare."""

from hypothesis import given

from core.compare import contenders as contenders_module
from core.compare.contenders import contenders, group_key
from core.runs.table import labels
from tests.compare.conftest import BASE
from tests.made import made_record, made_run
from tests.strategies import sound_config


def test_siblings_differ_in_the_seed_alone(store):
    first = made_run(store, config=BASE)
    seeds = [made_run(store, config=BASE.replace({"train.seed": seed})) for seed in (1, 2)]
    made_run(store, config=BASE.replace({"train.momentum": 0.5, "train.seed": 3}))
    made_run(store, config=BASE.replace({"train.lr": 0.5}))
    frame = store.frame()
    assert set(contenders_module.siblings(frame, [first])) == set(seeds)
    assert contenders_module.siblings(frame, [first, *seeds]) == []
    assert contenders_module.siblings(frame, []) == []


@given(config=sound_config)
def test_seeds_share_a_group_and_other_settings_do_not(config):
    assert group_key(config.replace({"train.seed": 77})) == group_key(config)
    other = "adam" if config.train.optimizer != "adam" else "sgd"
    assert group_key(config.replace({"train.optimizer": other})) != group_key(config)


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
    assert table["best_val_accuracy"].tolist() == [f"{100 * made_record(4).val_accuracy:.2f} ± 0.00"]


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
