"""Files to take away: what is in them is what is in the runs."""

import csv
import io
import json
import re
from datetime import datetime

import pandas as pd
import pytest

from core.base.errors import StoreError
from core.base.paths import PROJECT
from core.config.run_config import RunConfig
from core.runs import transfer
from core.runs.store import RunStore
from core.views import exports
from tests.made import made_record, made_run

BASE = RunConfig().replace({"data.train_size": 4_500, "data.validation_size": 500, "train.epochs": 4})


@pytest.fixture
def some(store):
    """Three runs and a damaged one."""
    made_run(store, name="Baseline", tags=("old", "sgd"), config=BASE)
    made_run(store, name="Pair", config=BASE.replace({"data.classes": ("deer", "dog")}))
    made_run(store, name="adam", config=BASE.replace({"train.optimizer": "adam"}))
    (store.root / made_run(store, name="broken") / "config.json").write_text("{")
    return store


def test_the_table_as_csv_has_every_run_and_setting(some, tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text(exports.table_csv(some.runs()), encoding="utf-8")
    table = pd.read_csv(path).set_index("name")
    assert len(table) == 4
    assert "curve" not in table.columns
    assert json.loads(table.loc["Baseline", "tags"]) == ["old", "sgd"]
    assert table.loc["Pair", "data.classes"] == "deer,dog"
    assert table.loc["adam", "train.optimizer"] == "adam"
    assert table["state"].tolist().count("damaged") == 1


def test_epochs_as_csv_have_a_row_each_and_a_column_a_class(store, tmp_path):
    ids = [
        made_run(store, epochs=2, name="a"),
        made_run(store, epochs=3, config=BASE.replace({"data.classes": ("cat", "dog")})),
    ]
    path = tmp_path / "epochs.csv"
    path.write_text(exports.metrics_csv(store, ids), encoding="utf-8")
    table = pd.read_csv(path)
    assert table["run"].tolist() == [ids[0]] * 2 + [ids[1]] * 3
    assert table.loc[1, "val_accuracy_automobile (0-1)"] == pytest.approx(made_record(2).val_accuracy_by_class[1])
    assert table.loc[4, "val_loss_dog (nats)"] == pytest.approx(made_record(3, 2).val_loss_by_class[1])
    assert table.loc[1, "update_ratio_stage 3"] == pytest.approx(made_record(2).update_ratio[3])
    assert table.loc[4, "dead_relus (0-1)"] == pytest.approx(made_record(3, 2).dead_relus)
    assert table.loc[0, "grad_norm"] == pytest.approx(made_record(1).grad_norm)
    assert exports.metrics_csv(store, []) == ""
    assert exports.metrics_csv(store, [made_run(store, epochs=0)]).startswith("\ufeffrun,")


def cells(text: str) -> list[list[str]]:
    """Return the cells of a CSV file as a spreadsheet reads them."""
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_text_that_a_spreadsheet_would_run_is_only_text(first):
    formula = f"{first}1+2"
    table = pd.DataFrame({"name": [formula, "a=b", ""], formula: [-1, 0, 1], "change": [-0.5, 1e-7, 2]})
    header, *rows = cells(exports.as_csv(table))
    assert header == ["name", f"'{formula}", "change"]
    assert rows == [[f"'{formula}", "-1", "-0.5"], ["a=b", "0", "1e-07"], ["", "1", "2.0"]]


def test_every_text_of_a_run_is_harmless_in_the_table_and_the_epochs(store):
    made_run(store, epochs=1, name="=1+2", tags=("+CMD", "Größe"))
    header, row = cells(exports.table_csv(store.runs()))
    assert row[header.index("name")] == "'=1+2"
    assert json.loads(row[header.index("tags")]) == ["+CMD", "Größe"]
    header, row = cells(exports.metrics_csv(store, [store.runs()[0].id]))
    assert row[header.index("name")] == "'=1+2"


def test_a_csv_file_says_its_encoding_its_units_and_the_zone_of_its_times(store):
    made_run(store, epochs=2, name="Größe", config=BASE)
    text = exports.table_csv(store.runs())
    assert text.encode().startswith(b"\xef\xbb\xbf")
    header, row = cells(text)
    values = dict(zip(header, row, strict=True))
    created = datetime.fromisoformat(values["created_at"])
    assert created.tzinfo is not None
    assert created.timestamp() == int(store.runs()[0].meta.created_at)
    assert (values["train.epochs (epochs)"], values["data.train_size (images)"]) == ("4", "4500")
    assert {"best_val_accuracy (0-1)", "min_val_loss (nats)", "train.lr", "seconds"} <= values.keys()
    assert values["queued_at"] == "" or datetime.fromisoformat(values["queued_at"]).tzinfo


def test_a_tag_with_a_comma_stays_one_tag(store):
    made_run(store, tags=("a,b", "c"))
    header, row = cells(exports.table_csv(store.runs()))
    assert json.loads(row[header.index("tags")]) == ["a,b", "c"]


def test_only_one_place_of_the_project_writes_csv():
    others = [
        path
        for folder in ("core", "pages")
        for path in (PROJECT / folder).rglob("*.py")
        if re.search(r"to_csv|csv\.writer|DictWriter", path.read_text(encoding="utf-8")) and path.name != "exports.py"
    ]
    assert others == []


def test_runs_as_json_are_strict_and_whole(store):
    run_id = made_run(store, name="a", tags=("t",))
    store.run(run_id).append_record(made_record(5, train_loss=float("nan")))
    (content,) = json.loads(exports.runs_json(store, [run_id]), parse_constant=pytest.fail)
    assert (content["id"], content["name"], content["tags"]) == (run_id, "a", ["t"])
    assert [epoch["epoch"] for epoch in content["epochs"]] == [1, 2, 3, 4, 5]
    assert RunConfig.from_dict(content["config"]) == store.run(run_id).config()
    with pytest.raises(StoreError):
        exports.runs_json(store, ["../x"])


def test_the_zip_of_runs_opens_elsewhere(store, tmp_path):
    first, second = made_run(store), made_run(store)
    elsewhere = RunStore(tmp_path / "elsewhere")
    outcome = transfer.import_runs(elsewhere, io.BytesIO(exports.runs_zip(store, [second, first])), "runs.zip")
    assert outcome.done == [second, first] and elsewhere.run(first).records() == store.run(first).records()
