"""An action on many runs."""

import pytest

from core.base.errors import Outcome, StoreError, each


def test_one_failure_does_not_keep_the_action_from_the_others():
    def action(run_id: str) -> None:
        if run_id == "b":
            raise StoreError("b is busy")

    outcome = each(["a", "b", "c"], action)
    assert (outcome.done, outcome.problems) == (["a", "c"], ["b is busy"])


@pytest.mark.parametrize("error", [RecursionError("too deep"), MemoryError(), OSError(5, "EIO"), KeyError("x")])
def test_an_error_of_any_kind_is_told_with_its_run_and_the_rest_is_done(error: Exception):
    def action(run_id: str) -> None:
        if run_id == "b":
            raise error

    outcome = each(["a", "b", "c"], action)
    assert isinstance(outcome, Outcome)
    assert outcome.done == ["a", "c"]
    assert len(outcome.problems) == 1
    assert "Run b" in outcome.problems[0]


def test_ctrl_c_ends_the_action():
    def action(run_id: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        each(["a"], action)
