"""Search: let a sampler choose the settings of the next run, watch it, and confirm its best trials."""

from collections.abc import Sequence

import streamlit as st

from core.base.errors import LabError
from core.base.text import duration, percent
from core.compare.picks import link_text
from core.cost.machine import fit
from core.data import cifar10
from core.runs.summary import fingerprint
from core.search import driver
from core.search.confirm import best_trials, sides_of
from core.search.driver import ensure_driver
from core.search.form import copy_of
from core.search.idle import largest
from core.search.search import MOST_MINUTES, MOST_TRIALS, Search
from core.search.store import Control, SearchStore
from core.search.trials import Trial, best_of, counts_text, labels, progress_of, runs_of, table, trials_of
from pages.parts.actions import action_button, key_for, say, show_problems
from pages.parts.collection import NEW, Collection
from pages.parts.estimate import fit_notes
from pages.parts.get_data import get_data_box
from pages.parts.search.confirmed import confirm_button, confirmed
from pages.parts.search.form import optional_number, search_form
from pages.parts.search.results import search_results, trial_table
from pages.parts.shared import error_box, get_store, literal
from pages.parts.watch import redraw_when_changed

store = get_store()
searches = SearchStore(store)
collection = Collection(searches, "search", "searches")


# --- what the buttons do --------------------------------------------------------------------------


def add_budget(search_id: str) -> None:
    """Give the search the budget in the fields of :func:`budget_fields`."""
    trials, minutes = (st.session_state[f"{name}_{search_id}"] for name in ("more_trials", "more_minutes"))
    searches.extend(search_id, trials, None if minutes is None else float(minutes))
    driver.start(store, search_id)
    say("Budget changed. The search goes on.")


# --- the page, from top to bottom -----------------------------------------------------------------


def actions(search_id: str, search: Search, control: Control, trials: Sequence[Trial], have_data: bool) -> None:
    """Show the buttons for the search's state."""
    ready = fit_notes(fit(largest(search)), key_for("fit", search_id))
    with st.container(horizontal=True):
        if control.going:
            action_button(
                "Pause search",
                key=key_for("pause", search_id),
                icon=":material/pause:",
                help="Stops the trials in training after this batch, and makes no further ones. You can continue it.",
                action=lambda: driver.pause(store, search_id),
                done="paused",
            )
        elif not control.done:
            action_button(
                "Continue search" if trials else "Start search",
                key=key_for("start", search_id),
                icon=":material/play_arrow:",
                type="primary",
                disabled=not have_data or not ready,
                action=lambda: driver.start(store, search_id),
                done="The search goes on",
            )
        if not control.going and best_trials(search, trials):
            confirm_button(search_id, search, control)
        if trials:
            with st.popover("Change budget", icon=":material/more_time:"):
                budget_fields(search_id, search)
        run_ids = [run.id for trial in trials for run in trial.runs if run.epochs]
        if len(run_ids) > 1 and st.button(
            "Compare runs", key=key_for("compare", search_id), icon=":material/compare_arrows:"
        ):
            st.switch_page("pages/compare.py", query_params={"runs": link_text(run_ids)})
        action_button(
            "Copy search",
            key=key_for("copy", search_id),
            icon=":material/content_copy:",
            help="The copy draws other trials.",
            action=lambda: collection.go_to(searches.create(copy_of(searches.get(search_id).search))),
            done="Search copied",
        )
        if not control.going:
            collection.trash_button(search_id)


def budget_fields(search_id: str, search: Search) -> None:
    """Ask for another budget."""
    optional_number("Trials in all, at most", f"more_trials_{search_id}", (1, MOST_TRIALS), search.trials)
    least = min(0.1, search.minutes or 0.1)
    optional_number(
        "Minutes of training in all, at most",
        f"more_minutes_{search_id}",
        (least, MOST_MINUTES),
        search.minutes,
        step=1.0,
        format="%g",
    )
    action_button(
        "Continue with this budget",
        key=key_for("budget", search_id),
        icon=":material/play_arrow:",
        type="primary",
        action=lambda: add_budget(search_id),
    )


