"""Each augmentation against a slow, obvious version of itself."""

import numpy as np
import pytest
import torch

from core.config.sections import AugmentConfig
from core.data.augmentation import augment, mix, plan_epoch, seeded_generator

IMAGES = torch.rand(40, 3, 32, 32, generator=torch.Generator().manual_seed(0))
ROWS = torch.arange(40)


@pytest.mark.parametrize(
    ("kind", "mode"), [("shift", "edge"), ("keras-shift", "edge"), ("crop", "constant"), ("reflect-crop", "reflect")]
)
@pytest.mark.parametrize("reach", [1, 3, 4])
def test_shifts_agree_with_numpy(kind, mode, reach):
    config = AugmentConfig(flip="random", translate=kind, translate_pixels=reach)
    plan = plan_epoch(config, 40, seed=1, epoch=1)
    got = augment(IMAGES, config, plan, ROWS).numpy()
    for at in range(40):
        image = IMAGES[at].numpy()
        if plan.flip[at]:
            image = image[:, :, ::-1]
        padded = np.pad(image, ((0, 0), (reach, reach), (reach, reach)), mode=mode)
        down, right = plan.shift[at].tolist()
        top, left = reach - down, reach - right
        np.testing.assert_array_equal(got[at], padded[:, top : top + 32, left : left + 32])
    assert set(plan.shift.flatten().tolist()) == set(range(-reach, reach + 1))


def test_about_half_are_flipped_at_random():
    config = AugmentConfig(flip="random")
    share = plan_epoch(config, 4_000, seed=0, epoch=1).flip.float().mean().item()
    assert 0.45 < share < 0.55


def test_alternating_flip_shows_both_sides_in_two_epochs():
    config = AugmentConfig(flip="alternating")
    first, second, third = (plan_epoch(config, 500, seed=3, epoch=epoch).flip for epoch in (1, 2, 3))
    assert torch.equal(first, ~second)
    assert torch.equal(first, third)
    assert 0.4 < first.float().mean() < 0.6


def test_cutout_blanks_a_square():
    config = AugmentConfig(flip="none", cutout=8)
    plan = plan_epoch(config, 40, seed=0, epoch=1)
    got = augment(IMAGES + 1, config, plan, ROWS)
    for at in range(40):
        row, column = plan.cutout[at].tolist()
        expected = (IMAGES[at] + 1).clone()
        expected[:, max(row - 4, 0) : row + 4, max(column - 4, 0) : column + 4] = 0
        assert torch.equal(got[at], expected)


def test_rows_pick_the_choices_of_their_images():
    config = AugmentConfig(flip="random", translate="crop", cutout=6)
    plan = plan_epoch(config, 40, seed=2, epoch=5)
    whole = augment(IMAGES, config, plan, ROWS)
    some = torch.tensor([31, 4, 17])
    assert torch.equal(augment(IMAGES[some], config, plan, some), whole[some])


def test_the_plan_depends_on_seed_and_epoch_alone():
    config = AugmentConfig(flip="random", translate="shift")
    again, same = plan_epoch(config, 100, 7, 3), plan_epoch(config, 100, 7, 3)
    assert torch.equal(again.order, same.order)
    assert torch.equal(again.shift, same.shift)
    for seed, epoch in [(7, 4), (8, 3)]:
        assert not torch.equal(plan_epoch(config, 100, seed, epoch).order, same.order)
    without = plan_epoch(AugmentConfig(flip="none"), 100, 7, 3)
    assert torch.equal(without.order, same.order)


def test_without_augmentation_images_stay_the_same():
    config = AugmentConfig(flip="none")
    assert torch.equal(augment(IMAGES, config, plan_epoch(config, 40, 0, 1), ROWS), IMAGES)


@pytest.mark.parametrize("side", [20, 28])
def test_a_smaller_crop_is_cut_from_the_shifted_image(side):
    config = AugmentConfig(flip="random", translate="crop", translate_pixels=4, cutout=6)
    plan = plan_epoch(config, 400, seed=4, epoch=2)
    rows = torch.arange(40)
    whole, got = augment(IMAGES, config, plan, rows), augment(IMAGES, config, plan, rows, side)
    assert got.shape == (40, 3, side, side)
    room = 32 - side + 1
    for at in range(40):
        top, left = (min(int(share * room), 32 - side) for share in plan.corner[at].tolist())
        assert torch.equal(got[at], whole[at, :, top : top + side, left : left + side])
    corners = (plan.corner * room).long()
    assert set(corners.flatten().tolist()) == set(range(room))


