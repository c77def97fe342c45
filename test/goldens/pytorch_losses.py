"""Writes the golden files of the losses: values and gradients that PyTorch computes.

    python3 pytorch_losses.py

Cases of the kind `loss`, described in README.md. Running the script again writes the same bytes.
"""

import torch
from torch import distributions, nn
from torch.nn import functional

from pytorch_goldens import IGNORE_INDEX, normal, on_grid, tensors, write

SHAPE = (4, 3, 2)
QUANTILES = [0.1, 0.25, 0.5, 0.9]


def weighted(values, weights):
    if weights is None:
        return values.mean()
    return (values * weights.unsqueeze(-1)).sum() / (values.shape[-1] * weights.sum())


def pinball(output, target, weights):
    error = target.unsqueeze(-1) - output
    levels = torch.tensor(QUANTILES, dtype=torch.float64)
    return weighted(torch.maximum(levels * error, (levels - 1) * error).mean(-1), weights)


def gaussian(output, target, weights):
    loss = nn.GaussianNLLLoss(full=True, reduction="none")
    return weighted(loss(output[..., 0], target, output[..., 1] ** 2), weights)


def student_t(output, target, weights):
    density = distributions.StudentT(output[..., 2], output[..., 0], output[..., 1])
    return weighted(-density.log_prob(target), weights)


def negative_binomial(output, target, weights):
    mean, dispersion = output.unbind(-1)
    grown = mean * dispersion
    counts = distributions.NegativeBinomial(1 / dispersion, probs=grown / (1 + grown), validate_args=False)
    return weighted(-counts.log_prob(target), weights)


def elementwise(loss):
    return lambda output, target, weights: weighted(loss(output, target), weights)


def positive(*shape):
    return on_grid(normal(*shape).abs() + 0.25)


def located(*positives):
    return torch.stack([normal(*SHAPE), *positives], -1)


def write_case(name, seed, loss, options, function, make, with_weights):
    torch.manual_seed(seed)
    output, target = make()
    weights = positive(*SHAPE[:2]) if with_weights else None
    if with_weights:
        weights[1, 2] = 0
    output.requires_grad_()
    value = function(output, target, weights)
    (gradient,) = torch.autograd.grad(value, output)
    inputs = {"output": output, "targets": target, **({"weights": weights} if with_weights else {})}
    write(
        f"loss-{name}", "loss", "float64", seed, {"loss": loss, "options": options},
        inputs=tensors(inputs),
        loss=value.item(),
        gradient=tensors({"output": gradient})["output"],
    )


def classes(V=5):
    def make():
        target = torch.randint(V, SHAPE[:2])
        target[0, 1] = IGNORE_INDEX
        return normal(*SHAPE[:2], V), target

    return make


def labels():
    return on_grid(3 * normal(*SHAPE)), torch.randint(2, SHAPE).double()


def counts(dispersion):
    def make():
        mean = on_grid(6 * positive(*SHAPE))
        return torch.stack([mean, dispersion * positive(*SHAPE)], -1), torch.randint(12, SHAPE).double()

    return make


def cross_entropy(label_smoothing=0.0, class_weights=None):
    weight = None if class_weights is None else torch.tensor(class_weights, dtype=torch.float64)

    def loss(logits, target, _):
        return functional.cross_entropy(
            logits.flatten(0, 1), target.flatten(), weight=weight, ignore_index=IGNORE_INDEX, label_smoothing=label_smoothing
        )

    return loss


def main():
    torch.set_num_threads(1)
    numbers = lambda: (on_grid(2 * normal(*SHAPE)), normal(*SHAPE))
    distances = [
        ("mean-absolute-error", "meanAbsoluteError", {}, nn.L1Loss(reduction="none")),
        ("huber", "huber", {"delta": 0.75}, nn.HuberLoss(reduction="none", delta=0.75)),
        ("mean-squared-error", "meanSquaredError", {}, nn.MSELoss(reduction="none")),
    ]
    cases = [
        *[(name, loss, options, elementwise(f), numbers) for name, loss, options, f in distances],
        ("pinball", "pinball", {"quantiles": QUANTILES}, pinball, lambda: (normal(*SHAPE, 4), normal(*SHAPE))),
        ("gaussian", "gaussianLikelihood", {}, gaussian, lambda: (located(positive(*SHAPE)), normal(*SHAPE))),
        (
            "student-t", "studentTLikelihood", {}, student_t,
            lambda: (located(positive(*SHAPE), 2 + 8 * positive(*SHAPE)), on_grid(2 * normal(*SHAPE))),
        ),
        (
            "student-t-many-degrees", "studentTLikelihood", {}, student_t,
            lambda: (located(positive(*SHAPE), 4096 * positive(*SHAPE)), on_grid(2 * normal(*SHAPE))),
        ),
        ("negative-binomial", "negativeBinomialLikelihood", {}, negative_binomial, counts(1.0)),
        ("negative-binomial-nearly-poisson", "negativeBinomialLikelihood", {}, negative_binomial, counts(2**-12)),
    ]
    for name, loss, options, function, make in cases:
        write_case(name, 51, loss, options, function, make, False)
        write_case(f"{name}-weighted", 52, loss, options, function, make, True)
    smoothed, classed = {"labelSmoothing": 0.125}, {"classWeights": [0.5, 2.0, 1.0, 0.25, 3.0]}
    for name, options in {"smoothed": smoothed, "class-weights": classed, "smoothed-class-weights": smoothed | classed}.items():
        function = cross_entropy(options.get("labelSmoothing", 0.0), options.get("classWeights"))
        write_case(f"cross-entropy-{name}", 53, "crossEntropy", options, function, classes(), False)
    # Past the vector widths, and no multiple of them.
    function = cross_entropy(0.125)
    write_case("cross-entropy-smoothed-wide", 54, "crossEntropy", smoothed, function, classes(37), False)
    for name, options in {"plain": {}, "one-weight": {"posWeight": 2.5}, "weights": {"posWeight": [0.5, 4.0]}}.items():
        pos_weight = torch.tensor(options.get("posWeight", 1.0), dtype=torch.float64)
        function = elementwise(nn.BCEWithLogitsLoss(reduction="none", pos_weight=pos_weight))
        write_case(f"binary-cross-entropy-{name}", 55, "binaryCrossEntropy", options, function, labels, False)
        write_case(f"binary-cross-entropy-{name}-weighted", 56, "binaryCrossEntropy", options, function, labels, True)


if __name__ == "__main__":
    main()
