"""Hypothesis strategies made from the knobs' own definitions: every allowed value, every sound config."""

from typing import Any

from hypothesis import strategies as st

from core.config import KNOBS, RunConfig
from core.knobs import Knob


def allowed(knob: Knob) -> st.SearchStrategy[Any]:
    """Every value that ``knob`` takes by itself."""
    low, high = knob.low, knob.high
    match knob.kind:
        case "int":
            assert low is not None and high is not None
            values: st.SearchStrategy[Any] = st.integers(int(low), int(high))
        case "float":
            values = st.floats(low, high).map(lambda number: number + 0.0)  # no −0
        case "bool":
            values = st.booleans()
        case "choice":
            values = st.sampled_from(knob.choices)
        case "ints":
            assert low is not None and high is not None
            values = st.lists(st.integers(int(low), int(high)), min_size=1, max_size=6).map(tuple)
        case "classes":
            chosen = st.lists(st.sampled_from(knob.choices), min_size=2, unique=True)
            values = chosen.map(lambda names: tuple(sorted(names, key=knob.choices.index)))
    return st.none() | values if knob.none else values


#: Configs whose knobs are each allowed; together they may be impossible.
any_config = st.fixed_dictionaries({}, optional={path: allowed(knob) for path, knob in KNOBS.items()}).map(
    RunConfig().replace
)

#: Configs that can run: any choice of the knobs that no relation between knobs constrains.
sound_config = st.fixed_dictionaries(
    {},
    optional={
        "data.classes": allowed(KNOBS["data.classes"]),
        "data.train_size": st.integers(1_000, 10_000),
        "data.test_size": st.integers(100, 2_000),
        **{
            path: allowed(knob)
            for path, knob in KNOBS.items()
            if path.startswith("augment.") or (knob.kind in ("bool", "float") and "warmup" not in path)
        },
        "augment.grow_from": st.sampled_from(range(8, 33, 4)),
        "data.split": st.just("official"),
        "data.validation": st.sampled_from(("held-out", "test")),
        "model.depth": st.sampled_from((8, 14, 20, 110)),
        "model.shortcut": allowed(KNOBS["model.shortcut"]),
        "train.optimizer": allowed(KNOBS["train.optimizer"]),
        "train.schedule": allowed(KNOBS["train.schedule"]),
        "train.batch_size": st.integers(1, 500),
        "train.seed": allowed(KNOBS["train.seed"]),
        "train.threads": allowed(KNOBS["train.threads"]),
        "train.precision": allowed(KNOBS["train.precision"]),
    },
).map(lambda values: RunConfig().replace({"train.milestones": (1, 2, 3, 4), **values, "train.nesterov": False}))
