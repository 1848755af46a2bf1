"""What XLA is told before JAX begins: it reads this from the environment, and nowhere else.

What is told function by function is in `styleinv/compiler_options.py`.
"""

import importlib.util
import os
from importlib.metadata import entry_points

# All for shorter compilation; a step, whose convolutions and Gram matrices are not XLA's own, is
# as fast (docs/performance.md). LLVM leaves out the unrolling of loops and strength reduction, and
# XLA writes what it fuses by its older generator.
_TOLD = (
    "--xla_backend_extra_options=xla_cpu_disable_loop_unrolling,-disable-lsr",
    "--xla_cpu_use_fusion_emitters=false",
)


def compile_quickly() -> None:
    """Has XLA leave out what costs more than it gains on a CPU.

    Without effect once JAX has begun, where the user says otherwise, and where an accelerator may
    be: its kernels would be told the same.
    """
    given = os.environ.get("XLA_FLAGS", "").strip()
    file = given[:1] not in ("", "-")
    accelerator = entry_points(group="jax_plugins") or importlib.util.find_spec("libtpu")
    if not file and not accelerator:
        words = [word for word in _TOLD if word.partition("=")[0] not in given]
        os.environ["XLA_FLAGS"] = " ".join([given, *words]).strip()
