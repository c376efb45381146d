"""Studies: train one recipe with several values of a setting; start it, watch its runs, read its findings."""

from collections.abc import Sequence
from functools import partial

import streamlit as st

from core.base.errors import LabError
from core.base.text import counted
from core.compare.picks import link_text
from core.cost.machine import fit_all
from core.data import cifar10
from core.published.arithmetic import note
from core.runs.folder import AT_WORK
from core.runs.summary import fingerprint, readable
from core.study import outcomes as outcomes_study
from core.study import progress as progress_study
from core.study.form import copy_of
from core.study.form import grow as grow_study
from core.study.progress import CellStatus
from core.study.store import StudyStore, as_text
from core.study.study import Study
from core.takeaway.subject import Subject, of_study
from core.views import exports
from pages.parts.actions import action_button, key_for, runs_text, say, show_problems
from pages.parts.collection import NEW, Collection
from pages.parts.estimate import fit_notes
from pages.parts.get_data import get_data_box
from pages.parts.hand_in import hand_in_box
from pages.parts.kept import keep_content, kept_content
from pages.parts.shared import REPORT, download_button, error_box, get_store, literal
from pages.parts.studies.form import cost_line, study_form
from pages.parts.studies.results import study_results
from pages.parts.watch import redraw_when_changed

#: The parameter of the address that says where values and seeds are kept that were entered and not added.
GROWING = "more"
#: States that change without a click.
MOVING = ("queued", *AT_WORK)

store = get_store()
studies = StudyStore(store)
collection = Collection(studies, "study", "studies")


# --- what the buttons do --------------------------------------------------------------------------


def report_of(study_id: str, title: str, author: str) -> Subject:
    """Return the study to report about."""
    return of_study(store, study_id, title=title, author=author)


def add(study_id: str, keys: dict[str, str]) -> None:
    """Add the values and seeds in the fields of :func:`grow`. After an error they stay in the fields."""
    texts = {field: st.session_state[key] for field, key in keys.items()}
    seeds, problem = texts.pop("seeds"), f"grow_{study_id}"
    try:
        grow_study(studies, study_id, [(path, text) for path, text in texts.items() if text.strip()], seeds)
    except LabError as error:
        st.session_state[problem] = str(error)
    else:
        st.session_state.pop(problem, None)
        for key in keys.values():
            st.session_state[key] = ""
        say("Added. Continue the study to train the new runs.")


# --- the page, from top to bottom -----------------------------------------------------------------


def actions(study_id: str, study: Study, cells: Sequence[CellStatus], own: set[str], have_data: bool) -> None:
    """Show the buttons for the study's state; ``own`` are the states of the runs that belong to it."""
    states = progress_study.counts(cells)
    begun = any(state != "missing" for state in states)
    startable = [cell.cell.config for cell in cells if cell.state in ("missing", "stopped", "interrupted")]
    failing = [cell.cell.config for cell in cells if cell.state == "failed"]
    ready = fit_notes(fit_all([*startable, *failing]), key_for("fit", study_id))
    with st.container(horizontal=True):
        if startable:
            action_button(
                "Continue study" if begun else "Start study",
                key=key_for("start", study_id),
                icon=":material/play_arrow:",
                type="primary",
                disabled=not have_data or not ready,
                help="Queues the runs that are missing, stopped or interrupted. Finished runs are not trained again.",
                action=lambda: progress_study.start(store, study_id),
                done="queued",
            )
        if "queued" in own:
            action_button(
                "Pause study",
                key=key_for("pause", study_id),
                icon=":material/pause:",
                help="Removes this study’s runs from the queue. A running run continues.",
                action=lambda: progress_study.pause(store, study_id),
                done="removed from the queue",
            )
        if own & set(AT_WORK):
            action_button(
                "Stop study",
                key=key_for("stop", study_id),
                icon=":material/stop:",
                help="Stops this study’s running run after this batch, and removes its other runs from the queue. You "
                "can continue later.",
                action=lambda: progress_study.pause(store, study_id, running_too=True),
                done="stopped",
            )
        if failing:
            action_button(
                f"Retry {counted(len(failing), 'failed run')}",
                key=key_for("retry", study_id),
                icon=":material/refresh:",
                disabled=not have_data or not ready,
                action=lambda: progress_study.retry(store, study_id),
                done="queued again",
            )
        if not study.reference:
            with st.popover("Add values or seeds", icon=":material/add:"):
                grow(study_id, study)
        run_ids = [cell.run_id for cell in cells if cell.run_id and cell.state != "queued"]
        if run_ids and st.button(
            "Compare runs",
            key=key_for("compare", study_id),
            icon=":material/compare_arrows:",
            help="Opens Compare with this study’s runs.",
        ):
            st.switch_page("pages/compare.py", query_params={"runs": link_text(run_ids)})
        action_button(
            "Copy study",
            key=key_for("copy", study_id),
            icon=":material/content_copy:",
            action=lambda: collection.go_to(studies.create(copy_of(studies.get(study_id)))),
            done="Study copied. You can change the copy.",
        )
        if begun:
            hand_in_box(partial(report_of, study_id), study_id, progress_study.counts_text(cells))
        download_button("Export study (JSON)", as_text(study), "study.json", icon=":material/data_object:")
        if not study.reference:
            collection.trash_button(study_id)


