"""The form of knobs: what a person has chosen so far, and one widget for each knob in effect.

:class:`Draft` holds the choices and knows nothing of Streamlit. It lives in the session under its own
key, because the state of a widget is lost when its page is left; the widgets are made from it on
every run and write into it when they change.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from core.config import CLASSES, KNOBS, TEST_PER_CLASS, TRAIN_PER_CLASS, RunConfig
from core.knobs import Knob, plain
from core.presets import PRESETS, nearest
from pages.parts.shared import literal

PAIR = ("deer", "dog")
SECTIONS = {
    "data": ("Data", ":material/database:"),
    "model": ("Network", ":material/hub:"),
    "augment": ("Augmentation", ":material/auto_fix_high:"),
    "train": ("Training", ":material/model_training:"),
}
#: Knobs one click away: rarely turned, or a refinement of another.
ADVANCED = {
    "data.split", "data.test_size", "data.split_seed", "data.normalization", "model.shortcut", "train.momentum",
    "train.nesterov", "train.adam_eps", "train.decay_on", "train.gamma", "train.plateau_factor",
    "train.plateau_patience", "train.min_lr", "train.min_delta", "train.averaging_start", "train.averaging_decay",
    "train.label_smoothing", "train.seed", "train.device", "train.precision", "train.threads",
}  # fmt: skip
MOST_RUNS = 20
_SHORTCUTS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("All ten", ":material/select_all:", CLASSES),
    ("Deer / dog", ":material/pets:", PAIR),
    ("None", ":material/deselect:", ()),
)
_SIZES = ("data.train_size", "data.test_size", "data.validation_size")


# --- what has been chosen -----------------------------------------------------------------------------


@dataclass
class Draft:
    """A run that is being put together.

    ``unread`` is text, by knob, that means no value; the knob keeps its last value in ``config``.
    ``editions`` counts by knob how often its value came from elsewhere than its own widget: the count
    is part of the widget's key, so that a widget with an outdated value is made anew.
    """

    preset: str = "quick"
    config: RunConfig = PRESETS["quick"].config
    unread: dict[str, str] = field(default_factory=dict)
    editions: Counter[str] = field(default_factory=Counter)
    name: str = ""
    tags: tuple[str, ...] = ()
    note: str = ""
    copies: int = 1
    source: str | None = None

    @property
    def recipe(self) -> RunConfig:
        """The preset's own config."""
        return PRESETS[self.preset].config

    def choose_preset(self, name: str) -> None:
        """Start again from a preset; name, tags and note stay."""
        self.preset, self.source = name, None
        self._forget_unread()
        self._become(self.recipe)

    def choose_classes(self, classes: Sequence[str], own: str | None = None) -> None:
        """Tell other classes apart. Part sizes they have no images for shrink; the preset's come back
        where they fit again. ``own`` is the knob whose widget made the choice."""
        before, after = fitted(self.recipe, self.config.data.classes), fitted(self.recipe, classes)
        untouched = {path: after[path] for path in _SIZES if self.config[path] == before[path]}
        self._become(fitted(self.config, classes).replace(untouched), own)

    def copy_run(self, run_id: str, config: RunConfig, name: str, tags: tuple[str, ...]) -> None:
        """Start from what another run was made of."""
        self.preset, self.source, self.name, self.tags = nearest(config).name, run_id, name, tags
        self.editions.update(("name", "tags"))
        self._forget_unread()
        self._become(config)

    def take(self, path: str, value: Any) -> None:
        """Take a knob's value, or text for it, from its own widget."""
        if path == "data.classes":
            self.choose_classes(value, own=path)
            return
        if isinstance(value, str) and KNOBS[path].kind != "choice":
            try:
                value = KNOBS[path].parse(value)
            except ValueError:
                self.unread[path] = value
                return
        self.unread.pop(path, None)
        self.config = self.config.replace({path: value})

    def shown(self, path: str) -> str:
        """The knob's text: what was typed, or its value."""
        return self.unread.get(path) or KNOBS[path].show(self.config[path])

    def problems(self) -> dict[str, str]:
        """A sentence for each knob that is not allowed, by path, unreadable text included."""
        found = self.config.problems()
        for path, text in self.unread.items():
            try:
                KNOBS[path].parse(text)
            except ValueError as error:
                found[path] = str(error)
        return {path: text for path, text in found.items() if self.config.in_effect(path)}

    def changed(self) -> set[str]:
        """Knobs that differ from the preset."""
        return {*self.config.differences(self.recipe), *self.unread}

    def runs(self) -> list[tuple[RunConfig, str]]:
        """The runs to start: config and name, one a seed."""
        first = self.config.train.seed
        seeds = range(first, first + self.copies)
        names = [f"{self.name} (seed {seed})" if self.name and self.copies > 1 else self.name for seed in seeds]
        return [(self.config.replace({"train.seed": seed}), name) for seed, name in zip(seeds, names, strict=True)]

    def _become(self, config: RunConfig, own: str | None = None) -> None:
        replaced = {path for path in KNOBS if config[path] != self.config[path]} - {own}
        self.editions.update(replaced)
        for path in replaced:
            self.unread.pop(path, None)
        self.config = config

    def _forget_unread(self) -> None:
        self.editions.update(list(self.unread))  # a list: a mapping would be added up
        self.unread.clear()


