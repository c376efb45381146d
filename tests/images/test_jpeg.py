"""Progressive JPEGs without their detail: the same pixels at an eighth of the size, from fewer bytes."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from core.base.errors import ImageError
from core.images.jpeg import without_detail
from core.images.read import read_image


def photo(mode="RGB", size=(611, 437)):
    """Smooth shapes under fine noise."""
    rng = np.random.default_rng(3)
    smooth = Image.fromarray(rng.integers(0, 256, (9, 12, 3), np.uint8)).resize(size, Image.Resampling.BICUBIC)
    noisy = np.asarray(smooth) + rng.normal(0, 8, (size[1], size[0], 3))
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).convert(mode)


def jpeg(image, **options):
    file = io.BytesIO()
    image.save(file, "JPEG", **({"quality": 88, "progressive": True} | options))
    return file.getvalue()


def eighth(content):
    with Image.open(io.BytesIO(content)) as file:
        file.draft(None, (file.width // 8, file.height // 8))
        return np.asarray(file)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_the_pixels_are_the_same_and_the_bytes_fewer(mode, subsampling):
    content = jpeg(photo(mode), subsampling=subsampling)
    less = without_detail(content)
    assert len(less) < 0.7 * len(content)
    np.testing.assert_array_equal(eighth(less), eighth(content))


def test_restart_markers_and_other_segments_are_kept():
    exif = Image.Exif()
    exif[0x010E] = "a scan in words: \xff\xda"
    content = jpeg(photo(), exif=exif, restart_marker_blocks=7) + b"what a phone adds"
    less = without_detail(content)
    assert len(less) < len(content)
    assert less.endswith(b"\xff\xd9what a phone adds")
    np.testing.assert_array_equal(eighth(less), eighth(content))


@pytest.mark.parametrize("options", [{"progressive": False}, {"progressive": False, "restart_marker_blocks": 5}])
def test_a_file_in_one_pass_comes_back_as_it_is(options):
    content = jpeg(photo(), **options)
    assert without_detail(content) == content


def test_a_photo_is_read_to_the_same_pixels_as_without(monkeypatch):
    content = jpeg(photo(size=(2900, 1800)))
    fast = read_image(content, "photo.jpg")
    monkeypatch.setattr("core.images.read.without_detail", lambda content: content)
    np.testing.assert_array_equal(np.asarray(fast.image), np.asarray(read_image(content, "photo.jpg").image))


def test_a_photo_cut_short_is_refused_as_any_other():
    content = jpeg(photo(size=(2900, 1800)))
    for end in (len(content) // 9, len(content) // 2, len(content) - 40):
        with pytest.raises(ImageError, match="truncated or damaged"):
            read_image(content[:end], "photo.jpg")


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damaged_files_never_raise_and_never_grow(data):
    content = bytearray(SMALL)
    for _ in range(data.draw(st.integers(0, 6))):
        place = data.draw(st.integers(2, len(content) - 1))
        content[place] = data.draw(st.sampled_from([0, 0xC2, 0xD9, 0xDA, 0xFF]) | st.integers(0, 255))
    cut = bytes(content[: data.draw(st.integers(2, len(content)) | st.just(len(content)))])
    assert len(without_detail(cut)) <= len(cut)


SMALL = jpeg(photo(size=(40, 24)))
assert not ImageFile.LOAD_TRUNCATED_IMAGES
