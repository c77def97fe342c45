"""Writes the golden files beside this script: what PyTorch computes for small LSTMs.

    python3 pytorch_goldens.py

Two kinds of case, both described in README.md: `gradient` (one forward and backward pass of nn.LSTM) and
`trajectory` (twenty optimizer steps of a small model). Running the script again writes the same bytes.
"""

import json
from pathlib import Path

import torch
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.nn.utils import clip_grad_norm_
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

FOLDER = Path(__file__).resolve().parent
DTYPES = {"float64": torch.float64, "float32": torch.float32}
STEPS = 20
CLIP_NORM = 0.25
IGNORE_INDEX = -100

OPTIMIZERS = {
    "sgd": {"name": "sgd", "lr": 0.05, "momentum": 0.9},
    "adam": {"name": "adam", "lr": 0.01, "betas": [0.9, 0.999], "eps": 1e-8},
    "adamw": {"name": "adamw", "lr": 0.01, "betas": [0.9, 0.999], "eps": 1e-8, "weightDecay": 0.01},
}


# Drawing: every number is a multiple of 2^-12, so float64 and float32 cases start from the same values exactly,
# a float32 backend can be given a float64 case without rounding, and the files stay short.


def on_grid(values):
    return torch.round(values * 4096) / 4096


def normal(*shape):
    return on_grid(torch.randn(*shape, dtype=torch.float64))


def draw_parameters(model, scale):
    with torch.no_grad():
        for parameter in model.parameters():
            uniform = torch.rand(parameter.shape, dtype=torch.float64)
            parameter.copy_(on_grid((2 * uniform - 1) * scale))


# Writing


def tensor(value):
    """Integers stay integers; Python's repr of a float is the shortest decimal that reads back to the same double."""
    return {"shape": list(value.shape), "data": value.detach().flatten().tolist()}


def tensors(values):
    return {name: tensor(value) for name, value in values.items()}


def format_json(value, indent=""):
    """Objects one member a line, arrays of numbers and tensors on one line."""
    deeper = indent + "  "
    if isinstance(value, dict) and value and set(value) != {"shape", "data"}:
        members = [f"{deeper}{json.dumps(key)}: {format_json(member, deeper)}" for key, member in value.items()]
        return "{\n" + ",\n".join(members) + "\n" + indent + "}"
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "[\n" + ",\n".join(deeper + format_json(item, deeper) for item in value) + "\n" + indent + "]"
    return json.dumps(value, allow_nan=False)


def write(name, kind, dtype, seed, config, **contents):
    header = {"case": name, "kind": kind, "torch": torch.__version__, "dtype": dtype, "seed": seed, "config": config}
    (FOLDER / f"{name}.json").write_text(format_json({**header, **contents}) + "\n")


# Gradient cases

OUTPUTS = ("output", "h_n", "c_n")
LOSSES = {"all": OUTPUTS, **{name: (name,) for name in OUTPUTS}}


def run_lstm(lstm, inputs, lengths):
    state = (inputs["h_0"], inputs["c_0"])
    if lengths is None:
        output, (h_n, c_n) = lstm(inputs["input"], state)
    else:
        packed = pack_padded_sequence(inputs["input"], torch.tensor(lengths), batch_first=True, enforce_sorted=False)
        packed_output, (h_n, c_n) = lstm(packed, state)
        steps = inputs["input"].shape[1]
        output, _ = pad_packed_sequence(packed_output, batch_first=True, total_length=steps)
    return {"output": output, "h_n": h_n, "c_n": c_n}


