import { DataError } from '../errors';
import type { ArrayView, Backend } from '../backend/backend';
import type { Batch } from '../data/batch';
import { batchFirst, countsOf, signatureOf, timeFirst, type Signature } from '../nn/signature';
import { initialStatePrefix } from '../nn/trace';
import { countNames, evaluateShape, type Counts } from '../ops/shape';
import { checkOptions, describe, flag } from '../options';
import { gradient, type Seed } from '../program/gradient';
import { inputArrays } from '../train/batch';
import { expectModule } from './expectModule';
import type { Module } from './module';
import { backendNamed } from './options';
import { perStepOf } from './perStep';

export interface VjpOptions {
  /** Default `native`. */
  readonly backend?: Backend['name'];
  /** Initial states of recurrent layers by name, such as `initial/encoder.h_l0` [B, H]; zeros where left out. */
  readonly initialStates?: Readonly<Record<string, ArrayView>>;
  /** Adds what recurrent layers did at every step and what gradients reached them there: `VjpResult.perStep`. Default false. */
  readonly perStep?: boolean;
}

export interface VjpResult {
  readonly outputs: Readonly<Record<string, ArrayView>>;
  /** By parameter path, input name, and initial state (`initial/` and its path). What no output depends on is left out. */
  readonly gradients: Readonly<Record<string, ArrayView>>;
  /**
   * By the path of a recurrent layer and what of it, `encoder_l0` or `encoder_l0_reverse`; empty unless asked for. Arrays
   * [batch, time, ·], 0 past a length: what the layer records (`hidden`, `gates`, of an LSTM `cells`; see `LayerRecord`),
   * and what its backward equation gives: `dgates`, before the activations, and `dh`, the gradient with respect to h_t by
   * whatever way, from outputs and from later steps; where a cell gives it `dcells`, the same for c_t.
   *
   *     const { perStep } = await vjp(model, inputs, cotangents, { perStep: true });
   *     perStep.encoder_l0?.dh; // how far back does the gradient reach?
   */
  readonly perStep: Readonly<Record<string, Readonly<Record<string, ArrayView>>>>;
}

const cotangentPrefix = 'cotangent/';
const gradientPrefix = 'gradient/';
const stepPrefix = 'step/';

/**
 * The vector-Jacobian product: for cotangents ȳ of some outputs y, the gradients Σ ȳ·∂y/∂x for every parameter, float
 * input and initial state x. Arrays are `[batch, time, ...]`; dropout does not act. A layer with learned initial states
 * begins there, and has no initial state among the inputs.
 *
 * @throws DataError for a cotangent of an output that the model does not have.
 */
export async function vjp(
  model: Module,
  inputs: Batch['inputs'] | Pick<Batch, 'inputs' | 'lengths'>,
  cotangents: ArrayView | Readonly<Record<string, ArrayView>>,
  options: VjpOptions = {},
): Promise<VjpResult> {
  checkOptions('vjp', options, ['backend', 'initialStates', 'perStep']);
  const { backend: backendName = 'native', initialStates = {}, perStep = false } = options;
  flag('vjp', 'perStep', perStep);
  const backend = backendNamed('vjp', backendName);
  expectModule('vjp', model);
  const { network } = model;
  expectArrays('inputs', inputs);
  expectArrays('cotangents', cotangents);
  const arrays = inputArrays('inputs' in inputs ? (inputs as Batch) : { inputs: inputs });
  const byOutput = isArray(cotangents) ? { output: cotangents } : cotangents;
  const signature = signatureOf(arrays, model.readings());
  network.bind(signature);
  const { program } = writeVjp(model, signature, Object.keys(byOutput), perStep);
  const counts = countsOf(signature, arrays);
  const capacities = Object.fromEntries(countNames.map((name) => [name, counts[name] ?? 1])) as Counts;
  const zeros = program.inputs
    .filter(({ name }) => name.startsWith(initialStatePrefix))
    .map(({ name, value }) => {
      const shape = evaluateShape(program.values[value]!.shape, capacities);
      return [name, { data: new Float64Array(shape.reduce((a, b) => a * b, 1)), shape }] as const;
    });
  const bound = Object.fromEntries(Object.entries(byOutput).map(([name, array]) => [cotangentPrefix + name, array]));
  const store = backend.createStore();
  const executable = backend.prepare(program, capacities);
  try {
    const parameters = await network.readParameters();
    store.allocate(
      [...network.parameters.values()].map(({ path, shape }) => ({ name: path, dtype: 'float32', shape })),
    );
    for (const [path, { data }] of parameters) store.write(path, data);
    const { outputs } = await executable.run(store, {
      ...arrays,
      ...Object.fromEntries(zeros),
      ...initialStates,
      ...bound,
    });
    const under = (prefix: string) =>
      Object.entries(outputs).flatMap(([name, array]) =>
        name.startsWith(prefix) ? [[name.slice(prefix.length), array] as const] : [],
      );
    const isOwn = (name: string) => !name.startsWith(gradientPrefix) && !name.startsWith(stepPrefix);
    return {
      outputs: Object.fromEntries(Object.entries(outputs).filter(([name]) => isOwn(name))),
      gradients: Object.fromEntries(under(gradientPrefix)),
      perStep: byPath(under(stepPrefix)),
    };
  } finally {
    executable.dispose();
    store.dispose();
  }
}

/** Arrays named `path/slot`, by path and slot. */
function byPath(named: readonly (readonly [string, ArrayView])[]): Record<string, Record<string, ArrayView>> {
  const paths: Record<string, Record<string, ArrayView>> = {};
  for (const [name, array] of named) {
    const end = name.lastIndexOf('/');
    (paths[name.slice(0, end)] ??= {})[name.slice(end + 1)] = array;
  }
  return paths;
}

/** One array, or several by name. */
function expectArrays(name: string, value: unknown): void {
  if (typeof value === 'object' && value !== null) return;
  throw new DataError(`vjp: ${name}: expected { data, shape }, or several by name, received ${describe(value)}`);
}

const isArray = (value: object): value is ArrayView => 'data' in value && ArrayBuffer.isView(value.data);

function writeVjp(model: Module, signature: Signature, seeded: readonly string[], perStep: boolean) {
  const mode = { training: false, recurrentState: 'inputs' } as const;
  return model.network.write(signature, mode, ({ builder, trace, inputs, outputs }) => {
    const seeds = seeded.map((name): Seed => {
      const variable = outputs[name];
      if (!variable)
        throw new DataError(`cotangents: the model has no output '${name}'; it has ${Object.keys(outputs).join(', ')}`);
      const publicType = batchFirst(variable).type;
      return { variable, cotangent: timeFirst(builder.input(cotangentPrefix + name, publicType)) };
    });
    const parameters = [...trace.parameters.values()].map(
      ({ path, shape }) => [path, builder.state(path, { dtype: 'float32', shape })] as const,
    );
    const floats = Object.entries(inputs).filter(([, { type }]) => type.dtype === 'float32');
    const targets = [...parameters, ...floats, ...Object.entries(trace.initialStates)];
    const gradients = gradient(
      builder,
      seeds,
      targets.map(([, variable]) => variable),
    );
    for (const [name, variable] of Object.entries(outputs)) builder.output(name, batchFirst(variable));
    targets.forEach(([name], index) => {
      const found = gradients[index];
      if (found) builder.output(gradientPrefix + name, batchFirst(found));
    });
    for (const [path, record] of perStep ? trace.recurrentRecords : []) {
      for (const [slot, variable] of Object.entries(perStepOf(builder, record)))
        builder.output(`${stepPrefix}${path}/${slot}`, batchFirst(variable));
    }
  });
}
