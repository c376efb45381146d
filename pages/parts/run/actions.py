"""What can be done with one run: stop, resume, train longer, copy, classify, rename, tag, note, pin, trash.

Every button acts on the run that it was drawn for: its key has the run's id, and its callback gets it.
"""

import time
from dataclasses import dataclass

import streamlit as st

from core.base.text import counted
from core.compare.filters import tags_in_use
from core.cost.machine import fit
from core.inspect.subject import inspectable
from core.runs.folder import RESUMABLE
from core.runs.store import RunStore
from core.runs.summary import RunSummary
from core.takeaway.card import model_card
from core.takeaway.onnx_apart import onnx_bytes
from core.views import run as run_views
from pages.parts.actions import act, action_button, key_for, undo_line
from pages.parts.components.notify import notify_button
from pages.parts.estimate import fit_notes
from pages.parts.shared import literal, open_page
from pages.parts.take_away import Item, take_away
from pages.parts.texts import conflict_box, tags_field, tags_saved, text_form

_MOVE = "run_move"
#: Seconds within which a rerun arrives that the browser asked for before it knew the new address.
_LATE = 10.0


@dataclass
class _Move:
    """The page went from the run ``old`` to ``new``; ``seen`` counts the script runs that had the new address."""

    old: str
    new: str
    at: float
    seen: int = 0


def wanted_run() -> str | None:
    """Return the run that the address names.

    When a longer run was queued, the page shows it. A rerun that the browser had asked for before may arrive afterwards
    with the old address, and must not lead back. The first script run has the new address from the click itself, the
    second from the browser: then the move is over.
    """
    wanted, move = st.query_params.get("run"), st.session_state.get(_MOVE)
    if move is None:
        return wanted
    if wanted == move.old and time.monotonic() - move.at < _LATE:
        return str(move.new)
    move.seen += wanted == move.new
    if move.seen > 1 or wanted != move.new:
        forget_move()
    return wanted


def forget_move() -> None:
    """Show what the address names: the person chose another run."""
    st.session_state.pop(_MOVE, None)


def actions(store: RunStore, view: run_views.RunView) -> None:
    """Show the buttons for the run's state."""
    run = view.run
    ready = run.state not in RESUMABLE or fit_notes(fit(run.config), key_for("fit", run.id))
    with st.container(horizontal=True):
        if run.status.active:
            _while_active(store, view)
        if run.status.elsewhere:
            _take_over(store, view)
        if run.state in RESUMABLE:
            action_button(
                "Retry run" if run.state == "failed" else "Resume run",
                key=key_for("resume", run.id),
                icon=":material/play_arrow:",
                type="primary",
                disabled=not ready,
                help="Puts the run back into the queue. It continues after its last finished epoch.",
                action=lambda: store.queue.enqueue(run.id),
                done=f"“{view.label}” is in the queue again",
            )
        if run.state == "finished":
            with st.popover("Train longer", icon=":material/more_time:"):
                _train_longer(store, run)
        _open_other_pages(run)
        if run.status.best_epoch:
            _take_away(store, run)
        with st.popover("Edit", icon=":material/edit:", help="Change the name, the tags or the note, or pin the run."):
            text_form(store, "name", [run])
            _tags_form(store, run)
            text_form(store, "note", [run])
            pinned = run.meta.pinned
            action_button(
                "Unpin run" if pinned else "Pin run",
                key=key_for("pin", run.id),
                icon=":material/keep_off:" if pinned else ":material/keep:",
                help=None if pinned else "Keeps the run at the top of the table on Compare.",
                action=lambda: store.run(run.id).annotate(pinned=not pinned),
                done=f"“{view.label}” is {'no longer ' * pinned}pinned",
            )
        if not run.status.active:
            action_button(
                "Move to trash",
                key=key_for("trash", run.id),
                icon=":material/delete:",
                disabled=run.meta.reference,
                help="This run came with the program and cannot be deleted."
                if run.meta.reference
                else "You can restore the run.",
                action=lambda: store.trash.put(run.id),
            )
        notify_button(view)
    conflict_box(store)


def trash_notice(store: RunStore, run_id: str, label: str) -> None:
    """Say that the run of the address is in the trash, and offer to restore it."""
    undo_line(f"Moved to trash: {literal(label)}", run_id, lambda: store.trash.restore(run_id), "Run restored")


def _while_active(store: RunStore, view: run_views.RunView) -> None:
    """Show how an active run can be ended."""
    run_id, stopping = view.run.id, view.run.state == "stopping"
    action_button(
        "Stop run",
        key=key_for("stop", run_id),
        icon=":material/stop:",
        disabled=stopping,
        help="Stops after this batch. Finished epochs are kept, and you can resume the run.",
        action=lambda: store.queue.request_stop(run_id),
        done=f"Stopping “{view.label}”; finished epochs are kept",
    )
    action_button(
        "Discard run",
        key=key_for("discard", run_id),
        icon=":material/delete:",
        disabled=stopping,
        help="Stops after this batch and moves the run to the trash. You can restore it.",
        action=lambda: store.queue.request_stop(run_id, keep=False),
        done=f"Moving “{view.label}” to the trash",
    )


