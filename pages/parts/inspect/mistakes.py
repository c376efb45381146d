"""The tab Mistakes: the images that a network gets wrong, the most confident answers first."""

from collections.abc import Sequence

import streamlit as st

from core.base.errors import LabError
from core.base.text import counted
from core.data import cifar10
from core.inspect.mistakes import Cell, ranked
from core.inspect.subject import Subject
from core.runs.store import RunStore
from pages.parts.components.image_grid import image_grid
from pages.parts.get_data import get_data_box

PAGE_SIZE = 48


def mistakes(store: RunStore, subjects: Sequence[Subject]) -> None:
    """Show the mistakes of one run, or of two beside each other."""
    for column, subject in zip(st.columns(len(subjects)), subjects, strict=True):
        with column:
            _gallery(subject)


def _gallery(subject: Subject) -> None:
    answers, classes, key = subject.answers, subject.classes, f"mistakes {subject.run.id}"
    places = ranked(answers, Cell())
    st.markdown(f"**{counted(len(places), 'mistake')}**")
    if not len(places):
        return
    try:
        data = cifar10.load()
    except LabError as error:
        get_data_box(str(error))
        return
    page = st.pagination(-(-len(places) // PAGE_SIZE), key=f"page of {key}")
    here = places[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]
    image_grid(
        data.images[answers.images[here]],
        [
            f"Image {answers.images[at]:,}: {classes[answers.labels[at]]}, called {classes[answers.predicted[at]]} "
            f"with {answers.confidence[at]:.1%}"
            for at in here
        ],
        key,
        "Mistakes, the most confident first",
        captions=[f"{classes[answers.labels[at]]} → {classes[answers.predicted[at]]}" for at in here],
        side=84,
    )
