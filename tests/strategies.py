"""Hypothesis strategies made from the settings' own definitions: every allowed value, every sound config."""

from typing import Any

from hypothesis import strategies as st

from core.config.run_config import SETTINGS, RunConfig
from core.config.setting import Setting


def allowed(setting: Setting) -> st.SearchStrategy[Any]:
    """Every value that ``setting`` takes by itself."""
    low, high = setting.limits or (0, 0)
    match setting.kind:
        case "int":
            values: st.SearchStrategy[Any] = st.integers(int(low), int(high))
        case "float":
            values = st.floats(low, high).map(lambda number: number + 0.0)  # no −0
        case "bool":
            values = st.booleans()
        case "choice":
            values = st.sampled_from(setting.choices)
        case "ints":
            values = st.lists(st.integers(int(low), int(high)), min_size=1, max_size=6).map(tuple)
        case "classes":
            chosen = st.lists(st.sampled_from(setting.choices), min_size=2, unique=True)
            values = chosen.map(lambda names: tuple(sorted(names, key=setting.choices.index)))
    return st.none() | values if setting.none else values


#: Configs whose settings are each allowed; together they may be impossible.
any_config = st.fixed_dictionaries({}, optional={path: allowed(setting) for path, setting in SETTINGS.items()}).map(
    RunConfig().replace
)

#: Configs that can run: any choice of the settings that no relation between settings constrains.
sound_config = st.fixed_dictionaries(
    {},
    optional={
        "data.classes": allowed(SETTINGS["data.classes"]),
        "data.train_size": st.integers(1_000, 10_000),
        "data.test_size": st.integers(100, 2_000),
        **{
            path: allowed(setting)
            for path, setting in SETTINGS.items()
            if path.startswith("augment.") or (setting.kind in ("bool", "float") and "warmup" not in path)
        },
        "augment.grow_from": st.sampled_from(range(8, 33, 4)),
        "data.split": st.just("official"),
        "data.validation": st.sampled_from(("held-out", "test")),
        "model.depth": st.sampled_from((8, 14, 20, 110)),
        "model.shortcut": allowed(SETTINGS["model.shortcut"]),
        "train.optimizer": allowed(SETTINGS["train.optimizer"]),
        "train.schedule": allowed(SETTINGS["train.schedule"]),
        "train.batch_size": st.integers(1, 500),
        "train.seed": allowed(SETTINGS["train.seed"]),
        "train.threads": allowed(SETTINGS["train.threads"]),
        "train.precision": allowed(SETTINGS["train.precision"]),
    },
).map(lambda values: RunConfig().replace({"train.milestones": (1, 2, 3, 4), **values, "train.nesterov": False}))
