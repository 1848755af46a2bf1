"""How published files name and order a VGG's tensors, and the input each expects.

assemble(tensors, layout, preprocessing, ...)  -> Weights
recognize(tensors, where)                      -> the name of a layout
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from styleinv.errors import InputError
from styleinv.weights.convolutions import Weights, layers

_IMAGENET_MEAN = np.array([0.485, 0.456, 0.406])
_IMAGENET_STD = np.array([0.229, 0.224, 0.225])

# (matrix, offset): the network's input is `rgb @ matrix + offset`, rgb in [0, 1].
PREPROCESSING = {
    # B, G, R in 0 .. 255 minus the mean color of ImageNet: Caffe's order, kept by Keras.
    "caffe": (255.0 * np.eye(3)[::-1], -np.array([103.939, 116.779, 123.68])),
    "imagenet": (np.diag(1 / _IMAGENET_STD), -_IMAGENET_MEAN / _IMAGENET_STD),
}


class Layout(NamedTuple):
    """Names of the tensors of `conv{block}_{conv}`, which is number `index` in a torch Sequential.

    A Sequential counts its other modules too: `index` is `first` at conv1_1, grows by `step` from
    one convolution to the next, and by one more at each pooling.
    """

    kernel: str
    bias: str
    axes: str  # of the kernel in the file
    first: int = 0
    step: int = 0
    table: str = ""  # the codebook, where the kernel holds indices into one

    def names(self, network: str) -> dict[str, tuple[str, str, str]]:
        """`{"conv1_1": (kernel's name, bias's name, table's name), ...}`"""
        result = {}
        for number, name in enumerate(layers(network)):
            block, conv = int(name[4]), int(name[6])
            index = self.first + self.step * number + block - 1
            result[name] = tuple(
                template.format(block=block, conv=conv, index=index)
                for template in (self.kernel, self.bias, self.table)
            )
        return result


LAYOUTS = {
    "codebook": Layout(
        kernel="block{block}_conv{conv}_W_q",
        bias="block{block}_conv{conv}_b",
        table="block{block}_conv{conv}_W_table",
        axes="OIHW",
    ),
    "keras": Layout(
        kernel="block{block}_conv{conv}/block{block}_conv{conv}_W_1:0",
        bias="block{block}_conv{conv}/block{block}_conv{conv}_b_1:0",
        axes="HWIO",
    ),
    # convolution, relu, ...
    "features": Layout("features.{index}.weight", "features.{index}.bias", "OIHW", first=0, step=2),
    # 1x1 convolution, then padding, convolution, relu, ...
    "sequential": Layout("{index}.weight", "{index}.bias", "OIHW", first=2, step=3),
    "styleinv": Layout("conv{block}_{conv}.kernel", "conv{block}_{conv}.bias", "HWIO"),
}


def recognize(tensors: Mapping[str, np.ndarray], where: str) -> str:
    """The name of the layout by which conv1_1 is called in `tensors`."""
    for name, layout in LAYOUTS.items():
        if layout.names("vgg19")["conv1_1"][0] in tensors:
            return name
    first = ", ".join(map(repr, list(tensors)[:3])) or "nothing"
    expected = ", ".join(layout.names("vgg19")["conv1_1"][0] for layout in LAYOUTS.values())
    raise InputError(f"{where} is not a VGG: it holds {first}, but none of {expected}")


def assemble(
    tensors: Mapping[str, np.ndarray],
    *,
    layout: str,
    preprocessing: str,
    name: str,
    network: str,
    credit: str,
    family: str,
    where: str,
) -> Weights:
    """The convolutions of `network` in a file's tensors.

    Raises:
        InputError: if a tensor is missing, of another shape or kind, not finite, or left over.
    """
    names = LAYOUTS[layout].names(network)
    present = [conv for conv, (kernel, _, _) in names.items() if kernel in tensors]
    known = {key for keys in names.values() for key in keys} | {"0.weight"}
    left = [key for key, tensor in tensors.items() if tensor.ndim == 4 and key not in known]
    if left or present != list(names)[: len(present)]:
        odd = left[0] if left else names[present[-1]][0]
        raise InputError(
            f"{where} is not a {network}: {odd!r} does not follow its other convolutions; "
            "is it another network?"
        )
    read = _Checked(tensors, where)
    kernels, biases = {}, {}
    for conv in present:
        c_in, c_out = layers(network)[conv]
        kernel_name, bias_name, table_name = names[conv]
        oihw = LAYOUTS[layout].axes == "OIHW"
        shape = (c_out, c_in, 3, 3) if oihw else (3, 3, c_in, c_out)
        if table_name:
            kernel = read(table_name, (256,))[read(kernel_name, shape, "u1")]
        else:
            kernel = read(kernel_name, shape)
        kernels[conv] = np.ascontiguousarray(kernel.transpose(2, 3, 1, 0) if oihw else kernel)
        biases[conv] = read(bias_name, (c_out,))
    if layout == "styleinv":
        matrix, offset = read("matrix", (3, 3)), read("offset", (3,))
    elif layout == "sequential":
        matrix, offset = read("0.weight", (3, 3, 1, 1))[:, :, 0, 0].T, read("0.bias", (3,))
    else:
        matrix, offset = PREPROCESSING[preprocessing]
    matrix, offset = np.array(matrix, np.float32, order="C"), np.array(offset, np.float32)
    return Weights(name, network, kernels, biases, matrix, offset, credit, family)


class _Checked(NamedTuple):
    """Takes a tensor out of a file's, as f32 or as the bytes of a codebook's indices."""

    tensors: Mapping[str, np.ndarray]
    where: str

    def __call__(self, name: str, shape: tuple[int, ...], kind: str = "f4") -> np.ndarray:
        tensor = self.tensors.get(name)
        if tensor is None:
            raise InputError(f"{self.where} lacks the tensor {name}")
        if tensor.shape != shape:
            raise InputError(f"{self.where}: {name} has shape {tensor.shape}, not {shape}")
        if tensor.dtype.kind != kind[0] or (kind == "u1" and tensor.dtype.itemsize != 1):
            raise InputError(f"{self.where}: {name} holds {tensor.dtype}, which is not expected")
        tensor = np.array(tensor, kind)
        if kind == "f4" and not np.isfinite(tensor).all():
            raise InputError(f"{self.where}: {name} holds numbers that are not finite")
        return tensor
