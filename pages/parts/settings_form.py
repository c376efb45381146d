"""The form of settings: one widget for each setting in effect.

What is chosen is a :class:`~core.config.draft.Draft`. It lives in the session under its own key, because the
state of a widget is lost when its page is left; the widgets are made from it on every run and write
into it when they change.
"""

from typing import Any

import streamlit as st

from core.config.draft import Draft
from core.config.run_config import CLASSES, SETTINGS
from core.config.setting import Setting, plain
from core.config.tricks import help_of
from pages.parts.shared import literal

PAIR = ("deer", "dog")
SECTIONS = {
    "data": ("Data", ":material/database:"),
    "model": ("Network", ":material/hub:"),
    "augment": ("Augmentation", ":material/auto_fix_high:"),
    "train": ("Training", ":material/model_training:"),
}
#: Settings one click away: rarely turned, or a refinement of another.
ADVANCED = {
    "data.split", "data.test_size", "data.split_seed", "data.normalization", "model.shortcut", "augment.grow_until",
    "train.muon_momentum", "train.momentum",
    "train.nesterov", "train.adam_eps", "train.decay_on", "train.gamma", "train.plateau_factor",
    "train.plateau_patience", "train.min_lr", "train.min_delta", "train.averaging_start", "train.averaging_decay",
    "train.label_smoothing", "train.seed", "train.device", "train.precision", "train.threads",
}  # fmt: skip
_SHORTCUTS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("All ten", ":material/select_all:", CLASSES),
    ("Deer / dog", ":material/pets:", PAIR),
    ("None", ":material/deselect:", ()),
)


def settings_form(draft: Draft) -> None:
    """All settings in effect, section by section; each choice goes straight into ``draft``."""
    problems, changed = draft.problems(), draft.changed()
    for section, (title, icon) in SECTIONS.items():
        paths = [path for path in SETTINGS if path.startswith(f"{section}.") and draft.config.in_effect(path)]
        with st.container(border=True):
            st.subheader(title, icon=icon, anchor=False)
            if "data.classes" in paths:
                class_picker(draft, problems.get("data.classes"))
            basic = [path for path in paths if path not in ADVANCED and path != "data.classes"]
            settings_grid(draft, basic, problems, changed)
            _more(draft, title, [path for path in paths if path in ADVANCED], problems, changed)


def _more(draft: Draft, title: str, paths: list[str], problems: dict[str, str], changed: set[str]) -> None:
    if not paths:
        return
    # What stands out inside is named outside. It is not opened from here: that would take the cursor
    # out of the field somebody is typing in.
    notes = [(path, "red" if path in problems else "orange") for path in paths if path in changed | problems.keys()]
    label = f"More {title.lower()} settings " + " ".join(f":{c}[● {SETTINGS[path].label.lower()}]" for path, c in notes)
    with st.expander(label, key=f"more-{title}"):
        settings_grid(draft, paths, problems, changed)


def settings_grid(draft: Draft, paths: list[str], problems: dict[str, str], changed: set[str]) -> None:
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
        help=SETTINGS["data.classes"].help,
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
    setting, key = SETTINGS[path], _key(draft, path)
    common: dict[str, Any] = {"help": help_of(path), "key": key, "on_change": _take, "args": (draft, path, key)}
    value = draft.config[path]
    if setting.kind == "bool":
        st.toggle(label, value=value, **common)
    elif (
        setting.kind == "choice" and len(setting.choices) < 4 and len("".join(setting.choices)) < 19
    ):  # fits a third of the row
        st.segmented_control(label, setting.choices, default=value, required=True, width="stretch", **common)
    elif setting.kind == "choice":
        st.selectbox(label, setting.choices, index=setting.choices.index(value), **common)
    else:
        # Text, not a number field: it takes 1e-7, 5e4 and “all”, and says what is wrong with anything else.
        st.text_input(label, value=draft.shown(path), live="400ms", placeholder=_range(setting), **common)


def _range(setting: Setting) -> str:
    words = (
        f"{plain(setting.low)} to {plain(setting.high)}" if setting.low is not None and setting.high is not None else ""
    )
    return f"{words} or {setting.none}" if words and setting.none else words


def _take(draft: Draft, path: str, key: str) -> None:
    draft.take(path, st.session_state[key])


def _key(draft: Draft, path: str) -> str:
    return f"{path}#{draft.editions[path]}"


def _label(draft: Draft, path: str, changed: bool) -> str:
    setting = SETTINGS[path]
    unit = f" :gray[{setting.unit}]" if setting.unit and setting.unit not in setting.label.lower() else ""
    if not changed:
        return setting.label + unit
    was = "" if setting.kind == "classes" else f" {literal(setting.show(draft.recipe[path]))}"
    return f"{setting.label}{unit} :orange[● preset{was}]"


def _problem(text: str | None) -> None:
    if text:
        st.markdown(f":small[:red[:material/error: {literal(text)}]]")
