"""Writes the golden files of optimizers and schedules beside this script: what PyTorch's come to.

    python3 pytorch_optimizers.py

`trajectory-optimizer-*` are trajectory cases as those of pytorch_goldens.py, with every option of every optimizer,
parameter groups, schedules and both clippings; `schedule-*` are the rates of PyTorch's schedulers, step by step. Both are
described in README.md. Running the script again writes the same bytes.
"""

import torch
from pytorch_goldens import DTYPES, Regressor, draw_parameters, normal, tensors, write
from torch.nn.functional import mse_loss
from torch.nn.utils import clip_grad_norm_, clip_grad_value_
from torch.optim import lr_scheduler

SIZES = {"sequenceLength": 4, "batchSize": 3, "hiddenSize": 4, "numLayers": 1, "bidirectional": False}
INPUT_SIZE, OUTPUT_SIZE = 3, 2


# Options, under their names here and in PyTorch

OPTIMIZERS = {
    "sgd": torch.optim.SGD,
    "adagrad": torch.optim.Adagrad,
    "rmsprop": torch.optim.RMSprop,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
}
OPTIONS = {
    "lr": "lr",
    "momentum": "momentum",
    "dampening": "dampening",
    "nesterov": "nesterov",
    "weightDecay": "weight_decay",
    "lrDecay": "lr_decay",
    "initialAccumulatorValue": "initial_accumulator_value",
    "eps": "eps",
    "alpha": "alpha",
    "centered": "centered",
    "betas": "betas",
    "amsgrad": "amsgrad",
}


def translated(options):
    return {OPTIONS[name]: value for name, value in options.items() if name in OPTIONS}


def make_optimizer(model, options):
    """`groups` go by a part of the parameters' names; the first that is found counts."""
    groups = options.get("groups", [])
    rest, parts = [], [[] for _ in groups]
    for name, parameter in model.named_parameters():
        index = next((index for index, group in enumerate(groups) if group["match"] in name), None)
        (rest if index is None else parts[index]).append(parameter)
    parameters = [{"params": rest}]
    parameters += [{"params": part, **translated(group)} for part, group in zip(parts, groups)]
    return OPTIMIZERS[options["name"]](parameters, **translated(options))


# Schedules

def sequence(optimizer, warmup, main):
    rise = lr_scheduler.LinearLR(optimizer, start_factor=1 / warmup, end_factor=1, total_iters=warmup - 1)
    return lr_scheduler.SequentialLR(optimizer, [rise, main(optimizer)], milestones=[warmup])


SCHEDULES = {
    "stepDecay": lambda optimizer, o: lr_scheduler.StepLR(optimizer, o["stepSize"], o["gamma"]),
    "multiStepDecay": lambda optimizer, o: lr_scheduler.MultiStepLR(optimizer, o["milestones"], o["gamma"]),
    "exponentialDecay": lambda optimizer, o: lr_scheduler.ExponentialLR(optimizer, o["gamma"]),
    "linearDecay": lambda optimizer, o: lr_scheduler.LinearLR(
        optimizer, start_factor=1, end_factor=o["final"] / optimizer.defaults["lr"], total_iters=o["totalSteps"]
    ),
    "cosine": lambda optimizer, o: lr_scheduler.CosineAnnealingLR(optimizer, o["totalSteps"], o["final"]),
    "cosineRestarts": lambda optimizer, o: lr_scheduler.CosineAnnealingWarmRestarts(
        optimizer, o["period"], o.get("periodFactor", 1), o.get("final", 0)
    ),
    "oneCycle": lambda optimizer, o: lr_scheduler.OneCycleLR(
        optimizer,
        optimizer.defaults["lr"],
        total_steps=o["totalSteps"],
        pct_start=o.get("pctStart", 0.3),
        anneal_strategy=o.get("annealStrategy", "cos"),
        div_factor=o.get("divFactor", 25),
        final_div_factor=o.get("finalDivFactor", 1e4),
        three_phase=o.get("threePhase", False),
        cycle_momentum=False,
    ),
    "warmup": lambda optimizer, o: sequence(
        optimizer, o["steps"], lambda inner: lr_scheduler.StepLR(inner, o["then"]["stepSize"], o["then"]["gamma"])
    ),
    "reduceOnPlateau": lambda optimizer, o: lr_scheduler.ReduceLROnPlateau(
        optimizer,
        mode=o.get("mode", "min"),
        factor=o.get("factor", 0.1),
        patience=o.get("patience", 10),
        threshold=o.get("threshold", 1e-4),
        threshold_mode=o.get("thresholdMode", "rel"),
        cooldown=o.get("cooldown", 0),
        min_lr=o.get("minLr", 0),
        eps=o.get("eps", 1e-8),
    ),
}


