"""Writes the golden files of the cells beside the LSTM: what PyTorch computes for small nn.GRU and nn.RNN.

    python3 pytorch_cells.py

Cases of the kind `cell`, described in README.md. Running the script again writes the same bytes.
"""

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from pytorch_goldens import draw_parameters, normal, tensors, write

CELLS = {
    "gru": lambda *sizes, **options: nn.GRU(*sizes, **options),
    "rnn-tanh": lambda *sizes, **options: nn.RNN(*sizes, nonlinearity="tanh", **options),
    "rnn-relu": lambda *sizes, **options: nn.RNN(*sizes, nonlinearity="relu", **options),
}


def run(layer, inputs, lengths):
    if lengths is None:
        output, h_n = layer(inputs["input"], inputs["h_0"])
    else:
        packed = pack_padded_sequence(inputs["input"], torch.tensor(lengths), batch_first=True, enforce_sorted=False)
        packed_output, h_n = layer(packed, inputs["h_0"])
        output, _ = pad_packed_sequence(packed_output, batch_first=True, total_length=inputs["input"].shape[1])
    return {"output": output, "h_n": h_n}


def write_case(cell, name, seed, sizes, num_layers, bidirectional, lengths=None):
    torch.manual_seed(seed)
    steps, batch, input_size, hidden_size = sizes
    directions = 2 if bidirectional else 1
    layer = CELLS[cell](input_size, hidden_size, num_layers, batch_first=True, bidirectional=bidirectional).double()
    # Twice PyTorch's own range: gates that leave the linear part of sigmoid and tanh tell mistakes apart.
    draw_parameters(layer, 2 / hidden_size**0.5)
    state_shape = (num_layers * directions, batch, hidden_size)
    inputs = {"input": normal(batch, steps, input_size), "h_0": normal(*state_shape)}
    for value in inputs.values():
        value.requires_grad_()
    cotangents = {"output": normal(batch, steps, directions * hidden_size), "h_n": normal(*state_shape)}
    outputs = run(layer, inputs, lengths)
    leaves = {**dict(layer.named_parameters()), **inputs}
    loss = sum((outputs[key] * cotangents[key]).sum() for key in cotangents)
    gradients = torch.autograd.grad(loss, list(leaves.values()))
    config = {
        "cell": cell,
        "sequenceLength": steps,
        "batchSize": batch,
        "inputSize": input_size,
        "hiddenSize": hidden_size,
        "numLayers": num_layers,
        "bidirectional": bidirectional,
        "lengths": lengths,
    }
    write(
        f"cell-{cell}-{name}", "cell", "float64", seed, config,
        parameters=tensors(dict(layer.named_parameters())),
        inputs=tensors(inputs),
        cotangents=tensors(cotangents),
        outputs=tensors(outputs),
        gradients=tensors(dict(zip(leaves, gradients))),
    )


def main():
    torch.set_num_threads(1)
    for cell in CELLS:
        write_case(cell, "one-layer", 21, (5, 3, 4, 5), 1, False)
        write_case(cell, "two-layers-bidirectional", 22, (4, 2, 3, 4), 2, True)
        write_case(cell, "lengths-two-layers-bidirectional", 23, (4, 4, 3, 4), 2, True, [2, 1, 4, 3])
    # Sizes past the vector widths 4, 8 and 16, none a multiple of them.
    write_case("gru", "wide", 24, (3, 7, 9, 17), 1, False)
    for cell in CELLS:
        write_case(cell, "lengths-wide", 25, (4, 7, 9, 17), 1, True, [2, 4, 1, 3, 4, 1, 2])


if __name__ == "__main__":
    main()