def progress(search_id: str, search: Search, control: Control, trials: Sequence[Trial]) -> None:
    """Show how far the search is, its best trial, and what keeps it from going on."""
    used = progress_of(search, trials)
    st.progress(used.share, f"{used.text}: {counts_text(trials)}")
    if control.problem:
        error_box(f"The search paused. {control.problem}")
    elif trouble := ensure_driver().troubles.get(search_id):
        error_box(f"The search waits: {trouble} Retrying.")
    elif control.done:
        st.caption(control.done)
    elif not control.going and trials:
        st.caption("The search is paused.")
    failed = [trial for trial in trials if trial.state == "failed"]
    if failed and not control.problem:
        st.caption(
            literal(f"Trial {failed[-1].number} failed: {failed[-1].error} The search counts it as a poor trial.")
        )
    best = next(iter(best_of(trials)), None)
    if best is None:
        return
    base = trials[0] if trials[0].number == 0 and trials[0].config.signature() == search.base.signature() else None
    with st.container(horizontal=True):
        gain = None
        if base is not None and base.value is not None and best.value is not None and best is not base:
            gain = f"{100 * (best.value - base.value):+.2f} points over the base"
        st.metric(
            "Best validation accuracy", percent(best.value), gain, delta_color="off", border=True, width="content"
        )
        st.metric("Trial", f"{best.number} (base)" if best is base else best.number, border=True, width="content")
        st.metric("Training so far", duration(used.seconds), border=True, width="content")
    if best is base:
        st.markdown(f"No trial is better than the base settings{'' if control.done else ' so far'}.")
    else:
        st.markdown(f"Best settings: {literal(search.label(best.config))}.")
    advice = "" if control.confirm else " Confirm the best trials with new seeds."
    st.caption(
        f"{best.interval_text}, counting validation images only. These images chose the epoch and the trial, so the "
        f"accuracy is optimistic.{advice}"
    )


def body(search_id: str) -> None:
    """Show everything that changes while the trials train."""
    try:
        stored = searches.get(search_id)
    except LabError:
        st.rerun()
    search, control = stored.search, stored.control
    trials = trials_of(search_id, search, store, control)
    progress(search_id, search, control, trials)
    confirmed(sides_of(search_id, search, control, trials, store))
    rows = table(search, trials)
    search_results(search_id, search, trials, rows)
    if trials:
        with st.expander(f"All trials ({len(trials)})", expanded=len(trials) <= 15, icon=":material/table_rows:"):
            trial_table(search, rows)


def heading(search: Search) -> None:
    """Show the search's name, note, ranges and methods."""
    st.subheader(literal(search.name), anchor=False)
    if search.note:
        st.markdown(literal(search.note))
    ranges = " ".join(f"{one.text}." for one in search.ranges)
    st.caption(literal(f"Base settings: {search.recipe}. {ranges} {search.method_text}. Budget: {search.budget_text}."))


def introduction() -> None:
    """Explain what a search is."""
    st.markdown(
        "A search trains one run after the other and chooses the settings of each from the results so far. It looks "
        "for the highest accuracy on held-out validation images; the test set is not used to choose. Afterwards, train "
        "the best trials again with new seeds to see how much of the gain is real."
    )


st.title("Search", anchor=False)
show_problems()
collection.undo_box()
have_data = cifar10.available()
if not have_data:
    get_data_box()
known, damaged = searches.all()
for search in damaged:
    error_box(search.problem)
chosen = collection.chosen(known)
if known:
    collection.chooser(labels(known, store), chosen)
if chosen == NEW:
    introduction()
    if made := search_form():
        st.session_state["done"] = "Search created. Check it, then start it."
        collection.go_to(made)
        st.rerun()
    collection.trash_box()
    st.stop()
stored = known[chosen]
heading(stored.search)
all_runs = store.runs()
trials = trials_of(chosen, stored.search, store, stored.control)
actions(chosen, stored.search, stored.control, trials, have_data)
st.fragment(body)(chosen)
collection.trash_box()
if stored.control.going or any(run.status.active for run in runs_of(chosen, store.summaries())):
    redraw_when_changed(
        (stored.control, fingerprint(all_runs)),
        lambda: (searches.get(chosen).control, fingerprint(store.runs())),
        seconds=3,
    )
