"""Creating a search: base settings, what varies, who chooses and stops trials, and the budget."""

from typing import Any, TypeVar

import streamlit as st

from core.base.errors import LabError
from core.base.text import expected_time
from core.config.run_config import SETTINGS, RunConfig
from core.cost.machine import fit
from core.search.form import base_of, from_fields, seconds
from core.search.idle import idle_notes, largest
from core.search.methods import PRUNERS, SAMPLERS, Card, missing_package
from core.search.search import MOST_PARALLEL, MOST_SEEDS, MOST_TRIALS, Search
from core.search.space import SEARCHABLE, usual_range
from core.search.store import SearchStore
from pages.parts.base_field import base_field, form_problems
from pages.parts.estimate import fit_notes, measure_button
from pages.parts.kept import keep_fields, load_fields
from pages.parts.shared import error_box, get_store, literal

T = TypeVar("T", int, float)
MOST_RANGES = 8
#: The parameter of the address that says where the fields are kept, and the fields besides the ranges.
FIELDS = "fields"
_FIELDS = (
    "search_name",
    "search_base",
    "search_paths",
    "search_sampler",
    "search_pruner",
    "search_trials",
    "search_minutes",
    "search_seeds",
    "search_parallel",
    "search_seed",
)
#: What a part of a search is called that is no setting, where its name does not say it.
_LABELS = {"seeds": "Seeds per trial", "parallel": "Trials at a time", "vary": "Settings to vary"}


def search_form() -> str | None:
    """Ask for a search. Return the id of one that was just created.

    The fields survive a visit to another page, such as New run, whose settings can be the base, and a refresh.
    """
    load_fields(FIELDS, _is_field)
    name = st.text_input(
        "Name", key="search_name", persist_state="session", placeholder="For example: learning rate", max_chars=80
    )
    base, title = _base()
    paths = st.multiselect(
        "Settings to vary",
        SEARCHABLE,
        ["train.lr", "train.weight_decay"],
        key="search_paths",
        persist_state="session",
        format_func=lambda path: f"{SETTINGS[path].label} · {path}",
        max_selections=MOST_RANGES,
    )
    vary = {path: _range_field(path, base, title) for path in paths}
    left, right = st.columns(2)
    with left:
        sampler = _method("Sampler", "search_sampler", SAMPLERS, "tpe")
    with right:
        pruner = _method("Pruner", "search_pruner", PRUNERS, "median")
    left, right = st.columns(2)
    with left:
        trials = optional_number("Trials at most", "search_trials", (1, MOST_TRIALS), 30)
    with right:
        minutes = optional_number(
            "Minutes of training at most",
            "search_minutes",
            (1, 100_000),
            None,
            help="Training time of all trials together. The trial in training when they are used up is finished.",
        )
    more = _more()
    filled = from_fields(
        name,
        base,
        vary,
        sampler=sampler,
        pruner=pruner,
        trials=trials,
        minutes=None if minutes is None else float(minutes),
        **more,
    )
    keep_fields(FIELDS, _is_field)
    return _offer(filled.search, filled.problems)


def _is_field(key: str) -> bool:
    return key in _FIELDS or key.startswith("search_values_")


def optional_number(
    label: str, key: str, limits: tuple[T, T], usual: T | None, help: str | None = None, **options: Any
) -> T | None:
    """Ask for a number of the kind of ``limits``; ``None`` where the person leaves the field empty."""
    st.session_state.setdefault(key, usual)  # a number as ``value`` could not be cleared
    return st.number_input(
        label,
        *limits,
        None,
        key=key,
        persist_state="session",
        placeholder="no limit",
        help=" ".join(filter(None, (help, "Empty: no limit."))),
        **options,
    )


def _base() -> tuple[RunConfig, str]:
    """Ask for the base of the search. Return its settings, validated on held-out images, and its title."""
    explanation = "Where all settings come from that are not varied. The base is the first trial."
    config, title = base_field("search_base", explanation)
    base = base_of(config)
    if base != config:
        st.caption("These settings validate on the test set. The search holds out training images instead.")
    return base, title


def _range_field(path: str, base: RunConfig, title: str) -> str:
    setting, usual = SETTINGS[path], usual_range(path, base).values_text
    unit = f" ({setting.unit})" if setting.unit else ""
    what = (
        "A range such as 0.01 to 1, or a list of values." if setting.kind in ("int", "float") else "A list of values."
    )
    scale = " Drawn from a logarithmic scale; add “linear” to change that." if setting.log else ""
    return st.text_input(
        f"{setting.label}{unit}",
        usual,
        key=f"search_values_{path}_{title}_{usual}",  # another base has other usual values
        persist_state="session",
        help=f"{setting.help} {what}{scale}",
    )


def _method(label: str, key: str, cards: dict[str, Card], usual: str) -> str:
    names = [name for name in cards if missing_package(name) is None]
    chosen: str = st.selectbox(
        label, names, names.index(usual), key=key, persist_state="session", format_func=lambda name: cards[name].title
    )
    card = cards[chosen]
    source = f" *{card.source}.*" if card.source else ""
    st.caption(f"{card.does} **Use it for:** {card.use[0].lower()}{card.use[1:]}{source}")
    return chosen


def _more() -> dict[str, int]:
    """Ask for what is rarely changed."""
    with st.expander("Seeds and trials at a time", icon=":material/tune:"):
        seeds, parallel, seed = st.columns(3)
        return {
            "seeds": seeds.number_input(
                "Seeds per trial",
                1,
                MOST_SEEDS,
                1,
                key="search_seeds",
                persist_state="session",
                help="More seeds tell smaller differences apart, and take as many times longer.",
            ),
            "parallel": parallel.number_input(
                "Trials at a time",
                1,
                MOST_PARALLEL,
                1,
                key="search_parallel",
                persist_state="session",
                help="How many trials wait or train at once. With n at a time, a trial is chosen without the results "
                "of the n − 1 trials before it, so the search learns more slowly.",
            ),
            "seed": seed.number_input(
                "Sampler seed", 0, 2**31 - 1, 0, key="search_seed", persist_state="session", help="Draws other trials."
            ),
        }


def _offer(search: Search | None, problems: dict[str, str]) -> str | None:
    """Show what the search costs and the button that creates it, or the problems to fix."""
    store, ready = get_store(), False
    form_problems(problems, _LABELS)
    if search is not None:
        cost_line(search)
        for note in idle_notes(search):
            st.markdown(f":small[:orange[:material/info: {literal(note)}]]")
        ready = fit_notes(fit(largest(search)), "search_fit")
    if st.button("Create search", key="define_search", type="primary", icon=":material/add:", disabled=not ready):
        try:
            return SearchStore(store).create(search) if search is not None else None
        except LabError as error:
            error_box(error)
    return None


def cost_line(search: Search) -> None:
    """Show what the search costs on this machine."""
    most = seconds(search, get_store())
    if most is None:
        st.markdown(f":material/timer: {search.budget_text}, {expected_time(None)}")
        measure_button(search.base, "measure_search")
        return
    fewer = "" if search.pruner == "none" else "; pruning saves some of it"
    st.markdown(
        f":material/timer: {search.budget_text}, {expected_time(most)} if trials take as long as the base{fewer}"
    )
