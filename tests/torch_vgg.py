"""VGG in PyTorch, written down again: a reference that shares nothing with ours but the weights."""

import torch
import torch.nn.functional as F  # noqa: N812


def features(weights, image, layers, *, pooling="average", padding="replicate"):
    """{layer: tensor[c, h, w]} of tensor[h, w, 3], in the image's own precision."""
    to = {"dtype": image.dtype}
    x = image @ torch.tensor(weights.matrix, **to) + torch.tensor(weights.offset, **to)
    x, found = x.permute(2, 0, 1)[None], {}
    for name, kernel in weights.kernels.items():
        if name.endswith("_1") and name != "conv1_1":
            x = F.avg_pool2d(x, 2) if pooling == "average" else F.max_pool2d(x, 2)
        mode = "replicate" if name == "conv1_1" and padding == "replicate" else "constant"
        oihw = torch.tensor(kernel.transpose(3, 2, 0, 1).copy(), **to)
        bias = torch.tensor(weights.biases[name], **to)
        x = F.conv2d(F.pad(x, (1, 1, 1, 1), mode=mode), oihw, bias).relu()
        layer = name.replace("conv", "relu")
        if layer in layers:
            found[layer] = x[0]
        if len(found) == len(layers):
            return found
    raise ValueError(f"no such layer among {layers}")


def gram(x):
    """tensor[c, h, w] -> tensor[c, c], over the number of positions."""
    rows = x.flatten(1)
    return rows @ rows.T / rows.shape[1]
