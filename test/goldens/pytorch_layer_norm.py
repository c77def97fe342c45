"""Writes the golden files of layer normalization: what PyTorch computes for small nn.LayerNorm over the last axis.

    python3 pytorch_layer_norm.py

Cases of the kind `layer-norm`, described in README.md. Running the script again writes the same bytes.
"""

import torch
from torch import nn

from pytorch_goldens import draw_parameters, normal, tensors, write


def write_case(name, seed, shape, eps=1e-5, elementwise_affine=True):
    torch.manual_seed(seed)
    layer = nn.LayerNorm(shape[-1], eps=eps, elementwise_affine=elementwise_affine).double()
    draw_parameters(layer, 1)
    # A mean and a spread of their own, so that neither may be left out.
    inputs = {"input": 3 * normal(*shape) + 1}
    inputs["input"].requires_grad_()
    cotangents = {"output": normal(*shape)}
    outputs = {"output": layer(inputs["input"])}
    leaves = {**dict(layer.named_parameters()), **inputs}
    gradients = torch.autograd.grad((outputs["output"] * cotangents["output"]).sum(), list(leaves.values()))
    write(
        f"layer-norm-{name}", "layer-norm", "float64", seed, {"eps": eps, "elementwiseAffine": elementwise_affine},
        parameters=tensors(dict(layer.named_parameters())),
        inputs=tensors(inputs),
        cotangents=tensors(cotangents),
        outputs=tensors(outputs),
        gradients=tensors(dict(zip(leaves, gradients))),
    )


def main():
    torch.set_num_threads(1)
    write_case("small", 31, (2, 3, 4))
    # Past the vector widths 4, 8 and 16, none a multiple of them.
    write_case("wide", 32, (3, 2, 37), eps=0.1)
    write_case("plain", 33, (2, 3, 5), elementwise_affine=False)


if __name__ == "__main__":
    main()
