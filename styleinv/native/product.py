"""A product of matrices whose result fits into registers; larger ones are made of many of it."""

from itertools import chain
from typing import Any, NamedTuple

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

_ONE = word(1)
_ZEROS = 4096  # more than what a kernel reads at a time


class Matrix(NamedTuple):
    """Floats in memory: where the first one is, and how far it is to the next row and column."""

    floats: Any
    row: Any
    column: Any = _ONE


class Product(NamedTuple):
    """result f32[rows, columns] = left f32[rows, inner] @ right f32[inner, columns] + start.

    Only the left one's columns may be apart.
    """

    left: Matrix
    right: Matrix
    start: Matrix
    result: Matrix
    inner: Any


def multiply(b: VectorEmitter, registers: Registers, product: Product) -> None:
    """Writes it. The start is added to the sum of all products: that rounds less than the reverse.

    Args:
        registers: that hold the result.
    """
    left, right, start, result, inner = product
    places = [word(registers.lanes * i) for i in range(registers.vectors)]
    rows = [word(row) for row in range(registers.rows)]
    entry, body, end = b.block, b.append_basic_block(), b.append_basic_block()
    b.branch(body)
    b.position_at_end(body)
    index = b.phi(WORD)
    sums = [[b.phi(b.vector) for _ in places] for _ in rows]
    vectors = [b.fetch(right.floats, (index, right.row), place) for place in places]
    new = []
    for row, totals in zip(rows, sums, strict=True):
        where = b.sum((row, left.row), (index, left.column))
        value = b.splat(b.load(b.gep(left.floats, [where])))
        new.append([b.add_product(t, value, v) for t, v in zip(totals, vectors, strict=True)])
    following = b.add(index, word(1))
    index.add_incoming(word(0), entry)
    index.add_incoming(following, body)
    for total, value in zip(chain(*sums), chain(*new), strict=True):
        total.add_incoming(b.constant(0), entry)
        total.add_incoming(value, body)
    b.cbranch(b.icmp_signed("<", following, inner), body, end)
    b.position_at_end(end)
    for row, values in zip(rows, new, strict=True):
        for place, value in zip(places, values, strict=True):
            first = b.fetch(start.floats, (row, start.row), place)
            b.put(b.fadd(first, value), result.floats, (row, result.row), place)


def begin(b: Emitter, first: Any, result: Matrix) -> Matrix:
    """What a product is added to: nothing if it is the first, or what is there already."""
    floats = b.select(first, zeros(b.module), result.floats)
    return Matrix(floats, b.select(first, word(0), result.row))


def zeros(module: ir.Module) -> Any:
    """The address of 4096 floats that are 0."""
    name, kind = "styleinv_zeros", ir.ArrayType(FLOAT, _ZEROS)
    if name not in module.globals:
        made: Any = ir.GlobalVariable(module, kind, name)
        made.initializer, made.linkage, made.global_constant = kind(None), "internal", True
    return module.globals[name].bitcast(FLOATS)
