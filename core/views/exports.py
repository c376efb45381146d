"""Files to download: any table as CSV, the table of runs and their epochs, whole runs as JSON or .zip."""

import io
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from core.base.strict_json import to_json
from core.base.text import iso_time
from core.config.run_config import SETTINGS
from core.config.sections import CLASSES
from core.records import STAGES
from core.runs import transfer
from core.runs.store import RunStore
from core.runs.summary import AnyRun, RunSummary
from core.runs.table import CURVE, frame

#: How the text of a cell begins that a spreadsheet would run as a formula.
FORMULA = tuple("=+-@\t\r\n＝＋－＠")
#: Units of columns by a word in their names. Settings have their own, a class's name alone is the column of its
#: probability, and a name with a bracket has its unit already.
UNITS = {"accuracy": "0-1", "probability": "0-1", "dead_relus": "0-1", "loss": "nats", "objective": "nats"}


def as_csv(table: pd.DataFrame) -> str:
    """Return a table as this program writes all its CSV files, for spreadsheets and for scripts.

    The file begins with a byte-order mark, without which spreadsheets misread “Größe”. Text that a spreadsheet would
    run as a formula gets an apostrophe in front; numbers stay numbers. Times (columns ``…_at``, in seconds since 1970)
    are written in ISO 8601 with their zone, lists as JSON. Columns with a unit have it in their name:
    ``val_loss (nats)``.
    """
    cells = {name: [_cell(str(name), value) for value in table[name]] for name in table}
    # Without a type of its own, a column of whole numbers and gaps would become one of fractions.
    written = pd.DataFrame(cells, columns=table.columns, dtype=object).rename(columns=_with_unit)
    # With \n alone at the end of lines, a carriage return in a cell would not be quoted.
    return "\ufeff" + written.to_csv(index=False, lineterminator="\r\n")


def _cell(column: str, value: Any) -> Any:
    if isinstance(value, list | tuple):
        return to_json(list(value), ensure_ascii=False)
    if column.endswith("_at"):
        return iso_time(value)
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _with_unit(name: object) -> str:
    column = str(name)
    words = (unit for word, unit in UNITS.items() if word in column and "(" not in column)
    unit = SETTINGS[column].unit if column in SETTINGS else "0-1" if column in CLASSES else next(words, "")
    return _cell("", f"{column} ({unit})" if unit else column)


def table_csv(runs: Iterable[AnyRun]) -> str:
    """Return the columns of ``RunStore.frame()`` but the curve; settings as the command line writes them."""
    runs = list(runs)
    table = frame(runs).drop(columns=CURVE)
    summaries = [run if isinstance(run, RunSummary) else None for run in runs]
    for path, setting in SETTINGS.items():
        table[path] = [setting.show(run.config[path]) if run else None for run in summaries]
    return as_csv(table)


def metrics_csv(store: RunStore, run_ids: Sequence[str]) -> str:
    """Return a row for each epoch of the runs, with the run's id and name.

    Each class's results and each stage's ratio of update to weight have a column of their own.
    """
    tables = []
    for run_id in run_ids:
        metrics, classes = store.metrics(run_id), store.run(run_id).config().data.classes
        parts = {"val_loss_by_class": classes, "val_accuracy_by_class": classes, "update_ratio": STAGES}
        for column, part_names in parts.items():
            names = {at: f"{column.removesuffix('_by_class')}_{name}" for at, name in enumerate(part_names)}
            by_class = pd.DataFrame(metrics.pop(column).tolist(), index=metrics.index)
            metrics = metrics.join(by_class.reindex(columns=list(names)).rename(columns=names))
        metrics.insert(0, "run", run_id)
        metrics.insert(1, "name", store.run(run_id).meta().name)
        tables.append(metrics)
    return as_csv(pd.concat(tables, ignore_index=True)) if tables else ""


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
        "created_at": iso_time(meta.created_at),
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
