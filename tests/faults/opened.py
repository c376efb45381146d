"""The real app on a test's own runs, and what a person reads on a page."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import core.jobs.worker
from core.data import cifar10
from core.runs.store import RunStore
from tests.made import idle_worker

APP = Path(__file__).parents[2] / "app.py"
PAGES = ("home", "new_run", "run", "compare", "studies", "leaderboard", "dataset", "classify")


def app_on(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """The app on ``store``, opened at Home, with a worker that takes no run."""
    monkeypatch.setenv("RESNET_LAB_RUNS", str(store.root))
    return fresh(monkeypatch)


def fresh(monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """The app as the environment says, opened at Home. Only this first time AppTest runs app.py around a page."""
    monkeypatch.setattr(core.jobs.worker, "ensure_worker", idle_worker)
    monkeypatch.setattr(cifar10, "available", lambda folder=None: True)
    return AppTest.from_file(str(APP), default_timeout=30).run()


def opened(app: AppTest, page: str, /, **address: str | list[str]) -> AppTest:
    """A page opened by its address; whatever is in it, no page may end in a traceback."""
    app.query_params.clear()
    for name, value in address.items():
        app.query_params[name] = value
    app.switch_page(f"pages/{page}.py").run()
    assert not app.exception, app.exception[0].value
    return app


def sentences(app: AppTest) -> str:
    """Every error and warning of the page as a person reads it: Markdown's backslashes and joiners are not shown."""
    shown = "\n".join(one.value for one in (*app.error, *app.warning))
    return shown.replace("\\", "").replace("\N{WORD JOINER}", "")
