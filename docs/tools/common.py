"""Functions that the documentation scripts share: reference studies, image files to classify, pages that are ready."""

import time
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from PIL import Image
from playwright.sync_api import Page

from core.config.sections import CLASSES, TRAIN_IMAGES
from core.data import cifar10
from core.runs.store import RunStore
from core.study.outcomes import outcome_table
from core.study.progress import statuses
from core.study.store import StudyStore
from core.study.study import Study

#: True when the script of the page has run and all its elements are drawn.
READY = """() => {
  const app = document.querySelector('[data-testid=stApp]');
  return app?.dataset.testScriptState === 'notRunning' && document.querySelector('h1')
    && !document.querySelector('[data-testid=stSkeleton], [data-testid=stSpinner], [data-stale=true]');
}"""


@dataclass(frozen=True)
class ReferenceStudy:
    """A study that is committed with the program, and the outcomes of its finished runs."""

    study_id: str
    study: Study
    table: pd.DataFrame

    @property
    def x(self) -> str:
        """The path of the setting that it varies."""
        return self.study.axes[0].path


def reference_studies(store: RunStore) -> list[ReferenceStudy]:
    """Return the reference studies that have finished runs, those with the most runs first."""
    studies, _ = StudyStore(store).all()
    with_outcomes = [
        ReferenceStudy(study_id, study, outcome_table(study, statuses(study_id, study, store.summaries())))
        for study_id, study in studies.items()
        if study.reference
    ]
    return sorted((study for study in with_outcomes if len(study.table)), key=lambda study: -len(study.table))


def test_images(folder: Path, labels: tuple[int, ...] = (1, 7, 8)) -> list[Path]:
    """Write a test image of each class in ``labels`` to ``folder``, enlarged to 256×256; return the files."""
    data, paths = cifar10.load(), []
    for label in labels:
        index = int((data.labels[TRAIN_IMAGES:] == label).argmax()) + TRAIN_IMAGES
        path = folder / f"{CLASSES[label]}.png"
        Image.fromarray(data.images[index].transpose(1, 2, 0)).resize((256, 256)).save(path)
        paths.append(path)
    return paths


def wait_until_ready(page: Page, seconds: float = 1.5) -> None:
    """Wait until the page has been ready for ``seconds``: its script has run, and charts and fonts are there."""
    page.wait_for_load_state("networkidle")
    while True:
        page.wait_for_function(READY, timeout=300_000)
        time.sleep(seconds)
        if page.evaluate(READY):
            return
