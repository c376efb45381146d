"""Write docs/hand-in/ and docs/hand-in.png: the report to hand in about a reference study. Needs Chromium.

    python -m docs.tools.hand_in

The web page has 1.4 MB of Plotly in it, so it is not committed; report.pdf is what a browser prints of it.
"""

import shutil
import tempfile
from pathlib import Path

from benchmarks.common import chromium
from core.base.paths import PROJECT
from core.jobs.predict import predict_all
from core.runs.store import RunStore
from core.takeaway.content import content_of
from core.takeaway.report import write
from core.takeaway.subject import of_study
from docs.tools.common import reference_studies

DOCS = PROJECT / "docs"
FOLDER = DOCS / "hand-in"


def main() -> None:
    """Write the report about the reference study with the most runs, print it, and take a screenshot."""
    store = RunStore(PROJECT / "runs")
    reference = reference_studies(store)[0]
    predict_all(store, store.without_predictions(map(str, reference.table["run_id"])))  # compared image by image
    content = content_of(of_study(store, reference.study_id))
    shutil.rmtree(FOLDER, ignore_errors=True)
    _, missing = write(content, FOLDER)
    if missing:
        raise SystemExit(missing)
    page_file = FOLDER / "report.html"
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        page = browser.new_page(viewport={"width": 900, "height": 1200})
        page.goto(page_file.as_uri())
        page.wait_for_function(
            f"document.querySelectorAll('.js-plotly-plot .main-svg').length >= {len(content.charts)}"
        )
        page.screenshot(path=DOCS / "hand-in.png")
        printed = Path(folder) / "report.pdf"
        page.pdf(path=printed, prefer_css_page_size=True, print_background=True)
        shutil.copy(printed, FOLDER)
    page_file.unlink()
    sizes = {path.relative_to(DOCS): path.stat().st_size for path in sorted(FOLDER.rglob("*")) if path.is_file()}
    for name, size in sizes.items():
        print(f"{size / 1e3:7.1f} kB  {name}")
    print(f"{sum(sizes.values()) / 1e3:7.1f} kB in all")


if __name__ == "__main__":
    main()
