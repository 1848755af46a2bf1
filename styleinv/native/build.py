"""Has LLVM build the kernels for this machine's processor, and tells XLA of them."""

import ctypes
import threading
from functools import cache

import jax
import llvmlite.binding as llvm
from llvmlite import ir

from styleinv.native.emitter import Registers
from styleinv.native.gram import GRAM, emit_gram
from styleinv.native.winograd import WINOGRAD, emit_winograd

_KERNELS = {WINOGRAD: emit_winograd, GRAM: emit_gram}


@cache
def registers() -> Registers:
    """What this processor has room for."""
    features = _features()
    if features.get("avx512f"):
        return Registers(lanes=16, vectors=4, rows=6)
    if features.get("avx2"):
        return Registers(lanes=8, vectors=2, rows=6)
    many = llvm.get_process_triple().startswith(("aarch64", "arm64"))
    return Registers(lanes=4, vectors=4 if many else 2, rows=6)


def _features() -> llvm.FeatureMap:
    try:
        return llvm.get_host_cpu_features()
    except RuntimeError:  # LLVM cannot tell; the processor's name says enough
        return llvm.FeatureMap()


_one_at_a_time = threading.Lock()


def target(name: str, shape: Registers) -> str:
    """The name by which XLA knows a kernel; built once a process."""
    with _one_at_a_time:
        known, _ = _register(name, shape)
    return known


@cache  # which keeps the engine, and it the code
def _register(name: str, shape: Registers) -> tuple[str, llvm.ExecutionEngine]:
    module = ir.Module(name)
    _KERNELS[name](module, shape)
    engine = _compile(module)
    handler = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)(engine.get_function_address(name))
    known = "_".join([name, *map(str, shape)])
    jax.ffi.register_ffi_target(known, jax.ffi.pycapsule(handler), platform="cpu")
    return known, engine


def _compile(module: ir.Module) -> llvm.ExecutionEngine:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=_features().flatten(),
        opt=2,
        jit=True,
    )
    parsed = llvm.parse_assembly(str(module))
    parsed.verify()
    engine = llvm.create_mcjit_compiler(parsed, machine)
    engine.finalize_object()
    return engine
