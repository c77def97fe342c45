"""PyTorch as a peer: see protocol.ts."""

import json
import sys
import time

import numpy
import torch


def read_tensors(case, shapes):
    data = numpy.fromfile(case["inputs"], dtype=numpy.float32)
    tensors, offset = {}, 0
    for name, shape in shapes:
        count = int(numpy.prod(shape))
        tensors[name] = torch.from_numpy(data[offset : offset + count].reshape(shape).copy())
        offset += count
    return tensors


def write_outputs(case, arrays):
    with open(case["outputs"], "wb") as file:
        for array in arrays:
            file.write(numpy.ascontiguousarray(array.detach().numpy(), dtype=numpy.float32).tobytes())


def parameters(shape):
    i, h = shape["I"], shape["H"]
    return [("weight_ih", (4 * h, i)), ("weight_hh", (4 * h, h)), ("bias_ih", (4 * h,)), ("bias_hh", (4 * h,))]


def set_lstm(lstm, tensors):
    with torch.no_grad():
        for name, _ in parameters({"I": 0, "H": 0}):
            getattr(lstm, name + "_l0").copy_(tensors[name])


def open_layer(case):
    shape = case["shape"]
    t, b, i, h = (shape[letter] for letter in "TBIH")
    tensors = read_tensors(case, [("x", (t, b, i)), *parameters(shape), ("dy", (t, b, h))])
    lstm = torch.nn.LSTM(i, h)
    set_lstm(lstm, tensors)
    x, dy = tensors["x"], tensors["dy"]
    if case["pass"] == "infer":

        def run():
            with torch.inference_mode():
                return lstm(x)[0]

        write_outputs(case, [run()])
    elif case["pass"] == "step":
        state = None

        def run():
            nonlocal state
            with torch.inference_mode():
                y, state = lstm(x, state)
                return y

        write_outputs(case, [run()])
    else:
        x.requires_grad_()

        def run():
            for tensor in (x, *lstm.parameters()):
                tensor.grad = None
            y = lstm(x)[0]
            y.backward(dy)
            return y

        y = run()
        write_outputs(case, [y, x.grad, lstm.weight_ih_l0.grad, lstm.weight_hh_l0.grad, lstm.bias_ih_l0.grad])
    return run


def open_language_model(case):
    shape = case["shape"]
    t, b, i, h, v = (shape[letter] for letter in "TBIHV")
    tensors = read_tensors(
        case,
        [
            ("tokens", (b, t)),
            ("targets", (b, t)),
            ("embedding", (v, i)),
            *parameters(shape),
            ("linear_weight", (v, h)),
            ("linear_bias", (v,)),
        ],
    )
    embedding = torch.nn.Embedding(v, i)
    lstm = torch.nn.LSTM(i, h, batch_first=True)
    linear = torch.nn.Linear(h, v)
    set_lstm(lstm, tensors)
    with torch.no_grad():
        embedding.weight.copy_(tensors["embedding"])
        linear.weight.copy_(tensors["linear_weight"])
        linear.bias.copy_(tensors["linear_bias"])
    modules = torch.nn.ModuleList([embedding, lstm, linear])
    optimizer = torch.optim.Adam(modules.parameters(), lr=1e-3)
    tokens, targets = tensors["tokens"].long(), tensors["targets"].long().reshape(-1)

    def run():
        optimizer.zero_grad(set_to_none=True)
        logits = linear(lstm(embedding(tokens))[0])
        loss = torch.nn.functional.cross_entropy(logits.reshape(-1, v), targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(modules.parameters(), 1.0)
        optimizer.step()
        return loss

    write_outputs(case, [run().reshape(1)])
    return run


def main():
    print(json.dumps({"version": torch.__version__}), flush=True)
    run = None
    for line in sys.stdin:
        question = json.loads(line)
        try:
            if "open" in question:
                case = question["open"]
                torch.set_num_threads(case["threads"])
                run = open_layer(case) if case["kind"] == "layer" else open_language_model(case)
                answer = {"opened": True}
            else:
                begin = time.perf_counter()
                for _ in range(question["run"]):
                    run()
                answer = {"seconds": (time.perf_counter() - begin) / question["run"]}
        except Exception as error:  # what a peer cannot do is said, and the others go on
            answer = {"error": str(error)}
        print(json.dumps(answer), flush=True)


main()
