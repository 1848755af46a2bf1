"""Compiled functions are kept between runs, in the user's cache folder."""

import jax

from styleinv.weights.cache import folder


def keep_compiled() -> None:
    """A second run in the same shapes compiles nothing."""
    jax.config.update("jax_compilation_cache_dir", str(folder() / "compiled"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
