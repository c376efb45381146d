"""New run: choose a recipe, change what you like, start.

The choices are a Draft (core/config/draft.py) that stays when another page is looked at.
"""

from typing import Any

import streamlit as st

from core.base.errors import LabError
from core.config.draft import MOST_RUNS, Draft, split_text, work_text
from core.config.presets import PRESETS, command_line
from core.config.run_config import SETTINGS, RunConfig
from core.data import cifar10
from pages.parts.get_data import get_data_box
from pages.parts.preview import estimate_line, previews
from pages.parts.settings_form import settings_form
from pages.parts.shared import error_box, get_store, literal

store = get_store()


def current_draft() -> Draft:
    """The draft of this session; a copy of a run if ``?from=ID`` or another page asks for one (a page by a run's id,
    or by a RunConfig; name, tags and note stay then)."""
    draft: Draft = st.session_state.setdefault("new_run", Draft())
    wanted = st.session_state.pop("draft_from", None) or st.query_params.pop("from", None)
    if isinstance(wanted, RunConfig):
        draft.copy_run(None, wanted, draft.name, draft.tags)
    elif wanted:
        try:
            run_id = store.find(wanted)
            meta = store.meta(run_id)
            draft.copy_run(run_id, store.config(run_id), meta.name, meta.tags)
        except LabError as error:
            error_box(error)
    return draft


def preset_cards(draft: Draft) -> None:
    """A card a recipe; the chosen one says whether it was changed."""
    # On a phone they are leafed through sideways, so that the form is not pages away.
    grid, changes = st.grid(len(PRESETS), min_column_width=180, wrap=False), len(draft.changed())
    for preset in PRESETS.values():
        chosen = preset.name == draft.preset
        if not chosen:
            label, icon = "Choose", ":material/radio_button_unchecked:"
        elif changes:
            label, icon = f"Undo {changes} change{'s' * (changes != 1)}", ":material/undo:"
        else:
            label, icon = "Chosen", ":material/check_circle:"
        with grid.container(border=True, height="stretch", vertical_alignment="distribute"):
            with st.container(gap="xxsmall"):
                st.markdown(f"**{preset.title}**")
                st.caption(preset.summary)
            st.button(
                label,
                icon=icon,
                key=f"preset-{preset.name}",
                type="secondary" if chosen else "tertiary",
                on_click=draft.choose_preset,
                args=(preset.name,),
            )


def keep(draft: Draft, what: str, key: str) -> None:
    """Write a changed field into the draft."""
    value = st.session_state[key]
    setattr(draft, what, tuple(value) if what == "tags" else value)


def about_fields(draft: Draft) -> None:
    """Name, tags, note and how many seeds."""

    def common(what: str) -> dict[str, Any]:
        key = f"{what}#{draft.editions[what]}"
        return {"key": key, "on_change": keep, "args": (draft, what, key)}

    known = {tag for tags in store.frame()["tags"].dropna() for tag in tags}
    st.text_input("Name", draft.name, placeholder="What you will look for later", max_chars=80, **common("name"))
    st.multiselect(
        "Tags",
        sorted(known | set(draft.tags)),
        draft.tags,
        accept_new_options=True,
        placeholder="Choose or type",
        **common("tags"),
    )
    st.text_area("Note", draft.note, placeholder="What you expect to see", height=68, **common("note"))
    st.number_input(
        "Runs, each with the next seed",
        1,
        MOST_RUNS,
        draft.copies,
        help="The same experiment several times: how much the result varies by chance alone.",
        **common("copies"),
    )


def problem_list(problems: dict[str, str]) -> None:
    """What stands in the way, wherever on the page it is."""
    count = len(problems)
    st.markdown(f":red[**{count} thing{'s' * (count != 1)} to put right**]")
    for path, text in problems.items():
        st.markdown(f":small[**{SETTINGS[path].label}**: {literal(text)}]")


def summary(draft: Draft) -> None:
    """What the run will do, in words, and whether it was done before."""
    st.markdown(split_text(draft.config))
    st.caption(work_text(draft.config))
    estimate_line(draft.config, draft.copies)
    frame = store.frame()
    twins = frame.loc[frame["signature"] == draft.config.signature()]
    if len(twins):
        twin = twins.iloc[0]
        st.caption(f"This very experiment is {twin['state']} already:")
        st.page_link(
            "pages/run.py",
            label=literal(twin["name"] or twin["id"]),
            icon=":material/show_chart:",
            query_params={"run": twin["id"]},
        )


def start(draft: Draft) -> None:
    """Queue the runs and look at the first."""
    made = []
    try:
        for config, name in draft.runs():
            made.append(store.create(config, name=name, tags=draft.tags, note=draft.note))
    except LabError as error:
        error_box(error)
        return
    st.session_state["done"] = "Started" if len(made) == 1 else f"Started {len(made)} runs, one after the other"
    st.switch_page("pages/run.py", query_params={"run": made[0]})


def start_panel(draft: Draft, have_data: bool) -> None:
    """The right column: what it is called, what it will do, and the button."""
    problems = draft.problems()
    with st.container(border=True):
        about_fields(draft)
    with st.container(border=True):
        if problems:
            problem_list(problems)
        else:
            summary(draft)
        waiting = len(store.queue())
        label = "Start" if draft.copies == 1 else f"Start {draft.copies} runs"
        if st.button(
            label,
            key="start",
            type="primary",
            icon=":material/play_arrow:",
            width="stretch",
            disabled=bool(problems) or not have_data,
        ):
            start(draft)
        if not have_data:
            st.caption("Get the data first.")
        elif waiting:
            st.caption(f"{waiting} run{'s' * (waiting != 1)} waiting before it.")
    if not problems:
        st.caption("The same from a terminal:")
        command = command_line(draft.config, name=draft.name, tags=draft.tags, note=draft.note, seeds=draft.copies)
        st.code(command, language="bash", wrap_lines=True)


draft = current_draft()
have_data = cifar10.available()

st.title("New run", anchor=False)
if not have_data:
    get_data_box()
if draft.source:
    st.info(
        f"A copy of run {draft.source}. Change what you like; the other stays as it is.", icon=":material/content_copy:"
    )
preset_cards(draft)
form, panel = st.columns([7, 3], gap="medium")
with form:
    settings_form(draft)
    if not draft.problems():
        st.subheader("Before it starts", anchor=False)
        previews(draft.config)
with panel:
    start_panel(draft, have_data)
