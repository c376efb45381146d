"""Creating a study: one of the report's, a custom one, or one from a file."""

from typing import get_args

import streamlit as st

from core.base.errors import LabError
from core.base.text import counted
from core.config.presets import PRESETS
from core.config.run_config import SETTINGS
from core.cost.machine import fit_all
from core.study.form import SIZES, VARIABLE, from_fields, published, usual_values
from core.study.idle import idle_notes
from core.study.presets import PUBLISHED, SPLITS, Split
from core.study.progress import CellStatus, preview, statuses
from core.study.store import StudyStore, study_from_text
from core.study.study import Study
from pages.parts.base_field import DRAFT, base_field, form_problems
from pages.parts.estimate import fit_notes, measure_button
from pages.parts.kept import keep_fields, load_fields
from pages.parts.shared import error_box, get_store, literal

MOST_AXES = 3
#: The parameter of the address that says where the fields are kept, and the fields besides the values.
FIELDS = "form"
_FIELDS = (
    "study_way_kept",
    "study_figure",
    "study_size",
    "study_seeds",
    "study_split",
    "study_name",
    "study_base",
    "study_paths",
    "study_own_seeds",
    "study_redraw",
)
#: What a part of a study is called that is no setting, where its name does not say it.
_LABELS = {"redraw": "Training images"}
WAYS = (":material/menu_book: From the report", ":material/tune: Custom", ":material/upload_file: From a file")


def study_form() -> str | None:
    """Ask for a study in one of three ways. Return the id of one that was just created.

    The fields survive a visit to another page, such as New run, whose settings can be the base, and a refresh.
    """
    load_fields(FIELDS, _is_field)
    # Tabs, unlike fields, lose their state with the page.
    st.session_state.setdefault("study_way", st.session_state.get("study_way_kept", WAYS[0]))
    report, own, file = st.tabs(WAYS, key="study_way", on_change="rerun")
    st.session_state["study_way_kept"] = st.session_state["study_way"]
    with report:
        made = _published_form()
    with own:
        made = _own_form() or made
    with file:
        made = _file_form() or made
    keep_fields(FIELDS, _is_field)
    return made


def _is_field(key: str) -> bool:
    """Whether the session has a field of the form under ``key``; tabs and the file of a study are none."""
    return key in _FIELDS or key.startswith("study_values_")


def vary_in_study(path: str) -> None:
    """Fill the form in for a study that varies a setting of the form on New run."""
    st.session_state["study_way_kept"] = WAYS[1]
    st.session_state.pop("study_way", None)
    st.session_state["study_base"], st.session_state["study_paths"] = DRAFT, [path]
    st.session_state["study_name"] = SETTINGS[path].label


def repeat_figure(figure: int) -> None:
    """Fill the form in for the report's study of a figure."""
    st.session_state["study_way_kept"] = WAYS[0]
    st.session_state.pop("study_way", None)
    st.session_state["study_figure"] = figure


def _published_form() -> str | None:
    store = get_store()
    figure = st.radio(
        "Study",
        list(PUBLISHED),
        key="study_figure",
        persist_state="session",
        format_func=lambda figure: f"{PUBLISHED[figure].name} (Figure {figure})",
        captions=[study.question for study in PUBLISHED.values()],
    )
    left, right = st.columns(2)
    size = left.selectbox(
        "Size",
        list(SIZES),
        key="study_size",
        persist_state="session",
        help="Scales the epochs of all runs, and the epochs at which the learning rate falls, by one factor. All "
        "published values of the varied setting are kept.",
    )
    seeds = right.text_input(
        "Seeds",
        "0",
        key="study_seeds",
        persist_state="session",
        help="For example 0, 1, 2 or 0-2. Three or more show the seed-to-seed variation.",
    )
    split: Split = "common"
    if PUBLISHED[figure].path == "data.train_size":
        split = st.radio(
            "Test images", get_args(Split), key="study_split", persist_state="session", format_func=SPLITS.__getitem__
        )
    filled = published(figure, size, split, seeds, store)
    if "size" in filled.problems:
        st.caption(filled.problems["size"])
        measure_button(PRESETS["report"].config, "measure_report")
    return _offer(filled.study, {name: text for name, text in filled.problems.items() if name != "size"}, "report")


