"""New run: choose a preset, change its settings, start training.

The choices are a Draft (core/config/draft.py), which survives a visit to another page and a refresh of this one.
"""

from typing import Any

import streamlit as st

from core.base.errors import LabError, collected
from core.base.text import counted
from core.config.draft import MAX_RUNS, Draft, split_text, work_text
from core.config.presets import PRESETS, command_line
from core.config.run_config import SETTINGS, RunConfig
from core.cost.effect import idle_settings
from core.cost.estimate import estimates
from core.cost.machine import fit
from core.data import cifar10
from core.runs.summary import find_repeat, title
from core.study.form import VARIABLE
from core.views.new_run import expectation
from pages.parts.actions import runs_text
from pages.parts.estimate import estimate_line, fit_notes
from pages.parts.get_data import get_data_box
from pages.parts.kept import keep_draft, kept_draft
from pages.parts.new_run.preview import previews
from pages.parts.settings_form import settings_form
from pages.parts.shared import REPORT, error_box, get_store, literal, run_link
from pages.parts.studies.form import vary_in_study

store = get_store()


def current_draft() -> Draft:
    """Return this session's draft.

    ``?from=ID`` or another page may ask for a copy: of a run by its id, or of a RunConfig (which keeps the draft's
    name, tags and note).
    """
    draft = kept_draft("new_run", Draft())
    wanted = st.session_state.pop("draft_from", None) or st.query_params.pop("from", None)
    if isinstance(wanted, RunConfig):
        draft.copy_run(None, wanted, draft.name, draft.tags)
    elif wanted:
        try:
            run_id = store.find(wanted)
            meta = store.run(run_id).meta()
            draft.copy_run(run_id, store.run(run_id).config(), meta.name, meta.tags)
        except LabError as error:
            error_box(error)
    keep_draft("new_run")
    return draft


def preset_cards(draft: Draft) -> None:
    """Show a card for each preset with what to expect; the selected one can undo the changes. See style.css."""
    # Two rows of three. On a phone the cards scroll sideways, so that the form is not pages away (style.css).
    grid, changes = st.grid(3, min_column_width=180, key="presets"), len(draft.changed())
    runs = store.summaries()
    times = estimates((preset.config for preset in PRESETS.values()), store)
    for preset, time in zip(PRESETS.values(), times, strict=True):
        selected = preset.name == draft.preset
        with grid.container(border=True, height="stretch", key=f"card-{preset.name}"):
            st.button(
                f"**{preset.title}**",
                icon=":material/radio_button_checked:" if selected else ":material/radio_button_unchecked:",
                key=f"preset-{preset.name}",
                type="secondary" if selected else "tertiary",
                on_click=draft.choose_preset,
                args=(preset.name,),
            )
            st.markdown(f":small[**{expectation(preset, runs, time.seconds)}**]")
            st.caption(preset.summary)
            if selected and changes:
                st.button(
                    f"Undo {counted(changes, 'change')}",
                    icon=":material/undo:",
                    key="undo-changes",
                    type="tertiary",
                    on_click=draft.choose_preset,
                    args=(preset.name,),
                )


def keep(draft: Draft, field: str, key: str) -> None:
    """Write a changed widget's value into the draft."""
    value = st.session_state[key]
    setattr(draft, field, tuple(value) if field == "tags" else value)


def about_fields(draft: Draft) -> None:
    """Ask for name, tags, note and the number of runs."""

    def common(field: str) -> dict[str, Any]:
        key = f"{field}#{draft.editions[field]}"
        return {"key": key, "on_change": keep, "args": (draft, field, key)}

    known = {tag for run in store.summaries() for tag in run.meta.tags}
    st.text_input("Name", draft.name, placeholder="For example: Adam, batch size 128", max_chars=80, **common("name"))
    st.multiselect(
        "Tags",
        sorted(known | set(draft.tags)),
        draft.tags,
        accept_new_options=True,
        placeholder="Choose or type",
        **common("tags"),
    )
    st.text_area("Note", draft.note, placeholder="What do you expect to see?", height=68, **common("note"))
    st.number_input(
        "Number of runs",
        1,
        MAX_RUNS,
        draft.copies,
        help="Repeats the run with consecutive seeds. The spread of their results is the seed-to-seed variation.",
        **common("copies"),
    )


