"""What XLA is told, as `compiler_options` of jitted functions; all of it is about CPUs."""

# Products of matrices by Eigen: of many small ones, YNNPACK took up to twice as long on an AMD EPYC
# (docs/performance.md). Its sums are kept, which are the more exact.
FAST = {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_REDUCE"}

# Orders operations for little memory, not for much at a time: a step is a few percent slower; a
# single pass through the network is as fast, and takes half the memory.
FRUGAL = FAST | {"xla_cpu_scheduler_type": "CPU_SCHEDULER_TYPE_MEMORY_OPTIMIZED"}
