"""The subcommands of scripts/benchmark.py, one file each, and the PyTorch programs they race."""
