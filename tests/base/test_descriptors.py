"""Descriptors that are kept for files, in a process of their own: its limit is set once."""

import subprocess
import sys

import pytest

from core.base.paths import PROJECT

resource = pytest.importorskip("resource")

_SCRIPT = """
import os, resource, socket, sys
from pathlib import Path
from core.base import descriptors, files
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 256))
descriptors.prepare()
descriptors.prepare()
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
taken = []
try:
    while True:
        taken.append(socket.socket())
except OSError as error:
    print(error.errno)
folder = Path(sys.argv[1])
for number in range(100):
    files.write_atomically(folder / "a.json", str(number))
    files.append_to_file(folder / "b.txt", b"line\\n")
    assert files.read_file(folder / "a.json") == str(number).encode()
try:
    taken.append(socket.socket())
except OSError as error:
    print(error.errno)
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def test_connections_leave_descriptors_for_files(tmp_path):
    command = [sys.executable, "-c", _SCRIPT, str(tmp_path)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["224", "256", "24", "24", "224", "256"]
    assert (tmp_path / "b.txt").read_bytes().count(b"line") == 100