def _own_form() -> str | None:
    name = st.text_input(
        "Name", key="study_name", persist_state="session", placeholder="For example: learning rate", max_chars=80
    )
    base, title = base_field("study_base", "Where all settings come from that are not varied.")
    paths = st.multiselect(
        "Settings to vary",
        VARIABLE,
        ["train.lr"],
        key="study_paths",
        persist_state="session",
        format_func=lambda path: f"{SETTINGS[path].label} · {path}",
        max_selections=MOST_AXES,
        help="With several settings, every combination of their values is a run.",
    )
    vary = []
    for path in paths:
        setting = SETTINGS[path]
        unit = f" ({setting.unit})" if setting.unit else ""
        usual = usual_values(path, base)
        text = st.text_input(
            f"{setting.label}{unit}",
            usual,
            key=f"study_values_{path}_{title}_{usual}",  # another base has other usual values
            persist_state="session",
            help=f"{setting.help} Separate values with commas. Each is {setting.expects()}.",
        )
        vary.append((path, text))
    seeds = st.text_input(
        "Seeds ", "0-2", key="study_own_seeds", persist_state="session", help="For example 0, 1, 2 or 0-2."
    )
    redraw = "data.train_size" in paths and st.checkbox(
        "Also draw the training images anew for each seed",
        key="study_redraw",
        persist_state="session",
        help="The split seed follows the seed, so that seed-to-seed variation includes the draw of the training images "
        "(and of held-out validation images). The test images stay the same: it needs the official split with all test "
        "images. Otherwise all seeds of a size train on the same images.",
    )
    filled = from_fields(name, base, vary, seeds, redraw)
    made = _offer(filled.study, filled.problems, "own")
    if made:
        st.session_state.pop("study_name", None)  # for the next study
    return made


def _file_form() -> str | None:
    st.caption("A JSON file from “Export study (JSON)” or `resnet-lab study export`.")
    upload = st.file_uploader("Study file", type=["json"], key="study_file", label_visibility="collapsed")
    if upload is None:
        return None
    try:
        study = study_from_text(upload.getvalue())
    except LabError as error:
        error_box(error)
        return None
    st.markdown(f"**{literal(study.name)}**")
    return _offer(study, {}, "file")


def _offer(study: Study | None, problems: dict[str, str], key: str) -> str | None:
    """Show what the study costs and the button that creates it, or the problems to fix."""
    store, ready = get_store(), False
    form_problems(problems, _LABELS)
    if study is not None:
        cells = statuses("", study, store.summaries())
        seeds = ", ".join(map(str, study.seeds))
        axes = "; ".join(axis.text for axis in study.axes)
        st.caption(f"{axes}. {counted(study.base.train.epochs, 'epoch')}. Seeds {seeds}.")
        for note in idle_notes(study):
            st.markdown(f":small[:orange[:material/info: {literal(note)}]]")
        cost_line(cells, f"measure_{key}_cells")
        ready = fit_notes(fit_all(cell.config for cell in study.cells()), key)
    if st.button("Create study", key=f"define_{key}", type="primary", icon=":material/science:", disabled=not ready):
        try:
            return StudyStore(store).create(study) if study is not None else None
        except LabError as error:
            error_box(error)
    return None


def cost_line(cells: list[CellStatus], key: str) -> None:
    """Show how many runs are left, and what they cost on this machine."""
    left = preview(cells, get_store())
    if not left.runs:
        st.caption(left.text)
        return
    st.markdown(f":material/timer: {left.text}", help=left.range_text or None)
    if left.seconds is None:
        measure_button(cells[0].cell.config, key)
