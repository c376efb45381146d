"""Files to take away: the table of runs, the epochs of some runs, or runs whole, as CSV, strict JSON and .zip."""

import io
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

import pandas as pd

from core.cli.answer import Answer
from core.compare.settings import as_tuple, setting_value
from core.config.run_config import SETTINGS
from core.runs import transfer
from core.runs.store import RunStore
from core.runs.table import CURVE


def table_csv(frame: pd.DataFrame) -> str:
    """The rows with every column but the small curve, settings as the command line writes them."""
    plain = frame.drop(columns=CURVE)
    plain["tags"] = plain["tags"].map(lambda tags: ",".join(as_tuple(tags)))
    for path in SETTINGS:
        sound = frame["state"] != "damaged"
        plain[path] = frame.loc[sound, path].map(lambda cell, path=path: SETTINGS[path].show(setting_value(path, cell)))
    return plain.to_csv(index=False)


def metrics_csv(store: RunStore, run_ids: Sequence[str]) -> str:
    """Every epoch of the runs, a row each, with the run's id and name; a column for each class's figures."""
    tables = []
    for run_id in run_ids:
        metrics, classes = store.metrics(run_id), store.run(run_id).config().data.classes
        for column in ("val_loss_by_class", "val_accuracy_by_class"):
            by_class = pd.DataFrame(metrics.pop(column).tolist(), index=metrics.index).reindex(
                columns=range(len(classes))
            )
            by_class.columns = pd.Index([f"{column.removesuffix('_by_class')}_{name}" for name in classes])
            metrics = metrics.join(by_class)
        metrics.insert(0, "run", run_id)
        metrics.insert(1, "name", store.run(run_id).meta().name)
        tables.append(metrics)
    return pd.concat(tables, ignore_index=True).to_csv(index=False) if tables else ""


def runs_json(store: RunStore, run_ids: Sequence[str]) -> str:
    """The runs whole: name, tags, note, settings, result and every epoch. Strict JSON."""
    content = []
    for run_id in run_ids:
        meta = store.run(run_id).meta()
        content.append(
            {
                "id": run_id,
                "name": meta.name,
                "tags": meta.tags,
                "note": meta.note,
                "created_at": datetime.fromtimestamp(meta.created_at).astimezone().isoformat(),
                "environment": meta.environment,
                "config": store.run(run_id).config().to_dict(),
                "result": store.run(run_id).result(),
                "epochs": [asdict(record) for record in store.run(run_id).records()],
            }
        )
    return Answer("", content).as_json()


def runs_zip(store: RunStore, run_ids: Sequence[str]) -> bytes:
    """The runs with their weights, as :func:`core.runs.transfer.bring_in` takes them elsewhere."""
    packed = io.BytesIO()
    transfer.export(store, run_ids, packed)
    return packed.getvalue()
