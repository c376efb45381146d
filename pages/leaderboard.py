"""Leaderboard: published results on the ten classes, the report's own, and this machine's runs among them."""

import pandas as pd
import streamlit as st

from core.figures.leaderboard import MOST_OURS, dots, standings_text
from core.runs.summary import labels
from core.views import leaderboard
from pages.parts.components.live_chart import live_chart
from pages.parts.shared import get_store

store = get_store()


# --- the page, from top to bottom -----------------------------------------------------------------


def invitation() -> None:
    """What to do while this machine has no result here."""
    st.info(
        "No run of all ten classes here has an accuracy on test images yet. Train one: every preset tells the ten "
        "classes apart, and when it finishes it stands in this list.",
        icon=":material/leaderboard:",
    )
    if st.button("New run", icon=":material/add_circle:", type="primary"):
        st.switch_page("pages/new_run.py")


def remarks(table: pd.DataFrame, waiting: int) -> None:
    """What one must know to read the list."""
    ours = table[table["source"] == leaderboard.OURS]
    told = []
    if len(ours) > MOST_OURS:
        told.append(f"The chart has the best {MOST_OURS} of this machine’s {len(ours):,} runs, the table all.")
    if waiting:
        runs = "One more run is" if waiting == 1 else f"{waiting:,} more runs are"
        told.append(f"{runs} not listed: an epoch chosen on held-out images is tested once, when its run finishes.")
    told.append(
        "An epoch chosen on the test images flatters its accuracy a little, and the first of many runs is partly "
        "lucky. Bars are the 95 % interval of the choice of images."
    )
    st.caption(" ".join(told))


def list_of_results(table: pd.DataFrame) -> None:
    """Every result, sorted by a click on a heading; papers and runs are links."""
    of = st.column_config
    shown = table.assign(run=table["run"].map(lambda run_id: f"run?run={run_id}", na_action="ignore"))
    shown.insert(0, "place", range(1, len(shown) + 1))
    st.dataframe(
        shown,
        hide_index=True,
        height=38 + 35 * min(len(shown), 20),
        column_order=[
            "place", "accuracy", "name", "chosen_on", "run", "paper", "by", "source", "images", "low", "high", "note",
        ],
        column_config={
            "place": of.NumberColumn("#", width=44, help="Its place by accuracy."),
            "accuracy": of.NumberColumn("Accuracy", format="%.2f %%", width=90),
            "name": of.TextColumn("Method or run", width=300),
            "by": of.TextColumn("By", width=190, help="Two references are wrong in the report and corrected here."),
            "source": of.TextColumn("From", width=100, help="Tables of the report, the report itself, or a run here."),
            "chosen_on": of.TextColumn("Epoch chosen on", width=190),
            "paper": of.LinkColumn("Paper", display_text=r"abs/(.*)", width=100),
            "run": of.LinkColumn("Run", display_text="Live", width=60, help="The run’s page."),
            "images": of.NumberColumn("Test images", format="localized", width=95),
            "low": of.NumberColumn("From, 95 %", format="%.2f %%", width=95, help="Wilson’s interval."),
            "high": of.NumberColumn("To, 95 %", format="%.2f %%", width=95, help="Wilson’s interval."),
            "note": of.TextColumn("Note", width=330),
        },
        placeholder="",
        alt="Published results, the report’s and this machine’s by accuracy, with how the epoch was chosen.",
    )  # fmt: skip
    st.download_button(
        "Leaderboard as CSV",
        lambda: table.to_csv(index=False),
        "leaderboard.csv",
        "text/csv",
        icon=":material/download:",
        on_click="ignore",
    )


st.title("Leaderboard", anchor=False)
st.markdown(
    "The 28 results on CIFAR-10 that the report compares itself with, its own two, and this machine’s runs of all ten "
    "classes."
)
runs = store.summaries()
standings = leaderboard.standings(runs, labels(runs))
table = leaderboard.standings_table(standings)
if not (table["source"] == leaderboard.OURS).any():
    invitation()
live_chart(dots(standings), "leaderboard", standings_text(standings))
remarks(table, leaderboard.untested(runs))
list_of_results(table)
