"""Numbers, times and names as text for a person, in the terminal and on every page."""

import math
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime

#: The images that a run was validated on, and that chose its best epoch.
SELECTED_ON = {"held-out": "held-out images", "test": "test images"}


def printable(text: str) -> str:
    """Return ``text`` without what no screen shows: control characters, direction marks, half characters."""
    return "".join(mark for mark in text if mark.isprintable() or mark in "\n\t\u3000\xa0")


def one_line(text: str, most: int = 200) -> str:
    """Return ``text`` in one printable line of at most ``most`` characters, wherever it comes from."""
    # Only the beginning is looked at: text from elsewhere can be endless.
    short = " ".join(printable(" ".join(text[: 4 * most].split())).split())
    return short if len(short) <= most else f"{short[: most - 1]}…"


def composed(text: str) -> str:
    """Return ``text`` with each letter written in one way: Unicode knows an é of one character and one of two."""
    return unicodedata.normalize("NFC", text)


def searchable(text: str) -> str:
    """Return ``text`` as it is searched for: without differences of case and of how letters are written."""
    return composed(unicodedata.normalize("NFKD", text).casefold())


def file_name(name: str) -> str:
    """Return a file's name for a person: without folders and unprintable characters, at most 80 characters long."""
    short = one_line(re.split(r"[/\\]", name)[-1], 1_000) or "unnamed"
    return short if len(short) <= 80 else f"{short[:59]}…{short[-20:]}"  # the end has the file type


def distinct_names(names: Mapping[str, str]) -> dict[str, str]:
    """Return the names by id, with the end of the id where several share a name: a browser reports choices by name."""
    count = Counter(names.values())
    return {key: f"{name} ({key[-4:]})" if count[name] > 1 else name for key, name in names.items()}


def cut_middle(text: str, most: int) -> str:
    """Return ``text`` with at most ``most`` characters: the middle of a longer one is replaced by an ellipsis."""
    tail = (most - 1) // 2
    return text if len(text) <= most else f"{text[: most - 1 - tail].rstrip()}…{text[-tail:].lstrip()}"


def shortened(names: Iterable[str], most: int) -> dict[str, str]:
    """Return each name with at most ``most`` characters (12 or more), cut in the middle but not where names differ."""
    names = list(dict.fromkeys(names))
    short = {name: cut_middle(name, most) for name in names}
    alike: dict[str, list[str]] = {}
    for name in names:
        if len(name) > most:
            alike.setdefault(name[: most // 3], []).append(name)
    for group in alike.values():
        shared = os.path.commonprefix(group)  # noqa: RUF071 (texts, not paths)
        start = max(shared.rfind(" ") + 1, len(shared) - 12)  # a whole word says more than its last letter
        if len(group) > 1 and start > 0 and most >= 12:
            rests = shortened((name[start:] for name in group), most * 2 // 3)
            for name in group:
                rest = rests[name[start:]]
                room = most - 1 - len(rest)
                short[name] = name[:start] + rest if start <= room else f"{name[:room].rstrip()}…{rest}"
    return short


#: Letters that a field of choices shows on a phone.
CHOICE_LETTERS = 40


def choice_names(names: Mapping[str, str], most: int = CHOICE_LETTERS) -> dict[str, str]:
    """Return names by id for a field of choices, which cuts off the end of longer ones: short, and all distinct."""
    short = shortened(names.values(), most)
    return distinct_names({key: short[name] for key, name in names.items()})


def known(number: float | None) -> bool:
    """Return whether there is a number: neither ``None`` nor NaN."""
    return number is not None and not math.isnan(number)


def counted(number: float, noun: str, plural: str = "") -> str:
    """Return ``1 run``, ``2 runs``, ``1,000 runs`` or ``0.5 epochs``."""
    text = f"{number:,g}" if number % 1 else f"{number:,.0f}"
    return f"{text} {noun if number == 1 else plural or noun + 's'}"


def percent(share: float | None) -> str:
    """Return ``91.25 %``, or a dash without a number."""
    return f"{100 * share:.2f} %" if share is not None and known(share) else "–"


def percent_range(low: float, high: float) -> str:
    """Return an interval of shares from 0 to 1 as ``90.9–92.0 %``."""
    return f"{100 * low:.1f}–{100 * high:.1f} %"


def nats(loss: float | None) -> str:
    """Return a loss with four decimals, or a dash without a number."""
    return f"{loss:.4f}" if loss is not None and known(loss) else "–"


def p_text(p: float | None) -> str:
    """Return a p-value as ``0.012``, a small one as ``< 0.001``, or a dash without a number."""
    if p is None or not known(p):
        return "–"
    return f"{p:.3f}" if p >= 0.001 else "< 0.001"


def p_words(p: float) -> str:
    """Return a p-value for a sentence: ``p = 0.012`` or ``p < 0.001``."""
    return f"p = {p_text(p)}" if p >= 0.001 else f"p {p_text(p)}"


def moment(seconds: float | None) -> str:
    """Return a time since 1970 as the clock here shows it, or a dash without a number."""
    return f"{datetime.fromtimestamp(seconds):%Y-%m-%d %H:%M}" if seconds is not None and known(seconds) else "–"


def iso_time(seconds: float | None) -> str:
    """Return a time since 1970 in ISO 8601 with its zone, ``2026-11-27T17:30:05+01:00``; empty without a number."""
    if seconds is None or not known(seconds):
        return ""
    return datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="seconds")


def duration(seconds: float) -> str:
    """Return ``48 s``, ``12 min`` or ``3 h 05 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def expected_time(seconds: float | None) -> str:
    """Return how long training takes here: ``about 12 min on this computer``, or that it is not known (``None``)."""
    return f"about {duration(seconds)} on this computer" if seconds is not None else "time not measured here yet"


def filesize(size: int) -> str:
    """Return a number of bytes as ``840 kB``, ``12.3 MB`` or ``2.1 GB``, with steps of a thousand."""
    if size < 1_000_000:
        return f"{-(-size // 1_000)} kB"
    return f"{size / 1e6:,.1f} MB" if size < 1_000_000_000 else f"{size / 1e9:,.1f} GB"