def problem_list(problems: dict[str, str]) -> None:
    """List the settings that prevent a start."""
    st.markdown(f":red[**{counted(len(problems), 'setting')} to fix**]")
    for path, text in problems.items():
        st.markdown(f":small[**{SETTINGS[path].label}**: {literal(text)}]")


def summary(draft: Draft) -> bool:
    """Say what the run will do, how long it takes, and whether it exists already. Return whether it may start."""
    st.markdown(split_text(draft.config))
    st.caption(work_text(draft.config))
    visible = [path for path in draft.changed() if draft.config.in_effect(path)]
    for note in idle_settings(draft.config, visible, draft.recipe).values():
        st.markdown(f":small[:orange[:material/info: {literal(note)}]]")
    estimate_line(draft.config, draft.copies)
    if repeat := find_repeat(store.summaries(), draft.config):
        st.caption(f"A run with exactly these settings exists already ({repeat.state}):")
        run_link(repeat.id, title(repeat))
    return fit_notes(fit(draft.config), "fit")


def start(draft: Draft) -> None:
    """Queue the runs and open the first one's page."""
    run_ids: list[str] = []
    problems: list[str] = []
    for config, name in draft.runs():
        with collected(problems, f"Run {name or draft.name}"):
            run_ids.append(store.create(config, name=name, tags=draft.tags, note=draft.note))
    if problems:
        text = " ".join(dict.fromkeys(problems))
        error_box(f"{runs_text(len(run_ids))} of {draft.copies} queued. {text}" if draft.copies > 1 else text)
        return
    st.session_state["done"] = "Run started" if len(run_ids) == 1 else f"Queued {len(run_ids)} runs"
    st.switch_page("pages/run.py", query_params={"run": run_ids[0]})


def start_panel(draft: Draft, have_data: bool) -> None:
    """Show the right column: name and note, what the run will do, and the start button, which stays in sight."""
    problems = draft.problems()
    with st.container(border=True):
        if problems:
            problem_list(problems)
        ready = not problems and summary(draft)
        queued = len(store.queue.ids())
        with st.container(key="start-bar"):
            if st.button(
                "Start run" if draft.copies == 1 else f"Start {draft.copies} runs",
                key="start",
                type="primary",
                icon=":material/play_arrow:",
                width="stretch",
                disabled=not ready or not have_data,
            ):
                start(draft)
        if not have_data:
            st.caption("Download the images first.")
        elif queued:
            st.caption(f"{runs_text(queued)} in the queue will start first.")
        vary_setting()
    with st.container(border=True):
        about_fields(draft)
    if not problems:
        with st.expander("Equivalent command"):
            command = command_line(draft.config, name=draft.name, tags=draft.tags, note=draft.note, seeds=draft.copies)
            st.code(f"{command} --yes" if fit(draft.config).too_big else command, language="bash", wrap_lines=True)


def vary_setting() -> None:
    """Offer a study with several values of a setting, on the settings of this form."""
    with st.popover("Vary a setting", icon=":material/science:", width="stretch"):
        path = st.selectbox("Setting to vary", VARIABLE, key="vary", format_func=lambda path: SETTINGS[path].label)
        st.caption("Opens a new study with the settings of this form, where you choose the values and seeds.")
        if st.button("Create study", key="vary-study", type="primary", icon=":material/science:"):
            vary_in_study(path)
            st.switch_page("pages/studies.py", query_params={"study": "new"})


draft = current_draft()
have_data = cifar10.available()

st.title("New run", anchor=False)
st.markdown("Select a preset, change any of its settings, and start training.")
if not have_data:
    get_data_box()
if draft.source:
    st.info(
        f"Settings copied from run {draft.source}. Changes here do not affect that run.", icon=":material/content_copy:"
    )
preset_cards(draft)
st.caption(f"The report is {REPORT}.")
form, panel = st.columns([7, 3], gap="medium")
with form:
    settings_form(draft)
    if not draft.problems():
        st.subheader("Preview", anchor=False)
        previews(draft.config)
with panel, st.container(key="start-panel"):
    start_panel(draft, have_data)