def _take_over(store: RunStore, view: run_views.RunView) -> None:
    """Offer to train a run here that another computer trains."""
    run_id, status = view.run.id, view.run.status
    with st.popover("Take over", icon=":material/swap_horiz:"):
        st.markdown(
            literal(
                f"This run is {status.elsewhere_text}. Take it over if that computer no longer trains it. If it still "
                "does, it stops, and at most one epoch is trained again."
            )
        )
        ready = fit_notes(fit(view.run.config), key_for("fit_take_over", run_id))
        action_button(
            "Take over run",
            key=key_for("take_over", run_id),
            icon=":material/swap_horiz:",
            type="primary",
            disabled=not ready,
            action=lambda: store.queue.enqueue(run_id, take_over=True),
            done=f"“{view.label}” is in the queue here",
        )


def _train_longer(store: RunStore, run: RunSummary) -> None:
    """Offer to continue a finished run; where that is impossible, say why and offer a form for a longer run."""
    more = st.number_input("Epochs to add", 1, 10_000, value=10, key="more_epochs")
    if reason := run_views.why_not_extended(store, run):
        total = run.status.epoch + more
        st.caption(f"{reason} Train a new run from the beginning instead.")
        if st.button(f"Set up a run of {counted(total, 'epoch')}", key=key_for("longer", run.id), type="primary"):
            st.session_state["draft_from"] = run_views.longer(run.config, more)
            st.session_state["done"] = f"The form has this run’s settings with {counted(more, 'more epoch')}"
            open_page("pages/new_run.py")
        return
    st.caption("Queues a new run that continues where this one ended.")
    ready = fit_notes(fit(run.config), key_for("fit_longer", run.id))
    st.button(
        "Queue longer run",
        key=key_for("extend", run.id),
        type="primary",
        disabled=not ready,
        on_click=_extend,
        args=(store, run.id, run.status.epoch),
    )


def _extend(store: RunStore, run_id: str, epochs: int) -> None:
    """Queue a run that continues ``run_id``, which has ``epochs`` epochs, and show it."""
    from core.jobs.extend import extend  # imports torch, which takes seconds

    more = st.session_state["more_epochs"]
    child = act(lambda: [extend(store, run_id, epochs + more)], f"Queued a run with {counted(more, 'more epoch')}")
    if child:
        st.query_params["run"] = child[0]
        st.session_state[_MOVE] = _Move(run_id, child[0], time.monotonic())


def _open_other_pages(run: RunSummary) -> None:
    """Show the buttons that continue with this run on another page."""
    if st.button(
        "Copy settings",
        key=key_for("copy", run.id),
        icon=":material/content_copy:",
        help="Opens New run with this run’s settings.",
    ):
        st.session_state["draft_from"] = run.id
        open_page("pages/new_run.py")
    if run.status.best_epoch and st.button(
        "Classify images",
        key=key_for("classify", run.id),
        icon=":material/image_search:",
        help="Classify images with this run’s best weights.",
    ):
        st.switch_page("pages/classify.py", query_params={"run": run.id})
    if inspectable([run]) and st.button(
        "Inspect answers",
        key=key_for("inspect", run.id),
        icon=":material/troubleshoot:",
        help="Shows which images the network gets wrong, how well each class is recognised, and how sure it is.",
    ):
        st.session_state["inspect_tab"] = None
        st.switch_page("pages/inspect.py", query_params={"run": run.id})


def _take_away(store: RunStore, run: RunSummary) -> None:
    """Show the files of the run that are of use elsewhere."""
    box = st.popover(
        "Take away",
        icon=":material/ios_share:",
        help="The network and its description, as files.",
        key=key_for("take_away", run.id),
        on_change="rerun",
    )
    if not box.open:
        return
    with box:
        items = [
            Item(
                "model card",
                "model-card.md",
                ":material/article:",
                "Data, recipe, results with intervals and limits, and how to train it again (Markdown).",
                lambda: model_card(store, run.id).encode(),
            ),
            Item(
                "ONNX file",
                "network.onnx",
                ":material/hub:",
                "The network for other programs, normalisation included. It is checked to give the same logits.",
                lambda: onnx_bytes(store, run.id),
            ),
            Item(
                "weights",
                "best.safetensors",
                ":material/database:",
                "The weights of the best epoch, for PyTorch (safetensors).",
                lambda: store.run(run.id).read_weights(),
            ),
        ]
        take_away(items, run.id, run.state, str(run.status.epoch))


def _tags_form(store: RunStore, run: RunSummary) -> None:
    """Show the field for the run's tags, and its button."""
    tags_field("Tags", f"tags {run.id}", {*tags_in_use(store.runs()), *run.meta.tags}, run.meta.tags, new=True)
    st.button("Save tags", key=key_for("save_tags", run.id), on_click=_save_tags, args=(store, run.id, run.meta.tags))


def _save_tags(store: RunStore, run_id: str, shown: tuple[str, ...]) -> None:
    """Add and remove what the person changed; tags that another window added meanwhile stay."""
    chosen = st.session_state[f"tags {run_id}"]
    add, remove = [tag for tag in chosen if tag not in shown], [tag for tag in shown if tag not in chosen]

    def save() -> str:
        store.run(run_id).retag(add, remove)
        tags_saved(f"tags {run_id}", chosen)
        return "Tags saved"

    act(save)
