"""Leaderboard: published results on all ten classes, the report's own, and the runs on this machine."""

from collections.abc import Sequence

import streamlit as st

from core.base.text import shortened
from core.figures.leaderboard import MOST_OURS, dots, standings_text
from core.runs.summary import labels
from core.views import leaderboard
from core.views.leaderboard import Standing
from pages.parts.components.live_chart import live_chart
from pages.parts.shared import REPORT, download_button, get_store, open_page

store = get_store()


def invitation() -> None:
    """Say how to get a first result of one's own."""
    st.info(
        "You have no result yet. Train a run on all ten classes; it is listed here when it has finished.",
        icon=":material/leaderboard:",
    )
    if st.button("Create run", key="new-run", icon=":material/add_circle:", type="primary"):
        open_page("pages/new_run.py")


def notes(ours: int, untested: int) -> None:
    """Say what to know before reading the list."""
    texts = ["Bars are 95 % intervals that count the sampling of the test images."]
    if ours > MOST_OURS:
        texts.append(f"The chart shows our best {MOST_OURS} of {ours:,} results, the table all of them.")
    if untested:
        runs = "1 run is" if untested == 1 else f"{untested:,} runs are"
        texts.append(f"{runs} not listed yet: a run with held-out images is tested once, when it finishes.")
    texts.append(
        "An epoch chosen on the test images makes an accuracy slightly optimistic, and so does taking the best of many "
        "runs."
    )
    st.caption(" ".join(texts))


def results_table(standings: Sequence[Standing], *, ranked: bool = True) -> None:
    """Show results with links to papers and runs; ``ranked``: with their places."""
    of, percent = st.column_config, "%.2f %%"
    columns = {
        "place": of.NumberColumn("#", width=44, help="Rank by accuracy."),
        "accuracy": of.NumberColumn("Test accuracy", format=percent, width=110, help="The mean of several seeds."),
        "name": of.TextColumn("Method or run", width=300),
        "sd": of.NumberColumn("±", format="%.2f", width=46, help="Standard deviation over seeds (n − 1), in points."),
        "n": of.NumberColumn("Runs", width=50, help="Runs that differ only in their seed."),
        "run": of.LinkColumn("Run", display_text="Open", width=52, help="Opens the run’s page, or compares the seeds."),
        "paper": of.LinkColumn("Paper", display_text=r"(?:abs/|//(?!arxiv))([^/]*)", width=106),
        "by": of.TextColumn("Authors", width=186, help="Corrects two references that are wrong in the report."),
        "images": of.NumberColumn("Test images", format="localized", width=84),
        "chosen_on": of.TextColumn("Epoch chosen on", width=190),
        "source": of.TextColumn("Source", width=100, help="A table of the report, the report itself, or our runs."),
        "low": of.NumberColumn("95 % from", format=percent, width=95, help="Lower end of Wilson’s interval."),
        "high": of.NumberColumn("95 % to", format=percent, width=95, help="Upper end of Wilson’s interval."),
        "note": of.TextColumn("Note", width=330),
    }
    table = leaderboard.standings_table(standings)
    shown = table.assign(
        run=table["run"].map(run_address, na_action="ignore"),
        name=table["name"].map(shortened(table["name"], 46)),
        n=table["n"].where(table["source"] == leaderboard.OURS),
    )
    shown.insert(0, "place", range(1, len(shown) + 1))
    st.dataframe(
        shown,
        hide_index=True,
        height="auto" if len(shown) <= 20 else 38 + 35 * 20,
        column_order=[name for name in columns if ranked or name != "place"],
        column_config=columns,
        placeholder="",
        alt="Results by accuracy, with the images that chose the epoch.",
    )


def run_address(run_ids: str) -> str:
    """Return the address of a run’s page, or of Compare for several seeds."""
    return f"compare?runs={run_ids}" if "," in run_ids else f"run?run={run_ids}"


st.title("Leaderboard", anchor=False)
st.markdown(
    f"Accuracy on the ten classes of CIFAR-10: the 28 published results in the tables of the report ({REPORT}), the "
    "report’s own two, and your runs."
)
runs = store.summaries()
names = labels(runs)
standings = leaderboard.standings(runs, names)
few = leaderboard.unranked(runs, names)
ours = sum(result.source == leaderboard.OURS for result in standings)
if not ours and not few:
    invitation()
live_chart(dots(standings), "leaderboard", standings_text(standings))
notes(ours, leaderboard.untested(runs))
results_table(standings)
if few:
    st.subheader("Not ranked", anchor=False)
    st.caption(
        "Tested on fewer images than ranked results, so their accuracies are too uncertain to rank. Set “Test set "
        "size” to “all” for a result that is ranked."
    )
    results_table(few, ranked=False)
download_button("Export leaderboard (CSV)", lambda: leaderboard.standings_csv([*standings, *few]), "leaderboard.csv")
