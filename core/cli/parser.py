"""The commands and options of ``resnet-lab``, and their help texts. What a command does is in the other modules."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from core.base.errors import SettingError
from core.base.numbers import Ambiguous, decimal_number, whole_number
from core.base.paths import path_from_text
from core.base.text import one_line
from core.cli import about, runs, search, storage, study, takeaway, train, work
from core.cli.answer import Answer
from core.config.presets import PRESETS
from core.runs.storage import MOST_AT_ONCE, MOST_DAYS
from core.runs.store import RunStore
from core.search.methods import PRUNERS, SAMPLERS

#: The most runs that one command makes.
MOST_SEEDS = 1_000

_Command = Callable[[argparse.Namespace, RunStore], Answer]
_Parser = argparse.ArgumentParser
_Number = TypeVar("_Number", int, float)


class _Commands:
    """The commands of a parser, about runs or studies; without a command, the parser prints its help."""

    def __init__(self, parser: _Parser, common: _Parser, noun: str):
        self._commands = parser.add_subparsers(title="commands", metavar="COMMAND")
        self._common, self._noun = common, noun
        parser.set_defaults(command=None, parser=parser)

    def group(self, name: str, help: str, noun: str) -> "_Commands":
        """Add a command that has commands of its own, about ``noun``."""
        return _Commands(self._add(name, help), self._common, noun)

    def add(self, name: str, command: _Command, help: str, takes: str = "", *, makes_runs: bool = False) -> _Parser:
        """Add a command that ``takes`` "one" run or study, or as many as argparse's ``?``, ``*`` or ``+`` mean.

        A command that ``makes_runs`` may create the folder given as ``--runs``.
        """
        parser = self._add(name, help)
        if takes:
            trash = " in the trash" if name == "restore" else ""
            what = f"a {self._noun}{trash}: its id, a unique start or end of the id, its name, or “latest”"
            nargs = None if takes == "one" else takes
            parser.add_argument(self._noun, nargs=nargs, metavar=self._noun.upper(), help=what)
        parser.set_defaults(command=command, makes_runs=makes_runs)
        return parser

    def rename(self, old: str, name: str) -> None:
        """Accept the ``old`` name of a command, without listing it."""
        self._commands.choices[old] = self._commands.choices[name]

    def _add(self, name: str, help: str) -> _Parser:
        description = f"{help[0].upper()}{help[1:]}."
        return self._commands.add_parser(name, help=help, description=description, parents=[self._common])


def build_parser() -> _Parser:
    """Return the parser. ``args.command`` is the function to call, or ``None`` to print the help of ``args.parser``."""
    # Allowed before and after the command; without defaults, so that neither place resets the other.
    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    common.add_argument("--runs", type=_path, metavar="DIR", help="folder of the runs (default: $RESNET_LAB_RUNS)")
    common.add_argument("--json", action="store_true", help="print the answer as JSON")
    parser = argparse.ArgumentParser(
        prog="resnet-lab",
        description="Train, compare and use residual networks on CIFAR-10.",
        epilog="`resnet-lab COMMAND --help` shows the options of a command.",
        parents=[common],
    )
    commands = _Commands(parser, common, "run")
    _add_training(commands)
    _add_runs(commands)
    _add_takeaway(commands)
    _add_storage(commands)
    _add_studies(
        commands.group("study", "vary settings over values and seeds, or repeat the report's studies", "study")
    )
    _add_searches(commands.group("search", "let a sampler choose settings, and confirm the best", "search"))
    _add_about(commands)
    return parser


def _add_training(commands: _Commands) -> None:
    command = commands.add("train", train.train, "train a new run", makes_runs=True)
    _add_config(command, required=True)
    command.add_argument("--name", default="", metavar="NAME", help="name of the run")
    command.add_argument("--tag", action="append", default=[], metavar="TAG", help="tag of the run; repeatable")
    command.add_argument("--note", default="", metavar="TEXT", help="note to keep with the run")
    command.add_argument("--seeds", type=_seeds, default=1, metavar="N", help="train N runs with consecutive seeds")
    _add_queue(command)
    _add_yes(command)

    command = commands.add("resume", train.resume, "train a stopped, failed or interrupted run to its end", "one")
    take_over = "train it here although another computer trains it, which then stops"
    command.add_argument("--take-over", action="store_true", help=take_over)
    _add_queue(command)
    _add_yes(command)
    command = commands.add("extend", train.extend, "train a finished run for more epochs, as a new run", "one")
    command.add_argument("--epochs", type=_positive, required=True, metavar="N", help="total number of epochs")
    _add_queue(command)
    _add_yes(command)
    command = commands.add("stop", runs.stop, "stop a queued or running run, in whichever process it trains", "one")
    command.add_argument("--discard", action="store_true", help="then move the run to the trash")

    help = "train the queued runs, here or on a Ray cluster, until Ctrl-C, which puts unfinished runs back in the queue"
    command = commands.add("work", work.work, help)
    command.add_argument("--on", choices=("here", "ray"), default="here", help="default: here")
    where = "address of the Ray cluster (default: auto, the one that this computer belongs to)"
    command.add_argument("--address", metavar="HOST:PORT", help=where)
    command.add_argument("--until-empty", action="store_true", help="end when no run waits or trains")
    command.add_argument("--for-server", action="store_true", help=argparse.SUPPRESS)


def _add_runs(commands: _Commands) -> None:
    commands.add("list", runs.list_runs, "list all runs, newest first")
    commands.add("show", runs.show, "show a run's settings, results and environment", "one")
    command = commands.add("evaluate", runs.evaluate, "evaluate a run's best weights, class by class", "one")
    command.add_argument("--part", choices=("validation", "test"), default="validation", help="default: validation")

    help = "compute the predictions of runs for their validation and test images, if they are not kept"
    command = commands.add("predict", runs.predict, help, "*")
    command.add_argument("--missing", action="store_true", help="of all runs that have weights but no predictions")

    help = "show a run's accuracy on near-duplicates of its training images, by brightness and by contrast"
    command = commands.add("slices", runs.slices, help, "one")
    command.add_argument("--part", choices=("validation", "test"), default="test", help="default: test")

    latest = "classify images with a run's best weights; “latest” is the newest run that knows all ten classes"
    command = commands.add("classify", runs.classify, latest, "one")
    command.add_argument("image", nargs="+", type=_path, metavar="IMAGE", help="image file")
    command.add_argument("--top", type=_positive, default=3, metavar="K", help="classes to print (default: 3)")
    crop = "centre: use the largest square in the middle (default); whole: stretch the whole image to a square"
    command.add_argument("--crop", choices=("centre", "whole"), default="centre", help=crop)

    commands.add("trash", runs.trash, "move runs to the trash", "+")
    commands.add("restore", runs.restore, "restore runs from the trash, or list the trash", "*")
    command = commands.add("empty-trash", runs.empty_trash, "delete the runs in the trash permanently")
    command.add_argument("--yes", action="store_true", help="delete; without it, only show how much space that frees")

    command = commands.add("export", runs.export, "export runs into a .zip file", "+")
    command.add_argument("--to", type=_path, required=True, metavar="FILE", help=".zip file to write; must not exist")
    command = commands.add("import", runs.import_runs, "import runs from a .zip file", makes_runs=True)
    command.add_argument("file", type=_path, metavar="FILE", help=".zip file written by `resnet-lab export`")


def _add_takeaway(commands: _Commands) -> None:
    new = "file to write; must not exist"
    command = commands.add("export-weights", takeaway.weights, "write a run's best weights (safetensors)", "one")
    command.add_argument("--to", type=_path, required=True, metavar="FILE", help=new)
    command = commands.add(
        "export-onnx", takeaway.onnx, "write a run's network as an ONNX file for other programs", "one"
    )
    command.add_argument("--to", type=_path, required=True, metavar="FILE", help=new)
    help = "write a model card: a run's data, recipe, results and limits, and how to train it again"
    command = commands.add("model-card", takeaway.card, help, "one")
    command.add_argument("--to", type=_path, metavar="FILE", help=f"{new} (default: print it)")
    help = "write a report to hand in about runs: HTML, tables and figures for LaTeX, data"
    _add_report(commands.add("hand-in", takeaway.hand_in, help, "+"))


def _add_report(command: _Parser) -> None:
    command.add_argument("--to", type=_path, required=True, metavar="DIR", help="folder to write; new or empty")
    command.add_argument("--title", default="", metavar="TEXT", help="title of the report")
    command.add_argument("--author", default="", metavar="NAME", help="author of the report")


def _add_storage(commands: _Commands) -> None:
    command = commands.add(
        "backup", storage.backup, "back up all runs and studies; unchanged files are not copied again"
    )
    command.add_argument("folder", type=_path, metavar="DIR", help="folder of the backup: new, empty or a backup")
    command.add_argument("--verify", action="store_true", help="also compare the contents of all files and copies")
    command = commands.add(
        "restore-backup",
        storage.restore_backup,
        "restore the runs that are missing here from a backup",
        makes_runs=True,
    )
    command.add_argument("folder", type=_path, metavar="DIR", help="folder of the backup")
    which = "a run in the backup, also one that is here and damaged (default: all runs that are missing here)"
    command.add_argument("run", nargs="*", metavar="RUN", help=which)

    command = commands.add("check", storage.check, "check every file against its record (default: of everything)", "*")
    command.add_argument("--repair", action="store_true", help="repair what can be repaired; damaged files are kept")
    command = commands.add("storage", storage.storage, "show the space that the runs take, and choose what is deleted")
    days = "days, or “never”"
    for option, what in (
        ("--empty-trash-after", "delete runs and studies for good so many days after they were moved to the trash"),
        (
            "--delete-states-after",
            "delete the saved states of runs so many days after they finished; these runs cannot be extended",
        ),
    ):
        command.add_argument(option, type=_days, default=argparse.SUPPRESS, metavar="DAYS", help=f"{what}: {days}")
    at_once = f"number of queued runs to train at once on this computer, from 1 to {MOST_AT_ONCE}, or “auto” (default)"
    command.add_argument("--runs-at-once", type=_at_once, default=argparse.SUPPRESS, metavar="N", help=at_once)


def _add_studies(commands: _Commands) -> None:
    help = "list the report's studies and the time each takes on this computer"
    commands.add("presets", study.presets, help, makes_runs=True)

    command = commands.add("create", study.create, "create a study", makes_runs=True)
    _add_config(command, required=False)
    command.add_argument("--figure", type=_whole, metavar="N", help="one of the report's studies: 3, 5, 7 or 9")
    size = command.add_mutually_exclusive_group()
    size.add_argument(
        "--scale", type=_number, metavar="S", help="multiply its epochs and milestones by S, from 0.1 to 1"
    )
    size.add_argument("--minutes", type=_number, metavar="M", help="scale it to about M minutes on this computer")
    split = "where the training size varies: test all runs on the same images (default), or split as in the report"
    command.add_argument("--split", choices=("common", "report"), help=split)
    command.add_argument("--file", type=_path, metavar="FILE", help="JSON file written by `resnet-lab study export`")
    command.add_argument("--name", default="", metavar="NAME", help="name of the study")
    redraw = "draw the training images anew for each seed"
    command.add_argument("--redraw", action="store_const", const=True, help=redraw)
    _add_values(command)

    commands.add("list", study.list_studies, "list all studies, newest first")
    commands.add("status", study.status, "show the state and result of each run of a study", "one")
    command = commands.add("run", study.run, "train all unfinished runs of a study", "one")
    _add_queue(command)
    _add_yes(command)
    _add_values(commands.add("add", study.add, "add values or seeds to a study", "one"))
    command = commands.add("pause", study.pause, "take a study's runs out of the queue", "one")
    command.add_argument("--running-too", action="store_true", help="also stop the running run")
    commands.add("retry", study.retry, "queue a study's failed runs again", "one")

    command = commands.add("figures", study.figures, "write a study's figures and findings", "one")
    command.add_argument("--to", type=_path, required=True, metavar="DIR", help="folder for the files")
    help = "write a report to hand in: HTML, tables and figures for LaTeX, data"
    _add_report(commands.add("hand-in", takeaway.study_hand_in, help, "one"))
    command = commands.add("export", study.export, "write a study's definition as JSON", "one")
    command.add_argument("--to", type=_path, metavar="FILE", help="file to write (default: print it)")

    commands.add("trash", study.trash, "move a study to the trash; its runs are kept", "one")
    commands.add("restore", study.restore, "restore a study from the trash, or list the trash", "?")


def _add_searches(commands: _Commands) -> None:
    command = commands.add("create", search.create, "create a search", makes_runs=True)
    _add_config(command, required=False)
    ranges = "setting and its range or values: “train.lr=0.01 to 1”, “train.optimizer=sgd,adamw”; repeatable"
    command.add_argument("--vary", action="append", default=[], metavar="SETTING=RANGE", help=ranges)
    command.add_argument("--name", default="", metavar="NAME", help="name of the search")
    command.add_argument("--trials", type=_positive, metavar="N", help="budget: at most N trials")
    command.add_argument("--minutes", type=_number, metavar="M", help="budget: M minutes of training of all trials")
    command.add_argument("--sampler", choices=SAMPLERS, default="tpe", help="what chooses the trials (default: tpe)")
    command.add_argument("--pruner", choices=PRUNERS, default="median", help="what stops trials (default: median)")
    seeds = "seeds that each trial is trained with (default: 1)"
    command.add_argument("--seeds-per-trial", type=_positive, default=1, metavar="N", help=seeds)
    command.add_argument("--parallel", type=_positive, default=1, metavar="N", help="trials at a time (default: 1)")
    command.add_argument("--search-seed", type=_whole, default=0, metavar="SEED", help="seed of the sampler")

    commands.add("list", search.list_searches, "list all searches, newest first")
    commands.add("show", search.show, "show the trials, the best and the confirmation of a search", "one")
    command = commands.add("run", search.run, "train the trials of a search until its budget is used up", "one")
    _add_queue(command)
    _add_yes(command)
    commands.add("pause", search.pause, "stop the trials of a search; `run` continues them", "one")
    command = commands.add("extend", search.extend, "change the budget of a search", "one")
    command.add_argument("--trials", type=_positive, metavar="N", help="trials in all")
    command.add_argument("--minutes", type=_number, metavar="M", help="minutes of training in all")
    command = commands.add("confirm", search.confirm_best, "train the best trials and the base with new seeds", "one")
    command.add_argument("--seeds", type=_positive, default=3, metavar="N", help="new seeds for each (default: 3)")
    _add_queue(command)
    commands.add("trash", search.trash, "move a search to the trash; its runs are kept", "one")
    commands.add("restore", search.restore, "restore a search from the trash, or list the trash", "?")


def _add_about(commands: _Commands) -> None:
    command = commands.add("data", about.data, "get CIFAR-10 and verify it")
    command.add_argument("--folder", type=_path, metavar="DIR", help="folder to keep it in (default: $RESNET_LAB_DATA)")
    command.add_argument("--source", type=_path, metavar="PATH", help="folder or archive of CIFAR-10 on this computer")
    _add_config(commands.add("layers", about.layers, "list the layers of a network", "?"), required=False)
    commands.add("settings", about.settings, "list all settings with range and default")
    commands.rename("knobs", "settings")
    commands.add("presets", about.presets, "list the presets to start from")


def _add_config(parser: _Parser, *, required: bool) -> None:
    base = parser.add_mutually_exclusive_group(required=required)
    base.add_argument("--preset", metavar="NAME", help=f"start from a preset: {', '.join(PRESETS)}")
    base.add_argument("--config", type=_path, metavar="FILE", help="start from a file, such as a run's config.json")
    change = "change a setting, such as train.batch_size=64; repeatable (`resnet-lab settings` lists all)"
    parser.add_argument("--set", action="append", default=[], metavar="SETTING=VALUE", help=change)


def _add_values(parser: _Parser) -> None:
    values = "setting and its values; repeatable (separated by semicolons, values may be like 5,000)"
    parser.add_argument("--vary", action="append", default=[], metavar="SETTING=V1,V2,…", help=values)
    parser.add_argument("--seeds", default="", metavar="SEEDS", help="seeds, such as 0,1,2 or 0-4")


def _add_queue(parser: _Parser) -> None:
    parser.add_argument("--queue", action="store_true", help="queue it for the app, instead of training it here")


def _add_yes(parser: _Parser) -> None:
    parser.add_argument("--yes", action="store_true", help="train even if it needs more memory than there is")


def _typed(text: str, read: Callable[[str], _Number], what: str) -> _Number:
    """Return a number as a person types it. Raises argparse's error if ``text`` is not ``what``."""
    try:
        return read(text)
    except Ambiguous as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    except ValueError:
        raise argparse.ArgumentTypeError(f"“{one_line(text, 40)}” is not {what}") from None


def _number(text: str) -> float:
    return _typed(text, decimal_number, "a number")


def _whole(text: str) -> int:
    return _typed(text, whole_number, "a whole number")


def _path(text: str) -> Path:
    """The path in an argument. An empty one, such as an unset variable of a shell, would mean the present folder."""
    try:
        path = path_from_text(text)
    except SettingError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if path is None:
        raise argparse.ArgumentTypeError("the name is empty")
    return path


def _positive(text: str) -> int:
    if (number := _typed(text, whole_number, what := "a whole number of at least 1")) < 1:
        raise argparse.ArgumentTypeError(f"“{one_line(text, 40)}” is not {what}")
    return number


def _days(text: str) -> int | None:
    days = None if text == "never" else _positive(text)
    if days and days > MOST_DAYS:
        raise argparse.ArgumentTypeError(f"at most {MOST_DAYS:,} days are allowed, or “never”")
    return days


def _at_once(text: str) -> int | None:
    return None if text == "auto" else _positive(text)


def _seeds(text: str) -> int:
    if (number := _positive(text)) > MOST_SEEDS:
        raise argparse.ArgumentTypeError(f"{number:,} runs are too many; at most {MOST_SEEDS:,} are allowed")
    return number
