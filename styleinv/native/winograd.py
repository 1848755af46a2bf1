"""Winograd's convolution F(4x4, 3x3): tiles are transformed, multiplied and transformed back.

In between, a block of them stays in the cache of the core that works on it.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir

from styleinv.native.emitter import (
    FLOAT,
    FLOATS,
    WORD,
    Emitter,
    Registers,
    VectorEmitter,
    word,
)
from styleinv.native.handler import Array, emit_handler, open_item
from styleinv.native.product import Matrix, Product, begin, multiply, zeros

WINOGRAD = "styleinv_winograd"
_TILE, _MADE = 6, 4  # pixels of a tile's side, before and after
_PLANES = _TILE**2
# Polynomials are multiplied at the points 0, P, -P, Q, -Q and infinity. With these, whose powers
# are exact, what comes out is half as far off as with the usual 1 and 2.
P, Q = 5 / 8, 3 / 2


class _Problem(NamedTuple):
    """What an item finds, as words: addresses, dimensions, and how the work is cut."""

    x: Any  # f32[images, height, width, channels]
    filters: Any  # f32[36, outputs / columns, channels, columns]
    bias: Any  # f32[outputs], or not there
    y: Any  # f32[images, new_height, new_width, outputs]
    before: Any  # f32[workers, 36, block, depth], room for tiles of inputs
    after: Any  # f32[workers, 36, block, part], room for tiles of outputs
    height: Any
    width: Any
    channels: Any
    new_height: Any
    new_width: Any
    outputs: Any
    linear: Any  # 1 if there is no bias, and so no ReLU
    rows: Any  # of tiles in an image
    columns: Any
    tiles: Any  # of all images
    block: Any  # tiles of an item
    part: Any  # outputs of an item
    depth: Any  # channels at a time


class _Pixels(NamedTuple):
    """f32[images, height, width, channels]."""

    floats: Any
    height: Any
    width: Any
    channels: Any


def emit_winograd(module: ir.Module, registers: Registers) -> None:
    """The handler `WINOGRAD`: (x, filters, bias) -> (y, before, after), see `_Problem`.

    No bias, f32[0], is no ReLU either.
    """
    emit_handler(module, WINOGRAD, _emit_item(module, registers), _prepare, 3, 3)


def _prepare(b: Emitter, given: list[Array], made: list[Array]) -> tuple[Any, Any, list[Any]]:
    (x, x_size), (filters, _), (bias, bias_size) = given
    (y, y_size), (before, before_size), (after, after_size) = made
    images, height, width, outputs = (y_size(axis) for axis in range(4))
    rows, columns = (b.sdiv(b.add(size, word(_MADE - 1)), word(_MADE)) for size in (height, width))
    block, part, tiles = after_size(2), after_size(3), b.product(images, rows, columns)
    problem = _Problem(
        x=x,
        filters=filters,
        bias=bias,
        y=y,
        before=before,
        after=after,
        height=x_size(1),
        width=x_size(2),
        channels=x_size(3),
        new_height=height,
        new_width=width,
        outputs=outputs,
        linear=b.zext(b.icmp_signed("==", bias_size(0), word(0)), WORD),
        rows=rows,
        columns=columns,
        tiles=tiles,
        block=block,
        part=part,
        depth=before_size(3),
    )
    blocks = b.sdiv(b.sum(tiles, block, word(-1)), block)
    return b.mul(blocks, b.sdiv(outputs, part)), after_size(0), list(problem)


def _emit_item(module: ir.Module, registers: Registers) -> ir.Function:
    """An item is the outputs of one part, of the tiles of one block."""
    b, words, item, worker = open_item(module, WINOGRAD, registers.lanes, len(_Problem._fields))
    problem = _Problem(*words)
    room = b.product(worker, word(_PLANES), problem.block)
    before = b.floats(problem.before, (room, problem.depth))
    after = b.floats(problem.after, (room, problem.part))
    parts = b.sdiv(problem.outputs, problem.part)
    first_tile = b.mul(b.sdiv(item, parts), problem.block)
    first_output = b.mul(b.srem(item, parts), problem.part)
    with b.loop(problem.channels, problem.depth) as channel:
        _transform(b, problem, first_tile, channel, before)
        # The first channels are added to nothing.
        first, columns = b.icmp_signed("==", channel, word(0)), word(registers.columns)
        with b.loop(word(_PLANES)) as plane, b.loop(problem.part, columns) as output:
            stack = b.sum((plane, problem.outputs), first_output, output)
            panel = b.floats(problem.filters, (stack, problem.channels), (channel, columns))
            filters = Matrix(panel, columns)
            with b.loop(problem.block, word(registers.rows)) as tile:
                row = b.sum((plane, problem.block), tile)
                left = Matrix(b.gep(before, [b.mul(row, problem.depth)]), problem.depth)
                place = b.sum((row, problem.part), output)
                result = Matrix(b.gep(after, [place]), problem.part)
                start = begin(b, first, result)
                product = Product(left, filters, start, result, problem.depth)
                multiply(b, registers, product)
    _transform_back(b, problem, first_tile, first_output, before, after)
    b.ret_void()
    return b.function


def _transform(
    b: VectorEmitter, problem: _Problem, first: Any, first_channel: Any, tiles: Any
) -> None:
    """f32[36, block, depth], of tiles that overlap by two pixels."""
    floats = b.floats(problem.x, word(0))
    x = _Pixels(floats, problem.height, problem.width, problem.channels)
    # The zeros around an image: its height and width grow by 2 p - 2.
    padding = b.sdiv(b.sum(problem.new_height, word(2), b.neg(problem.height)), word(2))
    with b.loop(problem.block) as tile:
        place = _place(b, problem, b.add(first, tile))
        pixels = _look_up(b, x, place, _TILE, padding, first_channel, zeros(b.module))
        with b.loop(problem.depth, word(b.lanes)) as channel:

            def fetch(i, j, pixels=pixels, channel=channel):
                return b.fetch(b.load(pixels[i, j]), channel)

            for (i, j), value in _both_ways(_before, b, fetch).items():
                row = b.sum((word(_TILE * i + j), problem.block), tile)
                b.put(value, tiles, (row, problem.depth), channel)


def _transform_back(
    b: VectorEmitter, problem: _Problem, first: Any, first_output: Any, nowhere: Any, tiles: Any
) -> None:
    """4x4 pixels of each tile; what is beyond the image goes nowhere. Bias and ReLU if there."""
    floats = b.floats(problem.y, word(0))
    y = _Pixels(floats, problem.new_height, problem.new_width, problem.outputs)
    linear = b.icmp_signed("!=", problem.linear, word(0))
    bias = b.floats(problem.bias, first_output)
    least = b.splat(b.select(linear, FLOAT(float("-inf")), FLOAT(0.0)))
    with b.loop(problem.block) as tile:
        place = _place(b, problem, b.add(first, tile))
        pixels = _look_up(b, y, place, _MADE, word(0), first_output, nowhere)
        with b.loop(problem.part, word(b.lanes)) as output:

            def fetch(i, j, tile=tile, output=output):
                row = b.sum((word(_TILE * i + j), problem.block), tile)
                return b.fetch(tiles, (row, problem.part), output)

            added = b.fetch(b.select(linear, zeros(b.module), b.gep(bias, [output])))
            for pixel, value in _both_ways(_after, b, fetch).items():
                value = b.fadd(value, added)
                value = b.select(b.fcmp_ordered("<", value, least), least, value)
                b.put(value, b.load(pixels[pixel]), output)


def _both_ways(
    transform: Callable[[VectorEmitter, Sequence[Any]], list[Any]],
    b: VectorEmitter,
    fetch: Callable[[int, int], Any],
) -> dict[tuple[int, int], Any]:
    """{(row, column): vector} of a tile, transformed in both dimensions."""
    columns = [transform(b, [fetch(i, j) for i in range(_TILE)]) for j in range(_TILE)]
    rows = [transform(b, row) for row in zip(*columns, strict=True)]
    return {(i, j): value for i, row in enumerate(rows) for j, value in enumerate(row)}


def _before(b: VectorEmitter, x: Sequence[Any]) -> list[Any]:
    """Of one dimension: six inputs, as coefficients of what has the other points as its roots."""
    even, odd = (
        b.add_scaled(b.add_scaled(x[4 + i], -(P**2 + Q**2), x[2 + i]), (P * Q) ** 2, x[i])
        for i in range(2)
    )
    made = [even]
    for point, other in ((P, Q), (Q, P)):
        same, flipped = (b.add_scaled(x[4 - i], -(other**2), x[2 - i]) for i in range(2))
        made += [b.add_scaled(same, sign * point, flipped) for sign in (1, -1)]
    return [*made, odd]


def _after(b: VectorEmitter, x: Sequence[Any]) -> list[Any]:
    """Of one dimension: four outputs, from the values at the six points."""
    (sum_p, less_p), (sum_q, less_q) = (
        (b.fadd(x[i], x[i + 1]), b.fsub(x[i], x[i + 1])) for i in (1, 3)
    )
    return [
        b.fadd(b.fadd(sum_p, sum_q), x[0]),
        b.add_scaled(b.scale(less_p, P), Q, less_q),
        b.add_scaled(b.scale(sum_p, P**2), Q**2, sum_q),
        b.add_scaled(b.add_scaled(x[5], P**3, less_p), Q**3, less_q),
    ]


def _place(b: Emitter, problem: _Problem, tile: Any) -> tuple[Any, Any, Any]:
    """(image, row, column) of a tile; behind the last of all tiles comes the last again."""
    tile = b.smaller(tile, b.sub(problem.tiles, word(1)))
    above, column = b.sdiv(tile, problem.columns), b.srem(tile, problem.columns)
    return b.sdiv(above, problem.rows), b.srem(above, problem.rows), column


def _look_up(
    b: Emitter,
    pixels: _Pixels,
    place: tuple[Any, Any, Any],
    side: int,
    border: Any,
    channel: Any,
    elsewhere: Any,
) -> dict[tuple[int, int], Any]:
    """{(row, column): where the address is} of a tile's pixels, once for all channels.

    Args:
        side: pixels of the tile's.
        border: how many pixels the first tile begins before the image.
        elsewhere: the address of pixels that the image does not have.
    """
    image, row, column = place
    with b.goto_entry_block():
        table = b.alloca(FLOATS, side**2)
    found = {}
    for i, j in np.ndindex(side, side):
        top = b.sub(b.add(b.mul(row, word(_MADE)), word(i)), border)
        left = b.sub(b.add(b.mul(column, word(_MADE)), word(j)), border)
        inside = b.and_(
            b.icmp_unsigned("<", top, pixels.height), b.icmp_unsigned("<", left, pixels.width)
        )
        pixel = b.sum((b.sum((image, pixels.height), top), pixels.width), left)
        there = b.gep(pixels.floats, [b.sum((pixel, pixels.channels), channel)])
        found[i, j] = b.gep(table, [word(side * i + j)])
        b.store(b.select(inside, there, elsewhere), found[i, j])
    return found
