"""The settings form: one widget for each setting in effect.

The values are a :class:`~core.config.draft.Draft` in the session, because a widget loses its state when its page is
left. Each script run makes the widgets from the draft, and a changed widget writes into it.
"""

from typing import Any

import streamlit as st

from core.config.draft import Draft
from core.config.run_config import SETTINGS
from core.config.sections import CLASSES
from core.config.setting import Setting, plain
from core.config.tricks import help_text
from core.published.points import TASKS
from pages.parts.shared import literal

#: Title and icon of each section, and its main settings. The other ones are behind "More … settings".
SECTIONS = {
    "data": ("Data", ":material/database:", "classes train_size validation validation_size"),
    "model": ("Network", ":material/hub:", "depth width"),
    "augment": ("Augmentation", ":material/auto_fix_high:", "flip translate translate_pixels cutout grow_from mix"),
    "train": (
        "Training",
        ":material/model_training:",
        "epochs batch_size optimizer lr muon_lr weight_decay schedule warmup_epochs milestones early_stopping patience "
        "averaging",
    ),
}
#: Buttons below the classes: key, label, icon, classes.
_CLASS_BUTTONS: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("all-ten", "Select all ten", ":material/select_all:", TASKS["all-ten"]),
    ("deer-dog", "Select deer and dog", ":material/pets:", TASKS["deer-dog"]),
    ("none", "Select none", ":material/deselect:", ()),
)


def settings_form(draft: Draft) -> None:
    """Show all settings in effect, section by section; each change goes straight into ``draft``."""
    problems, changed = draft.problems(), draft.changed()
    for section, (title, icon, names) in SECTIONS.items():
        paths = [path for path in SETTINGS if path.startswith(f"{section}.") and draft.config.in_effect(path)]
        main = [path for path in paths if path.partition(".")[2] in names.split()]
        with st.container(border=True):
            st.subheader(title, icon=icon, anchor=False)
            if "data.classes" in paths:
                class_picker(draft, problems.get("data.classes"))
            settings_grid(draft, [path for path in main if path != "data.classes"], problems, changed)
            _more(draft, title, [path for path in paths if path not in main], problems, changed)


def _more(draft: Draft, title: str, paths: list[str], problems: dict[str, str], changed: set[str]) -> None:
    if not paths:
        return
    # The label names changes and problems inside. Opening the expander would take the cursor out of the field in use.
    marks = [(path, "red" if path in problems else "orange") for path in paths if path in changed | problems.keys()]
    label = f"More {title.lower()} settings " + " ".join(f":{c}[● {SETTINGS[path].label.lower()}]" for path, c in marks)
    with st.expander(label, key=f"more-{title}"):
        settings_grid(draft, paths, problems, changed)


def settings_grid(draft: Draft, paths: list[str], problems: dict[str, str], changed: set[str]) -> None:
    """Show the widgets of the settings at ``paths``, changed ones marked, problems below their widgets."""
    grid = st.grid(3, min_column_width=180)
    for path in paths:
        with grid.cell(), st.container(gap="xxsmall"):
            _widget(draft, path, _label(path))
            if path in changed:
                _mark(draft, path)
            _problem(problems.get(path))


def class_picker(draft: Draft, problem: str | None) -> None:
    """Ask for the classes."""
    key = _key(draft, "data.classes")
    st.pills(
        _label("data.classes"),
        CLASSES,
        selection_mode="multi",
        default=draft.config.data.classes,
        help=SETTINGS["data.classes"].help,
        key=key,
        on_change=_take,
        args=(draft, "data.classes", key),
    )
    if draft.config.data.classes != draft.recipe.data.classes:
        _mark(draft, "data.classes")
    _problem(problem)
    with st.container(horizontal=True):
        for key, label, icon, classes in _CLASS_BUTTONS:
            st.button(
                label, icon=icon, key=f"classes-{key}", type="tertiary", on_click=draft.choose_classes, args=(classes,)
            )


def _widget(draft: Draft, path: str, label: str) -> None:
    setting, key = SETTINGS[path], _key(draft, path)
    common: dict[str, Any] = {"help": help_text(path), "key": key, "on_change": _take, "args": (draft, path, key)}
    value = draft.config[path]
    if setting.kind == "bool":
        st.toggle(label, value=value, **common)
    elif setting.kind == "choice" and len(setting.choices) < 4 and len("".join(setting.choices)) < 19:
        # fits into a third of the row
        st.segmented_control(label, setting.choices, default=value, required=True, width="stretch", **common)
    elif setting.kind == "choice":
        st.selectbox(label, setting.choices, index=setting.choices.index(value), **common)
    else:
        # Not a number field: text can be 1e-7, 5e4 or “all”, and the draft says what is wrong with anything else.
        typed = st.text_input(label, value=draft.shown(path), live="400ms", placeholder=_range(setting), **common)
        if understood := setting.understood(typed):
            st.caption(f"= {understood}")


def _range(setting: Setting) -> str:
    text = " to ".join(map(plain, setting.limits or ()))
    return f"{text} or {setting.none}" if text and setting.none else text


def _take(draft: Draft, path: str, key: str) -> None:
    draft.take(path, st.session_state[key])


def _key(draft: Draft, path: str) -> str:
    return f"{path}#{draft.editions[path]}"


def _label(path: str) -> str:
    """Return a widget's label: plain text, because a screen reader reads it as it stands."""
    setting = SETTINGS[path]
    return (
        f"{setting.label} ({setting.unit})"
        if setting.unit and setting.unit not in setting.label.lower()
        else setting.label
    )


def _mark(draft: Draft, path: str) -> None:
    """Mark a changed setting, with the preset's value."""
    setting = SETTINGS[path]
    before = "" if setting.kind == "classes" else f": {literal(setting.text(draft.recipe[path]))}"
    st.markdown(f":small[:orange[● preset{before}]]")


def _problem(text: str | None) -> None:
    if text:
        st.markdown(f":small[:red[:material/error: {literal(text)}]]")
