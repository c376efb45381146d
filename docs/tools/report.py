"""Write docs/report.md: each claim of the report with the evidence for and against it.

    python -m docs.tools.report

The report's own numbers come from core/published, ours from the reference runs and studies in runs/. The page The
report shows the same for the runs of one's own computer.
"""

from benchmarks.common import publish
from core.base.paths import PROJECT
from core.runs.store import RunStore
from core.study.checked import as_markdown, checked
from core.views.report import results_markdown, results_text


def tables() -> str:
    """Return Tables 1 and 2 with right references, as Markdown."""
    return "\n".join([results_text(), "", results_markdown()])


def main() -> None:
    """Write both parts of the page."""
    store = RunStore(PROJECT / "runs")
    reference = [run.id for run in store.summaries() if run.meta.reference]
    publish("report", "claims", as_markdown(checked(store)))
    publish("report", "tables", tables())
    print(f"Wrote docs/report.md from {len(reference)} reference runs.")


if __name__ == "__main__":
    main()
