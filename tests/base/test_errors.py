"""An action on many runs."""

from core.base.errors import StoreError, each


def test_one_failure_does_not_keep_the_action_from_the_others():
    def action(run_id: str) -> None:
        if run_id == "b":
            raise StoreError("b is busy")

    outcome = each(["a", "b", "c"], action)
    assert (outcome.done, outcome.problems) == (["a", "c"], ["b is busy"])
