"""Which runs are picked on Compare: from a link, and by a selection in the table."""

from core.compare.picks import picked_after_selection, problems_in_link, runs_in_link


def test_a_link_names_runs_and_each_unknown_name_is_reported(some_runs):
    known, pair = some_runs.ids(), some_runs.find("Pair")
    run_ids, problems = runs_in_link(some_runs, known, f"{pair},../../etc/passwd,Pair,adam,,{pair}")
    assert run_ids == [pair, some_runs.find("adam")]
    assert len(problems) == 1
    assert "../../etc/passwd" in problems[0]


def test_of_a_thousand_unknown_names_only_a_few_are_looked_up(some_runs):
    _, problems = runs_in_link(some_runs, some_runs.ids(), ",".join(f"stranger-{at}" for at in range(1_000)))
    assert len(problems) == 6
    assert "995 more unknown runs" in problems[-1]


def test_values_of_a_link_that_are_not_valid_are_reported():
    choices = {"x": {"epoch": "Epoch", "step": "Step"}}
    assert problems_in_link({"x": "Step", "other": "1"}, choices) == []
    (problem,) = problems_in_link({"x": "Stop\x00<script>"}, choices)
    assert "x=“Stop?<script>”" in problem
    assert "Epoch, Step" in problem


def test_a_selection_in_a_filtered_table_keeps_the_hidden_runs_picked():
    assert picked_after_selection(["far", "a"], ["a", "b", "c"], [1, 2]) == ["far", "b", "c"]
    assert picked_after_selection(["a"], ["a", "b"], [0, 1, 7, -1]) == ["a", "b"]
