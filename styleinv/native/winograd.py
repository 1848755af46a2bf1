"""Winograd's convolution F(4x4, 3x3): tiles are transformed, multiplied and transformed back.

In between, a block of them stays in the cache of the core that works on it.
"""

from collections.abc import Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir

from styleinv.native.emitter import (
    FLOAT,
    FLOATS,
    VOID,
    WORD,
    WORDS,
    Emitter,
    Registers,
    VectorEmitter,
    word,
)
from styleinv.native.handler import Array, emit_handler

NAME = "styleinv_winograd"
_ZEROS = 4096  # no fewer than `_Problem.depth`
_TILE, _MADE = 6, 4  # pixels of a tile's side, before and after
_PLANES = _TILE**2
# Input and output transforms of one dimension.
_BEFORE = (
    (4, 0, -5, 0, 1, 0),
    (0, -4, -4, 1, 1, 0),
    (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 2, -1, -2, 1, 0),
    (0, 4, 0, -5, 0, 1),
)
_AFTER = (
    (1, 1, 1, 1, 1, 0),
    (0, 1, -1, 2, -2, 0),
    (0, 1, 1, 4, 4, 0),
    (0, 1, -1, 8, -8, 1),
)


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
    tiles: Any  # of all images
    block: Any  # tiles of an item
    part: Any  # outputs of an item
    depth: Any  # channels at a time


def emit_winograd(module: ir.Module, registers: Registers) -> None:
    """The handler `NAME`: (x, filters, bias) -> (y, before, after), see `_Problem`.

    No bias, f32[0], is no ReLU either.
    """
    emit_handler(module, NAME, _emit_item(module, registers), _prepare, 3, 3)


def _prepare(b: Emitter, given: list[Array], made: list[Array]) -> tuple[Any, Any, list[Any]]:
    (x, x_size), (filters, _), (bias, bias_size) = given
    (y, y_size), (before, before_size), (after, after_size) = made
    images, height, width, outputs = (y_size(axis) for axis in range(4))
    rows, columns = (b.sdiv(b.add(size, word(3)), word(4)) for size in (height, width))
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
        tiles=tiles,
        block=block,
        part=part,
        depth=before_size(3),
    )
    blocks = b.sdiv(b.sum(tiles, block, word(-1)), block)
    return b.mul(blocks, b.sdiv(outputs, part)), after_size(0), list(problem)


def _emit_item(module: ir.Module, registers: Registers) -> ir.Function:
    """void(words, item, worker): the outputs of one part, of the tiles of one block."""
    multiply = _emit_product(module, registers)
    function = ir.Function(module, ir.FunctionType(VOID, [WORDS, WORD, WORD]), f"{NAME}_item")
    b = VectorEmitter(function, registers.lanes)
    words, item, worker = function.args
    problem = _Problem(*(b.field(words, i) for i in range(len(_Problem._fields))))
    room = b.product(worker, word(_PLANES), problem.block)
    before = b.gep(b.inttoptr(problem.before, FLOATS), [b.mul(room, problem.depth)])
    after = b.gep(b.inttoptr(problem.after, FLOATS), [b.mul(room, problem.part)])
    parts = b.sdiv(problem.outputs, problem.part)
    first_tile = b.mul(b.sdiv(item, parts), problem.block)
    first_output = b.mul(b.srem(item, parts), problem.part)
    with b.loop(problem.channels, problem.depth) as channel:
        _transform(b, problem, first_tile, channel, before)
        # The first channels are added to nothing.
        none, columns = b.icmp_signed("==", channel, word(0)), word(registers.columns)
        with b.loop(word(_PLANES)) as plane, b.loop(problem.part, columns) as output:
            stack = b.sum((plane, problem.outputs), first_output, output)
            panel = b.sum((stack, problem.channels), (channel, columns))
            filters = b.gep(b.inttoptr(problem.filters, FLOATS), [panel])
            with b.loop(problem.block, word(registers.rows)) as tile:
                row = b.sum((plane, problem.block), tile)
                left = b.gep(before, [b.mul(row, problem.depth)])
                result = b.gep(after, [b.sum((row, problem.part), output)])
                start = b.select(none, _zeros(module), result)
                stride = b.select(none, word(0), problem.part)
                sizes = [problem.depth, stride, problem.part]
                b.call(multiply, [left, filters, start, result, *sizes])
    _transform_back(b, problem, first_tile, first_output, before, after)
    b.ret_void()
    return function


