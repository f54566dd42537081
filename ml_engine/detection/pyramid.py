"""The image pyramid of a picture, packed onto sheets of one shape.

P-Net looks for faces of one size, so a picture is shown to it at many scales. Packed side by side
they are one call instead of a dozen. A level too large for a sheet is cut into tiles that share a
window's width, so that every window is looked at exactly once, as if nothing had been cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil

import cv2
import numpy as np
from numpy.typing import NDArray

from ml_engine.networks.mtcnn import PNET_STRIDE, PNET_WINDOW
from ml_engine.types import Float32, Image

# Sides of consecutive levels. The published networks were trained with this step.
SCALE_STEP = 0.709
# Most pixels of a sheet: a call needs about 180 bytes of memory for each, and small sheets are a
# little faster (66 ns a pixel at 100,000 pixels, 73 at 500,000). One sheet holds 640x480 for faces
# from 20 pixels on.
MAX_SHEET_PX = 9 << 15
_MAX_TILE_PX = 512
# Corners of tiles lie on multiples of this: even, as P-Net's step asks, and few to try.
_GRID_PX = 8
_MANY_TILES = 40
# A crop comes from the smallest source in which it is so much of its size: a little enlarging does
# no harm.
ENOUGH = 0.95
# What two neighbouring tiles share, so that no window falls between them.
_SHARED_PX = PNET_WINDOW - PNET_STRIDE


@dataclass(frozen=True, slots=True)
class Tile:
    """A part of a level and its place: sides and corners in pixels; the corners are even."""

    level: int
    level_x: int
    level_y: int
    width: int
    height: int
    sheet: int = 0
    x: int = 0
    y: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """How one picture size is packed.

    level_sizes: (levels, 2) width and height. scales: (levels, 2) pixels of a level for one of the
    picture, in x and y. sheet_shape: (sheets, height, width). tile_of_cell: for each output cell
    of P-Net (sheets, rows, columns) the index of the tile its window lies in, or -1.
    """

    level_sizes: NDArray[np.int64]
    scales: Float32
    tiles: tuple[Tile, ...]
    sheet_shape: tuple[int, int, int]
    tile_of_cell: NDArray[np.int16]
    # For each tile: its level, and what turns a cell's corner in the sheet into one in the level.
    tile_levels: NDArray[np.int64]
    tile_shifts: Float32


@lru_cache(maxsize=32)
def plan(width: int, height: int, min_face_px: int) -> Plan | None:
    """The plan for a picture size; None if the picture is smaller than the smallest face."""
    sizes = level_sizes(width, height, min_face_px)
    if not sizes:
        return None
    tiles = [tile for level, size in enumerate(sizes) for tile in _tiles(level, *size)]
    placed, shape = _pack(tiles)
    return Plan(
        level_sizes=np.array(sizes),
        scales=(np.array(sizes) / (width, height)).astype(np.float32),
        tiles=placed,
        sheet_shape=shape,
        tile_of_cell=_cells(placed, shape),
        tile_levels=np.array([tile.level for tile in placed]),
        tile_shifts=np.array([(t.level_x - t.x, t.level_y - t.y) for t in placed], np.float32),
    )


def level_sizes(width: int, height: int, min_face_px: int) -> list[tuple[int, int]]:
    """Width and height of each level, largest first; none if the picture is too small."""
    scale = PNET_WINDOW / min_face_px
    sizes = []
    while min(width, height) * scale >= PNET_WINDOW:
        sizes.append((round(width * scale), round(height * scale)))
        scale *= SCALE_STEP
    return sizes


def source_sizes(
    width: int, height: int, levels: Sequence[tuple[int, int]]
) -> list[tuple[int, int]]:
    """Width and height of every copy of a picture that crops may come from, its own first.

    Each is made from the one before it. Halves of the picture stand between it and a much smaller
    first level, so that a crop from any of them shrinks by less than about two.
    """
    sizes = [(width, height)]
    while sizes[-1][0] >= 2 * levels[0][0]:
        sizes.append((sizes[-1][0] // 2, sizes[-1][1] // 2))
    return [*sizes, *levels]


def _tiles(level: int, width: int, height: int) -> list[Tile]:
    return [
        Tile(level, x, y, tile_width, tile_height)
        for y, tile_height in _spans(height)
        for x, tile_width in _spans(width)
    ]


def _spans(length: int) -> list[tuple[int, int]]:
    """Start and length of the parts of a side: even starts, each pair sharing `_SHARED_PX`."""
    step = _MAX_TILE_PX - _SHARED_PX
    count = max(1, ceil((length - _SHARED_PX) / step))
    starts = [index * step for index in range(count)]
    return [(start, min(_MAX_TILE_PX, length - start)) for start in starts]


def _pack(tiles: list[Tile]) -> tuple[tuple[Tile, ...], tuple[int, int, int]]:
    """Tiles onto sheets of one shape, as little of it empty as the tried shapes allow."""
    ordered = sorted(tiles, key=lambda tile: (-tile.height, -tile.width))
    widest = max(tile.width for tile in tiles)
    # Every width of the grid would save another fortieth of the sheet, and take 30 ms for each new
    # size of picture. Of a huge picture most tiles are whole sheets anyway.
    eighths = range(8, 17) if len(tiles) <= _MANY_TILES else (8,)
    widths = {_on_grid(widest * eighth / 8) for eighth in eighths}
    packed = [
        _pack_at(ordered, width, max_px)
        for width in sorted(widths)
        for max_px in (MAX_SHEET_PX, MAX_SHEET_PX * 3 // 4, MAX_SHEET_PX // 2)
    ]
    return min(packed, key=lambda result: int(np.prod(result[1])))


def _pack_at(
    tiles: list[Tile], width: int, max_px: int
) -> tuple[tuple[Tile, ...], tuple[int, int, int]]:
    """Each tile to the lowest place that it fits into, on the first sheet that has one."""
    limit = max(max_px // width, _on_grid(max(tile.height for tile in tiles)))
    skylines: list[NDArray[np.int64]] = []
    lowest: list[int] = []  # of each skyline, so that full sheets are passed over quickly
    placed = []
    for tile in tiles:
        columns = _on_grid(tile.width) // _GRID_PX
        for sheet in range(len(skylines) + 1):
            if sheet == len(skylines):
                skylines.append(np.zeros(width // _GRID_PX, np.int64))
                lowest.append(0)
            if lowest[sheet] + tile.height > limit:
                continue
            column, y = _lowest_place(skylines[sheet], columns)
            if y + tile.height <= limit:
                break
        skylines[sheet][column : column + columns] = _on_grid(y + tile.height)
        lowest[sheet] = int(skylines[sheet].min())
        placed.append(_at(tile, sheet, column * _GRID_PX, y))
    height = max(int(skyline.max()) for skyline in skylines)
    return tuple(placed), (len(skylines), height, width)


def _lowest_place(skyline: NDArray[np.int64], columns: int) -> tuple[int, int]:
    """First column and height of the lowest place for a tile of so many columns; the leftmost of
    equals."""
    heights = np.lib.stride_tricks.sliding_window_view(skyline, columns).max(axis=1)
    best = int(heights.argmin())
    return best, int(heights[best])


def _on_grid(length: float) -> int:
    return ceil(length / _GRID_PX) * _GRID_PX


def _at(tile: Tile, sheet: int, x: int, y: int) -> Tile:
    return Tile(tile.level, tile.level_x, tile.level_y, tile.width, tile.height, sheet, x, y)


def _cells(tiles: tuple[Tile, ...], sheet_shape: tuple[int, int, int]) -> NDArray[np.int16]:
    sheets, height, width = sheet_shape
    cells = np.full((sheets, height // 2 - 5, width // 2 - 5), -1, np.int16)
    for index, tile in enumerate(tiles):
        rows = (tile.height - PNET_WINDOW) // PNET_STRIDE + 1
        columns = (tile.width - PNET_WINDOW) // PNET_STRIDE + 1
        row, column = tile.y // PNET_STRIDE, tile.x // PNET_STRIDE
        cells[tile.sheet, row : row + rows, column : column + columns] = index
    return cells


class Sources:
    """One picture and ever smaller copies of it, each made from the one before.

    sources: the picture first. scales: (sources, 2) pixels of each for one of the picture, in x
    and y.

    Args:
        sizes: width and height of each, those of the picture first.
    """

    def __init__(self, image: Image, sizes: Sequence[tuple[int, int]]) -> None:
        self.sources: list[Image] = [np.ascontiguousarray(image)]
        for size in sizes[1:]:
            self.sources.append(_resized(self.sources[-1], *size))
        self.scales: Float32 = (np.array(sizes) / sizes[0]).astype(np.float32)

    def crops(self, squares: Float32, size: int) -> NDArray[np.uint8]:
        """Squares (n, 4) of the picture to (n, size, size, 3), black outside of the picture.

        Each is sampled from the smallest source in which it is still at least `size` wide.
        """
        sides = squares[:, 2] - squares[:, 0]
        scales = self.scales.min(axis=1)
        enough = sides[:, None] * scales[None, :] >= size * ENOUGH
        chosen = np.maximum(enough.sum(axis=1) - 1, 0)
        crops = np.empty((len(squares), size, size, 3), np.uint8)
        for source in np.unique(chosen):
            rows = np.flatnonzero(chosen == source)
            scale = np.tile(self.scales[source], 2)
            crops[rows] = _sampled(self.sources[source], squares[rows] * scale, size)
        return crops


class Pyramid(Sources):
    """One picture at every scale that P-Net needs, and its levels packed onto sheets.

    sheets: (sheets, height, width, 3).
    """

    def __init__(self, image: Image, layout: Plan) -> None:
        levels = [(width, height) for width, height in layout.level_sizes.tolist()]
        super().__init__(image, source_sizes(image.shape[1], image.shape[0], levels))
        self.layout = layout
        self.sheets = np.zeros((*layout.sheet_shape, 3), np.uint8)
        self._fill_sheets(self.sources[-len(levels) :])

    def _fill_sheets(self, levels: Sequence[Image]) -> None:
        for tile in self.layout.tiles:
            part = levels[tile.level][tile.level_y :, tile.level_x :][: tile.height, : tile.width]
            rows, columns = slice(tile.y, tile.y + tile.height), slice(tile.x, tile.x + tile.width)
            self.sheets[tile.sheet, rows, columns] = part


def _resized(image: Image, width: int, height: int) -> Image:
    size = (max(width, 1), max(height, 1))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _sampled(source: Image, squares: Float32, size: int) -> NDArray[np.uint8]:
    """Squares of one source to crops, bilinear, all in one call."""
    steps = (np.arange(size, dtype=np.float32) + 0.5) / size
    sides = (squares[:, 2:] - squares[:, :2])[:, :, None]
    centres = squares[:, :2, None] + sides * steps - 0.5  # (n, 2, size)
    shape = (len(squares), size, size)
    x = np.broadcast_to(centres[:, 0, None, :], shape).reshape(-1, size * size)
    y = np.broadcast_to(centres[:, 1, :, None], shape).reshape(-1, size * size)
    pixels = cv2.remap(source, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return np.asarray(pixels, np.uint8).reshape(*shape, 3)
