"""The commands about existing runs."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from core.base.errors import ImageError
from core.cli.runs import CLASSIFIED_AT_ONCE
from core.config.presets import PRESETS
from core.config.run_config import RunConfig
from core.config.sections import CLASSES
from core.images import read
from core.records import HEALTH
from core.runs.predictions import PREDICTIONS
from core.runs.store import RunStore
from core.runs.table import SUMMARY
from tests.cli.conftest import Cli
from tests.made import change_file, made_predictions, made_record, made_run, tiny_config


def test_list_shows_each_run(cli: Cli, store: RunStore) -> None:
    first = made_run(store, epochs=2, name="base")
    second = made_run(store, state="failed", config=RunConfig().replace({"train.epochs": 9, "data.validation": "test"}))
    store.run(first).write_result({"best": {"accuracy": 0.4321, "loss": 1.5}})
    head, newest, oldest = cli("list").out.splitlines()
    assert head.split()[0] == "ID" and newest.startswith(second) and oldest.startswith(first)
    assert "failed" in newest and "4/9" in newest and "test images" in newest
    assert "base" in oldest and "2/2" in oldest and oldest.endswith("held-out images")
    tested, validated = head.index("TEST ACCURACY"), head.index("VAL ACCURACY")
    assert "43.21 %" in oldest[tested - 2 : validated - 2]
    assert f"{100 * made_record(2).val_accuracy:.2f} %" in oldest[validated - 2 :]
    assert f"{100 * made_record(4).val_accuracy:.2f} %" in newest[tested - 2 : validated - 2]


def test_list_as_json_is_strict(cli: Cli, store: RunStore) -> None:
    run_id = made_run(store, epochs=1)
    store.run(run_id).append_record(made_record(2, val_loss=float("nan"), train_loss=float("inf")))
    (run,) = cli("list", "--json").data
    assert tuple(run) == SUMMARY
    assert (run["id"], run["last_val_loss"], run["last_train_loss"]) == (run_id, None, None)
    assert run["best_val_accuracy"] == made_record(2).val_accuracy
    assert run["finished_at"] == 60.0 and run["test_accuracy"] is None


def test_an_empty_list_names_the_first_command(cli: Cli) -> None:
    assert "resnet-lab train --preset quick" in cli("list").out
    assert cli("list", "--json").data == []


def test_a_damaged_run_is_reported_and_the_rest_are_listed(cli: Cli, store: RunStore) -> None:
    bad, good = made_run(store), made_run(store)
    (store.run(bad).path / "status.json").write_text("{")
    result = cli("list")
    assert good in result.out and "damaged" in result.out
    assert "status.json" in result.err and bad in result.err


def test_show_prints_differences_and_results(cli: Cli, store: RunStore) -> None:
    config = PRESETS["he2016"].config.replace({"train.lr": 0.25, "train.epochs": 150})
    run_id = made_run(store, state="failed", config=config, name="mine", tags=("x", "y"), note="because")
    run = store.run(run_id)
    run.write_environment({"torch": "2.9", "threads": 2, "accelerator": None})
    run.write_result({"best": {"accuracy": 0.4321, "loss": 1.5}, "last": {"accuracy": 0.41, "loss": 1.6}})
    text, data = cli("show", "mine").out, cli("show", run_id, "--json").data
    for part in (run_id, "failed", "4 of 150", "x, y", "because", "epoch 3", data["command"]):
        assert part in text
    assert "45,000" in text and "5,000 held-out images" in text and "10,000" in text
    assert f"{100 * made_record(4).val_accuracy:.2f} %" in text and "43.21 %" in text and "41.00 %" in text
    assert "2.9" in text and "accelerator" not in text
    assert f"{100 * made_record(4).dead_relus:.2f} %" in text

    assert [epoch["epoch"] for epoch in data["health"]] == [1, 2, 3, 4]
    assert {name: data["health"][3][name] for name in HEALTH} == {
        name: getattr(made_record(4), name) for name in HEALTH
    }
    assert data["nearest_preset"] == "he2016"
    assert data["command"].endswith("train --preset he2016 --set train.epochs=150 --set train.lr=0.25")
    assert data["differences"]["train.lr"] == {"run": 0.25, "preset": 0.1}
    assert RunConfig.from_dict(data["config"]) == config
    assert data["summary"]["best_epoch"] == 4 and data["status"]["state"] == "failed"
    assert data["part_sizes"] == {"train": 45_000, "validation": 5_000, "test": 10_000}


def test_show_of_a_run_without_epochs(cli: Cli, store: RunStore) -> None:
    store.create(PRESETS["fast"].config)
    text = cli("show", "latest").out
    assert "preset fast" in text and "SETTING" not in text and "VAL ACCURACY" not in text


def test_stop_takes_a_run_out_of_the_queue(cli: Cli, store: RunStore) -> None:
    run_id = store.create(RunConfig())
    assert cli("stop", run_id).out == f"Run {run_id} is stopped.\n"
    assert store.run(run_id).status().state == "stopped"
    result = cli("stop", run_id)
    assert result.code == 1 and run_id in result.err


def test_stop_and_discard(cli: Cli, store: RunStore) -> None:
    run_id = store.create(RunConfig())
    assert cli("stop", run_id, "--discard", "--json").data == {"id": run_id, "state": "trashed"}
    assert store.trash.ids() == [run_id]


def test_stop_asks_the_process_that_trains(cli: Cli, store: RunStore) -> None:
    with store.create_held(RunConfig()) as run_id:
        run = store.run(run_id)
        run.write_status(replace(run.stored_status(), state="running"))
        result = cli("stop", run_id, "--discard")
        assert result.code == 0 and run_id in result.out and "trash" in result.out
        assert run.stop_request() == "discard"


def test_predict_computes_what_is_missing(cli: Cli, trained: RunStore) -> None:
    (run_id,) = trained.ids()
    run, kept = trained.run(run_id), trained.predictions(run_id)
    assert kept is not None and cli("predict", "--json", on=trained).data == {"missing": []}
    (run.path / PREDICTIONS).unlink()
    run.tidy_record(at_work=False)
    bare = made_run(trained, state="stopped")
    assert cli("predict", "--json", on=trained).data == {"missing": [run_id]}
    assert "predict --missing" in cli("predict", on=trained).out
    result = cli("predict", "--missing", "--json", on=trained)
    data = result.data["predictions"]
    assert result.code == 0 and f"{run_id} (1 of 1)" in result.err and result.data["errors"] == []
    status = run.status()
    best = {(row["part"], row["accuracy"]) for row in data if row["epoch"] == status.best_epoch}
    assert best == {("test", run.result()["best"]["accuracy"]), ("validation", status.best_val_accuracy)}
    assert {(row["id"], row["later"]) for row in data} == {(run_id, True)}
    assert {row["weights"] for row in data} <= {"best", "last"}
    assert f"{100 * status.best_val_accuracy:.2f} %" in cli("predict", run_id, on=trained).out
    assert "has predictions" in cli("predict", "--missing", on=trained).out
    failed = cli("predict", bare, run_id, on=trained)
    assert failed.code == 1 and bare in failed.err and run_id in failed.out


def test_evaluate_agrees_with_what_training_recorded(cli: Cli, trained_once: RunStore) -> None:
    store, (run_id,) = trained_once, trained_once.ids()
    status = store.run(run_id).status()
    data = cli("evaluate", run_id, "--json", on=store).data
    assert data["accuracy"] == pytest.approx(status.best_val_accuracy)
    assert (data["epoch"], data["images"], len(data["classes"])) == (status.best_epoch, 64, 10)
    test = cli("evaluate", run_id, "--part", "test", "--json", on=store).data
    assert test["images"] == 60
    assert test["accuracy"] == pytest.approx(store.run(run_id).result()["best"]["accuracy"])
    text = cli("evaluate", run_id, on=store).out
    assert "validation set (64 held-out images)" in text and "airplane" in text
    assert f"{100 * data['accuracy']:.2f} %" in text


def test_evaluate_needs_weights(cli: Cli, store: RunStore) -> None:
    result = cli("evaluate", made_run(store))
    assert result.code == 1 and "weights" in result.err


# --- slices ---------------------------------------------------------------------------------------


def test_slices_have_the_accuracies_of_the_predictions(cli: Cli, store: RunStore) -> None:
    run_id = made_run(store, config=tiny_config())
    answers = made_predictions(store, run_id).answers()
    assert answers is not None
    data = cli("slices", run_id, "--json").data
    assert (data["part"], data["images"], data["accuracy"]) == ("test", 200, answers.accuracy)
    for name in ("duplicates", "brightness", "contrast"):
        rows = [row for row in data["slices"] if row["cut"] == name]
        assert sum(row["images"] for row in rows) == 200
        assert sum(row["correct"] for row in rows) == answers.correct.sum()
    text = cli("slices", run_id).out
    assert "darkest fifth" in text and "200 test images" in text
    assert cli("slices", run_id, "--part", "validation", "--json").data["images"] == 100


# --- classify -------------------------------------------------------------------------------------


@pytest.fixture
def images(tmp_path: Path) -> dict[str, Path]:
    """A wide image, a text file called .png, and a file that does not exist."""
    wide = Image.new("RGB", (90, 40), "red")
    wide.paste("blue", (0, 0, 30, 40))
    wide.save(tmp_path / "wide.jpg", "JPEG")
    (tmp_path / "text.png").write_text("not an image")
    return {name: tmp_path / name for name in ("wide.jpg", "text.png", "missing.png")}


def test_classify_prints_the_most_probable_classes(cli: Cli, trained_once: RunStore, images: dict[str, Path]) -> None:
    wide = images["wide.jpg"]
    result = cli("classify", "tiny", wide, "--top", 10, "--json", on=trained_once)
    (image,) = result.data["pictures"]
    probabilities = [guess["probability"] for guess in image["top"]]
    assert result.code == 0 and image["file"] == str(wide)
    assert sum(probabilities) == pytest.approx(1, abs=1e-5) and probabilities == sorted(probabilities, reverse=True)
    assert {guess["class"] for guess in image["top"]} == set(CLASSES)
    lines = cli("classify", "tiny", wide, on=trained_once).out.splitlines()
    assert len(lines) == 2 + 3
    assert image["top"][0]["class"] in lines[2] and f"{100 * probabilities[0]:.2f} %" in lines[2]
    stretched = cli("classify", "tiny", wide, "--crop", "whole", "--json", on=trained_once).data
    assert stretched["pictures"][0]["top"][0]["probability"] != probabilities[0]


def test_an_unreadable_file_does_not_affect_the_rest(cli: Cli, trained_once: RunStore, images: dict[str, Path]) -> None:
    result = cli("classify", "tiny", *images.values(), on=trained_once)
    assert result.code == 1
    assert str(images["wide.jpg"]) in result.out and "text.png" not in result.out
    errors = result.err.splitlines()
    assert "text.png" in errors[0] and "missing.png" in errors[1] and len(errors) == 2
    data = cli("classify", "tiny", *images.values(), "--json", on=trained_once).data
    assert len(data["pictures"]) == 1 and data["errors"] == errors
    alone = cli("classify", "tiny", images["text.png"], on=trained_once)
    assert (alone.code, alone.out) == (1, "")


def test_many_files_are_read_a_few_at_a_time(
    cli: Cli, trained_once: RunStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1,500 files took 2 GB."""
    shades = range(3 * CLASSIFIED_AT_ONCE // 2)
    for shade in shades:
        Image.new("RGB", (8, 8), (shade, 0, 255 - shade)).save(tmp_path / f"{shade:03}.png")
    at_once: list[int] = []
    read_all = read.read_many

    def counted(files: Sequence[tuple[str, Path]]) -> list[read.LoadedImage | ImageError]:
        at_once.append(len(files))
        return read_all(files)

    monkeypatch.setattr(read, "read_many", counted)
    paths = sorted(tmp_path.glob("*.png"))
    (tmp_path / "070.png").write_text("text")
    data = cli("classify", "tiny", *paths, paths[0], "--json", on=trained_once).data
    assert max(at_once) <= CLASSIFIED_AT_ONCE and sum(at_once) == len(shades) + 1
    assert [image["file"] for image in data["pictures"]] == [str(p) for p in [*paths, paths[0]] if p.name != "070.png"]
    assert len(data["errors"]) == 1


def test_what_was_assumed_about_colours_is_said(cli: Cli, trained_once: RunStore, tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "odd.png", icc_profile=b"x" * 200)
    result = cli("classify", "tiny", tmp_path / "odd.png", on=trained_once)
    assert result.code == 0 and "profile" in result.out.splitlines()[-1] and "odd.png" in result.out.splitlines()[-1]
    assert "profile" in cli("classify", "tiny", tmp_path / "odd.png", "--json", on=trained_once).data["notes"][0]


# --- the trash ------------------------------------------------------------------------------------


def test_trash_and_restore(cli: Cli, store: RunStore) -> None:
    kept, first, second = (made_run(store) for _ in range(3))
    assert cli("trash", first, "latest", second, "--json").data == {"trashed": [first, second], "errors": []}
    assert store.ids() == [kept]
    assert cli("restore").out.split() == [second, first]
    assert cli("restore", first[-4:], "--json").data == {"restored": [first], "errors": []}
    assert cli("restore", "latest").out == f"Run {second} is restored.\n"
    assert store.ids() == [second, first, kept]
    assert cli("restore", "--json").data == {"trash": []}
    result = cli("restore", kept)
    assert result.code == 1 and kept in result.err and "trash" in result.err


def test_an_ambiguous_id_restores_nothing(cli: Cli, store: RunStore) -> None:
    run_ids = [made_run(store) for _ in range(2)]
    cli("trash", *run_ids)
    assert all(run_id in cli("restore", run_ids[0][:6]).err for run_id in run_ids)
    assert len(store.trash.ids()) == 2


def test_a_running_run_does_not_keep_the_rest_from_the_trash(cli: Cli, store: RunStore) -> None:
    idle = made_run(store)
    with store.create_held(RunConfig()) as busy:
        result = cli("trash", busy, idle)
    assert result.code == 1 and store.trash.ids() == [idle]
    assert busy in result.err and "stop" in result.err


def test_a_misspelled_run_moves_nothing_to_the_trash(cli: Cli, store: RunStore) -> None:
    run_id = made_run(store)
    assert cli("trash", run_id, "nothing").code == 1
    assert store.ids() == [run_id]


def test_empty_trash_deletes_only_with_yes(cli: Cli, store: RunStore) -> None:
    kept, gone = made_run(store), made_run(store)
    assert cli("empty-trash", "--json").data == {"runs": 0, "bytes": 0, "emptied": False}
    store.run(gone).write_file("last.pt", b"x" * 2_000_000)
    cli("trash", gone)
    result = cli("empty-trash")
    assert result.code == 0 and "1 run" in result.out and "2.0 MB" in result.out and "--yes" in result.out
    assert store.trash.ids() == [gone]
    data = cli("empty-trash", "--yes", "--json").data
    assert data["runs"] == 1 and data["bytes"] > 2_000_000 and data["emptied"] is True
    assert store.trash.ids() == [] and store.ids() == [kept]


def test_a_reference_run_is_neither_deleted_nor_resumed(cli: Cli, store: RunStore) -> None:
    run_id = made_run(store, state="stopped")
    change_file(store, run_id, "meta.json", reference=True)
    for words in (("trash", run_id), ("resume", run_id, "--queue"), ("resume", run_id)):
        result = cli(*words)
        assert result.code == 1 and "reference" in result.err
    assert store.ids() == [run_id] and store.run(run_id).status().state == "stopped"


# --- export and import ----------------------------------------------------------------------------


def test_runs_are_exported_and_imported(cli: Cli, trained: RunStore, store: RunStore, tmp_path: Path) -> None:
    (run_id,), file = trained.ids(), tmp_path / "runs.zip"
    result = cli("export", "tiny", "latest", "--to", file, "--json", on=trained)
    assert result.data == {"file": str(file), "runs": [run_id], "bytes": file.stat().st_size}
    before = file.read_bytes()
    again = cli("export", "tiny", "--to", file, on=trained)
    assert again.code == 1 and str(file) in again.err and file.read_bytes() == before
    assert cli("import", file, "--json").data == {"imported": [run_id], "errors": []}
    assert cli("evaluate", run_id, "--json").data == cli("evaluate", run_id, "--json", on=trained).data
    result = cli("import", file)
    assert (result.code, result.out) == (1, "") and run_id in result.err


def test_a_file_that_is_not_an_export_is_an_error(cli: Cli, store: RunStore, tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"no zip")
    for name in ("x.zip", "none.zip"):
        result = cli("import", tmp_path / name)
        assert result.code == 1 and str(tmp_path / name) in result.err
    assert store.ids() == []
