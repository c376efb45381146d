"""An ONNX file from another process: the same file, and a crash there is a sentence here."""

import pytest

from core.base.errors import StoreError
from core.takeaway import onnx, onnx_apart
from tests.made import made_run, made_weights, tiny_config


@pytest.fixture
def run_id(store):
    """A finished run with weights."""
    run_id = made_run(store, 2, "finished", tiny_config())
    made_weights(store, run_id)
    return run_id


def test_the_file_is_the_one_that_this_process_would_make(store, run_id):
    assert onnx_apart.onnx_bytes(store, run_id) == onnx.onnx_bytes(store, run_id)


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "crashed"),
        ("import sys; sys.exit('A progress bar\\nThe weights are damaged.')", "^The weights are damaged.$"),
    ],
)
def test_a_process_that_fails_is_a_sentence_and_no_file(store, run_id, monkeypatch, program, said):
    monkeypatch.setattr(onnx_apart, "COMMAND_LINE", ("-c", program))
    with pytest.raises(StoreError, match=said):
        onnx_apart.onnx_bytes(store, run_id)
