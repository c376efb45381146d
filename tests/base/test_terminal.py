"""A terminal, a pipe or a disk that is gone never fails what is reported to it."""

import errno
import io
import os
import subprocess
import sys

import pytest

from core.base.paths import PROJECT
from core.cli.train import Display
from core.records import BatchRecord

PROGRAM = """
import sys, time
from core.base.terminal import open_missing_streams, say
open_missing_streams()
say("first")
time.sleep(float(sys.argv[1]))
for _ in range(1000):
    say("a line " * 100)
print("the answer")
"""


def command(pause: float) -> list[str]:
    return [sys.executable, "-c", PROGRAM, str(pause)]


def test_a_pipe_whose_reader_has_gone() -> None:
    process = subprocess.Popen(command(1), cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout and process.stderr
    assert process.stderr.readline() == "first\n"
    process.stderr.close()
    assert process.stdout.read() == "the answer\n"
    assert process.wait(60) == 0


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="Windows has no pseudo-terminals")
def test_a_terminal_that_was_closed() -> None:
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        command(1), cwd=PROJECT, stdout=subprocess.PIPE, stderr=theirs, text=True, start_new_session=True
    )
    os.close(theirs)
    assert b"first" in os.read(ours, 100)
    os.close(ours)
    assert process.stdout and process.stdout.read() == "the answer\n"
    assert process.wait(60) == 0


@pytest.mark.parametrize("closing", ["2>&-", "2>/dev/full"])
def test_a_stream_that_takes_nothing(closing: str) -> None:
    words = f'exec "$0" -c "$1" 0 {closing}'
    done = subprocess.run(["sh", "-c", words, sys.executable, PROGRAM], cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    assert (done.returncode, done.stdout) == (0, "the answer\n")


def test_a_bar_that_cannot_be_drawn_fails_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        attempts = 0

        def isatty(self) -> bool:
            return True

        def write(self, text: str) -> int:
            self.attempts += 1
            raise OSError(errno.ENXIO, "No such device")

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    display = Display(epochs=1)
    for batch in (1, 2):
        display.on_batch(BatchRecord(1, 1, batch, 2, 2.3, 0.1, 0.1, 500.0, 30.0))
    display.close()
    assert terminal.attempts >= 2
