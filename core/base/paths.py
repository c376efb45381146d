"""Where files are on this computer: three environment variables, each with a default that works."""

import contextlib
import os
import re
import sys
from pathlib import Path

from core.base.errors import SettingError

PROJECT = Path(__file__).resolve().parents[2]


def runs_folder() -> Path:
    """Return the folder of the runs: ``RESNET_LAB_RUNS``, or ``runs`` in the project."""
    return _folder("RESNET_LAB_RUNS") or PROJECT / "runs"


def data_folder() -> Path:
    """Return the folder of the verified CIFAR-10 images: ``RESNET_LAB_DATA``, or ``~/.cache/resnet-lab``.

    A class can set it to a shared folder, so that the images are downloaded once.
    """
    return _folder("RESNET_LAB_DATA") or _home() / ".cache" / "resnet-lab"


def data_source() -> Path | None:
    """Return the folder or archive of CIFAR-10 that the person already has: ``RESNET_LAB_CIFAR10``."""
    return _folder("RESNET_LAB_CIFAR10")


def compiled_folder() -> Path:
    """Return the folder of what is compiled for this computer: ``resnet-lab/compiled`` in the user's cache folder.

    Programs are loaded from it, so it is never a folder that others may write to, as that of the images may be.
    """
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))  # a relative one does not count, as its specification says
    return (given if given.is_absolute() else _home() / ".cache") / "resnet-lab" / "compiled"


def _home() -> Path:
    """Return the user's home folder. Raises SettingError for a user without one, as containers may have."""
    try:
        return Path.home()
    except RuntimeError:
        raise SettingError(
            "The user of this program has no home folder on this computer. Set HOME to a folder that the program may "
            "write to, and start it again."
        ) from None


def check() -> None:
    """Raise :class:`SettingError` if a variable cannot be used, before a page or a thread needs it."""
    for setting in (runs_folder, data_folder, data_source):
        setting()


def _folder(variable: str) -> Path | None:
    try:
        return path_from_text(os.environ.get(variable, ""))
    except SettingError as error:
        raise SettingError(f"{variable} says {error}") from None


def path_from_text(text: str) -> Path | None:
    """Return the path that a person typed, or ``None`` for nothing.

    A file that exists has the name as it is. Otherwise ``~`` is the home folder, also where a shell did not replace it
    (``--runs=~/x``), and quotes around the whole, which a settings file without a shell keeps, are not part of the
    name. Raises SettingError.
    """
    if text and os.path.lexists(text):
        return Path(text)
    text = text.strip()
    if len(text) > 2 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1]
    try:
        return Path(text).expanduser() if text else None
    except RuntimeError:  # ~name of an unknown user
        user = text.partition("/")[0].removeprefix("~")
        raise SettingError(
            f"“{text}”, but there is no user {user} on this computer. Give the full path and start the program again."
        ) from None


#: What file managers, and programs that pack or share folders, leave in them: every hidden file (``.DS_Store``,
#: ``.directory``, ``.Trash-1000``, ``.nfs…``), and what macOS, Windows and network drives have besides.
_LITTER = re.compile(
    r"\.[^.].*|__MACOSX|Icon\r|Network Trash Folder|Temporary Items"
    r"|thumbs\.db|ehthumbs\.db|desktop\.ini|~\$.*|@eaDir|#recycle|System Volume Information|\$RECYCLE\.BIN",
    re.IGNORECASE,
)


def is_litter(name: str) -> bool:
    """Return whether a file, named with or without its folders (``a/b``), is one that only a file manager needs."""
    return any(_LITTER.fullmatch(part) for part in name.split("/"))


def without_home(text: str) -> str:
    """Return ``text`` with this project's files named from its folder, Python's from ``…``, and home as ``~``.

    For text that goes into a run's folder: the folder may be shared, and where it was made is private.
    """
    names = {f"{PROJECT}/": "", f"{sys.prefix}/": "…/", f"{sys.base_prefix}/": "…/"}
    with contextlib.suppress(SettingError):
        names[str(_home())] = "~"
    names.pop("/", None)  # the home of a user without one, in some containers
    for folder in sorted(names, key=len, reverse=True):  # packages may be inside the project, the project inside home
        text = text.replace(folder, names[folder])
    return text
