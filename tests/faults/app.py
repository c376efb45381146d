"""Open the real app on a test's own runs and read the errors that a page shows."""

import pytest
from streamlit.testing.v1 import AppTest

import core.jobs.worker
import core.search.driver
from core.data import cifar10
from core.runs.store import RunStore
from tests.made import idle_driver, idle_worker
from tests.pages.conftest import APP

PAGES = ("home", "new_run", "run", "compare", "studies", "leaderboard", "dataset", "classify")


def app_on(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """Return the app on ``store``, opened at Home, with a worker that never takes a run."""
    monkeypatch.setenv("RESNET_LAB_RUNS", str(store.root))
    return new_app(monkeypatch)


def new_app(monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """Return the app as the environment configures it, opened at Home. AppTest runs app.py only this first time."""
    monkeypatch.setattr(core.jobs.worker, "ensure_worker", idle_worker)
    monkeypatch.setattr(core.search.driver, "ensure_driver", idle_driver)
    monkeypatch.setattr(cifar10, "available", lambda folder=None: True)
    return AppTest.from_file(str(APP), default_timeout=30).run()


def open_page(app: AppTest, page: str, /, **address: str | list[str]) -> AppTest:
    """Open a page by its address and check that it shows no traceback."""
    app.query_params.clear()
    for name, value in address.items():
        app.query_params[name] = value
    app.switch_page(f"pages/{page}.py").run()
    assert not app.exception, app.exception[0].value
    return app


def errors_on(app: AppTest) -> str:
    """Return the page's errors and warnings as shown: without Markdown's backslashes and joiners."""
    shown = "\n".join(element.value for element in (*app.error, *app.warning))
    return shown.replace("\\", "").replace("\N{WORD JOINER}", "")


def assert_names(text: object, *words: str) -> None:
    """Check that an error is a short message that names every one of ``words``, in whatever sentence."""
    message = str(text)
    assert 0 < len(message) < 600 and "Traceback" not in message, message[:2_000]
    missing = [word for word in words if word.casefold() not in message.casefold()]
    assert not missing, f"{message!r} does not name {missing}"
