"""The ONNX file of a run, written by a process of its own.

PyTorch's exporter changes the state of its whole process, while other threads train and draw pages. With PyTorch 2.10
an export ended the process with a segmentation fault, and a server with all its runs must not end for a file.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from core.base.errors import StoreError
from core.base.paths import PROJECT
from core.base.text import one_line
from core.runs.store import RunStore

#: Seconds after which an export is given up; it took 13 on two cores.
PATIENCE = 300.0
#: Arguments of Python that start the command line.
COMMAND_LINE = ("-m", "core")


def onnx_bytes(store: RunStore, run_id: str) -> bytes:
    """Return what :func:`core.takeaway.onnx.onnx_bytes` does. Raises StoreError with its sentence, or if it crashes."""
    with tempfile.TemporaryDirectory(prefix="resnet-lab-") as folder:
        path = Path(folder) / "network.onnx"
        command = [sys.executable, *COMMAND_LINE, "export-onnx", run_id, "--to", str(path)]
        command += ["--runs", str(store.root.resolve())]
        try:
            ended = subprocess.run(
                command, cwd=PROJECT, capture_output=True, text=True, errors="replace", timeout=PATIENCE
            )
        except subprocess.TimeoutExpired:
            raise StoreError(f"The ONNX file was not ready after {PATIENCE / 60:.0f} minutes. Try again.") from None
        if ended.returncode == 1 and (said := ended.stderr.strip()):
            raise StoreError(one_line(said.splitlines()[-1], 1_000))
        if ended.returncode:
            raise StoreError(
                f"The program that writes ONNX files crashed (exit status {ended.returncode}). Nothing was written; "
                "take the weights instead."
            )
        return path.read_bytes()
