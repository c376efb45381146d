"""``python -m core …``: all of the laboratory without a browser.

Here are the words of the command line and its exit codes; what a command does is in ``cli_train.py``,
``cli_runs.py``, ``cli_study.py`` and ``cli_about.py``. The answer goes to stdout, as text or with ``--json``
as JSON and nothing else; progress and errors go to stderr. Exit codes: 0 all done, 1 not (a sentence says
why), 2 the command line was not understood, 130 Ctrl-C.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from core.base.errors import LabError, StoreError
from core.base.paths import runs_folder
from core.base.text import one_line
from core.cli import about as cli_about
from core.cli import runs as cli_runs
from core.cli import study as cli_study
from core.cli import train as cli_train
from core.cli.answer import Answer
from core.config.presets import PRESETS
from core.runs.store import RunStore

#: Runs that one command makes.
MOST_SEEDS = 1_000
_RUN = "a run: its id, a unique beginning or end of it, its name, or “latest”"


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says and return the exit code. A usage error raises SystemExit(2)."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # a terminal without “…” still works
    args = build_parser().parse_args(arguments)
    try:
        answer = args.command(args, _store(args)) if args.needs_store else args.command(args)
        return _print(answer, as_json=getattr(args, "json", False))
    except LabError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return cli_train.INTERRUPTED


def _print(answer: Answer, *, as_json: bool) -> int:
    told = answer.as_json() if as_json else answer.text
    try:
        if told:
            print(told, flush=True)
    except BrokenPipeError:  # the reader, `head` for one, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    for sentence in answer.errors:
        print(sentence, file=sys.stderr)
    return answer.code


def _store(args: argparse.Namespace) -> RunStore:
    """The store of ``--runs``. A folder that is not there is made for new runs alone: it may be a slip."""
    given: Path | None = getattr(args, "runs", None)
    if given is not None and not given.is_dir() and not args.makes_runs:
        raise StoreError(f"There is no folder {given} with runs.")
    return RunStore(given or runs_folder())


# --- the words ------------------------------------------------------------------------------------


def build_parser() -> argparse.ArgumentParser:
    """The parser of the command line; ``args.command`` is the function that answers."""
    common = _common()
    parser = argparse.ArgumentParser(
        prog="python -m core", description="Train and use residual networks on CIFAR-10.", parents=[common]
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(name: str, command: Callable[..., Answer], help: str, **settings: Any) -> argparse.ArgumentParser:
        one = commands.add_parser(name, help=help, description=f"{help[0].upper()}{help[1:]}.", parents=[common])
        one.set_defaults(command=command, **{"needs_store": True, "makes_runs": False, **settings})
        return one

    _add_training(add)
    _add_runs(add)
    study = commands.add_parser(
        "study", help="vary a setting over values and seeds; the report's studies", parents=[common]
    )
    cli_study.add_parser(study, common, _add_config)
    _add_about(add)
    return parser


_Add = Callable[..., argparse.ArgumentParser]


def _common() -> argparse.ArgumentParser:
    """The options allowed before and after the command. Without defaults, so that neither place undoes the other."""
    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    common.add_argument("--runs", type=Path, metavar="DIR", help="folder with the runs (default: the setting)")
    common.add_argument("--json", action="store_true", help="answer in JSON, for scripts")
    return common


def _add_training(add: _Add) -> None:
    train = add("train", cli_train.train, "train a new run", makes_runs=True)
    _add_config(train, required=True)
    train.add_argument("--name", default="", help="what to call it")
    train.add_argument("--tag", action="append", default=[], metavar="TAG", help="a tag; may be repeated")
    train.add_argument("--note", default="", help="a note to keep with it")
    train.add_argument(
        "--seeds", type=_few, default=1, metavar="N", help="train N runs with rising seeds, one after the other"
    )
    _add_queue(train)

    resume = add("resume", cli_train.resume, "train a stopped, failed or interrupted run to its end")
    resume.add_argument("run", metavar="RUN", help=_RUN)
    _add_queue(resume)

    extend = add("extend", cli_train.extend, "go on from the end of a finished run, as a new run")
    extend.add_argument("run", metavar="RUN", help=_RUN)
    extend.add_argument(
        "--epochs", type=_positive, required=True, metavar="N", help="epochs in all, the old ones included"
    )
    _add_queue(extend)

    stop = add("stop", cli_runs.stop, "stop a run that waits or is trained, here or elsewhere")
    stop.add_argument("run", metavar="RUN", help=_RUN)
    stop.add_argument("--discard", action="store_true", help="move it to the trash then")


def _add_runs(add: _Add) -> None:
    add("list", cli_runs.list_runs, "list all runs, newest first")
    show = add("show", cli_runs.show, "tell everything about a run")
    show.add_argument("run", metavar="RUN", help=_RUN)

    evaluate = add("evaluate", cli_runs.evaluate, "evaluate a run's best weights, class by class")
    evaluate.add_argument("run", metavar="RUN", help=_RUN)
    evaluate.add_argument("--part", choices=("validation", "test"), default="validation", help="default: validation")

    classify = add("classify", cli_runs.classify, "tell what a run's best weights see in pictures")
    classify.add_argument("run", metavar="RUN", help=_RUN)
    classify.add_argument("image", nargs="+", type=Path, metavar="IMAGE", help="a picture file of any common kind")
    classify.add_argument("--top", type=_positive, default=3, metavar="K", help="classes to name (default: 3)")
    classify.add_argument(
        "--crop", choices=("centre", "whole"), default="centre",
        help="centre: the largest square in the middle (default); whole: everything, squeezed to a square",
    )  # fmt: skip

    trash = add("trash", cli_runs.trash, "move runs to the trash")
    trash.add_argument("run", nargs="+", metavar="RUN", help=_RUN)
    restore = add("restore", cli_runs.restore, "bring runs back from the trash, or list those in it")
    restore.add_argument("run", nargs="*", metavar="RUN", help="a run in the trash: its id, or a unique part")

    export = add("export", cli_runs.export, "pack runs into one .zip, to take them elsewhere")
    export.add_argument("run", nargs="+", metavar="RUN", help=_RUN)
    export.add_argument(
        "--to", type=Path, required=True, metavar="FILE", help="the .zip to write; it must not exist yet"
    )
    bring_in = add("import", cli_runs.bring_in, "take runs from a .zip that was exported elsewhere", makes_runs=True)
    bring_in.add_argument("file", type=Path, metavar="FILE", help="the .zip")
    empty = add("empty-trash", cli_runs.empty_trash, "delete what is in the trash for good")
    empty.add_argument("--yes", action="store_true", help="do it; without, only tell what it would free")


def _add_about(add: _Add) -> None:
    data = add("data", cli_about.data, "get CIFAR-10 and verify it", needs_store=False)
    data.add_argument("--folder", type=Path, metavar="DIR", help="where to keep it (default: the setting)")
    data.add_argument("--source", type=Path, metavar="PATH", help="a folder or archive of CIFAR-10 you already have")

    layers = add("layers", cli_about.layers, "show the network layer by layer")
    layers.add_argument("run", nargs="?", metavar="RUN", help=_RUN)
    _add_config(layers, required=False)

    add("knobs", cli_about.settings, "list every choice there is, with range and default", needs_store=False)
    add("presets", cli_about.presets, "list the recipes to start from", needs_store=False)


def _add_config(parser: argparse.ArgumentParser, *, required: bool) -> None:
    base = parser.add_mutually_exclusive_group(required=required)
    base.add_argument("--preset", metavar="NAME", help=f"start from a recipe: {', '.join(PRESETS)}")
    base.add_argument("--config", type=Path, metavar="FILE", help="start from a config.json, a run's for example")
    parser.add_argument(
        "--set", action="append", default=[], metavar="SETTING=VALUE",
        help="change a setting, as in train.batch_size=64; may be repeated (`python -m core settings` lists them)",
    )  # fmt: skip


def _add_queue(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--queue", action="store_true", help="leave it to the app instead of training it here")


def _positive(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"“{one_line(text, 40)}” is no whole number of at least 1")
    return number


def _few(text: str) -> int:
    if (number := _positive(text)) > MOST_SEEDS:
        raise argparse.ArgumentTypeError(f"{one_line(text, 40)} runs are too many; at most {MOST_SEEDS:,}")
    return number
