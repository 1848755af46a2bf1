"""What convolutions multiply in while a picture is optimized. Sums are float32 always.

Gram matrices, the solver and all else stay float32, and so does whatever is measured: those numbers
are kept, and compared with others of other devices.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax.lax import Precision as Products


class Precision(NamedTuple):
    """How a convolution treats its factors.

    Attributes:
        products: how far the device may round float32 factors. HIGH is TensorFloat-32 (10 bits
            behind the point) on GPUs that have it; DEFAULT is bfloat16 (7 bits) on TPUs.
        features: the type that features are stored in between convolutions. Both of these have
            float32's range: nothing overflows that would not in float32.
    """

    products: Products
    features: Any


FLOAT32 = Precision(Products.HIGHEST, jnp.float32)
_TENSORFLOAT32 = Precision(Products.HIGH, jnp.float32)
_OF = {
    "float32": FLOAT32,
    "tensorfloat32": _TENSORFLOAT32,
    "bfloat16": Precision(Products.DEFAULT, jnp.bfloat16),
}
_AUTO = {"cpu": FLOAT32, "tpu": Precision(Products.DEFAULT, jnp.float32)}
PRECISIONS = ("auto", *_OF)


def choose(name: str, platform: str) -> Precision:
    """The precision of that name on a platform ("cpu", "gpu" or "tpu"); auto is its fastest safe.

    A CPU has no TensorFloat-32, and takes float32 for it.
    """
    if name == "auto":
        return _AUTO.get(platform, _TENSORFLOAT32)
    return FLOAT32 if (name, platform) == ("tensorfloat32", "cpu") else _OF[name]
