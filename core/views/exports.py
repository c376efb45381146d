"""Runs as files to download: the table of runs and their epochs as CSV, whole runs as JSON or .zip."""

import io
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import pandas as pd

from core.base.strict_json import to_json
from core.config.run_config import SETTINGS
from core.runs import transfer
from core.runs.store import RunStore
from core.runs.summary import AnyRun, RunSummary
from core.runs.table import CURVE, frame


def table_csv(runs: Iterable[AnyRun]) -> str:
    """Return the columns of ``RunStore.frame()`` but the curve; settings as the command line writes them."""
    runs = list(runs)
    table = frame(runs).drop(columns=CURVE)
    summaries = [run if isinstance(run, RunSummary) else None for run in runs]
    table["tags"] = [",".join(run.meta.tags) if run else None for run in summaries]
    for path, setting in SETTINGS.items():
        table[path] = [setting.show(run.config[path]) if run else None for run in summaries]
    return table.to_csv(index=False)


def metrics_csv(store: RunStore, run_ids: Sequence[str]) -> str:
    """Return a row for each epoch of the runs, with the run's id and name, and a column for each class's results."""
    tables = []
    for run_id in run_ids:
        metrics, classes = store.metrics(run_id), store.run(run_id).config().data.classes
        for column in ("val_loss_by_class", "val_accuracy_by_class"):
            names = {at: f"{column.removesuffix('_by_class')}_{name}" for at, name in enumerate(classes)}
            by_class = pd.DataFrame(metrics.pop(column).tolist(), index=metrics.index)
            metrics = metrics.join(by_class.reindex(columns=list(names)).rename(columns=names))
        metrics.insert(0, "run", run_id)
        metrics.insert(1, "name", store.run(run_id).meta().name)
        tables.append(metrics)
    return pd.concat(tables, ignore_index=True).to_csv(index=False) if tables else ""


def runs_json(store: RunStore, run_ids: Sequence[str]) -> str:
    """Return whole runs as strict JSON: name, tags, note, settings, result and every epoch."""
    return to_json([_content(store, run_id) for run_id in run_ids], indent=1, ensure_ascii=False)


def _content(store: RunStore, run_id: str) -> dict[str, Any]:
    run = store.run(run_id)
    meta = run.meta()
    return {
        "id": run_id,
        "name": meta.name,
        "tags": meta.tags,
        "note": meta.note,
        "created_at": datetime.fromtimestamp(meta.created_at).astimezone().isoformat(),
        "environment": meta.environment,
        "config": run.config().to_dict(),
        "result": run.result(),
        "epochs": [asdict(record) for record in run.records()],
    }


def runs_zip(store: RunStore, run_ids: Sequence[str]) -> bytes:
    """Return whole runs with their weights, as :func:`core.runs.transfer.import_runs` reads them."""
    packed = io.BytesIO()
    transfer.export(store, run_ids, packed)
    return packed.getvalue()
