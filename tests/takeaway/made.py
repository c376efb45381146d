"""Made-up studies and runs to report about, some with names that mean something to HTML, LaTeX and Markdown."""

from core.config.run_config import RunConfig
from core.runs.store import RunStore
from core.study.store import StudyStore
from core.study.study import Axis, Study
from tests.made import made_run

#: What a stranger could call a run.
HOSTILE = '<script>alert(1)</script> & 100 % of $x_1^2$ \\input{/etc/passwd} {#} ~ "q" `b` | a--b 雪 **bold** {{ 7*7 }}'

BASE = RunConfig().replace(
    {
        "train.epochs": 4,
        "data.train_size": 4_500,
        "data.validation": "test",
        "data.classes": ("cat", "dog"),
        "train.lr": 0.1,
    }
)


def made_study(store: RunStore, seeds: int = 2, *, failed: int = 0, missing: int = 0, **about: str) -> str:
    """A study of two learning rates whose first runs failed or are missing; the others have finished."""
    study = Study("rates", BASE, (Axis("train.lr", (0.1, 0.2)),), tuple(range(seeds)), **about)
    study_id = StudyStore(store).create(study)
    for at, cell in enumerate(study.cells()):
        if at >= missing:
            state = "failed" if at < missing + failed else "finished"
            made_run(store, 3 + at, state, cell.config, study=study_id, environment={"precision": "fp32"})
    return study_id


def made_tested_run(store: RunStore, accuracy: float, **about: object) -> str:
    """A finished run with held-out images and an accuracy on the test set."""
    settings = {"data.validation": "held-out", "data.validation_size": 500, **about.pop("settings", {})}
    run_id = made_run(store, 4, "finished", BASE.replace(settings), **about)
    store.run(run_id).write_result({"best": {"accuracy": accuracy, "loss": 0.5, "epoch": 4}})
    return run_id