def test_keras_drew_the_largest_moves_less_often():
    """Uniform from −3.2 to 3.2, rounded: ±3 are drawn from 0.7 of 6.4 pixels, the others from 1."""
    n = 200_000
    shift = plan_epoch(AugmentConfig(translate="keras-shift", translate_pixels=3), n, seed=0, epoch=1).shift
    for axis in (0, 1):
        moves, counts = shift[:, axis].unique(return_counts=True)
        assert moves.tolist() == [-3, -2, -1, 0, 1, 2, 3]
        shares = [0.7 / 6.4, *[1 / 6.4] * 5, 0.7 / 6.4]
        # Four standard deviations of a count.
        assert counts / n == pytest.approx(shares, abs=4 * (0.156 * 0.844 / n) ** 0.5)
    both = (shift.abs() == 3).all(dim=1).double().mean().item()
    assert both == pytest.approx((1.4 / 6.4) ** 2, abs=0.003)  # down and right are independent


def test_keras_moves_leave_the_other_choices_as_they_were():
    kinds = ("shift", "keras-shift")
    uniform, keras = (plan_epoch(AugmentConfig(translate=kind, translate_pixels=3), 500, 7, 3) for kind in kinds)
    for name in ("order", "flip", "cutout", "corner"):
        assert torch.equal(getattr(uniform, name), getattr(keras, name))
    assert not torch.equal(uniform.shift, keras.shift)


def test_an_older_programs_plan_is_still_the_same():
    generator = seeded_generator(7, 3)
    order = torch.randperm(100, generator=generator)
    flip = torch.rand(100, generator=generator) < 0.5
    plan = plan_epoch(AugmentConfig(), 100, 7, 3)
    assert torch.equal(plan.order, order)
    assert torch.equal(plan.flip, flip)
    assert torch.equal(plan.shift, torch.randint(-4, 5, (100, 2), generator=generator))


def test_mixup_adds_the_pixels_of_the_image_before():
    config = AugmentConfig(mix="mixup", mix_alpha=1.0)
    plan, rows = plan_epoch(config, 50, 0, 1), torch.tensor([7, 3, 41])
    images = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    mixed, share = mix(images, config, plan, rows)
    assert torch.equal(share, plan.share[rows])
    for at, before in ((0, 2), (1, 0), (2, 1)):
        torch.testing.assert_close(mixed[at], share[at] * images[at] + (1 - share[at]) * images[before])


@pytest.mark.parametrize("side", [32, 20])
def test_cutmix_pastes_a_rectangle_and_counts_its_pixels(side):
    config = AugmentConfig(mix="cutmix", mix_alpha=1.0)
    plan, rows = plan_epoch(config, 200, 0, 1), torch.arange(200)
    images = torch.arange(200.0)[:, None, None, None].expand(200, 3, side, side)
    mixed, share = mix(images, config, plan, rows)
    own = (mixed == images)[:, 0]
    torch.testing.assert_close(share, own.float().mean(dim=(1, 2)))
    assert torch.equal(
        mixed[~own[:, None].expand_as(mixed)].unique(), images.roll(1, 0)[~own[:, None].expand_as(mixed)].unique()
    )
    for pasted in ~own:
        down, right = pasted.any(1), pasted.any(0)
        assert torch.equal(pasted, down[:, None] & right[None, :]), "a rectangle"
    assert 0.3 < share.mean() < 0.75, "near one half, a little more where the rectangle is cut at an edge"


def test_the_share_of_mixing_has_the_beta_distribution():
    shares = plan_epoch(AugmentConfig(mix="mixup", mix_alpha=0.2), 20_000, 0, 1).share
    assert abs(shares.mean() - 0.5) < 0.01
    assert abs(shares.var() - 1 / (4 * (2 * 0.2 + 1))) < 0.005
    plain, mixing = (plan_epoch(AugmentConfig(mix=name), 100, 0, 1) for name in ("none", "mixup"))
    assert torch.equal(plain.order, mixing.order) and torch.equal(plain.flip, mixing.flip)
    assert (plain.share == 1).all()