def fitted(config: RunConfig, classes: Sequence[str]) -> RunConfig:
    """``config`` for other classes, each keeping its share of a part that was too large for them.

    The validation part shrinks as the training part does, so that it stays the same share of it.
    """
    before, k = config.data, len(classes)
    data = config.replace({"data.classes": tuple(classes)}).data
    if k < 2:
        return config.replace({"data.classes": data.classes})
    pooled = data.split == "pooled"
    most_train = k * (TRAIN_PER_CLASS + (TEST_PER_CLASS if pooled else 0))
    most_test = most_train if pooled else k * TEST_PER_CLASS
    share = min(1.0, k / max(len(before.classes), 2))

    def at_most(size: int | None, most: int) -> int | None:
        return size if size is None or size <= most else min(round(size * share), most)

    train, test = at_most(data.train_size, most_train), at_most(data.test_size, most_test)
    held_out = data.validation_size
    if held_out and (train is None or train != before.train_size):
        held_out = max(k, round(held_out * share))
    sizes = {"data.train_size": train, "data.test_size": test, "data.validation_size": held_out}
    return config.replace({"data.classes": data.classes, **sizes})


def parts_in_words(config: RunConfig) -> str:
    """Which images train, validate and test, for a config without problems."""
    sizes = config.part_sizes()
    if config.data.validation == "test":
        return (
            f"Trains on **{sizes.train:,}** images and validates on the **{sizes.test:,} test images**: the best epoch "
            "is chosen on the images it is judged by, which flatters it a little. The published study did so."
        )
    return (
        f"Trains on **{sizes.train:,}** images, validates on **{sizes.validation:,}** held out from training, "
        f"tests on **{sizes.test:,}** once at the end."
    )


def work_in_words(config: RunConfig) -> str:
    """How much there is to do, and what guessing would reach."""
    steps, k = config.steps_per_epoch(), len(config.data.classes)
    epochs = config.train.epochs
    return (
        f"{epochs:,} epoch{'s' * (epochs != 1)} of {steps:,} step{'s' * (steps != 1)} · "
        f"{k} classes, guessing reaches {100 / k:.3g} %"
    )


# --- the widgets --------------------------------------------------------------------------------------