def write_gradient_case(
    name, seed, sizes, num_layers, bidirectional, lengths=None, loss_names=tuple(LOSSES), proj_size=0
):
    torch.manual_seed(seed)
    steps, batch, input_size, hidden_size = sizes
    directions = 2 if bidirectional else 1
    lstm = nn.LSTM(
        input_size, hidden_size, num_layers, batch_first=True, bidirectional=bidirectional, proj_size=proj_size
    ).double()
    # Twice PyTorch's own range: gates that leave the linear part of sigmoid and tanh tell mistakes apart.
    draw_parameters(lstm, 2 / hidden_size**0.5)
    cell_shape = (num_layers * directions, batch, hidden_size)
    state_shape = (*cell_shape[:2], proj_size or hidden_size)
    inputs = {"input": normal(batch, steps, input_size), "h_0": normal(*state_shape), "c_0": normal(*cell_shape)}
    for value in inputs.values():
        value.requires_grad_()
    cotangents = {
        "output": normal(batch, steps, directions * (proj_size or hidden_size)),
        "h_n": normal(*state_shape),
        "c_n": normal(*cell_shape),
    }
    parameters = dict(lstm.named_parameters())
    outputs = run_lstm(lstm, inputs, lengths)
    leaves = {**parameters, **inputs}
    losses, gradients = {}, {}
    for loss_name in loss_names:
        loss = sum((outputs[output] * cotangents[output]).sum() for output in LOSSES[loss_name])
        values = torch.autograd.grad(loss, list(leaves.values()), retain_graph=True)
        gradients[loss_name] = tensors(dict(zip(leaves, values)))
        losses[loss_name] = loss.item()
    config = {
        "sequenceLength": steps,
        "batchSize": batch,
        "inputSize": input_size,
        "hiddenSize": hidden_size,
        "numLayers": num_layers,
        "bidirectional": bidirectional,
        "lengths": lengths,
        **({"projSize": proj_size} if proj_size else {}),
    }
    write(
        name, "gradient", "float64", seed, config,
        parameters=tensors(parameters),
        inputs=tensors(inputs),
        cotangents=tensors(cotangents),
        outputs=tensors(outputs),
        losses=losses,
        gradients=gradients,
    )


# Trajectory cases


class Regressor(nn.Module):
    def __init__(self, input_size, hidden_size, output_size, num_layers, bidirectional):
        super().__init__()
        self.lstm = nn.LSTM(input_size, hidden_size, num_layers, batch_first=True, bidirectional=bidirectional)
        self.head = nn.Linear(hidden_size * (2 if bidirectional else 1), output_size)

    def forward(self, values, state):
        output, state = self.lstm(values, state)
        return self.head(output), state


class LanguageModel(nn.Module):
    def __init__(self, vocabulary_size, embedding_size, hidden_size, num_layers):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, embedding_size)
        self.lstm = nn.LSTM(embedding_size, hidden_size, num_layers, batch_first=True)
        self.head = nn.Linear(hidden_size, vocabulary_size)

    def forward(self, tokens, state):
        output, state = self.lstm(self.embedding(tokens), state)
        return self.head(output), state


def make_optimizer(parameters, options):
    if options["name"] == "sgd":
        return torch.optim.SGD(parameters, lr=options["lr"], momentum=options["momentum"])
    kind = torch.optim.AdamW if options["name"] == "adamw" else torch.optim.Adam
    decay = options.get("weightDecay", 0)
    return kind(parameters, lr=options["lr"], betas=options["betas"], eps=options["eps"], weight_decay=decay)


def train(model, loss_function, batches, optimizer_options, carry_state):
    optimizer = make_optimizer(model.parameters(), optimizer_options)
    losses, gradient_norms, carried = [], [], None
    for step in range(STEPS):
        batch = batches[step % len(batches)]
        given = (batch["h_0"], batch["c_0"]) if "h_0" in batch else None
        prediction, state = model(batch["input"], carried if carry_state else given)
        carried = tuple(part.detach() for part in state)
        loss = loss_function(prediction, batch["target"])
        optimizer.zero_grad()
        loss.backward()
        gradient_norms.append(clip_grad_norm_(model.parameters(), CLIP_NORM).item())
        optimizer.step()
        losses.append(loss.item())
    return losses, gradient_norms


def write_trajectory(name, seed, dtype, model, config, batches, loss_function, carry_state=False):
    """`model` and `batches` arrive in float64 on the grid; both dtypes of a case start from the same values."""
    model.to(DTYPES[dtype])
    batches = [
        {key: value.to(DTYPES[dtype]) if value.is_floating_point() else value for key, value in batch.items()}
        for batch in batches
    ]
    before = tensors(model.state_dict())
    losses, gradient_norms = train(model, loss_function, batches, config["optimizer"], carry_state)
    config = {**config, "clipNorm": CLIP_NORM, "carryState": carry_state}
    write(
        name, "trajectory", dtype, seed, config,
        parameters=before,
        batches=[tensors(batch) for batch in batches],
        losses=losses,
        gradientNorms=gradient_norms,
        finalParameters=tensors(model.state_dict()),
    )


def write_regression(name, seed, dtype, optimizer, sizes, num_layers, bidirectional, with_state):
    torch.manual_seed(seed)
    steps, batch_size, input_size, hidden_size, output_size = sizes
    model = Regressor(input_size, hidden_size, output_size, num_layers, bidirectional).double()
    draw_parameters(model, 1 / hidden_size**0.5)
    state_shape = (num_layers * (2 if bidirectional else 1), batch_size, hidden_size)
    batches = []
    for _ in range(3):
        batch = {
            "input": normal(batch_size, steps, input_size),
            "target": normal(batch_size, steps, output_size),
        }
        if with_state:
            batch |= {"h_0": normal(*state_shape), "c_0": normal(*state_shape)}
        batches.append(batch)
    config = {
        "sequenceLength": steps,
        "batchSize": batch_size,
        "inputSize": input_size,
        "hiddenSize": hidden_size,
        "outputSize": output_size,
        "numLayers": num_layers,
        "bidirectional": bidirectional,
        "loss": "meanSquaredError",
        "optimizer": OPTIMIZERS[optimizer],
    }
    write_trajectory(name, seed, dtype, model, config, batches, mse_loss)


