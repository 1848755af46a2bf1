"""What LLVM is told before JAX begins. XLA reads it from the environment, and nowhere else.

What is told function by function is in `styleinv/compiler_options.py`.
"""

import importlib.util
import os
from importlib.metadata import entry_points

# Unrolling of loops and strength reduction take a sixth of a compilation, and a step shows
# nothing of either (docs/performance.md).
_LEFT_OUT = "--xla_backend_extra_options=xla_cpu_disable_loop_unrolling,-disable-lsr"


def compile_quickly() -> None:
    """Has LLVM leave out what costs more than it gains on a CPU.

    Without effect once JAX has begun, where the user says otherwise, and where an accelerator may
    be: its kernels would be told the same.
    """
    given = os.environ.get("XLA_FLAGS", "").strip()
    says_otherwise = "xla_backend_extra_options" in given or given[:1] not in ("", "-")  # a file
    accelerator = entry_points(group="jax_plugins") or importlib.util.find_spec("libtpu")
    if not says_otherwise and not accelerator:
        os.environ["XLA_FLAGS"] = f"{given} {_LEFT_OUT}".strip()
