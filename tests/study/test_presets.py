"""The report's studies: the published values, its recipe, the splits, and scaling to a time."""

import pytest

from core.base.errors import ConfigError
from core.config.presets import PRESETS
from core.cost.speed import Speed, how, remember, shape
from core.published.points import POINTS
from core.runs.folder import this_host
from core.study.presets import PUBLISHED, published_study, scale_for, seconds

REPORT = PRESETS["report"].config


@pytest.mark.parametrize("figure", PUBLISHED)
@pytest.mark.parametrize("split", ["common", "report"])
@pytest.mark.parametrize("scale", [1.0, 0.37, 0.1])
def test_every_published_value_is_a_cell_that_can_run(figure, split, scale):
    study = published_study(figure, scale=scale, split=split, seeds=(0, 1, 2)).checked()
    values = [point.value for point in POINTS if point.figure == figure]
    if figure == 9:
        values = [max(1, round(value * scale)) for value in values]
    assert list(study.axes[0].values) == values
    assert len(study.cells()) == 15
    assert study.scale == scale


@pytest.mark.parametrize("figure", PUBLISHED)
def test_but_for_the_varied_setting_the_recipe_is_the_reports(figure):
    study = published_study(figure, split="report")
    for cell in study.cells():
        differences = set(cell.config.differences(REPORT))
        assert differences <= {study.axes[0].path, "data.classes", "data.train_size"}
        assert (cell.config.train.lr, cell.config.train.milestones) == (1e-3, (80, 120, 160, 180))


def test_the_better_split_tests_all_sizes_on_the_same_images():
    sizes = {cell.config.data.sizes().test for cell in published_study(3).cells()}
    assert sizes == {2_000}
    assert {cell.config.data.sizes().test for cell in published_study(5).cells()} == {10_000}
    theirs = [cell.config.data.sizes().test for cell in published_study(3, split="report").cells()]
    assert theirs == [6_000, 5_000, 4_000, 3_000, 2_000]


def test_the_largest_part_is_the_same_cell_under_both_splits():
    common, report = (published_study(3, split=split).cells()[-1] for split in ("common", "report"))
    assert common.signature == report.signature


def test_in_the_epochs_study_all_cells_share_the_milestones():
    cells = published_study(9, scale=0.1).cells()
    assert [cell.config.train.epochs for cell in cells] == [10, 20, 30, 40, 50]
    assert {cell.config.train.milestones for cell in cells} == {(8, 12, 16, 18)}


def test_another_figure_is_refused():
    with pytest.raises(ConfigError, match="Figure 3, 5, 7 or 9"):
        published_study(4)


def test_a_study_is_scaled_to_the_time_there_is(store):
    study = published_study(3)
    assert scale_for(study, store, 3_600) is None
    config = study.cells()[0].config
    remember(store, Speed(this_host(), how(config), ("cpu", "fp32", 2), *shape(config), 500.0, 1_500.0, "probe"))
    whole = seconds(study, store)
    assert scale_for(study, store, 2 * whole) == 1.0
    assert scale_for(study, store, 1.0) == 0.1
    budget = whole / 3
    scale = scale_for(study, store, budget)
    assert scale * 200 == pytest.approx(round(scale * 200))
    assert seconds(study.scaled(scale), store) <= budget * 1.01
    assert seconds(study.scaled(scale + 0.02), store) > budget
