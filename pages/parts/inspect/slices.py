"""The tab Slices: near-duplicates of training images, contested labels, brightness and contrast."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from core.base.errors import LabError
from core.base.text import counted, p_text, percent
from core.config.sections import CLASSES
from core.data import cifar10
from core.data.cifar10 import Cifar10
from core.data.split import make_split
from core.figures.inspect_slices import SliceRun, slice_accuracy, slices_text
from core.inspect import contested as contests
from core.inspect import slices as cuts
from core.inspect.contested import AGREEING, FEWEST_RUNS, PROBABILITY
from core.inspect.duplicates import THRESHOLD, twins
from core.inspect.slices import CUTS, FIFTHS, Cut
from core.inspect.subject import Subject
from core.runs.store import RunStore
from core.views import exports
from core.views.curves import RUN_COLOURS
from pages.parts.components.image_grid import image_grid
from pages.parts.components.live_chart import live_chart
from pages.parts.finding import finding_box
from pages.parts.get_data import get_data_box
from pages.parts.inspect.gallery import gallery
from pages.parts.shared import download_button, literal

PAIRS_ON_A_PAGE = 24
CONTESTED = "contested"
_NAMES: dict[str, str] = {**{str(cut): name for cut, name in CUTS.items()}, CONTESTED: "Contested labels"}


def slices(store: RunStore, subjects: Sequence[Subject]) -> None:
    """Show how accurate one run or two are on parts of the images, and these images."""
    try:
        data = cifar10.load()
    except LabError as error:
        get_data_box(str(error))
        return
    chosen = st.segmented_control(
        "Slice by",
        list(_NAMES),
        default=next(iter(_NAMES)),
        required=True,
        format_func=_NAMES.__getitem__,
        key="slice",
        bind="query-params",
        label_visibility="collapsed",
    )
    if chosen == CONTESTED:
        contested(store, subjects)
    elif chosen == "duplicates":
        accuracies("duplicates", subjects, data)
        duplicates(subjects, data)
    else:
        cut: Cut = "contrast" if chosen == "contrast" else "brightness"
        accuracies(cut, subjects, data)
        fifths(cut, subjects, data)


# --- accuracy by slice ------------------------------------------------------------------------------


def accuracies(cut: Cut, subjects: Sequence[Subject], data: Cifar10) -> None:
    """Show what the slices show, the accuracies as a chart and as a table."""
    runs = []
    for subject, colour in zip(subjects, RUN_COLOURS, strict=False):
        answers = subject.answers
        table = cuts.measured(answers, cuts.slices_by(cut, answers, subject.run.config, data))
        finding_box(cuts.finding(cut, answers, table), subject.label if len(subjects) > 1 else "")
        runs.append(SliceRun(subject.run.id, subject.label, colour, table, answers.accuracy))
    images = f"{subjects[0].answers.part} images"
    live_chart(slice_accuracy(runs, images), f"slices-{cut}", slices_text(runs))
    shown = pd.concat([run.table.assign(run=run.label) for run in runs], ignore_index=True)
    numbers_table(shown, cut, several=len(runs) > 1)


def numbers_table(table: pd.DataFrame, cut: Cut, *, several: bool) -> None:
    """Show the numbers behind the chart, and say how they were made."""
    of, shares = st.column_config, ["accuracy", "low", "high", "difference", "difference_low", "difference_high"]
    with st.expander("Numbers and how they are made", icon=":material/table:"):
        shown = table.copy()
        shown[shares] *= 100
        shown["p"] = shown["p"].map(p_text)
        columns = ["run"] * several + ["slice", "images", *shares, "p"]
        st.dataframe(
            shown[columns],
            hide_index=True,
            column_config={
                "run": of.TextColumn("Run", pinned=True, width=180),
                "slice": "Slice",
                "images": of.NumberColumn("Images", format="localized"),
                "accuracy": of.NumberColumn("Accuracy", format="%.2f %%"),
                "low": of.NumberColumn("from", format="%.2f %%", help="95 % interval (Wilson)"),
                "high": of.NumberColumn("to", format="%.2f %%", help="95 % interval (Wilson)"),
                "difference": of.NumberColumn(
                    "Difference",
                    format="%+.2f",
                    help="To the other images at the same mix of classes, in points (Mantel–Haenszel)",
                ),
                "difference_low": of.NumberColumn("from", format="%+.2f", help="95 % interval (Sato)"),
                "difference_high": of.NumberColumn("to", format="%+.2f", help="95 % interval (Sato)"),
                "p": of.TextColumn(alignment="right", help="Of no difference (Mantel–Haenszel; Holm for five slices)"),
            },
            placeholder="–",
            alt="Accuracy of each slice with its 95 % interval, and its difference to the other images.",
        )
        st.markdown(_how(cut))
        download_button("Export table (CSV)", exports.as_csv(table), f"slices-{cut}.csv", type="tertiary")


def _how(cut: Cut) -> str:
    """Return how slices are made, in Markdown."""
    difference = (
        "The difference compares the slice with the other images within each class and averages the classes (Mantel "
        "and Haenszel), because a slice with many cats would look hard by itself."
    )
    if cut == "duplicates":
        return (
            "A near-duplicate is the same photograph in another crop, size, mirror image or colour. ResNet Lab has "
            "compared all 60,000 images with each other: the most similar ones at 8 × 8 pixels were aligned in "
            "position and size at 32 × 32, and the distance is 1 − the correlation of their gradients. Pairs at most "
            f"{THRESHOLD} apart count: nearly always the same photograph, sometimes two of one object, or two dark "
            "shapes in the sky or on the sea. An image counts as duplicated if the near-duplicate is in the training "
            "set of this run. " + difference
        )
    value = "mean" if cut == "brightness" else "standard deviation"
    return (
        f"{CUTS[cut]} is the {value} of an image’s luma (0.299 red + 0.587 green + 0.114 blue, 0 to 255). Each slice "
        f"has a fifth of these images. {difference} The p-values are corrected for five slices (Holm)."
    )


# --- images -----------------------------------------------------------------------------------------


def duplicates(subjects: Sequence[Subject], data: Cifar10) -> None:
    """Show the images with a near-duplicate in the training set, each beside its closest one."""
    for column, subject in zip(st.columns(len(subjects)), subjects, strict=True):
        found = twins(subject.answers.images, make_split(subject.run.config, data.labels).train)
        with column:
            if len(found):
                _pairs(subject, found, data)


def _pairs(subject: Subject, found: pd.DataFrame, data: Cifar10) -> None:
    answers, classes, key = subject.answers, subject.classes, f"twins {subject.run.id}"
    st.markdown(f"**{counted(len(found), 'image')} with the closest training image**")
    found = found.assign(place=np.searchsorted(answers.images, found["image"]))
    right = answers.correct[found["place"]]
    if not right.all() and st.toggle(f"Only the {counted(int((~right).sum()), 'mistake')}", key=f"only {key}"):
        found = found[~right]
    pages = -(-len(found) // PAIRS_ON_A_PAGE)
    page = st.pagination(pages, key=f"page of {key} {len(found)}") if pages > 1 else 1
    here = found.iloc[(page - 1) * PAIRS_ON_A_PAGE : page * PAIRS_ON_A_PAGE]
    labels, captions = [], []
    for pair in here.to_dict("records"):
        true, predicted = (classes[which[pair["place"]]] for which in (answers.labels, answers.predicted))
        twin, distance = CLASSES[data.labels[pair["twin"]]], f"{pair['distance']:.2f}"
        labels += [
            f"Image {pair['image']:,}: {true}, called {predicted}",
            f"Training image {pair['twin']:,}: {twin}, distance {distance}{', mirrored' * bool(pair['mirrored'])}",
        ]
        captions += [
            true if true == predicted else f"{true} → {predicted}",
            distance if twin == true else f"{distance} · {twin}",
        ]
    image_grid(
        data.images[here[["image", "twin"]].to_numpy().ravel()],
        labels,
        key,
        "Images, each next to its near-duplicate in the training set",
        captions=captions,
        side=150,
        group=2,
    )
    st.caption(
        "Left: the image and what the network calls it. Right: the training image, its distance (0: equal), and its "
        "class if that differs."
    )


def fifths(cut: Cut, subjects: Sequence[Subject], data: Cifar10) -> None:
    """Show the images of one of the five slices, those that the network gets wrong first."""
    name = st.segmented_control("Slice", list(FIFTHS[cut]), default=FIFTHS[cut][0], required=True, key=f"fifth {cut}")
    for column, subject in zip(st.columns(len(subjects)), subjects, strict=True):
        answers = subject.answers
        (part,) = (each for each in cuts.slices_by(cut, answers, subject.run.config, data) if each.name == name)
        places = np.flatnonzero(part.members)
        places = places[np.argsort(answers.correct[places] * 2 - answers.confidence[places], kind="stable")]
        with column:
            if part.range is None:
                st.caption("No image is in this slice.")
                continue
            wrong = int((~answers.correct[places]).sum())
            st.markdown(f"**{counted(wrong, 'mistake')} on {counted(len(places), 'image')}**, mistakes first")
            value = "mean luma" if cut == "brightness" else "standard deviation of luma"
            st.caption(f"{value.capitalize()} from {part.range.low:.0f} to {part.range.high:.0f} of 255.")
            _answers_gallery(subject, places, f"{cut} {name} {subject.run.id}", f"Images of the {name}")


def _answers_gallery(subject: Subject, places: np.ndarray, key: str, alt: str) -> None:
    """Show answers, a page at a time."""
    answers, classes = subject.answers, subject.classes

    def describe(at: int) -> tuple[str, str]:
        place = places[at]
        true, predicted = (classes[which[place]] for which in (answers.labels, answers.predicted))
        whole = f"Image {answers.images[place]:,}: {true}, called {predicted} with {answers.confidence[place]:.1%}"
        return whole, true if true == predicted else f"{true} → {predicted}"

    gallery(answers.images[places], describe, key, alt, [subject])


# --- contested labels -------------------------------------------------------------------------------


def contested(store: RunStore, subjects: Sequence[Subject]) -> None:
    """Show the images for which most runs on this computer name the same other class than the label."""
    first = subjects[0]
    found = contests.ensemble(first.run.config, first.answers, store.summaries(), store.many_predictions)
    if not found.complete:
        runs = counted(len(found.answers), "run")
        st.info(
            f"{runs} on this computer {'has' if len(found.answers) == 1 else 'have'} predictions for these images; "
            f"{FEWEST_RUNS} are needed to contest a label.",
            icon=":material/group:",
        )
        if found.waiting:
            st.markdown(
                f"{counted(len(found.waiting), 'more run')} with the same images "
                f"{'has' if len(found.waiting) == 1 else 'have'} no predictions yet. `resnet-lab predict --missing` "
                "computes them; so does opening each run here."
            )
        else:
            st.markdown("Train more runs on these images: the same settings with other seeds are enough.")
        return
    table = contests.contested_labels(list(found.answers.values()))
    _contested_words(subjects, table, len(found.answers))
    if table.empty:
        return
    rows = contests.as_table(table, first.classes).to_dict("records")

    def describe(at: int) -> tuple[str, str]:
        row = rows[at]
        others = f"{row['agreeing']:.0%} of the runs say {row['other']} ({row['probability']:.0%})"
        whole = f"Image {row['image']:,}: labelled {row['label']} ({row['label_probability']:.0%}); {others}"
        return whole, f"{row['label']} → {row['other']} {row['probability']:.0%}"

    alt = "Images with contested labels, the most certain first"
    gallery(table["image"].to_numpy(), describe, f"contested {first.run.id}", alt, subjects)
    st.caption("Label → what the runs say instead, and the mean probability that they give it.")
    download_button("Export table (CSV)", exports.as_csv(contests.as_table(table, first.classes)), "contested.csv")


def _contested_words(subjects: Sequence[Subject], table: pd.DataFrame, runs: int) -> None:
    """Say how many labels are contested, how that was decided, and what it means for each run's mistakes."""
    if table.empty:
        st.markdown(f"**No label is contested** by the {counted(runs, 'run')} with predictions for these images.")
    else:
        st.markdown(
            f"**{counted(runs, 'run')} contest {counted(len(table), 'label')}.** The label may be wrong, the image "
            "may show both classes, or all runs make the same mistake: look at the images."
        )
    for subject in subjects if len(table) else ():
        wrong = np.flatnonzero(~subject.answers.correct)
        shared = int(np.isin(subject.answers.images[wrong], table["image"]).sum())
        name = f"“{literal(subject.label)}”" if len(subjects) > 1 else "this run"
        share = percent(shared / len(wrong)) if len(wrong) else "none"
        st.markdown(f"{shared:,} of the {len(wrong):,} mistakes of {name} are on these images ({share}).")
    with st.expander("How this is made", icon=":material/info:"):
        st.markdown(
            f"All runs on this computer that answered the same images with the same classes vote with the weights of "
            f"their best epoch. A label is contested if at least {AGREEING:.0%} of the runs name the same other class "
            f"and the mean probability of that class is at least {PROBABILITY:.0%}. The run shown here is one of them."
        )
