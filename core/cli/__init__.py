"""The command line ``resnet-lab``: its commands, their options and what they print.

:mod:`~core.cli.parser` defines commands and options, :mod:`~core.cli.main` runs one and prints its answer; the other
modules hold the commands. A command decides nothing and computes nothing: it calls the packages below.
"""

from core.cli.answer import Answer
from core.cli.parser import build_parser

__all__ = ["Answer", "build_parser"]
