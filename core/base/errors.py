"""Errors meant for the person who caused them.

Every message is a sentence that says what was wrong, what is allowed, and what to do. The command
line prints it, a page shows it in a box; a traceback never reaches either. An exception that is not
a :class:`LabError` is a defect of the program.
"""


class LabError(Exception):
    """Something a person can put right; ``str(error)`` is the sentence to show them."""


class ConfigError(LabError):
    """A choice that is not allowed.

    ``problems`` maps each setting's path (``"train.lr"``) to the sentence to show beside it.
    """

    def __init__(self, problems: dict[str, str]):
        self.problems = problems
        super().__init__(" ".join(f"{path}: {text}" for path, text in problems.items()))


class SettingError(LabError):
    """An environment variable or a server setting that cannot be used."""


class DataError(LabError):
    """CIFAR-10 could not be had, or what was found is not CIFAR-10."""


class ImageError(LabError):
    """A file that is no usable picture."""


class StoreError(LabError):
    """A run folder that cannot be read, written or found."""


class RunBusy(StoreError):
    """Another process is working on this run."""
