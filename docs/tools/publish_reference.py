"""Make runs and studies that were trained here the program's own, so that they can be committed.

    python -m docs.tools.publish_reference STUDY … [--run RUN …]

Every finished run of the studies, and the runs named, become reference runs: read-only, without the state to
go on from (three quarters of their size) and without their owner's name. They keep their weights, a megabyte
each, so that every page can do with them what it does with others. What is left is listed with its size,
ready for `git add -f`.
"""

import argparse
import json
from dataclasses import replace

from core.base.files import write_atomically
from core.base.paths import runs_folder
from core.runs.store import RunStore
from core.study.outcomes import outcome_table
from core.study.progress import statuses
from core.study.store import StudyStore

KEPT = (
    "config.json", "meta.json", "status.json", "metrics.jsonl", "result.json", "log.txt", "best.safetensors",
)  # fmt: skip


def publish_run(store: RunStore, run_id: str) -> int:
    """Make one run a reference; returns the bytes it holds then."""
    status = store.run(run_id).status()
    if status.state != "finished":
        raise SystemExit(f"Run {run_id} is {status.state}; only finished runs can be committed.")
    folder = store.run(run_id).path
    for path in folder.iterdir():
        if path.name not in KEPT:
            path.unlink()
    meta = json.loads((folder / "meta.json").read_text())
    content = {**meta, "owner": "", "reference": True}
    write_atomically(folder / "meta.json", json.dumps(content, indent=1) + "\n")
    anonymous = replace(status, host=None, pid=None)
    store.run(run_id).write_status(anonymous)
    return sum(path.stat().st_size for path in folder.iterdir())


def publish_study(store: RunStore, study_id: str) -> list[str]:
    """Make a study a reference; returns its finished runs."""
    studies = StudyStore(store)
    study = studies.get(study_id)
    found = outcome_table(study, statuses(study_id, study, store.summaries()))
    if found.empty:
        raise SystemExit(f"Study {study_id} has no finished run.")
    path = studies.root / f"{study_id}.json"
    write_atomically(path, json.dumps({**study.to_dict(), "reference": True}, indent=1) + "\n")
    return [str(one) for one in found["run_id"]]


def main() -> None:
    """Publish, and list what there is to add."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", nargs="*")
    parser.add_argument("--run", nargs="*", default=[])
    args = parser.parse_args()
    store = RunStore(runs_folder())
    of_studies = [run_id for study_id in args.study for run_id in publish_study(store, study_id)]
    sizes = {run_id: publish_run(store, run_id) for run_id in dict.fromkeys([*args.run, *of_studies])}
    for study_id in args.study:
        print(store.root / ".studies" / f"{study_id}.json")
    for run_id, size in sizes.items():
        print(f"{store.root / run_id}  {size / 1e6:.2f} MB")
    print(f"{sum(sizes.values()) / 1e6:.2f} MB in all")


if __name__ == "__main__":
    main()
