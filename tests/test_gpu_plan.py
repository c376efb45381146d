"""Stages on a machine that is lent for minutes: limits, failures, going on where the last command was cut off."""

import sys
import tarfile
import time
import types
from pathlib import Path

import pytest

from benchmarks import gpu_plan
from benchmarks.gpu_plan import Plan, Stage, Workplace, keep_run

#: What a stage of each name does; ``out`` is its part of the report.
SCRIPTS = {
    "good": "out.write_text('one\\n')",
    "bad": "raise SystemExit(3)",
    "late": f"raise SystemExit({gpu_plan.CUT_OFF})",
    "hangs": """
out.write_text('half\\n')
child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])
done = out.with_suffix('.part')
done.write_text(str(child.pid))
done.rename(out.with_suffix('.child'))
time.sleep(600)""",
}


@pytest.fixture(autouse=True)
def no_time_before_it_hangs(tmp_path, monkeypatch):
    """A clock that stands until the stage that hangs has done what it does, and is then far ahead."""
    hangs = Workplace(tmp_path / "work", tmp_path / "results").part("hangs").with_suffix(".child")
    clock = types.SimpleNamespace(monotonic=lambda: 1_000.0 if hangs.exists() else 0.0)
    monkeypatch.setattr(gpu_plan, "time", clock)


def new_plan(folder: Path, seconds: float = 5_000.0) -> tuple[Plan, Workplace]:
    workplace = Workplace(folder / "work", folder / "results")

    def command(stage: Stage, seconds: float) -> list[str]:
        start = f"import pathlib, subprocess, sys, time; out = pathlib.Path({str(workplace.part(stage.name))!r})\n"
        return [sys.executable, "-c", start + SCRIPTS[stage.name]]

    return Plan(workplace, command, seconds), workplace


def is_running(pid: int) -> bool:
    try:
        return "zombie" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_a_stage_that_hangs_or_fails_does_not_stop_the_next(tmp_path):
    plan, workplace = new_plan(tmp_path)
    plan.run([Stage("hangs", 0.1, 0.0), Stage("bad", 60.0, 0.0), Stage("good", 60.0, 0.0)])
    assert workplace.outcome("hangs").startswith("killed after")
    assert "exit status 3" in workplace.outcome("bad")
    report = (tmp_path / "results" / "gpu.md").read_text()
    assert report.index("half") < report.index("(hangs: killed") < report.index("(bad: failed") < report.index("one")
    child = int(workplace.part("hangs").with_suffix(".child").read_text())
    for _ in range(1_000):  # it is being killed
        if is_running(child):
            time.sleep(0.01)
    assert not is_running(child)


def test_the_same_command_goes_on_with_what_has_not_ended(tmp_path):
    plan, workplace = new_plan(tmp_path, seconds=0.1)
    plan.run([Stage("good", 60.0, 0.0), Stage("hangs", 60.0, 0.0), Stage("bad", 60.0, 30.0)])
    assert workplace.outcome("good")
    assert workplace.outcome("hangs") is None, "it was cut off by the end of the time, not by its own limit"
    assert workplace.outcome("bad") is None, "it was not begun"
    workplace.part("good").write_text("kept")
    plan, workplace = new_plan(tmp_path)
    plan.run([Stage("good", 60.0, 0.0), Stage("bad", 60.0, 30.0)])
    assert workplace.part("good").read_text() == "kept"
    assert workplace.outcome("bad")


@pytest.mark.parametrize("limit", [10.0, 1_000.0])
def test_a_stage_that_stops_itself_is_given_again_if_the_time_was_over(tmp_path, limit):
    plan, workplace = new_plan(tmp_path, seconds=100.0)
    plan.run([Stage("late", limit, 0.0)])
    outcome = workplace.outcome("late")
    assert outcome is None if limit > 100 else outcome.startswith("cut off")


def test_finished_runs_are_packed_once_as_they_come(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu_plan, "TAR_BYTES", 5_000)
    workplace = Workplace(tmp_path / "work", tmp_path / "results")
    for name in ("a", "b"):
        run = tmp_path / name
        run.mkdir()
        (run / "config.json").write_text("{}" * 3_000)
        (run / "last.pt").write_text("state")
        keep_run(run, workplace.finished, without="*.pt")
        workplace.publish([])
    (workplace.finished / "c.part").mkdir()
    workplace.publish([])
    for number, name in ((1, "a"), (2, "b")):
        with tarfile.open(tmp_path / "results" / f"runs-{number}.tar") as tar:
            assert tar.getnames() == [name, f"{name}/config.json"]
    assert len(list((tmp_path / "results").glob("*.tar"))) == 2
