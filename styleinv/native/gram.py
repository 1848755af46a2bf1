"""Gram matrices of tall matrices, in pieces: X'X of some rows of X."""

from typing import Any, NamedTuple

from llvmlite import ir

from styleinv.native.emitter import CHANNELS, Emitter, Registers, word
from styleinv.native.handler import Array, emit_handler, open_item
from styleinv.native.product import Matrix, Product, begin, multiply

GRAM = "styleinv_gram"
_DEPTH = 128  # positions at a time, that the cache keeps for all rows of a block


class _Problem(NamedTuple):
    """What an item finds, as words."""

    x: Any  # f32[batch, positions, channels]
    y: Any  # f32[batch, pieces, channels, channels]
    positions: Any
    channels: Any
    pieces: Any


def narrow(registers: Registers) -> Registers:
    """The registers as half of a Gram matrix is best cut: less is beyond its diagonal."""
    return Registers(registers.lanes, 2, 2 * registers.vectors)


def emit_gram(module: ir.Module, registers: Registers) -> None:
    """The handler `GRAM`: x -> y, see `_Problem`."""
    emit_handler(module, GRAM, _emit_item(module, narrow(registers)), _prepare, 1, 1)


def _prepare(b: Emitter, given: list[Array], made: list[Array]) -> tuple[Any, Any, list[Any]]:
    [(x, x_size)], [(y, y_size)] = given, made
    problem = _Problem(x, y, x_size(1), x_size(2), y_size(1))
    blocks = b.sdiv(problem.channels, word(CHANNELS))
    items = b.product(y_size(0), problem.pieces, blocks, blocks)
    return items, items, list(problem)


def _emit_item(module: ir.Module, registers: Registers) -> ir.Function:
    """An item is a square block of one piece, and its mirror image."""
    b, words, item, _ = open_item(module, GRAM, registers.lanes, len(_Problem._fields))
    problem = _Problem(*words)
    channels, side, wide = problem.channels, word(CHANNELS), word(registers.columns)
    blocks = b.sdiv(channels, side)
    above, column = b.sdiv(item, blocks), b.mul(b.srem(item, blocks), side)
    piece, row = b.sdiv(above, blocks), b.mul(b.srem(above, blocks), side)
    image, part = b.sdiv(piece, problem.pieces), b.srem(piece, problem.pieces)
    first, last = (
        b.sdiv(b.mul(n, problem.positions), problem.pieces) for n in (part, b.add(part, word(1)))
    )
    x = b.floats(problem.x, (b.sum((image, problem.positions), first), channels))
    y = b.floats(problem.y, (piece, channels, channels))
    count = b.sub(last, first)
    on_diagonal = b.icmp_signed("==", row, column)
    with b.if_then(b.icmp_signed("<=", row, column)):
        with b.loop(count, word(_DEPTH)) as position, b.loop(side, wide) as j:
            here = b.mul(position, channels)
            right = Matrix(b.gep(x, [b.sum(here, column, j)]), channels)
            inner = b.smaller(word(_DEPTH), b.sub(count, position))
            rows = b.select(on_diagonal, b.add(j, wide), side)
            with b.loop(rows, word(registers.rows)) as i:
                left = Matrix(b.gep(x, [b.sum(here, row, i)]), word(1), channels)
                place = b.sum((b.add(row, i), channels), column, j)
                result = Matrix(b.gep(y, [place]), channels)
                start = begin(b, b.icmp_signed("==", position, word(0)), result)
                product = Product(left, right, start, result, inner)
                multiply(b, registers, product)
        with b.loop(side) as j, b.loop(b.select(on_diagonal, j, side)) as i:
            value = b.load(b.gep(y, [b.sum((b.add(row, i), channels), column, j)]))
            b.store(value, b.gep(y, [b.sum((b.add(column, j), channels), row, i)]))
    b.ret_void()
    return b.function
