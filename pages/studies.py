"""Studies: a question to training as one object. Define it, watch its runs, see what came out and how sure it is."""

from collections.abc import Callable, Sequence

import streamlit as st

from core.base.bulk import Outcome
from core.base.errors import LabError
from core.compare.picks import link_text
from core.data import cifar10
from core.runs.folder import AT_WORK
from core.runs.store import RunStore
from core.runs.summary import fingerprint
from core.study import outcomes as outcomes_study
from core.study import progress as progress_study
from core.study.form import copy_of
from core.study.form import grow as grow_study
from core.study.progress import CellStatus
from core.study.store import StudyStore, as_text
from core.study.study import Study
from pages.parts.get_data import get_data_box
from pages.parts.shared import error_box, get_store, literal
from pages.parts.studies.form import cost_line, study_form
from pages.parts.studies.results import study_results
from pages.parts.watch import redraw_when_changed

NEW = "new"
#: States in which something changes by itself.
MOVING = ("queued", *AT_WORK)

store = get_store()
studies = StudyStore(store)


# --- what the buttons do --------------------------------------------------------------------------


def act(what: Callable[[], Outcome | None], done: str) -> None:
    """Do it and say so, or keep the reason why not for the page."""
    try:
        outcome = what()
    except LabError as error:
        st.session_state["study_problems"] = [str(error)]
        return
    if outcome is not None:
        st.session_state["study_problems"] = outcome.problems
        count = len(outcome.done)
        done = f"{count} run{'s' * (count != 1)} {done}" if count else "Nothing to do: no run is in that state."
    st.toast(literal(done), icon=":material/check:")


def go_to(study_id: str) -> None:
    """Show a study; the address names it."""
    st.query_params["study"] = study_id


def put_away(study_id: str, study: Study) -> None:
    """To the trash, with a way back."""

    def trash() -> None:
        studies.trash.put(study_id)
        st.session_state["study_undo"] = study_id
        st.query_params.pop("study", None)

    act(trash, f"{study.name} is in the trash; its runs stay.")


def bring_back(study_id: str) -> None:
    """Out of the trash again."""

    def restore() -> None:
        studies.trash.restore(study_id)
        st.session_state.pop("study_undo", None)
        go_to(study_id)

    act(restore, "The study is back.")


def copy(study: Study) -> None:
    """A copy of one's own, shown at once."""
    act(lambda: go_to(studies.create(copy_of(study))), "This is a copy; change it as you like.")


def add(study_id: str, keys: dict[str, str]) -> None:
    """Into the study what the fields of :func:`grow` say; what cannot be added stays in them, with the reason."""
    texts = {what: st.session_state[key] for what, key in keys.items()}
    problem = f"grow_{study_id}"
    try:
        seeds = texts.pop("seeds")
        grow_study(studies, study_id, [(path, text) for path, text in texts.items() if text.strip()], seeds)
    except LabError as error:
        st.session_state[problem] = str(error)
    else:
        st.session_state.pop(problem, None)
        for key in keys.values():
            st.session_state[key] = ""
        st.toast("Added; “Go on” trains them.", icon=":material/check:")


# --- the page, from top to bottom -----------------------------------------------------------------


def chooser(known: dict[str, Study], chosen: str) -> None:
    """Which study, or a new one."""
    st.session_state["study_shown"] = chosen
    words = progress_study.labels(known, store.summaries())
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox(
            "Study",
            [*known, NEW],
            key="study_shown",
            format_func=lambda one: words.get(one, "A new study"),
            on_change=lambda: go_to(st.session_state["study_shown"]),
        )
        st.button("New study", icon=":material/add:", on_click=go_to, args=(NEW,), disabled=chosen == NEW)


def messages() -> None:
    """What an action left to say, and how to undo the trash."""
    for sentence in st.session_state.pop("study_problems", []):
        error_box(sentence)
    gone = st.session_state.get("study_undo")
    if gone and gone in studies.trash.ids():
        with st.container(horizontal=True, vertical_alignment="center", border=True):
            st.markdown(":material/delete: The study is in the trash; its runs stay.", width="content")
            st.button("Undo", icon=":material/undo:", type="primary", on_click=bring_back, args=(gone,))


