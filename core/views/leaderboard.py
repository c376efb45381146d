"""The leaderboard: what the report compares itself with, its own results, and this machine's ten-class runs among them.

A table from published numbers and the table of runs (``RunStore.frame()``). How each figure was selected stands beside
it: our runs either chose their epoch on held-out images and touched the test images once, or chose on the test images
as the report did, which flatters; of the others it is not told.
"""

from collections.abc import Mapping

import pandas as pd

from core.compare.settings import as_tuple, config_of
from core.config.run_config import CLASSES
from core.published.points import POINTS
from core.published.tables import RESULTS
from core.stats.intervals import wilson

#: Columns: ``accuracy``, ``low`` and ``high`` in percent (the 95 % interval of the choice of images, where their number
#: ``images`` is known), ``source`` one of :data:`SOURCES`, ``by`` who and when, ``paper`` a link, ``run`` our run's id.
COLUMNS = (
    "name", "accuracy", "source", "chosen_on", "by", "note", "paper", "run", "images", "low", "high",
)  # fmt: skip

TABLE_1, TABLE_2, REPORT, OURS = "Table 1", "Table 2", "the report", "this machine"
SOURCES = (TABLE_1, TABLE_2, REPORT, OURS)

NOT_TOLD, ON_TEST, HELD_OUT = "not told", "test images", "held-out images, tested once"
_STILL = {
    "running": "still training, best so far",
    "stopping": "still training, best so far",
    "queued": "waiting to go on, best so far",
}


def standings(frame: pd.DataFrame, labels: Mapping[str, str]) -> pd.DataFrame:
    """All results, the best first; ``labels`` are what to call our runs, by id.

    Of the runs those of all ten classes that have an accuracy on test images; one that chose on held-out images has it
    when it finishes.
    """
    table = pd.DataFrame([*_published(), *_reported(), *_ours(frame, labels)], columns=list(COLUMNS))
    table["images"] = table["images"].astype("Int64")
    return table.sort_values("accuracy", ascending=False, kind="stable").reset_index(drop=True)


def untested(frame: pd.DataFrame) -> int:
    """How many ten-class runs have finished an epoch but have no accuracy on test images (yet)."""
    rows = _ten_classes(frame)
    return int((rows["best_val_accuracy"].notna() & _tested(rows).isna()).sum())


def _published() -> list[dict[str, object]]:
    return [
        {
            "name": one.method, "accuracy": one.accuracy, "source": f"Table {one.table}", "chosen_on": NOT_TOLD,
            "by": one.authors, "paper": one.link, "note": _note(one.reference, one.note, one.wrong_reference),
        }
        for one in RESULTS
    ]  # fmt: skip


def _note(reference: str, note: str, wrong: bool) -> str:
    return f"the report prints “{reference}”, which is wrong" if wrong else "" if note.startswith("arXiv") else note


def _reported() -> list[dict[str, object]]:
    """The report's two results for ten classes: its usual batch size, and its best."""
    return [
        {
            "name": f"ResNet-20, batch {one.value}", "accuracy": round(100 * one.best_accuracy, 2), "source": REPORT,
            "chosen_on": ON_TEST, "by": "the report", "note": f"Figure {one.figure}; one run, 200 epochs",
            **_interval(one.best_accuracy, one.images),
        }
        for one in POINTS
        if one.varied == "batch_size" and one.value in (32, 128)
    ]  # fmt: skip


def _ours(frame: pd.DataFrame, labels: Mapping[str, str]) -> list[dict[str, object]]:
    rows, made = _ten_classes(frame), []
    tested = _tested(rows)
    for at in rows.index[tested.notna()]:
        row, accuracy = rows.loc[at].to_dict(), float(tested[at])
        sizes = config_of(row).data.sizes()
        note = [f"ResNet-{row['model.depth']:.0f}, {row['epoch']:.0f} epochs of {sizes.train:,} images"]
        if row["state"] != "finished":
            note.append(_STILL.get(row["state"], f"{row['state']} before its end"))
        made.append(
            {
                "name": labels[row["id"]], "accuracy": 100 * accuracy, "source": OURS,
                "chosen_on": HELD_OUT if row["selected_on"] == "held-out" else ON_TEST, "by": OURS,
                "note": "; ".join(note), "run": row["id"], **_interval(accuracy, sizes.test),
            }
        )  # fmt: skip
    return made


def _ten_classes(frame: pd.DataFrame) -> pd.DataFrame:
    of_all = [len(as_tuple(classes)) == len(CLASSES) for classes in frame["data.classes"]]
    return frame[pd.Series(of_all, index=frame.index, dtype=bool) & (frame["state"] != "damaged")]


def _tested(rows: pd.DataFrame) -> pd.Series:
    """Accuracy on test images: measured once, or the best of a run that chose on them."""
    measured, chosen = pd.to_numeric(rows["test_accuracy"]), pd.to_numeric(rows["best_val_accuracy"])
    return measured.where(rows["selected_on"] == "held-out", chosen)


def _interval(share: float, images: int) -> dict[str, object]:
    interval = wilson(share, images)
    return {"images": images, "low": 100 * interval.low, "high": 100 * interval.high}
