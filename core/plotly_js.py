"""plotly.js with only the traces that our figures use: a quarter of its size, ready in a fifth of its time.

The Python package carries one bundle of every kind of chart, maps and 3-D among them. A bundle is a list of modules,
each a function that runs when another one asks for its name. So a smaller bundle has a shorter list of traces at its
end, and no module that nothing asks for any more.
"""

import hashlib
import re
from functools import cache
from pathlib import Path

import plotly

#: The traces of our figures. ``scatter`` is always part of plotly.js.
TRACES = frozenset({"scatter", "bar", "heatmap", "parcoords"})

_NAME = r"[\w$]+"
_FUNCTION = rf"(?:\([^()]*\)|{_NAME})=>\{{"
#: The list of traces at the end of the bundle: ``x.register([a(),b(),…])``.
_REGISTERED = re.compile(rf"\.register\(\[((?:{_NAME}\(\),?)+)\]\)")
#: What a trace or another registered module says about itself.
_KIND = re.compile(r'moduleType:"\w+",name:"(\w+)"')
#: A function of the bundle's head that turns a module's code into a function that runs it once.
_WRAPPER = re.compile(rf"[ ,;]({_NAME})=\({_NAME}(?:,{_NAME})*\)=>\(\)=>[({{]")


@cache
def bundle() -> bytes:
    """Return a bundle with only :data:`TRACES`; the package's own if its structure is not the one described above.

    The first call takes half a second.
    """
    whole = (Path(plotly.__file__).parent / "package_data" / "plotly.min.js").read_text(encoding="utf-8")
    return (without_others(whole, TRACES) or whole).encode()


@cache
def version() -> str:
    """Return letters and digits that change with the bundle, so that no browser uses an older one."""
    return hashlib.sha256(bundle()).hexdigest()[:12]


def without_others(whole: str, traces: frozenset[str]) -> str | None:
    """Return a bundle with only ``traces``, or None if its structure is not as expected."""
    lists = list(_REGISTERED.finditer(whole))
    if len(lists) != 1:
        return None
    names = lists[0][1].replace("()", "").split(",")
    kept = [name for name in names if _kind(whole, name) in traces]
    if {_kind(whole, name) for name in kept} != traces - {"scatter"}:
        return None
    start, end = lists[0].span(1)
    return _reachable(whole[:start] + ",".join(f"{name}()" for name in kept) + whole[end:])


def _kind(whole: str, name: str) -> str:
    """Return what a registered module is called; it says so shortly before its name."""
    before = whole.find(f";var {name}=")
    kinds = _KIND.findall(whole, max(0, before - 200_000), max(0, before))
    return kinds[-1] if kinds else ""


def _reachable(whole: str) -> str | None:
    """Return the bundle without the modules that nothing asks for."""
    first = re.search(rf";var {_NAME}=({_NAME})\({_FUNCTION}", whole)
    last = whole.rfind(";return ", 0, whole.rfind("})();"))
    if first is None or last < first.start():
        return None
    wrappers = "|".join(map(re.escape, _WRAPPER.findall(whole, 0, first.start())))
    modules = re.compile(rf"({_NAME})=(?:{wrappers})\({_FUNCTION}")
    starts = [match.start() + 1 for match in re.finditer(rf";var {_NAME}={re.escape(first[1])}\({_FUNCTION}", whole)]
    pieces = [whole[at:to] for at, to in zip(starts, [*starts[1:], last + 1], strict=True)]
    # A piece may hold more than one module: some are wrapped in another way.
    piece_of = {name: at for at, piece in enumerate(pieces) for name in modules.findall(piece)}
    head, tail = whole[: starts[0]], whole[last + 1 :]
    wanted, asked = set[int](), _names(head + tail)
    while new := {piece_of[name] for name in asked & piece_of.keys()} - wanted:
        wanted |= new
        asked = set().union(*(_names(pieces[at]) for at in new))
    return head + "".join(pieces[at] for at in sorted(wanted)) + tail


def _names(code: str) -> set[str]:
    return set(re.findall(_NAME, code))
