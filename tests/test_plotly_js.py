"""The browser's bundle of plotly.js is small and has every trace that the figures use."""

import re
from pathlib import Path

import plotly
from plotly import graph_objects
from plotly.basedatatypes import BaseTraceType

from core import plotly_js
from core.base.paths import PROJECT

WHOLE = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
#: A bundle of two traces that share a module, and a third that is wrapped in the other way and belongs to the second.
SMALL = """var P=(()=>{var E=(e,t)=>()=>(e&&(t=e(e=0)),t);\
var W=(e,t)=>()=>(t||e((t={exports:{}}).exports,t),t.exports);\
var s=W((a,b)=>{b.exports=1});var c=W(a=>{s()});var t1=W((a,b)=>{b.exports={moduleType:"trace",name:"bar"};c()});\
var l1=W((a,b)=>{b.exports=t1()});var u=W(()=>{});var k=E(()=>{u()});\
var t2=W((a,b)=>{b.exports={moduleType:"trace",name:"pie"};k()});var l2=W((a,b)=>{b.exports=t2()});\
var m=W((a,b)=>{R.register([l1(),l2()])});return m()})();"""


def test_is_much_smaller_than_that_of_the_package():
    assert len(plotly_js.bundle()) < 0.35 * WHOLE.stat().st_size


def test_has_each_trace_of_the_figures_and_no_map():
    text = plotly_js.bundle().decode()
    kinds = set(re.findall(r'moduleType:"trace",name:"(\w+)"', text))
    assert kinds >= plotly_js.TRACES
    assert not kinds & {"scattermap", "surface", "sankey", "scattergeo"}
    assert text.rstrip().endswith("return Plotly;\n}));")


def test_every_figure_uses_these_traces_alone():
    classes = [(name, getattr(graph_objects, name)) for name in graph_objects.__all__]
    traces = {name.lower() for name, kind in classes if isinstance(kind, type) and issubclass(kind, BaseTraceType)}
    code = "\n".join(path.read_text() for room in ("core", "pages") for path in (PROJECT / room).rglob("*.py"))
    assert set(re.findall(r"\.add_(\w+)\(", code)) & traces == plotly_js.TRACES


def test_keeps_the_modules_that_a_kept_trace_asks_for():
    code = plotly_js.without_others(SMALL, frozenset({"scatter", "bar"}))
    assert code is not None
    assert re.findall(r"var (\w+)=[WE]\(", code) == ["s", "c", "t1", "l1", "m"]
    assert "register([l1()])" in code
    other = plotly_js.without_others(SMALL, frozenset({"scatter", "pie"}))
    assert other is not None
    assert re.findall(r"var (\w+)=[WE]\(", other) == ["u", "k", "t2", "l2", "m"]


def test_a_bundle_of_another_structure_is_left_as_it_is():
    assert plotly_js.without_others("var Plotly = {}", plotly_js.TRACES) is None
    assert plotly_js.without_others(SMALL, plotly_js.TRACES) is None
    assert plotly_js.without_others("R.register([l1()])", frozenset({"scatter"})) is None


def test_the_version_is_that_of_the_content():
    assert re.fullmatch("[0-9a-f]{12}", plotly_js.version())