def write_language_model(name, seed, dtype, carry_state):
    torch.manual_seed(seed)
    steps, batch_size, vocabulary_size, embedding_size, hidden_size, num_layers = 7, 3, 11, 5, 6, 2
    model = LanguageModel(vocabulary_size, embedding_size, hidden_size, num_layers).double()
    draw_parameters(model, 1 / hidden_size**0.5)
    batches = []
    for _ in range(4):
        text = torch.randint(vocabulary_size, (batch_size, steps + 1))
        target = text[:, 1:].clone()
        target[torch.randint(5, (batch_size, steps)) == 0] = IGNORE_INDEX
        batches.append({"input": text[:, :-1], "target": target})
    config = {
        "sequenceLength": steps,
        "batchSize": batch_size,
        "vocabularySize": vocabulary_size,
        "embeddingSize": embedding_size,
        "hiddenSize": hidden_size,
        "numLayers": num_layers,
        "bidirectional": False,
        "loss": "crossEntropy",
        "ignoreIndex": IGNORE_INDEX,
        "optimizer": OPTIMIZERS["adam"],
    }

    def loss_function(logits, target):
        return cross_entropy(logits.flatten(0, 1), target.flatten(), ignore_index=IGNORE_INDEX)

    write_trajectory(name, seed, dtype, model, config, batches, loss_function, carry_state)


def main():
    # One thread keeps the order of every sum, and so the bytes of the files.
    torch.set_num_threads(1)

    write_gradient_case("gradient-one-layer", 1, (5, 3, 4, 5), 1, False)
    write_gradient_case("gradient-two-layers", 2, (5, 3, 4, 5), 2, False)
    write_gradient_case("gradient-bidirectional", 3, (5, 3, 4, 5), 1, True)
    write_gradient_case("gradient-two-layers-bidirectional", 4, (4, 2, 3, 4), 2, True)
    write_gradient_case("gradient-lengths", 5, (5, 4, 4, 5), 1, False, [3, 5, 1, 5])
    write_gradient_case("gradient-lengths-two-layers-bidirectional", 6, (4, 4, 3, 4), 2, True, [2, 1, 4, 3])
    write_gradient_case("gradient-projection", 8, (4, 3, 4, 5), 1, False, proj_size=2)
    write_gradient_case(
        "gradient-projection-lengths-two-layers-bidirectional", 9, (4, 4, 3, 5), 2, True, [2, 1, 4, 3], proj_size=3
    )

    # Sizes past the vector widths 4, 8 and 16, none a multiple of them.
    write_gradient_case("gradient-wide", 7, (3, 7, 9, 17), 1, False, loss_names=("all",))
    write_gradient_case("gradient-projection-wide", 10, (3, 7, 9, 33), 1, False, loss_names=("all",), proj_size=17)
    lengths = [2, 4, 1, 3, 4, 1, 2]
    write_gradient_case("gradient-lengths-wide", 17, (4, 7, 9, 17), 1, True, lengths, ("all",))
    write_gradient_case("gradient-projection-lengths-wide", 18, (4, 7, 9, 17), 1, True, lengths, ("all",), proj_size=9)
    for dtype in DTYPES:
        for optimizer in OPTIMIZERS:
            small = (5, 3, 3, 5, 2)
            suffix = f"{optimizer}-{dtype}"
            write_regression(f"trajectory-one-layer-{suffix}", 11, dtype, optimizer, small, 1, False, False)
            write_regression(f"trajectory-two-layers-{suffix}", 12, dtype, optimizer, small, 2, False, True)
            write_regression(f"trajectory-bidirectional-{suffix}", 13, dtype, optimizer, small, 1, True, True)
        write_regression(f"trajectory-wide-adam-{dtype}", 14, dtype, "adam", (6, 7, 9, 17, 3), 1, False, True)
        write_language_model(f"trajectory-language-model-{dtype}", 15, dtype, carry_state=False)
        write_language_model(f"trajectory-language-model-carried-{dtype}", 16, dtype, carry_state=True)


if __name__ == "__main__":
    main()