def knob_form(draft: Draft) -> None:
    """All knobs in effect, section by section; each choice goes straight into ``draft``."""
    problems, changed = draft.problems(), draft.changed()
    for section, (title, icon) in SECTIONS.items():
        paths = [path for path in KNOBS if path.startswith(f"{section}.") and draft.config.in_effect(path)]
        with st.container(border=True):
            st.subheader(title, icon=icon, anchor=False)
            if "data.classes" in paths:
                class_picker(draft, problems.get("data.classes"))
            basic = [path for path in paths if path not in ADVANCED and path != "data.classes"]
            knob_grid(draft, basic, problems, changed)
            _more(draft, title, [path for path in paths if path in ADVANCED], problems, changed)


def _more(draft: Draft, title: str, paths: list[str], problems: dict[str, str], changed: set[str]) -> None:
    if not paths:
        return
    # What stands out inside is named outside. It is not opened from here: that would take the cursor
    # out of the field somebody is typing in.
    notes = [(path, "red" if path in problems else "orange") for path in paths if path in changed | problems.keys()]
    label = f"More {title.lower()} knobs " + " ".join(f":{c}[● {KNOBS[path].label.lower()}]" for path, c in notes)
    with st.expander(label, key=f"more-{title}"):
        knob_grid(draft, paths, problems, changed)


def knob_grid(draft: Draft, paths: list[str], problems: dict[str, str], changed: set[str]) -> None:
    grid = st.grid(3, min_column_width=180)
    for path in paths:
        with grid.cell():
            _widget(draft, path, _label(draft, path, path in changed))
            _problem(problems.get(path))


def class_picker(draft: Draft, problem: str | None) -> None:
    key = _key(draft, "data.classes")
    st.pills(
        _label(draft, "data.classes", draft.config.data.classes != draft.recipe.data.classes),
        CLASSES,
        selection_mode="multi",
        default=draft.config.data.classes,
        help=KNOBS["data.classes"].help,
        key=key,
        on_change=_take,
        args=(draft, "data.classes", key),
    )
    _problem(problem)
    with st.container(horizontal=True):
        for label, icon, classes in _SHORTCUTS:
            st.button(
                label,
                icon=icon,
                key=f"classes-{label}",
                type="tertiary",
                on_click=draft.choose_classes,
                args=(classes,),
            )


def _widget(draft: Draft, path: str, label: str) -> None:
    knob, key = KNOBS[path], _key(draft, path)
    common: dict[str, Any] = {"help": knob.help, "key": key, "on_change": _take, "args": (draft, path, key)}
    value = draft.config[path]
    if knob.kind == "bool":
        st.toggle(label, value=value, **common)
    elif knob.kind == "choice" and len(knob.choices) < 4 and len("".join(knob.choices)) < 19:  # fits a third of the row
        st.segmented_control(label, knob.choices, default=value, required=True, width="stretch", **common)
    elif knob.kind == "choice":
        st.selectbox(label, knob.choices, index=knob.choices.index(value), **common)
    else:
        # Text, not a number field: it takes 1e-7, 5e4 and “all”, and says what is wrong with anything else.
        st.text_input(label, value=draft.shown(path), live="400ms", placeholder=_range(knob), **common)


def _range(knob: Knob) -> str:
    words = f"{plain(knob.low)} to {plain(knob.high)}" if knob.low is not None and knob.high is not None else ""
    return f"{words} or {knob.none}" if words and knob.none else words


def _take(draft: Draft, path: str, key: str) -> None:
    draft.take(path, st.session_state[key])


def _key(draft: Draft, path: str) -> str:
    return f"{path}#{draft.editions[path]}"


def _label(draft: Draft, path: str, changed: bool) -> str:
    knob = KNOBS[path]
    unit = f" :gray[{knob.unit}]" if knob.unit and knob.unit not in knob.label.lower() else ""
    if not changed:
        return knob.label + unit
    was = "" if knob.kind == "classes" else f" {literal(knob.show(draft.recipe[path]))}"
    return f"{knob.label}{unit} :orange[● preset{was}]"


def _problem(text: str | None) -> None:
    if text:
        st.markdown(f":small[:red[:material/error: {literal(text)}]]")
