"""Errors for the person who caused them. Each message says what went wrong, what is allowed, and what to do.

The command line prints it, a page shows it in a box. An exception that is not a :class:`LabError` is a defect.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass


class LabError(Exception):
    """A problem that a person can solve; ``str(error)`` is the message."""


class ConfigError(LabError):
    """Settings that are not allowed; ``problems`` has a sentence for each by its path (``"train.lr"``)."""

    def __init__(self, problems: dict[str, str]):
        self.problems = problems
        super().__init__(" ".join(f"{path}: {text}" for path, text in problems.items()))


class SettingError(LabError):
    """An environment variable or a server setting that cannot be used."""


class DataError(LabError):
    """CIFAR-10 is not available, or the files are not CIFAR-10."""


class ImageError(LabError):
    """A file that cannot be used as an image."""


class StoreError(LabError):
    """A run or study that does not exist, or that cannot be read or written."""


class RunBusy(StoreError):
    """Another process works on this run."""


@dataclass(frozen=True)
class Outcome:
    """The result of an action on many runs: the ids of those it succeeded for, and a sentence for each other."""

    done: list[str]
    problems: list[str]


def each(run_ids: Iterable[str], action: Callable[[str], object]) -> Outcome:
    """Apply ``action`` to every run, whether or not it succeeds for the others."""
    done, problems = [], []
    for run_id in run_ids:
        try:
            action(run_id)
            done.append(run_id)
        except LabError as error:
            problems.append(str(error))
    return Outcome(done, problems)
