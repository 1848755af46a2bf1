"""LLVM's builder, with what kernels need beyond it: loops, words in memory, vectors of floats."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from typing import Any, NamedTuple

from llvmlite import ir

FLOAT, WORD, VOID = ir.FloatType(), ir.IntType(64), ir.VoidType()
FLOATS, WORDS, BYTES = FLOAT.as_pointer(), WORD.as_pointer(), ir.IntType(8).as_pointer()
CHANNELS = 64  # of which kernels take multiples: no row in registers is longer
_INDEX = ir.IntType(32)  # of a vector's lanes


def word(number: int) -> ir.Constant:
    """A constant i64."""
    return ir.Constant(WORD, number)


def declare(module: ir.Module, name: str, kind: ir.FunctionType) -> ir.Function:
    """A function that is defined elsewhere."""
    known = module.globals.get(name)
    return known if known is not None else ir.Function(module, kind, name)


class Emitter(ir.IRBuilder):
    """Writes one function."""

    def __init__(self, function: ir.Function):
        super().__init__(function.append_basic_block())

    @contextmanager
    def loop(self, count: Any, step: Any = None) -> Iterator[Any]:
        """Gives the words 0, step, 2 * step, ... below the count; a step is 1 by default."""
        before = self.block
        head, body, after = (self.append_basic_block() for _ in range(3))
        self.branch(head)
        self.position_at_end(head)
        index = self.phi(WORD)
        index.add_incoming(word(0), before)
        self.cbranch(self.icmp_signed("<", index, count), body, after)
        self.position_at_end(body)
        yield index
        index.add_incoming(self.add(index, word(1) if step is None else step), self.block)
        self.branch(head)
        self.position_at_end(after)

    @contextmanager
    def repeat_until(self) -> Iterator[Callable[[Any], None]]:
        """Gives what leaves the loop if a flag is set, at that place of it."""
        body, after = self.append_basic_block(), self.append_basic_block()
        self.branch(body)
        self.position_at_end(body)

        def stop(flag: Any) -> None:
            further = self.append_basic_block()
            self.cbranch(flag, after, further)
            self.position_at_end(further)

        yield stop
        self.branch(body)
        self.position_at_end(after)

    def sum(self, *terms: Any) -> Any:
        """Of words and, for each tuple, the product of its words."""
        return reduce(self.add, [self.product(*t) if isinstance(t, tuple) else t for t in terms])

    def product(self, *factors: Any) -> Any:
        """Of words."""
        return reduce(self.mul, factors)

    def smaller(self, x: Any, y: Any) -> Any:
        """Of two words."""
        return self.select(self.icmp_signed("<", x, y), x, y)

    def reserve(self, words: int) -> Any:
        """Room for some words until the function returns."""
        with self.goto_entry_block():
            return self.alloca(WORD, words)

    def fill(self, words: Any, values: Sequence[Any]) -> None:
        """Stores one after the other."""
        for index, value in enumerate(values):
            self.store(value, self.gep(words, [word(index)]))

    def field(self, struct: Any, index: int, kind: Any = WORD) -> Any:
        """The word at an index, or the pointer."""
        return self.load(self.gep(self.bitcast(struct, kind.as_pointer()), [word(index)]))


class Registers(NamedTuple):
    """What a product of matrices keeps in registers: rows of some vectors of so many lanes."""

    lanes: int
    vectors: int
    rows: int

    @property
    def columns(self) -> int:
        """Floats of a row."""
        return self.lanes * self.vectors


class VectorEmitter(Emitter):
    """Writes one function that computes with vectors of floats."""

    def __init__(self, function: ir.Function, lanes: int):
        super().__init__(function)
        self.lanes = lanes
        self.vector = ir.VectorType(FLOAT, lanes)

    def floats(self, address: Any, *index: Any) -> Any:
        """The floats from an index on, a `sum`, of those at an address, a word."""
        return self.gep(self.inttoptr(address, FLOATS), [self.sum(*index)])

    def fetch(self, floats: Any, *index: Any) -> Any:
        """The vector that begins at an index, a `sum`; at the first float without one."""
        return self.load(self._at(floats, index), align=4)

    def put(self, value: Any, floats: Any, *index: Any) -> None:
        """Stores a vector there."""
        self.store(value, self._at(floats, index), align=4)

    def _at(self, floats: Any, index: Sequence[Any]) -> Any:
        where = self.gep(floats, [self.sum(*index)]) if index else floats
        return self.bitcast(where, self.vector.as_pointer())

    def constant(self, number: float) -> ir.Constant:
        """That number in each lane."""
        return ir.Constant(self.vector, [float(number)] * self.lanes)

    def splat(self, value: Any) -> Any:
        """A float in each lane."""
        nothing = ir.Constant(self.vector, ir.Undefined)
        first = self.insert_element(nothing, value, _INDEX(0))
        lanes = ir.Constant(ir.VectorType(_INDEX, self.lanes), [0] * self.lanes)
        return self.shuffle_vector(first, nothing, lanes)

    def add_product(self, total: Any, a: Any, b: Any) -> Any:
        """total + a * b, in one instruction where the processor has it."""
        kind = ir.FunctionType(self.vector, [self.vector] * 3)
        function = declare(self.module, f"llvm.fmuladd.v{self.lanes}f32", kind)
        return self.call(function, [a, b, total])

    def scale(self, x: Any, number: float) -> Any:
        """x * number."""
        return self.fmul(x, self.constant(number))

    def add_scaled(self, total: Any, number: float, x: Any) -> Any:
        """total + number * x, as `add_product` does it."""
        return self.add_product(total, x, self.constant(number))
