"""VGG19 and the 16-layer Gram objective in PyTorch, as one would write them down.

The weights are ours; pooling is by averages, the first border is replicated, memory is laid out
channels last, and there are as many threads as cores. On CUDA, TF32 is allowed where it is timed.
"""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

from scripts.benchmarks.program import peak
from styleinv import weights

Grams = Mapping[str, torch.Tensor]


def device() -> torch.device:
    """The one that PyTorch is fastest on here; as many threads as cores."""
    torch.set_num_threads(os.cpu_count() or 1)
    torch.backends.cudnn.benchmark = True
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@contextmanager
def tf32(allowed: bool) -> Iterator[None]:
    """Whether CUDA may round the factors of products to ten bits; without effect on CPU."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = allowed
    yield


def wait() -> None:
    """Until the device has done what it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


class VGG19(torch.nn.Module):
    """f32[n, 3, h, w] in [0, 1] -> {layer: f32[n, c_l, h_l, w_l]}, all 16 layers."""

    def __init__(self):
        super().__init__()
        loaded = weights.load("default")
        self.matrix = torch.nn.Parameter(torch.tensor(loaded.matrix))
        self.offset = torch.nn.Parameter(torch.tensor(loaded.offset))
        self.convolutions = torch.nn.ModuleDict()
        for name, kernel in loaded.kernels.items():
            c_in, c_out = kernel.shape[2:]
            padding = 0 if name == "conv1_1" else 1
            make = torch.nn.utils.skip_init  # random weights would only cost time
            convolution = make(torch.nn.Conv2d, c_in, c_out, 3, padding=padding)
            oihw = torch.tensor(kernel).permute(3, 2, 0, 1)
            oihw = oihw.contiguous(memory_format=torch.channels_last)
            convolution.weight = torch.nn.Parameter(oihw)
            convolution.bias = torch.nn.Parameter(torch.tensor(loaded.biases[name]))
            self.convolutions[name] = convolution
        self.requires_grad_(False)

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        x = (images.permute(0, 2, 3, 1) @ self.matrix + self.offset).permute(0, 3, 1, 2)
        # Not F.pad(mode="replicate"): torch.compile fails at its gradient where channels are last.
        x = torch.cat([x[:, :, :1], x, x[:, :, -1:]], 2)
        x, found = torch.cat([x[..., :1], x, x[..., -1:]], 3), {}
        for name, convolution in self.convolutions.items():
            if name.endswith("_1") and name != "conv1_1":
                x = F.avg_pool2d(x, 2)
            found[name.replace("conv", "relu")] = x = F.relu(convolution(x), inplace=True)
        return found


def gram(features: torch.Tensor) -> torch.Tensor:
    """f32[n, c, h, w] -> f32[n, c, c], over the number of positions."""
    rows = features.permute(0, 2, 3, 1).flatten(1, 2)  # no copy where channels are last
    return rows.transpose(1, 2) @ rows / rows.shape[1]


def grams(network: VGG19, images: torch.Tensor) -> dict[str, torch.Tensor]:
    """{layer: f32[n, c, c]}, without gradients."""
    with torch.no_grad():
        return {layer: gram(x) for layer, x in network(images).items()}


def layer_weights(targets: Grams) -> dict[str, float]:
    """Ours by default, `fine` of styleinv/layer_weights.py, for targets f32[n, c, c]."""
    strides = {layer: 2 ** (int(layer[4]) - 1) for layer in targets}
    total = sum(1 / stride for stride in strides.values())
    return {
        layer: 1 / (strides[layer] * total * (target.mean(0) ** 2).sum().item())
        for layer, target in targets.items()
    }


def style_loss(
    network: VGG19, image: torch.Tensor, targets: Grams, weighed: Mapping[str, float]
) -> torch.Tensor:
    """f32[]: weighted squared Gram differences, the sum over layers of the mean over targets.

    Args:
        image: f32[1, 3, h, w].
    """
    losses = [
        weighed[layer] * ((gram(x) - targets[layer]) ** 2).sum((1, 2)).mean()
        for layer, x in network(image).items()
    ]
    return torch.stack(losses).sum()


def to_tensor(image: np.ndarray, place: torch.device) -> torch.Tensor:
    """f32[h, w, 3] -> f32[1, 3, h, w], channels last."""
    planes = torch.tensor(image, device=place).permute(2, 0, 1)[None]
    return planes.contiguous(memory_format=torch.channels_last)


class TorchStep:
    """Value and gradient of the objective, for `step` and `memory`.

    Args:
        target: f32[h, w, 3], the picture whose Gram matrices are aimed at.
        compiled: by torch.compile, or as it is.
    """

    def __init__(self, target: np.ndarray, compiled: bool = False):
        self._place = device()
        self._network = VGG19().to(self._place)
        self._targets = grams(self._network, to_tensor(target, self._place))
        self._weights = layer_weights(self._targets)
        self._loss = torch.compile(style_loss) if compiled else style_loss

    def kind(self) -> str:
        """The kind of its device: cpu or gpu."""
        return "gpu" if self._place.type == "cuda" else "cpu"

    def evaluate(self, image: np.ndarray) -> tuple[float, np.ndarray]:
        """The loss, and its gradient f32[h, w, 3], in full precision."""
        x = to_tensor(image, self._place).requires_grad_()
        with tf32(False):
            value, gradient = self._step(x)
        return value.item(), gradient[0].permute(1, 2, 0).cpu().numpy()

    def seconds(self, image: np.ndarray) -> float:
        """That one step takes."""
        x = to_tensor(image, self._place).requires_grad_()
        with tf32(True):
            wait()
            begun = time.perf_counter()
            self._step(x)
            wait()
            return time.perf_counter() - begun

    def peak(self, image: np.ndarray, steps: int) -> float:
        """Megabytes that the process has had at most, after so many steps of Adam."""
        x = to_tensor(image, self._place).requires_grad_()
        optimizer = torch.optim.Adam([x])
        for _ in range(steps):
            _, x.grad = self._step(x)
            optimizer.step()
        return peak()

    def _step(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        value = self._loss(self._network, x, self._targets, self._weights)
        (gradient,) = torch.autograd.grad(value, x)
        return value, gradient