def actions(study_id: str, study: Study, cells: Sequence[CellStatus], own: set[str], have_data: bool) -> None:
    """What can be done with the study as it stands; ``own`` are the states of the runs that are its own."""
    states = progress_study.counts(cells)
    begun = any(state != "missing" for state in states)
    with st.container(horizontal=True):
        if states.keys() & {"missing", "stopped", "interrupted"}:
            st.button(
                "Go on" if begun else "Start",
                icon=":material/play_arrow:",
                type="primary",
                disabled=not have_data,
                help="Queues the runs that are to do, stopped or interrupted. What is finished or under way is not "
                "trained again, and failed runs have a button of their own.",
                on_click=act,
                args=(lambda: progress_study.start(store, study_id), "in the queue."),
            )
        if "queued" in own:
            st.button(
                "Pause",
                icon=":material/pause:",
                help="Takes this study’s waiting runs out of the queue; the one at work goes on to its end.",
                on_click=act,
                args=(lambda: progress_study.pause(store, study_id), "taken out of the queue."),
            )
        if own & set(AT_WORK):
            st.button(
                "Stop now",
                icon=":material/stop:",
                help="This study’s run at work stops within a batch, its others leave the queue. All can go on later.",
                on_click=act,
                args=(lambda: progress_study.pause(store, study_id, running_too=True), "stopped."),
            )
        if "failed" in states:
            st.button(
                f"Retry {states['failed']} failed",
                icon=":material/refresh:",
                disabled=not have_data,
                on_click=act,
                args=(lambda: progress_study.retry(store, study_id), "in the queue again."),
            )
        if not study.reference:
            with st.popover("Add values or seeds", icon=":material/add:"):
                grow(study_id, study)
        runs = [one.run_id for one in cells if one.run_id and one.state != "queued"]
        if runs and st.button("Open in Compare", icon=":material/compare_arrows:", help="Its runs, side by side."):
            st.switch_page("pages/compare.py", query_params={"runs": link_text(runs)})
        st.button(
            "Copy", icon=":material/content_copy:", help="A study like it, to change.", on_click=copy, args=(study,)
        )
        st.download_button(
            "Definition as JSON", as_text(study), "study.json", "application/json", icon=":material/data_object:",
            on_click="ignore",
        )  # fmt: skip
        if not study.reference:
            st.button(
                "Trash", icon=":material/delete:", help="Puts the study away; its runs stay.",
                on_click=put_away, args=(study_id, study),
            )  # fmt: skip


def grow(study_id: str, study: Study) -> None:
    """More values or seeds; what was trained stays."""
    keys = {what: f"grow_{study_id}_{what}" for what in (*(axis.path for axis in study.axes), "seeds")}
    with st.form("grow", border=False):
        for axis in study.axes:
            told = f"more, beside {axis.text}"
            st.text_input(axis.label, placeholder=told, key=keys[axis.path], persist_state="session")
        told = f"more, beside {', '.join(map(str, study.seeds))}"
        st.text_input("Seeds", placeholder=told, key=keys["seeds"], persist_state="session")
        if problem := st.session_state.get(f"grow_{study_id}"):
            error_box(problem)
        st.form_submit_button("Add", type="primary", on_click=add, args=(study_id, keys))


def standing(cells: Sequence[CellStatus]) -> None:
    """How far it is and what is left."""
    st.progress(progress_study.share_done(cells), f"{len(cells)} runs: {progress_study.counts_text(cells)}")
    if any(one.state not in ("finished", "failed") for one in cells):
        cost_line(list(cells), "measure_study")