def grow(study_id: str, study: Study) -> None:
    """Ask for more values and seeds."""
    values = {axis.path: (axis.label, axis.text) for axis in study.axes}
    fields = values | {"seeds": ("Seeds", f"Seeds {', '.join(map(str, study.seeds))}")}
    keys = {field: f"grow_study {study_id} {field}" for field in fields}
    for key, text in kept_content(GROWING).items():
        st.session_state[key] = str(text)
    for field, (label, existing) in fields.items():
        st.text_input(label, placeholder=f"Now: {existing}", key=keys[field], persist_state="session")
    if problem := st.session_state.get(f"grow_{study_id}"):
        error_box(problem)
    st.button("Add to study", key=key_for("add", study_id), type="primary", on_click=add, args=(study_id, keys))
    entered = {key: st.session_state[key] for key in map(str, st.session_state) if key.startswith("grow_study ")}
    keep_content(GROWING, {key: text for key, text in entered.items() if text})


def progress(cells: Sequence[CellStatus]) -> None:
    """Show how far the study is, and how long the rest takes."""
    st.progress(progress_study.share_done(cells), f"{runs_text(len(cells))}: {progress_study.counts_text(cells)}")
    if any(cell.state not in ("finished", "failed") for cell in cells):
        cost_line(list(cells), "measure_study")


def cell_table(study: Study, cells: Sequence[CellStatus]) -> None:
    """Show every run of the study with its state and result."""
    table = outcomes_study.cell_table(study, cells)
    table["state"] = table["state"].replace("missing", "to do")
    table["accuracy"] *= 100
    table["run"] = [f"run?run={run_id}" if run_id else None for run_id in table.pop("run_id")]
    if table["error"].isna().all():
        table = table.drop(columns="error")
    if table["precision"].nunique() < 2:
        table = table.drop(columns="precision")
    of = st.column_config
    st.dataframe(
        table,
        hide_index=True,
        column_config={
            **{axis.path: axis.label for axis in study.axes},
            "seed": of.NumberColumn("Seed", width=60),
            "state": of.TextColumn("State", width=90),
            "epoch": of.TextColumn("Epoch", width=80),
            "accuracy": of.NumberColumn("Test accuracy", format="%.2f %%"),
            "best_objective": of.NumberColumn(
                "Objective", format="%.4f", help="Cross-entropy plus L2 penalty at the best epoch, in nats per image."
            ),
            "objective": of.NumberColumn(
                "Lowest objective", format="%.4f", help="The lowest value of all epochs, in nats per image."
            ),
            "run": of.LinkColumn("Run", display_text="Open"),
            "error": of.TextColumn("Error"),
            "precision": of.TextColumn("Precision", help="The runs were computed in different precisions."),
        },
        placeholder="",
        alt="Every run of the study: its settings, state and result.",
    )
    download_button(
        "Export runs (CSV)",
        lambda: exports.table_csv([cell.run for cell in cells if cell.run]),
        "runs.csv",
        "The runs of the study with all their settings.",
        type="tertiary",
    )


def body(study_id: str) -> None:
    """Show everything that changes while the runs train."""
    try:
        study = studies.get(study_id)
    except LabError:
        st.rerun()
    cells = progress_study.statuses(study_id, study, store.summaries())
    progress(cells)
    study_results(study_id, study, cells)
    with st.expander(f"All runs ({len(cells)})", expanded=len(cells) <= 15, icon=":material/table_rows:"):
        cell_table(study, cells)


def heading(study: Study) -> None:
    """Show the study's name, note, values and seeds."""
    st.subheader(literal(study.name), anchor=False)
    texts = [f"Base settings: {study.recipe}.", *(f"{axis.text}." for axis in study.axes)]
    draws = ", each with its own draw of training images" if study.redraw else ""
    texts.append(f"Seeds {', '.join(map(str, study.seeds))}{draws}.")
    if study.scale < 1:
        texts.append(f"Scaled to {study.scale:.3g} times the epochs and milestones of the report.")
    if study.reference:
        texts.append("This study is part of ResNet Lab and read-only. Copy it to make changes.")
    if study.note:
        st.markdown(literal(study.note))
    if study.figure is not None:
        st.caption(f"Repeats Figure {study.figure} of the report: {REPORT}. {note(study.figure)}")
    st.caption(literal(" ".join(texts)))


def introduction() -> None:
    """Explain what a study is."""
    st.markdown(
        "A study trains one recipe with several values of a setting, each with one or more seeds, to find out what the "
        "setting does. You can add values and seeds later; finished runs are not trained again."
    )
    st.caption(f"The report is {REPORT}.")
    if not store.ids():
        st.caption("No runs yet. The quickest start is Figure 3 of the report at a tenth of its epochs.")


st.title("Studies", anchor=False)
show_problems()
collection.undo_box()
have_data = cifar10.available()
if not have_data:
    get_data_box()
known, damaged = studies.all()
for study in damaged:
    error_box(study.problem)
chosen = collection.chosen(known)
if known:
    collection.chooser(progress_study.labels(known, store.summaries()), chosen)
if chosen == NEW:
    introduction()
    if made := study_form():
        st.session_state["done"] = "Study created. Check its runs, then start it."
        collection.go_to(made)
        st.rerun()
    collection.trash_box()
    st.stop()
heading(known[chosen])
all_runs = store.runs()
runs = readable(all_runs)
cells = progress_study.statuses(chosen, known[chosen], runs)
actions(chosen, known[chosen], cells, progress_study.own_states(chosen, runs), have_data)
st.fragment(body)(chosen)
collection.trash_box()
if any(cell.state in MOVING for cell in cells):
    redraw_when_changed(fingerprint(all_runs), lambda: fingerprint(store.runs()), seconds=3)
