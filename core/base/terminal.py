"""Print for whoever watches. A report never fails what it reports on, even if nobody reads it any more."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO


def say(text: str) -> None:
    """Print a line on stderr, for a person; stdout is for a command's answer alone."""
    with reporting():
        print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def reporting() -> Iterator[None]:
    """Write to stderr in this block. If the reader or the terminal is gone, this and all later output is dropped."""
    try:
        yield
    except (OSError, ValueError):  # a closed pipe, a closed terminal, a full disk; ValueError: a closed stream
        silence(sys.stderr)


def silence(stream: TextIO) -> None:
    """Drop what a stream still holds and gets from now on, so that it can be flushed when the program ends."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def open_missing_streams() -> None:
    """Give a program that was started without stdout or stderr (``>&-``) streams that drop everything."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - open until the end
