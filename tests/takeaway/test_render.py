"""Text for LaTeX, Markdown and YAML: every special sign is only a sign."""

import json
import re

import jinja2
import pytest

from core.takeaway.render import latex, latex_table, markdown, rendered, yaml
from tests.takeaway.made import HOSTILE


def bare(text: str) -> str:
    """Return LaTeX without the commands and signs that are allowed."""
    text = re.sub(
        r"\\(text\w+|ldots)\{(2?)\}|\\textsuperscript\{2\}|\$-\$|\$\\(pm|times|cdot|leq|geq|rightarrow)\$", "", text
    )
    return re.sub(r"\\[{}$&#%_]|\{\}", "", text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("50 % & more", r"50 \% \& more"),
        ("a_b^c~d", r"a\_b\textasciicircum{}c\textasciitilde{}d"),
        (r"\input{x}", r"\textbackslash{}input\{x\}"),
        ("$x$ #1", r"\$x\$ \#1"),
        ("91.2 ± 0.3 – 0.5", r"91.2 $\pm$ 0.3 -- 0.5"),
        ("“so” it’s −1", "``so'' it's $-$1"),
        ("--set a,,b", "-{}-set a,{},b"),
        ("Größe 雪", "Größe ?"),
        ("two\nlines", "two lines"),
    ],
)
def test_latex_shows_every_sign(text, expected):
    assert latex(text) == expected


def test_latex_of_anything_has_no_special_sign_left():
    everything = "".join(map(chr, range(1, 0x180))) + HOSTILE
    assert re.findall(r"[\\{}$&#%_^~<>|\"]", bare(latex(everything))) == []


def test_a_table_has_a_cell_for_each_column_and_balanced_parts():
    table = latex_table(("a", "b & c"), [("1", "x_y"), ("2", HOSTILE)], right=("a",))
    lines = table.splitlines()
    assert lines[:2] == [r"\begin{tabular}{@{}rl@{}}", r"\toprule"]
    assert lines[-2:] == [r"\bottomrule", r"\end{tabular}"]
    rows = [line for line in lines if line.endswith(r" \\")]
    assert len(rows) == 3
    assert all(len(re.findall(r"(?<!\\)&", row)) == 1 for row in rows)


def test_a_long_table_has_its_caption_and_repeats_its_head():
    table = latex_table(("a",), [("1",)] * 60, caption="50 % off", label="tab:x")
    assert r"\caption{50 \% off}\label{tab:x}" in table and r"\endhead" in table
    assert table.count(r"\begin{longtable}") == table.count(r"\end{longtable}") == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<b>*a*</b>", r"\<b\>\*a\*\</b\>"),
        ("1. item", r"1\. item"),
        ("- item", r"\- item"),
        ("a_b | c", r"a\_b \| c"),
        ("0.5 of 1.5", "0.5 of 1.5"),
    ],
)
def test_markdown_shows_every_sign(text, expected):
    assert markdown(text) == expected


def test_yaml_is_json():
    assert json.loads(yaml('a: "b"\n- c')) == 'a: "b"\n- c'


def test_a_template_without_a_value_is_an_error():
    with pytest.raises(jinja2.UndefinedError):
        rendered("card.md")
