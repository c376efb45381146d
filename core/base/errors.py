"""Errors for the person who caused them. Each message says what went wrong, what is allowed, and what to do.

The command line prints it, a page shows it in a box. An exception that is not a :class:`LabError` is a defect.
"""

import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

#: In the error of a run whose training loss was no longer finite: its settings failed, and nothing else did.
DIVERGED = "training diverged"


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


class Conflict(StoreError):
    """A text that changed since it was shown to the person who changes it; nothing was overwritten."""

    def __init__(self, what: str, stored: str, wanted: str):
        """``what``: what the text is, as in "the note of run …"; ``stored``: the text on disk; ``wanted``: the
        person's."""
        self.stored, self.wanted = stored, wanted
        super().__init__(
            f"Nothing was saved: {what} has changed meanwhile. It is now {_quoted(stored)}; yours is {_quoted(wanted)}."
        )


def _quoted(text: str) -> str:
    return f"“{text}”" if text else "empty"


class FolderReplaced(StoreError):
    """The folder that a process works in was moved away, or another one has taken its place."""


class RunBusy(StoreError):
    """Another process works on this run."""


@dataclass(frozen=True)
class Outcome:
    """The result of an action on many runs: the ids of those it succeeded for, and a sentence for each other."""

    done: list[str]
    problems: list[str]


def each(run_ids: Iterable[str], action: Callable[[str], object]) -> Outcome:
    """Apply ``action`` to every run, whatever it raises for the others."""
    done: list[str] = []
    problems: list[str] = []
    for run_id in run_ids:
        with collected(problems, f"Run {run_id}"):
            action(run_id)
            done.append(run_id)
    return Outcome(done, problems)


@contextlib.contextmanager
def collected(problems: list[str], name: str) -> Iterator[None]:
    """Add what the block raises to ``problems`` as a sentence, so that the caller goes on with the next item.

    ``name`` is what to call this item where the error itself does not: an error that is not a :class:`LabError`.
    """
    try:
        yield
    except LabError as error:
        problems.append(str(error))
    except MemoryError:
        problems.append(f"{name} needs more memory than is free.")
    except Exception as error:  # a defect, or a fault of the disk: no reason to forget the other items
        logging.getLogger(__name__).debug("%s", name, exc_info=True)
        problems.append(f"{name}: unexpected {type(error).__name__}: {error}.")


class Once:
    """Remembers which errors were reported, for what is tried again all the time: each is reported once.

    An error is known by what it happened to, its kind and where it was raised. Its text may name a time or a temporary
    file, which differ every time.
    """

    def __init__(self) -> None:
        self._known: set[tuple[object, ...]] = set()

    def is_new(self, error: BaseException, of: str = "") -> bool:
        """Return whether this error ``of`` something was not reported yet, and remember it."""
        place, trace = "", error.__traceback__
        while trace is not None:
            place, trace = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}", trace.tb_next
        cause = error.__cause__ or error
        key = (of, type(error), type(cause), getattr(cause, "errno", None), place)
        is_new = key not in self._known
        self._known.add(key)
        return is_new

    def forget(self, of: str) -> None:
        """Report errors ``of`` something again: it worked in between."""
        self._known = {key for key in self._known if key[0] != of}