def _emit_product(module: ir.Module, registers: Registers) -> ir.Function:
    """void(left, right, start, result, inner, stride, result_stride).

    f32[rows, inner] @ f32[inner, columns] + start, whose rows are a stride apart.
    """
    kind = ir.FunctionType(VOID, [*[FLOATS] * 4, *[WORD] * 3])
    function = ir.Function(module, kind, f"{NAME}_product")
    function.linkage = "internal"
    function.attributes.add("alwaysinline")
    left, right, start, result, inner, stride, result_stride = function.args
    b = VectorEmitter(function, registers.lanes)
    places = [word(registers.lanes * i) for i in range(registers.vectors)]
    rows = [word(row) for row in range(registers.rows)]
    starts = [[b.fetch(start, (row, stride), place) for place in places] for row in rows]
    entry, body, end = b.block, b.append_basic_block(), b.append_basic_block()
    b.branch(body)
    b.position_at_end(body)
    index = b.phi(WORD)
    sums = [[b.phi(b.vector) for _ in places] for _ in rows]
    vectors = [b.fetch(right, (index, word(registers.columns)), place) for place in places]
    new = []
    for row, totals in zip(rows, sums, strict=True):
        value = b.splat(b.load(b.gep(left, [b.sum((row, inner), index)])))
        new.append([b.add_product(t, value, v) for t, v in zip(totals, vectors, strict=True)])
    following = b.add(index, word(1))
    index.add_incoming(word(0), entry)
    index.add_incoming(following, body)
    for total, first, value in zip(chain(*sums), chain(*starts), chain(*new), strict=True):
        total.add_incoming(first, entry)
        total.add_incoming(value, body)
    b.cbranch(b.icmp_signed("<", following, inner), body, end)
    b.position_at_end(end)
    for row, values in zip(rows, new, strict=True):
        for place, value in zip(places, values, strict=True):
            b.put(value, result, (row, result_stride), place)
    b.ret_void()
    return function


def _transform(
    b: VectorEmitter, problem: _Problem, first: Any, first_channel: Any, tiles: Any
) -> None:
    """f32[36, block, depth], of tiles that overlap by two pixels."""
    x, zeros, table = b.inttoptr(problem.x, FLOATS), _zeros(b.module), _table(b, _PLANES)
    # The zeros around an image: its height and width grow by 2 p - 2.
    padding = b.sdiv(b.sum(problem.new_height, word(2), b.neg(problem.height)), word(2))
    with b.loop(problem.block) as tile:
        image, row, column = _place(b, problem, b.add(first, tile))
        for i, j in np.ndindex(_TILE, _TILE):
            top = b.sub(b.add(b.mul(row, word(_MADE)), word(i)), padding)
            left = b.sub(b.add(b.mul(column, word(_MADE)), word(j)), padding)
            inside = b.and_(
                b.icmp_unsigned("<", top, problem.height),
                b.icmp_unsigned("<", left, problem.width),
            )
            pixel = b.sum((b.sum((image, problem.height), top), problem.width), left)
            there = b.gep(x, [b.sum((pixel, problem.channels), first_channel)])
            b.store(b.select(inside, there, zeros), _entry(b, table, _TILE * i + j))
        with b.loop(problem.depth, word(b.lanes)) as channel:
            half = []  # [column][row]
            for j in range(_TILE):
                pixels = [_entry(b, table, _TILE * i + j) for i in range(_TILE)]
                half.append(_combine(b, _BEFORE, [b.fetch(b.load(p), channel) for p in pixels]))
            for i in range(_TILE):
                for j, value in enumerate(_combine(b, _BEFORE, [column[i] for column in half])):
                    row = b.sum((word(_TILE * i + j), problem.block), tile)
                    b.put(value, tiles, (row, problem.depth), channel)