def plateaus(count):
    """Figures that fall, stand still, rise a little, and fall again."""
    torch.manual_seed(50)
    noise = normal(count) / 64
    level = torch.tensor([1.0 - 0.1 * min(step, 6) - 0.2 * max(0, min(step - 30, 3)) for step in range(count)])
    return (level + noise).tolist()


def write_schedule(case, name, lr, steps, options, figures=None):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    scheduler = SCHEDULES[name](optimizer, options)
    rates = []
    for step in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if step < steps - 1:
            scheduler.step(*([figures[step]] if figures else []))
    config = {"schedule": name, "lr": lr, "options": options}
    write(f"schedule-{case}", "schedule", "float64", 0, config, **({"figures": figures} if figures else {}), rates=rates)


def write_schedules():
    write_schedule("step", "stepDecay", 0.1, 30, {"stepSize": 4, "gamma": 0.5})
    write_schedule("multi-step", "multiStepDecay", 0.1, 30, {"milestones": [3, 8, 9, 20], "gamma": 0.3})
    write_schedule("exponential", "exponentialDecay", 0.1, 30, {"gamma": 0.9})
    write_schedule("linear", "linearDecay", 0.1, 30, {"totalSteps": 20, "final": 0.025})
    write_schedule("cosine", "cosine", 0.1, 25, {"totalSteps": 24, "final": 0.01})
    write_schedule("cosine-restarts", "cosineRestarts", 0.1, 40, {"period": 7, "final": 0.01})
    write_schedule("cosine-restarts-longer", "cosineRestarts", 0.1, 60, {"period": 3, "periodFactor": 2})
    write_schedule("one-cycle", "oneCycle", 0.1, 40, {"totalSteps": 40})
    write_schedule(
        "one-cycle-linear", "oneCycle", 0.1, 33,
        {"totalSteps": 33, "pctStart": 0.45, "annealStrategy": "linear", "divFactor": 10, "finalDivFactor": 100},
    )
    write_schedule("one-cycle-three-phases", "oneCycle", 0.1, 37, {"totalSteps": 37, "threePhase": True, "pctStart": 0.4})
    write_schedule("warmup", "warmup", 0.1, 30, {"steps": 5, "then": {"stepSize": 6, "gamma": 0.5}})
    figures = plateaus(60)
    write_schedule("plateau", "reduceOnPlateau", 0.1, 60, {"patience": 3, "factor": 0.5}, figures)
    write_schedule(
        "plateau-cooldown", "reduceOnPlateau", 0.1, 60,
        {"patience": 1, "factor": 0.4, "threshold": 0.05, "thresholdMode": "abs", "cooldown": 4, "minLr": 0.001}, figures,
    )
    write_schedule(
        "plateau-max", "reduceOnPlateau", 0.1, 60,
        {"mode": "max", "patience": 2, "threshold": 0.01, "factor": 0.3, "eps": 1e-4}, [-figure for figure in figures],
    )
    write_schedule(
        "plateau-max-abs", "reduceOnPlateau", 0.1, 60,
        {"mode": "max", "patience": 2, "threshold": 0.02, "thresholdMode": "abs"}, [2 - figure for figure in figures],
    )


# Trajectories

