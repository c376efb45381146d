"""A button that asks the browser for a desktop notification when the run on the page ends."""

from pathlib import Path

import streamlit as st

from core.base.text import one_line
from core.views import home as home_views
from core.views.run import RunView

_BELL = (
    '<svg viewBox="0 0 24 24" width="16" height="16" fill="none" stroke="currentColor" stroke-width="2" '
    'aria-hidden="true">'
    '<path d="M6 17V11a6 6 0 0 1 12 0v6M4 17h16M12 3v2M10 20.5h4"/></svg>'
)
_CSS = """
button { font: inherit; font-size: 0.875rem; color: inherit; background: none; cursor: pointer;
  border: 1px solid var(--st-border-color); border-radius: var(--st-button-radius); white-space: nowrap;
  padding: 0.25rem 0.75rem; min-height: 2.5rem; display: inline-flex; align-items: center; gap: 0.5rem; }
button[hidden] { display: none; }
button:hover:enabled, button[aria-pressed="true"] { border-color: var(--st-primary-color); }
button[aria-pressed="true"] { color: var(--st-primary-color); }
button:focus-visible { outline: 3px solid var(--st-text-color); outline-offset: 1px; }
button:disabled { cursor: not-allowed; opacity: 0.5; }
"""

_component = st.components.v2.component(
    "resnet_lab_notify",
    html=f'<button type="button" hidden>{_BELL}<span></span></button>',
    css=_CSS,
    js=Path(__file__).with_suffix(".js").read_text(encoding="utf-8"),
)


def notify_button(view: RunView) -> None:
    """Show the button while the run is active. It stays on the page afterwards, hidden, to notice the end."""
    run = view.run
    data = {"id": run.id, "active": run.status.active, "state": run.state}
    text = one_line(home_views.result_text(run))
    _component(key="notify", data={**data, "title": f"{view.label}: {run.state}", "text": text}, width="content")
