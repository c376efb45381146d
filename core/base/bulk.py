"""What is done to many runs at once: one that refuses does not keep the others from it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from core.base.errors import LabError


@dataclass(frozen=True)
class Outcome:
    """On which runs something was done, and a sentence for each that refused."""

    done: list[str]
    problems: list[str]


def each(run_ids: Iterable[str], act: Callable[[str], object]) -> Outcome:
    """``act`` on every run; one that refuses does not keep the others from it."""
    done, problems = [], []
    for run_id in run_ids:
        try:
            act(run_id)
            done.append(run_id)
        except LabError as error:
            problems.append(str(error))
    return Outcome(done, problems)
