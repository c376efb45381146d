"""The forks that tests use as programs."""

import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.programs import Program


def test_a_program_does_not_run_what_apptest_left_as_the_main_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = ModuleType("__main__")
    left.__file__ = str(tmp_path / "app.py")
    (tmp_path / "app.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    monkeypatch.setitem(sys.modules, "__main__", left)
    program = Program(code="print('the program')")
    assert program.wait() == 0, program.err
    assert program.out == "the program\n"
    assert not (tmp_path / "ran").exists()
    assert sys.modules["__main__"] is left
