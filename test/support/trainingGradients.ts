/** Gradients of a training step against finite differences, in float64, with what is drawn in the step. */
import { meanSquaredError, sgd, type Batch, type Loss, type Module } from '../../lib';
import type { ArrayView } from '../../lib/backend/backend';
import { reference } from '../../lib/backend/reference/reference';
import { randomKeyInput } from '../../lib/nn/trace';
import { countNames, type Counts } from '../../lib/ops/shape';
import { prepareBatch } from '../../lib/train/batch';
import { writeStep } from '../../lib/train/step';
import { updateScalars } from '../../lib/train/update';
import { dot, type Arrays } from './modelGradients';
import { Random } from './random';

const step = 1e-6;

/** One training step of the model as often as one likes: the same random numbers, whatever the parameters. */
function repeatedStep(model: Module, batch: Batch, loss: Loss) {
  const { network } = model;
  const prepared = prepareBatch(batch, model.readings());
  network.bind(prepared.inputSignature);
  const update = { optimizer: sgd({ lr: 1 }), clipNorm: null };
  const mode = { training: true, recurrentState: 'zero' } as const;
  const { inputSignature, supervisionSignature } = prepared;
  const { program } = writeStep(network, inputSignature, supervisionSignature, mode, { loss }, update);
  const counts = Object.fromEntries(countNames.map((name) => [name, prepared.counts[name] ?? 1])) as Counts;
  const executable = reference.prepare(program, counts);
  const names = new Set(program.inputs.map(({ name }) => name));
  const parameters = [...network.parameters.values()];
  return (values: Arrays, learningRate: number) => {
    const store = reference.createStore();
    store.allocate(parameters.map(({ path, shape }) => ({ name: path, dtype: 'float32', shape })));
    for (const { path } of parameters) store.write(path, values[path]!.data);
    const all: Record<string, ArrayView> = {
      ...{ ...prepared.inputs, ...prepared.supervision, ...updateScalars(update, [learningRate]) },
      [randomKeyInput]: { data: Int32Array.of(5, 0), shape: [2] },
    };
    const inputs = Object.fromEntries(Object.entries(all).filter(([name]) => names.has(name)));
    const { outputs, failedGuard } = executable.runSync(store, inputs);
    if (failedGuard !== null) throw new Error(`the ${failedGuard} is not finite`);
    return {
      loss: outputs.loss!.data[0]!,
      after: Object.fromEntries(parameters.map(({ path }) => [path, store.readNow(path)])),
    };
  };
}

/** Compares what a step of gradient descent takes off all parameters with central differences of the loss, along random directions. */
export async function expectTrainingGradients(
  model: Module,
  batch: Batch,
  loss: Loss = meanSquaredError(),
): Promise<void> {
  const run = repeatedStep(model, batch, loss);
  const initial: Arrays = await model.stateDict();
  const random = new Random(19);
  const drawn = (): Arrays =>
    Object.fromEntries(Object.entries(initial).map(([path, { shape }]) => [path, random.normal(...shape)]));
  const moved = (from: Arrays, directions: Arrays, by: number): Arrays =>
    Object.fromEntries(
      Object.entries(from).map(([path, { data, shape }]) => {
        const { data: direction } = directions[path]!;
        return [path, { shape, data: Float64Array.from(data, (value, k) => value + by * direction[k]!) }];
      }),
    );
  // Parameters that begin as zeros, or as ones, take part too.
  const values = moved(initial, drawn(), 0.1);
  const { after } = run(values, 1);
  for (let count = 0; count < 4; count++) {
    const directions = drawn();
    const lossAt = (distance: number) => run(moved(values, directions, distance), 0).loss;
    const difference = (lossAt(step) - lossAt(-step)) / (2 * step);
    const rule = Object.entries(values).reduce((sum, [path, { data }]) => {
      const gradient = Array.from(data, (value, k) => value - after[path]![k]!);
      return sum + dot(gradient, directions[path]!.data);
    }, 0);
    if (!(Math.abs(rule - difference) <= 1e-7 + 1e-5 * Math.abs(difference)))
      throw new Error(`direction ${count}: the rule gives ${rule}, the finite difference ${difference}`);
  }
}