def cell_table(study: Study, cells: Sequence[CellStatus]) -> None:
    """Every run the study asks for, its state and its result."""
    table = outcomes_study.cell_table(study, cells)
    table["state"] = table["state"].replace("missing", "to do")
    table["accuracy"] *= 100
    table["run"] = [f"run?run={one}" if one else None for one in table.pop("run_id")]
    if table["error"].isna().all():
        table = table.drop(columns="error")
    of = st.column_config
    st.dataframe(
        table,
        hide_index=True,
        column_config={
            **{axis.path: axis.label for axis in study.axes},
            "seed": of.NumberColumn("Seed", width=60),
            "state": of.TextColumn("State", width=90),
            "epoch": of.TextColumn("Epoch", width=80),
            "accuracy": of.NumberColumn("Best accuracy", format="%.2f %%"),
            "objective": of.NumberColumn(
                "Lowest objective", format="%.4f", help="Cross-entropy + L2 penalty, nats per image."
            ),
            "run": of.LinkColumn("Run", display_text="open"),
            "error": of.TextColumn("Why it failed"),
        },
        placeholder="",
        alt="Every run of the study: its settings, state and result.",
    )


def body(study_id: str) -> None:
    """Everything that changes while the study's runs train."""
    try:
        study = studies.get(study_id)
    except LabError:
        st.rerun()
    cells = progress_study.statuses(study_id, study, store.summaries())
    standing(cells)
    study_results(study, cells)
    with st.expander(f"All {len(cells)} runs", expanded=len(cells) <= 15, icon=":material/table_rows:"):
        cell_table(study, cells)


def heading(study: Study) -> None:
    """What it asks, in words."""
    st.subheader(literal(study.name), anchor=False)
    told = [f"{axis.text}." for axis in study.axes]
    told.append(f"Seeds {', '.join(map(str, study.seeds))}.")
    if study.scale < 1:
        told.append(f"Scaled: {study.scale:.3g} times the epochs and milestones of the report.")
    if study.reference:
        told.append("It came with the program and is read-only; copy it to change it.")
    if study.note:
        st.markdown(literal(study.note))
    st.caption(literal(" ".join(told)))


def trash_box() -> None:
    """The studies that were put away, whenever that was, each with a way back."""
    count = len(studies.trash.ids())
    if not count:
        return
    label = f"Trash ({count} stud{'y' if count == 1 else 'ies'})"
    box = st.expander(label, icon=":material/delete:", on_change="rerun", key="trash_box")
    if not box.open:
        return
    with box:
        for study_id, name in studies.trash.labels().items():
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(literal(name), width="content")
                st.button(
                    "Restore",
                    key=f"restore {study_id}",
                    icon=":material/restore_from_trash:",
                    on_click=bring_back,
                    args=(study_id,),
                )


def introduction(store: RunStore) -> None:
    """What a study is, for whoever sees the first."""
    st.markdown(
        "A study asks what one setting does: the same recipe with several values of it, each with one seed or more. "
        "Its runs go through the queue like any other; values and seeds can be added later, and what was trained "
        "before is not trained again."
    )
    if not store.ids():
        st.caption(
            "There is no run yet. The report’s Figure 3 at a tenth of its epochs is the shortest way to a result."
        )


st.title("Studies", anchor=False)
messages()
have_data = cifar10.available()
if not have_data:
    get_data_box()
known, damaged = studies.all()
for one in damaged:
    error_box(one.problem)
wanted = st.query_params.get("study")
if wanted and wanted != NEW and wanted not in known:
    try:
        found = studies.find(wanted)
        wanted = found if found in known else None  # what is wrong with a damaged one was just said
    except LabError as error:
        error_box(error)
        wanted = None
chosen = wanted or next(iter(known), NEW)
st.query_params["study"] = chosen
if known:
    chooser(known, chosen)
if chosen == NEW:
    introduction(store)
    if made := study_form():
        st.session_state["done"] = "The study is defined. Look at its runs, then start it."
        go_to(made)
        st.rerun()
    trash_box()
    st.stop()
heading(known[chosen])
seen, runs = fingerprint(store.runs()), store.summaries()
cells = progress_study.statuses(chosen, known[chosen], runs)
actions(chosen, known[chosen], cells, progress_study.own_states(chosen, runs), have_data)
st.fragment(body)(chosen)
trash_box()
if any(one.state in MOVING for one in cells):
    redraw_when_changed(seen, lambda: fingerprint(store.runs()), seconds=3)
