"""The packed pyramid: nothing is lost and nothing is looked at twice."""

from __future__ import annotations

import numpy as np
import pytest

from ml_engine.detection import pyramid
from ml_engine.detection.pyramid import Plan, Pyramid, plan
from ml_engine.networks.mtcnn import PNET_STRIDE, PNET_WINDOW
from ml_engine.types import Image

SIZES = [(640, 480, 20), (250, 250, 40), (33, 700, 12), (1920, 1080, 40), (12, 12, 12)]


def _plan(width: int, height: int, smallest: int) -> Plan:
    found = plan(width, height, smallest)
    assert found is not None
    return found


@pytest.mark.parametrize(("width", "height", "smallest"), [*SIZES, (5000, 700, 20)])
def test_every_window_is_looked_at_exactly_once(width: int, height: int, smallest: int) -> None:
    """As if P-Net ran over every level as a whole, cell by cell."""
    layout = _plan(width, height, smallest)
    seen = [
        np.zeros(((h - PNET_WINDOW) // PNET_STRIDE + 1, (w - PNET_WINDOW) // PNET_STRIDE + 1), int)
        for w, h in layout.level_sizes.tolist()
    ]
    is_tile = layout.tile_of_cell >= 0
    _, rows, columns = np.nonzero(is_tile)
    tiles = layout.tile_of_cell[is_tile]
    corners = np.stack([rows, columns], 1) * PNET_STRIDE + layout.tile_shifts[tiles][:, ::-1]
    assert (corners % PNET_STRIDE == 0).all()
    for level, counts in enumerate(seen):
        here = corners[layout.tile_levels[tiles] == level] // PNET_STRIDE
        np.add.at(counts, tuple(here.astype(int).T), 1)
    assert all((count == 1).all() for count in seen)


@pytest.mark.parametrize(("width", "height", "smallest"), SIZES)
def test_a_window_shows_what_the_level_shows_there(width: int, height: int, smallest: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)
    layout = _plan(width, height, smallest)
    built = Pyramid(image, layout)
    levels = built.sources[-len(layout.level_sizes) :]
    cells = np.argwhere(layout.tile_of_cell >= 0)
    for sheet, row, column in cells[:: max(1, len(cells) // 300)]:
        tile = layout.tile_of_cell[sheet, row, column]
        x, y = (np.array([column, row]) * PNET_STRIDE + layout.tile_shifts[tile]).astype(int)
        level = levels[layout.tile_levels[tile]]
        top, left = row * PNET_STRIDE, column * PNET_STRIDE
        window = built.sheets[sheet, top : top + PNET_WINDOW, left : left + PNET_WINDOW]
        np.testing.assert_array_equal(window, level[y : y + PNET_WINDOW, x : x + PNET_WINDOW])


@pytest.mark.parametrize(("width", "height", "smallest"), SIZES)
def test_levels_fall_by_one_step_down_to_one_window(width: int, height: int, smallest: int) -> None:
    sizes = _plan(width, height, smallest).level_sizes
    expected = np.array([width, height]) * PNET_WINDOW / smallest
    for size in sizes:
        np.testing.assert_allclose(size, expected, atol=0.5)
        expected = expected * pyramid.SCALE_STEP
    assert sizes[-1].min() >= PNET_WINDOW
    assert expected.min() < PNET_WINDOW + 0.5


def test_a_picture_smaller_than_the_smallest_face_has_no_plan() -> None:
    assert plan(39, 300, 40) is None
    assert plan(40, 300, 40) is not None


def test_large_pictures_are_cut_into_sheets_of_one_moderate_shape() -> None:
    sheets, height, width = _plan(6000, 4000, 20).sheet_shape
    assert sheets > 1
    assert height * width <= pyramid.MAX_SHEET_PX
    tight = _plan(640, 480, 20)
    needed = int(tight.level_sizes.prod(axis=1).sum())
    assert np.prod(tight.sheet_shape) < 1.35 * needed, "the sheet is packed badly"


def _slope(side: int) -> Image:
    """Red rises from left to right, green from top to bottom."""
    ramp = np.linspace(20, 235, side).astype(np.uint8)
    image = np.zeros((side, side, 3), np.uint8)
    image[..., 0], image[..., 1] = ramp[None, :], ramp[:, None]
    return image


@pytest.mark.parametrize("side", [24.0, 60.0, 150.0, 390.0])
def test_crops_show_their_square_whatever_source_they_come_from(side: float) -> None:
    image = _slope(400)
    built = Pyramid(image, _plan(400, 400, 20))
    square = np.array([[5, 3, 5 + side, 3 + side]], np.float32)
    crop = built.crops(square, 24)[0].astype(float)
    at = 5 + side * (np.arange(24) + 0.5) / 24 - 0.5  # pixel centres
    red = 20 + 215 * at / 399
    down = 3 + side * (np.arange(24) + 0.5) / 24 - 0.5
    np.testing.assert_allclose(crop[12, 2:-2, 0], red[2:-2], atol=2.5)
    np.testing.assert_allclose(crop[2:-2, 12, 1], (20 + 215 * down / 399)[2:-2], atol=2.5)


def test_crops_are_black_outside_of_the_picture() -> None:
    built = Pyramid(np.full((80, 80, 3), 255, np.uint8), _plan(80, 80, 20))
    crop = built.crops(np.array([[-20, -20, 20, 20]], np.float32), 24)[0]
    assert crop[2, 2].tolist() == [0, 0, 0]
    assert crop[20, 20].tolist() == [255, 255, 255]
