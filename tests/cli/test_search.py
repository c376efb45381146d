"""`resnet-lab search …`: created, trained here, shown, paused, confirmed, with JSON that scripts can read."""

import json

import pytest

from core.cli.main import main
from core.data import cifar10
from core.runs.store import RunStore
from core.search.store import SearchStore
from tests.made import tiny_config
from tests.search_made import driven, made_search, made_training, started


@pytest.fixture
def cli(store, capsys, monkeypatch):
    """Call the command line on the test's own runs; return its exit code, and its JSON or what it said."""
    monkeypatch.setattr(cifar10, "require", lambda *_: None)

    def call(*words: str):
        code = main(["--runs", str(store.root), "search", *words, "--json"])
        out = capsys.readouterr().out
        return code, json.loads(out) if out else None

    return call


@pytest.fixture
def base(tmp_path):
    path = tmp_path / "base.json"
    path.write_text(json.dumps(tiny_config("train.epochs=3").to_dict()))
    return str(path)


def test_a_search_is_created_and_shown(cli, store, base):
    code, answer = cli(
        *("create", "--config", base, "--vary", "train.lr=0.01 to 1", "--vary", "train.optimizer=sgd,adamw"),
        *("--trials", "3", "--minutes", "5", "--pruner", "none", "--name", "rates"),
    )
    assert code == 0
    assert answer["search"]["vary"] == {
        "train.lr": {"low": 0.01, "high": 1.0, "log": True},
        "train.optimizer": {"choices": ["sgd", "adamw"]},
    }
    assert (answer["search"]["trials"], answer["search"]["minutes"]) == (3, 5.0)
    assert cli("show", "rates")[1]["id"] == answer["id"]
    assert cli("list")[1] == [{"id": answer["id"], "name": "rates", "trials": 0, "best": None}]


def test_what_a_search_does_in_vain_or_cannot_hold_is_said(store, base, capsys):
    """The base is small; the largest trial is not."""
    words = ("--runs", str(store.root), "search")
    sizes = ("--set", "data.train_size=all", "--set", "train.batch_size=8192", "--vary", "model.width=8 to 128")
    made = ("create", "--config", base, *sizes, "--vary", "model.depth=8,110", "--trials", "3", "--name", "huge")
    assert main([*words, *made]) == 0
    said = capsys.readouterr().err
    assert "GB of memory" in said and "random sampler" in said and "stops no trial" in said
    assert main([*words, "run", "huge", "--queue"]) == 1
    assert "--yes" in capsys.readouterr().err and store.ids() == []


def test_a_search_is_trained_here_to_its_end(cli, store, monkeypatch):
    search_id = SearchStore(store).create(made_search(trials=3))

    def trained(store: RunStore, run_id: str, ctrl_c, on_epoch=None):
        made_training(store, run_id, lambda: on_epoch(None))

    monkeypatch.setattr("core.cli.search.train_existing", trained)
    code, answer = cli("run", search_id)
    assert code == 0
    assert [trial["state"] for trial in answer["trials"]] == ["finished"] * 3
    assert answer["done"] and not answer["going"] and answer["used"]["share"] == 1.0
    assert answer["best"] == max(answer["trials"], key=lambda trial: trial["value"])["number"]


def test_a_search_is_left_to_the_app_and_paused(cli, store):
    search_id = SearchStore(store).create(made_search(trials=3))
    assert cli("run", search_id, "--queue")[1]["going"]
    assert not cli("pause", search_id)[1]["going"]
    assert cli("extend", search_id, "--trials", "9")[1]["search"]["trials"] == 9


def test_the_best_is_confirmed(cli, store):
    search_id = started(store, made_search(trials=3))
    driven(store, search_id)
    assert cli("confirm", search_id, "--queue", "--seeds", "2")[0] == 0
    for run_id in store.queue.ids():
        made_training(store, run_id)
    verdict = cli("show", search_id)[1]["verdict"]
    assert verdict["selection"] == pytest.approx(verdict["gain_seen"] - verdict["gain_confirmed"])
    assert verdict["test"]["interval"] is not None
    assert len(cli("show", search_id)[1]["confirmed"]) == 3


@pytest.mark.parametrize(
    "words",
    [("create",), ("create", "--vary", "train.lr=1"), ("create", "--vary", "train.lr=0.1 to 1"), ("show", "none")],
)
def test_what_is_missing_is_an_error(cli, words):
    assert cli(*words)[0] != 0


def test_the_trash_and_back(cli, store):
    search_id = SearchStore(store).create(made_search())
    assert cli("trash", search_id)[1] == {"trashed": search_id}
    assert cli("restore")[1] == {"trash": [search_id]}
    assert cli("restore", search_id)[1] == {"restored": search_id}
