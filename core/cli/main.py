"""``resnet-lab``: the whole laboratory without a browser.

The answer goes to stdout, as text or with ``--json`` as JSON and nothing else; progress and errors go to stderr.
Exit codes: 0 success, 1 failure (explained on stderr), 2 invalid command line, 130 Ctrl-C.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from core.base.errors import LabError, StoreError
from core.base.paths import runs_folder
from core.base.terminal import open_missing_streams, say, silence
from core.base.text import one_line
from core.cli.answer import Answer
from core.cli.parser import build_parser
from core.cli.train import INTERRUPTED
from core.runs.store import RunStore


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code. An invalid command line raises SystemExit(2)."""
    open_missing_streams()
    try:
        return _run(arguments)
    finally:  # also after a help text: Python fails if it cannot write it out when the program ends
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):
                silence(stream)


def _run(arguments: Sequence[str] | None) -> int:
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # for terminals that cannot show “…”
    args = build_parser().parse_args(arguments)
    if args.command is None:
        args.parser.print_help()
        return 0
    try:
        return _print(args.command(args, _store(args)), as_json=getattr(args, "json", False))
    except LabError as error:
        say(str(error))
    except OSError as error:  # a name that is too long, a folder that may not be read, ...
        name = f"{one_line(str(error.filename), 80)} cannot be used: " if error.filename else ""
        say(f"{name}{error.strerror or error}.")
    except MemoryError:
        say("The computer ran out of memory.")
    except KeyboardInterrupt:
        say("\nInterrupted.")
        return INTERRUPTED
    return 1


def _print(answer: Answer, *, as_json: bool) -> int:
    # Where the terminal is not in Unicode, JSON is in ASCII: a script gets every letter of a name.
    unicode = (sys.stdout.encoding or "utf-8").lower().startswith("utf")
    text = answer.as_json(ascii_only=not unicode) if as_json else answer.text
    code = answer.code
    try:
        if text:
            print(text, flush=True)
    except OSError as error:
        silence(sys.stdout)
        if not isinstance(error, BrokenPipeError):  # the reader, such as `head`, has read enough
            say(f"The answer could not be written: {error.strerror}.")
            code = 1
    for problem in answer.errors:
        say(problem)
    return code


def _store(args: argparse.Namespace) -> RunStore:
    """Return the store of ``--runs``. Only a command that makes runs creates the folder: the name may be a typo."""
    folder: Path | None = getattr(args, "runs", None)
    if folder is not None and not folder.is_dir() and not args.makes_runs:
        raise StoreError(f"There is no folder {folder}.")
    return RunStore(folder or runs_folder())
