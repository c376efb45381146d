"""What a preset's card promises comes from runs, from the report, and from the estimate."""

from core.config.presets import PRESETS
from core.views.new_run import expectation
from tests.made import made_run


def finish(store, accuracy, **settings):
    run_id = made_run(store, config=PRESETS["fast"].config.replace(settings))
    store.run(run_id).write_result({"best": {"accuracy": accuracy, "loss": 0.3, "epoch": 4}})


def test_accuracy_is_the_mean_of_the_presets_runs_with_any_seed(store):
    finish(store, 0.915)
    finish(store, 0.917, **{"train.seed": 1})
    finish(store, 0.5, **{"train.lr": 0.01})
    assert expectation(PRESETS["fast"], store.summaries(), 660.0) == "91.6 % in about 11 min on this computer"


def test_what_is_not_known_is_not_promised(store):
    assert expectation(PRESETS["fast"], [], None) == "Time not measured here yet"
    assert expectation(PRESETS["fast"], [], 660.0) == "About 11 min on this computer"


def test_the_reports_recipe_has_the_reports_result():
    assert expectation(PRESETS["report"], [], None).startswith("91.4 % in the report")
