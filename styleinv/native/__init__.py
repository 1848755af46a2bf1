"""Machine code for the inner loop on a CPU: Winograd's convolution, built by LLVM in the process.

XLA calls it (`jax.ffi`) and lends it its threads.
"""
