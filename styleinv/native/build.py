"""Has LLVM build the kernels for this machine's processor, and tells XLA of them."""

import ctypes
import threading
from functools import cache

import jax
import llvmlite.binding as llvm
from llvmlite import ir

from styleinv.native.emitter import Registers
from styleinv.native.winograd import NAME, emit_winograd


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


def winograd_target(shape: Registers) -> str:
    """The name by which XLA knows the convolution; built once a process."""
    with _one_at_a_time:
        name, _ = _register_winograd(shape)
    return name


@cache  # which keeps the engine, and it the code
def _register_winograd(shape: Registers) -> tuple[str, llvm.ExecutionEngine]:
    module = ir.Module(NAME)
    emit_winograd(module, shape)
    engine = _compile(module)
    handler = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)(engine.get_function_address(NAME))
    name = "_".join([NAME, *map(str, shape)])
    jax.ffi.register_ffi_target(name, jax.ffi.pycapsule(handler), platform="cpu")
    return name, engine


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
    # Inlining is all that it needs before code is made of it: more takes longer and gains nothing.
    options = llvm.create_pipeline_tuning_options(speed_level=0)
    passes = llvm.create_pass_builder(machine, options)
    passes.getModulePassManager().run(parsed, passes)
    engine = llvm.create_mcjit_compiler(parsed, machine)
    engine.finalize_object()
    return engine
