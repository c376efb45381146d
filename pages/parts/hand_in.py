"""The report to hand in, on Studies and Compare: one web page, or a folder with the same for LaTeX."""

from collections.abc import Callable

import streamlit as st

from core.takeaway.content import content_of
from core.takeaway.report import html, zipped
from core.takeaway.subject import Subject
from pages.parts.take_away import Item, take_away


def hand_in_box(subject_of: Callable[[str, str], Subject], *of: str) -> None:
    """Show the button for a report; ``subject_of`` gets its title and author. ``of``: see :func:`take_away`."""
    box = st.popover(
        "Report to hand in",
        icon=":material/description:",
        help="Methods, results, findings, charts, limits and a checklist, from the files of the runs.",
        key="hand_in_box",
        on_change="rerun",
    )
    if not box.open:  # a closed one takes no time
        return
    with box:
        title = st.text_input(
            "Title",
            key="hand_in_title",
            persist_state="session",
            placeholder="Name of the study or the runs",
            max_chars=120,
        )
        author = st.text_input(
            "Author", key="hand_in_author", persist_state="session", placeholder="Your name", max_chars=120
        )
        items = [
            Item(
                "web page",
                "report.html",
                ":material/web:",
                "One file that needs no internet: its charts zoom, and it prints on A4 as a PDF.",
                lambda: html(content_of(subject_of(title, author))).encode(),
            ),
            Item(
                "folder",
                "report.zip",
                ":material/folder_zip:",
                "The web page, LaTeX tables and texts, charts as PDF and SVG, and the numbers as CSV.",
                lambda: zipped(content_of(subject_of(title, author))),
            ),
        ]
        take_away(items, *of, title, author)
