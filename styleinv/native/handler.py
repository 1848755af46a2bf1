"""What XLA calls: it reads the arrays, and shares the work out to XLA's own threads.

The words of the structs are those of `xla/ffi/api/c_api.h`, which comes with jaxlib
(`jax.ffi.include_dir()`): all of their fields are 8 bytes or padded to 8.
"""

import os
from collections.abc import Callable
from typing import Any

from llvmlite import ir

from styleinv.native.emitter import (
    BYTES,
    VOID,
    WORD,
    WORDS,
    Emitter,
    VectorEmitter,
    declare,
    word,
)

_INT = ir.IntType(32)
_VERSION = 0, 3  # of the interface, major and minor
_METADATA = 1  # the kind of an extension
# Where words are: in a call, in an array, among the interface's functions, in an extension.
_EXTENSION, _API, _CONTEXT, _ARGUMENTS, _RESULTS = 1, 2, 3, 9, 14
_DATA, _DIMENSIONS = 3, 5
_DESTROY_ERROR, _SCHEDULE, _COUNT_THREADS = 8, 17, 18
_KIND, _CONTENT = 1, 3
_NUMBERS = 3  # of the version, in the metadata

# What threads share: counts, and behind them what the kernel is to find.
_NEXT, _DONE, _USERS, _WORKERS, _ITEMS, _KERNEL = range(6)

# An array: its address as a word, and its dimensions.
Array = tuple[Any, Callable[[int], Any]]


def emit_handler(
    module: ir.Module,
    name: str,
    item: ir.Function,
    prepare: Callable[[Emitter, list[Array], list[Array]], tuple[Any, Any, list[Any]]],
    arguments: int,
    results: int,
) -> None:
    """The function of that name, a handler of XLA's.

    Args:
        item: of `open_item`; no two threads at a time are one worker.
        prepare: (arguments, results) -> number of items, how many threads may work at a time, and
            the words that the items are to find.
        arguments, results: how many arrays there are.
    """
    function = ir.Function(module, ir.FunctionType(BYTES, [BYTES]), name)
    task = _emit_task(module, f"{name}_task", item)
    b, call = Emitter(function), function.args[0]
    extension = b.field(call, _EXTENSION, BYTES)
    with b.if_then(b.icmp_unsigned("!=", extension, BYTES(None))):
        kind = b.trunc(b.field(extension, _KIND), _INT)
        with b.if_then(b.icmp_unsigned("==", kind, _INT(_METADATA))):
            _tell_version(b, b.field(extension, _CONTENT, BYTES))
            b.ret(BYTES(None))
    given, made = (
        [_array(b, b.field(b.field(call, place, BYTES), i, BYTES)) for i in range(count)]
        for place, count in ((_ARGUMENTS, arguments), (_RESULTS, results))
    )
    items, most, words = prepare(b, given, made)
    state = _allocate(b, [word(0), word(0), word(1), word(0), items, *words])
    _schedule(b, call, task, state, b.smaller(items, most))
    _work(b, state, item)
    with b.repeat_until() as stop:  # others have items that they began
        done = b.load_atomic(b.gep(state, [word(_DONE)]), "acquire", 8)
        stop(b.icmp_signed("==", done, items))
        if os.name == "posix":
            b.call(declare(module, "sched_yield", ir.FunctionType(_INT, [])), [])
    _leave(b, state)
    b.ret(BYTES(None))


def open_item(
    module: ir.Module, name: str, lanes: int, words: int
) -> tuple[VectorEmitter, list[Any], Any, Any]:
    """A function for `emit_handler`, still to be written: its emitter, words, item and worker."""
    kind = ir.FunctionType(VOID, [WORDS, WORD, WORD])
    function = ir.Function(module, kind, f"{name}_item")
    b, (state, item, worker) = VectorEmitter(function, lanes), function.args
    return b, [b.field(state, i) for i in range(words)], item, worker


def _emit_task(module: ir.Module, name: str, item: ir.Function) -> ir.Function:
    """void(state), what a thread does. It may come when all is done and the call has returned."""
    function = ir.Function(module, ir.FunctionType(VOID, [BYTES]), name)
    b = Emitter(function)
    state = b.bitcast(function.args[0], WORDS)
    _work(b, state, item)
    _leave(b, state)
    b.ret_void()
    return function


def _tell_version(b: Emitter, metadata: Any) -> None:
    """XLA asks once for which version of its interface this was written."""
    numbers = b.bitcast(b.gep(b.bitcast(metadata, WORDS), [word(_NUMBERS)]), _INT.as_pointer())
    for index, number in enumerate(_VERSION):
        b.store(_INT(number), b.gep(numbers, [word(index)]))


def _array(b: Emitter, buffer: Any) -> Array:
    dimensions = b.field(buffer, _DIMENSIONS, BYTES)
    return b.field(buffer, _DATA), lambda axis: b.field(dimensions, axis)


def _allocate(b: Emitter, words: list[Any]) -> Any:
    malloc = declare(b.module, "malloc", ir.FunctionType(BYTES, [WORD]))
    state = b.bitcast(b.call(malloc, [word(8 * len(words))]), WORDS)
    b.fill(state, words)
    return state


def _schedule(b: Emitter, call: Any, task: ir.Function, state: Any, most: Any) -> None:
    """Asks for all threads that there are, but no more than `most` with this one."""
    api, context = b.field(call, _API, BYTES), b.field(call, _CONTEXT)
    count = b.reserve(1)
    b.store(word(1), count)
    _ask(b, api, _COUNT_THREADS, [context, b.ptrtoint(count, WORD)])
    with b.loop(b.sub(b.smaller(b.load(count), most), word(1))):
        _count(b, state, _USERS, 1)
        request = [context, b.ptrtoint(task, WORD), b.ptrtoint(state, WORD)]
        refused = b.icmp_unsigned("!=", _ask(b, api, _SCHEDULE, request), word(0))
        with b.if_then(refused):
            _count(b, state, _USERS, -1)


def _ask(b: Emitter, api: Any, function: int, fields: list[Any]) -> Any:
    """Calls a function of XLA's. Not 0 if it refused; the reason is thrown away."""
    kind = ir.FunctionType(BYTES, [BYTES]).as_pointer()
    request = b.reserve(5)

    def call(function, fields):
        b.fill(request, [word(8 * (2 + len(fields))), word(0), *fields])
        return b.ptrtoint(b.call(b.field(api, function, kind), [b.bitcast(request, BYTES)]), WORD)

    error = call(function, fields)
    with b.if_then(b.icmp_unsigned("!=", error, word(0))):
        call(_DESTROY_ERROR, [error])
    return error


def _work(b: Emitter, state: Any, item: ir.Function) -> None:
    """Does items until none is left."""
    worker, items = _count(b, state, _WORKERS, 1), b.field(state, _ITEMS)
    with b.repeat_until() as stop:
        index = _count(b, state, _NEXT, 1)
        stop(b.icmp_signed(">=", index, items))
        b.call(item, [b.gep(state, [word(_KERNEL)]), index, worker])
        _count(b, state, _DONE, 1)


def _leave(b: Emitter, state: Any) -> None:
    """The last one to leave frees what they shared."""
    with b.if_then(b.icmp_signed("==", _count(b, state, _USERS, -1), word(1))):
        free = declare(b.module, "free", ir.FunctionType(VOID, [BYTES]))
        b.call(free, [b.bitcast(state, BYTES)])


def _count(b: Emitter, state: Any, index: int, change: int) -> Any:
    """Adds to a count; what it was before."""
    return b.atomic_rmw("add", b.gep(state, [word(index)]), word(change), "acq_rel")
