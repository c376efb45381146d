"""Figures as a person reads them, the same in the terminal and on every page."""

import math
from collections import Counter
from collections.abc import Mapping
from datetime import datetime

#: What a run was validated on, and so what chose its best epoch.
SELECTED_ON = {"held-out": "held-out images", "test": "test images"}


def printable(text: str) -> str:
    """``text`` without what no screen shows: control characters, marks that reverse text, half characters."""
    return "".join(mark for mark in text if mark.isprintable() or mark in "\n\t\u3000\xa0")


def one_line(text: str, most: int = 200) -> str:
    """``text`` in one line of at most ``most`` characters that can be shown, wherever it came from."""
    # Looked at no further than needed: text from elsewhere can be endless.
    short = " ".join(printable(" ".join(text[: 4 * most].split())).split())
    return short if len(short) <= most else f"{short[: most - 1]}…"


def distinct_names(names: Mapping[str, str]) -> dict[str, str]:
    """Return the names by id, with the end of the id where several share a name: a browser reports choices by name."""
    count = Counter(names.values())
    return {key: f"{name} ({key[-4:]})" if count[name] > 1 else name for key, name in names.items()}


def known(number: float | None) -> bool:
    """Whether there is a figure at all: neither missing nor NaN, as an empty cell of a table is."""
    return number is not None and not math.isnan(number)


def percent(share: float | None) -> str:
    """``91.25 %``, or a dash."""
    return f"{100 * share:.2f} %" if share is not None and known(share) else "–"


def nats(loss: float | None) -> str:
    """A loss to four places, or a dash."""
    return f"{loss:.4f}" if loss is not None and known(loss) else "–"


def moment(seconds: float | None) -> str:
    """A time since 1970 as the clock here shows it, or a dash."""
    return f"{datetime.fromtimestamp(seconds):%Y-%m-%d %H:%M}" if seconds is not None and known(seconds) else "–"


def duration(seconds: float) -> str:
    """``48 s``, ``12 min`` or ``3 h 05 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def filesize(size: int) -> str:
    """``840 kB``, ``12.3 MB`` or ``2.1 GB``, in thousands."""
    if size < 1_000_000:
        return f"{-(-size // 1_000)} kB"
    return f"{size / 1e6:,.1f} MB" if size < 1_000_000_000 else f"{size / 1e9:,.1f} GB"
