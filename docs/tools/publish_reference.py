"""Turn runs and studies that were trained here into reference runs, so that they can be committed.

    python -m docs.tools.publish_reference STUDY … [--run RUN …]

Every finished run of the studies, and the named runs, become read-only reference runs. They lose their owner's name and
the state for resuming, which is three quarters of their size, and keep their weights (about 1 MB each) and predictions,
so that every page works with them. Predictions that a run does not have are computed; a run that is a reference run
already can be named for them. The script prints the paths to commit with ``git add -f`` and their sizes.
"""

import argparse
from dataclasses import asdict, replace

from core.base.files import write_json
from core.base.paths import runs_folder
from core.base.strict_json import with_check
from core.jobs.predict import computed
from core.runs.check import check_run
from core.runs.predictions import predictions_bytes
from core.runs.store import RunStore
from core.study.outcomes import outcome_table
from core.study.progress import statuses
from core.study.store import StudyStore

#: Files of a run that are committed.
KEPT = (
    "config.json",
    "meta.json",
    "status.json",
    "metrics.jsonl",
    "result.json",
    "predictions.safetensors",
    "log.txt",
    "best.safetensors",
    "checksums.txt",
)


def publish_run(store: RunStore, run_id: str) -> int:
    """Make a run a reference run; return its size in bytes. Raises SystemExit if the run is not finished."""
    run = store.run(run_id)
    status = run.status()
    if status.state != "finished":
        raise SystemExit(f"Run {run_id} is {status.state}. Only finished runs can be committed.")
    if wrong := check_run(run).problems:
        raise SystemExit(" ".join(problem.problem for problem in wrong))
    if run.predictions() is None:
        run.write_predictions(predictions_bytes(computed(run), run.config()))
    for path in run.path.iterdir():
        if path.name not in KEPT:
            path.unlink()
    run.checksums.write_json("meta.json", asdict(replace(run.stored_meta(), owner="", reference=True)))
    run.write_status(replace(status, host=None, pid=None))
    run.tidy_record(at_work=False)
    return sum(path.stat().st_size for path in run.path.iterdir())


def publish_study(store: RunStore, study_id: str) -> list[str]:
    """Make a study a reference; return the ids of its finished runs. Raises SystemExit if it has none."""
    studies = StudyStore(store)
    study = studies.get(study_id)
    table = outcome_table(study, statuses(study_id, study, store.summaries()))
    if table.empty:
        raise SystemExit(f"Study {study_id} has no finished run.")
    path = studies.root / f"{study_id}.json"
    write_json(path, with_check({**study.to_dict(), "reference": True}))
    return [str(run_id) for run_id in table["run_id"]]


def main() -> None:
    """Publish, and print the paths to commit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", nargs="*", help="ids of studies")
    parser.add_argument("--run", nargs="*", default=[], help="ids of runs")
    args = parser.parse_args()
    store = RunStore(runs_folder())
    of_studies = [run_id for study_id in args.study for run_id in publish_study(store, study_id)]
    sizes = {run_id: publish_run(store, run_id) for run_id in dict.fromkeys([*args.run, *of_studies])}
    for study_id in args.study:
        print(store.root / ".studies" / f"{study_id}.json")
    for run_id, size in sizes.items():
        print(f"{store.root / run_id}  {size / 1e6:.2f} MB")
    print(f"{sum(sizes.values()) / 1e6:.2f} MB in total")


if __name__ == "__main__":
    main()
