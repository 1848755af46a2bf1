"""Machine code for the inner loop on a CPU, built by LLVM in the process: convolutions and Gram
matrices.

XLA calls it (`jax.ffi`) and lends it its threads.
"""
