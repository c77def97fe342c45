"""Writes the golden files of pooling over time: what PyTorch computes for padded sequences with masks.

    python3 pytorch_pooling.py

Cases of the kind `pooling`, described in README.md. Running the script again writes the same bytes.
"""

import torch
from torch import nn

from pytorch_goldens import draw_parameters, normal, tensors, write


class AttentionPooling(nn.Module):
    def __init__(self, features, attention_size):
        super().__init__()
        self.hidden = nn.Linear(features, attention_size)
        self.score = nn.Linear(attention_size, 1, bias=False)

    def forward(self, x, padding):
        scores = self.score(torch.tanh(self.hidden(x))).squeeze(-1)
        weights = torch.softmax(scores.masked_fill(padding, -torch.inf), dim=1)
        return (weights.unsqueeze(-1) * x).sum(1), weights


def write_case(name, seed, sizes, lengths):
    torch.manual_seed(seed)
    steps, batch, features, attention_size = sizes
    layer = AttentionPooling(features, attention_size).double()
    draw_parameters(layer, 2 / features**0.5)
    x = normal(batch, steps, features).requires_grad_()
    padding = torch.arange(steps) >= torch.tensor(lengths).unsqueeze(1)
    attention, weights = layer(x, padding)
    outputs = {
        "mean": x.masked_fill(padding.unsqueeze(-1), 0).sum(1) / torch.tensor(lengths).unsqueeze(1),
        "max": x.masked_fill(padding.unsqueeze(-1), -torch.inf).amax(1),
        "attention": attention,
        "weights": weights,
    }
    cotangents = {key: normal(*value.shape) for key, value in outputs.items()}
    # What lies past a length has no part in a loss either.
    cotangents["weights"] = cotangents["weights"].masked_fill(padding, 0)
    names = {"hidden.weight": "weight", "hidden.bias": "bias", "score.weight": "vector"}
    parameters = {names[key]: value for key, value in layer.named_parameters()}
    leaves = {**parameters, "input": x}
    loss = sum((outputs[key] * cotangents[key]).sum() for key in outputs)
    gradients = torch.autograd.grad(loss, list(leaves.values()))
    write(
        f"pooling-{name}", "pooling", "float64", seed, {"lengths": lengths, "attentionSize": attention_size},
        parameters=tensors(parameters),
        inputs=tensors({"input": x}),
        cotangents=tensors(cotangents),
        outputs=tensors(outputs),
        gradients=tensors(dict(zip(leaves, gradients))),
    )


def main():
    torch.set_num_threads(1)
    write_case("small", 41, (4, 3, 3, 5), [4, 1, 2])
    # Past the vector widths 4, 8 and 16, none a multiple of them.
    write_case("wide", 42, (5, 9, 19, 17), [5, 1, 2, 5, 3, 4, 1, 5, 2])


if __name__ == "__main__":
    main()