def _transform_back(
    b: VectorEmitter, problem: _Problem, first: Any, first_output: Any, nowhere: Any, tiles: Any
) -> None:
    """4x4 pixels of each tile; what is beyond the image goes nowhere. Bias and ReLU if there."""
    y, table = b.inttoptr(problem.y, FLOATS), _table(b, _MADE**2)
    linear = b.icmp_signed("!=", problem.linear, word(0))
    bias = b.gep(b.inttoptr(problem.bias, FLOATS), [first_output])
    least = b.splat(b.select(linear, FLOAT(float("-inf")), FLOAT(0.0)))
    with b.loop(problem.block) as tile:
        image, row, column = _place(b, problem, b.add(first, tile))
        for i, j in np.ndindex(_MADE, _MADE):
            top = b.add(b.mul(row, word(_MADE)), word(i))
            left = b.add(b.mul(column, word(_MADE)), word(j))
            inside = b.and_(
                b.icmp_signed("<", top, problem.new_height),
                b.icmp_signed("<", left, problem.new_width),
            )
            pixel = b.sum((b.sum((image, problem.new_height), top), problem.new_width), left)
            there = b.gep(y, [b.sum((pixel, problem.outputs), first_output)])
            b.store(b.select(inside, there, nowhere), _entry(b, table, _MADE * i + j))
        with b.loop(problem.part, word(b.lanes)) as output:
            half = []  # [column][row]
            for j in range(_TILE):
                rows = [b.sum((word(_TILE * i + j), problem.block), tile) for i in range(_TILE)]
                values = [b.fetch(tiles, (row, problem.part), output) for row in rows]
                half.append(_combine(b, _AFTER, values))
            added = b.fetch(b.select(linear, _zeros(b.module), b.gep(bias, [output])))
            for i in range(_MADE):
                for j, value in enumerate(_combine(b, _AFTER, [column[i] for column in half])):
                    value = b.fadd(value, added)
                    value = b.select(b.fcmp_ordered("<", value, least), least, value)
                    b.put(value, b.load(_entry(b, table, _MADE * i + j)), output)


def _combine(
    b: VectorEmitter, matrix: Sequence[Sequence[float]], vectors: Sequence[Any]
) -> list[Any]:
    return [b.combine(row, vectors) for row in matrix]


def _place(b: Emitter, problem: _Problem, tile: Any) -> tuple[Any, Any, Any]:
    """(image, row, column) of a tile; behind the last of all tiles comes the last again."""
    tile = b.smaller(tile, b.sub(problem.tiles, word(1)))
    rows, columns = (
        b.sdiv(b.add(size, word(_MADE - 1)), word(_MADE))
        for size in (problem.new_height, problem.new_width)
    )
    above, column = b.sdiv(tile, columns), b.srem(tile, columns)
    return b.sdiv(above, rows), b.srem(above, rows), column


def _zeros(module: ir.Module) -> Any:
    name, kind = f"{NAME}_zeros", ir.ArrayType(FLOAT, _ZEROS)
    if name not in module.globals:
        zeros: Any = ir.GlobalVariable(module, kind, name)
        zeros.initializer, zeros.linkage, zeros.global_constant = kind(None), "internal", True
    return module.globals[name].bitcast(FLOATS)


def _table(b: Emitter, count: int) -> Any:
    """Room for addresses: a tile's pixels are looked up once for all channels."""
    with b.goto_entry_block():
        return b.alloca(FLOATS, count)


def _entry(b: Emitter, table: Any, index: int) -> Any:
    return b.gep(table, [word(index)])
