"""Accuracy by slice: dots with intervals, a line for all images, two runs above each other."""

import pandas as pd
import pytest

from core.figures.inspect_slices import SliceRun, slice_accuracy, slices_text


def made(run_id: str, accuracies: dict[str, float], colour: str = "#0072b2") -> SliceRun:
    rows = [
        {"slice": name, "images": 100, "accuracy": value, "low": value - 0.05, "high": value + 0.03}
        for name, value in accuracies.items()
    ]
    return SliceRun(run_id, f"run <{run_id}>", colour, pd.DataFrame(rows), 0.9)


def test_one_run():
    figure = slice_accuracy([made("a", {"dark": 0.85, "bright": 0.95})])
    (trace,) = figure.data
    assert list(trace.x) == pytest.approx([85, 95]) and list(trace.y) == [0, 1]
    assert list(trace.error_x.array) == pytest.approx([3, 3])
    assert list(trace.error_x.arrayminus) == pytest.approx([5, 5])
    assert list(figure.layout.yaxis.ticktext) == ["dark", "bright"]
    (line,) = figure.layout.shapes
    assert (line.x0, line.x1) == (90, 90) and not figure.layout.showlegend


def test_two_runs_do_not_cover_each_other_and_a_slice_may_be_missing():
    first = made("a", {"with": 0.85, "without": 0.95})
    figure = slice_accuracy([first, made("b", {"without": 0.9}, "#d55e00")])
    above, below = figure.data
    assert list(above.y) == pytest.approx([-0.12, 0.88]) and list(below.y) == pytest.approx([1.12])
    assert above.name == "run &lt;a&gt;" and below.marker.color == "#d55e00"
    assert len(figure.layout.shapes) == 2 and figure.layout.height > slice_accuracy([first]).layout.height


def test_the_text_has_all_numbers():
    text = slices_text([made("a", {"dark": 0.85, "bright": 0.95})])
    assert "dark 85.0%" in text and "bright 95.0%" in text and "all 90.0%" in text
