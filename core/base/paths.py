"""Where things are on this computer. Three environment variables, each with a default that works.

A setting says where files lie; what an experiment does is a setting, in :mod:`core.config.run_config`.
"""

import os
import sys
from pathlib import Path

from core.base.errors import SettingError

PROJECT = Path(__file__).resolve().parents[2]


def runs_folder() -> Path:
    """Folder with one folder a run: ``RESNET_LAB_RUNS``, or ``runs`` in the project."""
    return _folder("RESNET_LAB_RUNS") or PROJECT / "runs"


def data_folder() -> Path:
    """Folder of the verified CIFAR-10 cache: ``RESNET_LAB_DATA``, or ``~/.cache/resnet-lab``.

    A class can point it at a shared folder, so that the images are downloaded once.
    """
    return _folder("RESNET_LAB_DATA") or Path("~/.cache/resnet-lab").expanduser()


def data_source() -> Path | None:
    """Folder or archive of CIFAR-10 the person already has: ``RESNET_LAB_CIFAR10``, or none."""
    return _folder("RESNET_LAB_CIFAR10")


def check() -> None:
    """Raise :class:`SettingError` if a variable names no place, before a page or a thread stumbles over it."""
    for setting in (runs_folder, data_folder, data_source):
        setting()


def _folder(variable: str) -> Path | None:
    """The place an environment variable names, or ``None`` if it is not set or empty."""
    given = os.environ.get(variable)
    try:
        return Path(given).expanduser() if given else None
    except RuntimeError:  # nobody called so
        user = str(given).partition("/")[0]
        raise SettingError(
            f"{variable} says “{given}”, and nobody on this computer is called {user.removeprefix('~')}; "
            "give the whole path, and start the program again."
        ) from None


def without_home(text: str) -> str:
    """``text`` with this project's files named from its folder, Python's from ``…``, and the home folder as ``~``.

    For what goes into a run's folder: it may be handed on, and where it was made is nobody's business.
    """
    names = {f"{PROJECT}/": "", f"{sys.prefix}/": "…/", f"{sys.base_prefix}/": "…/", str(Path.home()): "~"}
    names.pop("/", None)  # of a program without a home
    for folder in sorted(names, key=len, reverse=True):  # the packages lie in the project, the project at home
        text = text.replace(folder, names[folder])
    return text
