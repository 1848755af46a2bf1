"""In which order XLA computes: for speed, which is its default, or for little memory."""

# Options of `jax.jit`. Of a single pass through the network, the features of all layers would be
# there at a time otherwise: half the memory, and as fast (docs/performance.md).
FRUGAL = {"xla_cpu_scheduler_type": "CPU_SCHEDULER_TYPE_MEMORY_OPTIMIZED"}