CASES = {
    "sgd-dampened": ({"name": "sgd", "lr": 0.05, "momentum": 0.9, "dampening": 0.4, "weightDecay": 0.01}, {}),
    "sgd-nesterov": ({"name": "sgd", "lr": 0.05, "momentum": 0.9, "nesterov": True, "weightDecay": 0.01}, {}),
    "adagrad": ({"name": "adagrad", "lr": 0.05}, {}),
    "adagrad-options": (
        {"name": "adagrad", "lr": 0.05, "lrDecay": 0.1, "weightDecay": 0.01, "initialAccumulatorValue": 0.5, "eps": 1e-6},
        {},
    ),
    "rmsprop": ({"name": "rmsprop", "lr": 0.01}, {}),
    "rmsprop-momentum": ({"name": "rmsprop", "lr": 0.01, "alpha": 0.9, "momentum": 0.9, "weightDecay": 0.01}, {}),
    "rmsprop-centered": ({"name": "rmsprop", "lr": 0.01, "alpha": 0.9, "centered": True, "eps": 1e-4}, {}),
    "rmsprop-everything": (
        {"name": "rmsprop", "lr": 0.005, "alpha": 0.95, "centered": True, "momentum": 0.5, "weightDecay": 0.01}, {},
    ),
    "adam-defaults": ({"name": "adam"}, {}),
    "adam-amsgrad": ({"name": "adam", "lr": 0.02, "betas": [0.8, 0.9], "weightDecay": 0.01, "amsgrad": True}, {}),
    "adamw-defaults": ({"name": "adamw"}, {}),
    "adamw-amsgrad": ({"name": "adamw", "lr": 0.02, "betas": [0.8, 0.9], "weightDecay": 0.1, "amsgrad": True}, {}),
    "adamw-groups": (
        {
            "name": "adamw", "lr": 0.02, "weightDecay": 0.1,
            "groups": [{"match": "bias", "weightDecay": 0}, {"match": "head", "lr": 0.05}],
        },
        {},
    ),
    "sgd-groups-schedule": (
        {
            "name": "sgd", "lr": 0.1, "momentum": 0.9, "weightDecay": 0.05,
            "groups": [{"match": "bias", "weightDecay": 0}, {"match": "weight_hh", "lr": 0.01, "lrFactor": 0.1}],
        },
        {"schedule": {"name": "cosine", "options": {"totalSteps": 50, "final": 0}}},
    ),
    "adam-one-cycle": ({"name": "adam", "lr": 0.05}, {"schedule": {"name": "oneCycle", "options": {"totalSteps": 50}}}),
    "adamw-clipped-by-value": ({"name": "adamw", "lr": 0.02}, {"clipValue": 0.01}),
    "sgd-clipped-both-ways": ({"name": "sgd", "lr": 0.1, "momentum": 0.9}, {"clipNorm": 0.1, "clipValue": 0.02}),
}
STEPS = 50


def train(model, batches, options, schedule=None, clipNorm=None, clipValue=None):
    optimizer = make_optimizer(model, options)
    scheduler = schedule and SCHEDULES[schedule["name"]](optimizer, schedule["options"])
    losses, gradient_norms = [], []
    for step in range(STEPS):
        batch = batches[step % len(batches)]
        prediction, _ = model(batch["input"], None)
        loss = mse_loss(prediction, batch["target"])
        optimizer.zero_grad()
        loss.backward()
        bound = float("inf") if clipNorm is None else clipNorm
        gradient_norms.append(clip_grad_norm_(model.parameters(), bound).item())
        if clipValue is not None:
            clip_grad_value_(model.parameters(), clipValue)
        optimizer.step()
        if scheduler and step < STEPS - 1:
            scheduler.step()
        losses.append(loss.item())
    return losses, gradient_norms


def write_trajectory(case, seed, dtype, options, extra):
    torch.manual_seed(seed)
    model = Regressor(INPUT_SIZE, SIZES["hiddenSize"], OUTPUT_SIZE, 1, False).double()
    draw_parameters(model, 0.5)
    shape = (SIZES["batchSize"], SIZES["sequenceLength"])
    batches = [{"input": normal(*shape, INPUT_SIZE), "target": normal(*shape, OUTPUT_SIZE)} for _ in range(3)]
    model.to(DTYPES[dtype])
    batches = [{name: value.to(DTYPES[dtype]) for name, value in batch.items()} for batch in batches]
    before = tensors(model.state_dict())
    losses, gradient_norms = train(model, batches, options, **extra)
    config = {
        **SIZES, "inputSize": INPUT_SIZE, "outputSize": OUTPUT_SIZE, "loss": "meanSquaredError", "carryState": False,
        "optimizer": options, **extra,
    }
    write(
        f"trajectory-optimizer-{case}-{dtype}", "trajectory", dtype, seed, config,
        parameters=before,
        batches=[tensors(batch) for batch in batches],
        losses=losses,
        gradientNorms=gradient_norms,
        finalParameters=tensors(model.state_dict()),
    )


def main():
    # One thread keeps the order of every sum, and so the bytes of the files.
    torch.set_num_threads(1)
    write_schedules()
    for seed, (case, (options, extra)) in enumerate(CASES.items(), start=100):
        for dtype in DTYPES:
            write_trajectory(case, seed, dtype, options, extra)


if __name__ == "__main__":
    main()
