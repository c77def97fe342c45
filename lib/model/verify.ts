import type { ArrayView, Store } from '../backend/backend';
import { bindInputs } from '../backend/bind';
import { native } from '../backend/native/native';
import { evaluate } from '../backend/reference/reference';
import { OptionError } from '../errors';
import type { Batch } from '../data/batch';
import type { AnyOutputs, Loss, LossFunction, Outputs } from '../nn/loss';
import { crossEntropy, meanSquaredError } from '../nn/losses';
import { randomKeyInput } from '../nn/trace';
import type { View } from '../ops/op';
import { countNames, evaluateShape, type Counts } from '../ops/shape';
import { checkOptions } from '../options';
import { adam } from '../optim/adam';
import { ratesAt } from '../optim/groups';
import type { Optimizer } from '../optim/optimizer';
import { idsIn, type Equation, type Program, type ValueId } from '../program/program';
import { isInt32 } from '../arrays';
import { prepareBatch } from '../train/batch';
import { writeStep } from '../train/step';
import { updateScalars } from '../train/update';
import { expectModule } from './expectModule';
import type { Module } from './module';
import { nudge, relativeError, roundingError, tolerance } from './tolerance';

export interface VerifyOptions<O extends Outputs = AnyOutputs> {
  /** Default: what the model's last layer brings; else cross-entropy for integer targets, mean squared error for others. */
  readonly loss?: Loss | LossFunction<O>;
  /** Default: `adam()`. */
  readonly optimizer?: Optimizer;
  /** Default 1. */
  readonly clipNorm?: number;
  /** Default: no clipping by value. */
  readonly clipValue?: number;
}

/** One output of one equation, native against reference. */
export interface EquationCheck {
  /** The op's name. */
  readonly op: string;
  /** The layer that wrote the equation. */
  readonly path: string;
  readonly phase: 'forward' | 'backward' | 'update';
  /** Which of the op's outputs. */
  readonly output: string;
  /**
   * On the equation's own native inputs: ‖native − reference‖₂ / ‖reference‖₂ or, where that is larger, a quarter of the
   * largest |native − reference| of an element in relation to its size, or to the root mean square of its row, of its
   * column or of all where these are larger.
   */
  readonly error: number;
  /**
   * What float32 arithmetic of this length may come to. Where that does not suffice, it is multiplied by the equation's
   * condition: how much further than its operands the reference's result moves when they move by 2⁻²⁴. Layer
   * normalization, for one, divides by a deviation that may be small, and a recurrence does so again and again.
   */
  readonly tolerance: number;
  readonly ok: boolean;
}

export interface Verification {
  readonly ok: boolean;
  /** The check with the largest error in relation to its tolerance. */
  readonly worst: EquationCheck;
  readonly equations: readonly EquationCheck[];
}

/**
 * Runs one training step of the model on both backends and compares every equation: forward, backward and update.
 *
 * The native side runs the whole program without reusing memory. The float64 reference then evaluates each equation on
 * that equation's own native inputs, so an error is charged to the equation that made it. The model does not change.
 */
export async function verify<O extends Outputs = AnyOutputs>(
  model: Module,
  batch: Batch,
  options: VerifyOptions<O> = {},
): Promise<Verification> {
  checkOptions('verify', options, ['loss', 'optimizer', 'clipNorm', 'clipValue']);
  expectModule('verify', model);
  const { network } = model;
  const prepared = prepareBatch(batch, model.readings());
  network.bind(prepared.inputSignature);
  const loss = options.loss ?? model.defaultLoss() ?? defaultLoss(batch);
  const { optimizer = adam(), clipNorm = 1, clipValue = null } = options;
  const update = { optimizer, clipNorm, clipValue };
  const mode = { training: true, recurrentState: 'zero' } as const;
  const { program } = writeStep(
    network,
    prepared.inputSignature,
    prepared.supervisionSignature,
    mode,
    { loss },
    update,
  );
  const capacities = Object.fromEntries(countNames.map((name) => [name, prepared.counts[name] ?? 1])) as Counts;
  const scalars: Record<string, ArrayView> = {
    ...updateScalars(
      update,
      ratesAt(optimizer.groups, { step: 0, totalSteps: 1, epoch: 0, totalEpochs: 1, figures: [] }),
    ),
    [randomKeyInput]: { data: Int32Array.of(network.seed, 0), shape: [2] },
  };
  const given: Record<string, ArrayView> = { ...prepared.inputs, ...prepared.supervision, ...scalars };
  const inputs = Object.fromEntries(program.inputs.map(({ name }) => [name, given[name]!]));
  const store = await nativeStore(model, optimizer);
  try {
    const values = await allValues(program, capacities, store, inputs);
    const { counts } = bindInputs(program, capacities, inputs);
    const checks = checkEquations(program, counts, values);
    const worst = checks.reduce((a, b) => (b.error / b.tolerance > a.error / a.tolerance ? b : a));
    return { ok: checks.every(({ ok }) => ok), worst, equations: checks };
  } finally {
    store.dispose();
  }
}

function defaultLoss({ targets }: Batch): Loss {
  if (!targets) throw new OptionError('verify: loss: the batch has no targets, so a loss must be given');
  return isInt32(targets.data) ? crossEntropy() : meanSquaredError();
}

/** A store of its own with the model's parameters and fresh optimizer states. */
async function nativeStore({ network }: Module, optimizer: Optimizer): Promise<Store> {
  const store = native.createStore();
  store.allocate([...network.parameters.values()].map(({ path, shape }) => ({ name: path, dtype: 'float32', shape })));
  for (const [path, { data }] of await network.readParameters()) store.write(path, data);
  const states = optimizer.states(network.trainable());
  store.allocate(states.map(({ name, dtype, shape }) => ({ name, dtype, shape })));
  for (const { name, initial } of states) if (initial) store.write(name, initial);
  return store;
}

/** Every value of one native run: outputs live to the end of a run, so a program that puts out everything reuses nothing. */
async function allValues(
  program: Program,
  capacities: Counts,
  store: Store,
  inputs: Readonly<Record<string, ArrayView>>,
): Promise<Map<ValueId, View>> {
  const values = new Map<ValueId, View>();
  program.inputs.forEach(({ name, value }) => values.set(value, widen(inputs[name]!)));
  for (const { name, value } of program.states) {
    const shape = evaluateShape(program.values[value]!.shape, capacities);
    values.set(value, widen({ data: await store.read(name), shape }));
  }
  const made = [...program.compute, ...program.commit].flatMap(({ outputs }) => Object.values(outputs).flatMap(idsIn));
  const executable = native.prepare(
    { ...program, outputs: made.map((value) => ({ name: String(value), value })) },
    capacities,
  );
  try {
    const { outputs, failedGuard } = await executable.run(store, inputs);
    if (failedGuard !== null)
      throw new OptionError(`verify: the ${failedGuard} is not finite on this batch, so there is nothing to compare`);
    for (const value of made) values.set(value, widen(outputs[String(value)]!));
  } finally {
    executable.dispose();
  }
  return values;
}

function widen({ data, shape }: ArrayView): View {
  return { data: isInt32(data) ? data : Float64Array.from(data), shape };
}

function checkEquations(program: Program, counts: Counts, values: ReadonlyMap<ValueId, View>): EquationCheck[] {
  const lossAt = program.compute.findIndex(({ outputs }) =>
    Object.values(outputs).flatMap(idsIn).includes(program.guards[0]!.value),
  );
  const phaseOf = (index: number) =>
    index <= lossAt ? 'forward' : index < program.compute.length ? 'backward' : 'update';
  return [...program.compute, ...program.commit].flatMap((equation, index) =>
    checkEquation(program, equation, counts, values, phaseOf(index)),
  );
}

function checkEquation(
  program: Program,
  equation: Equation,
  counts: Counts,
  values: ReadonlyMap<ValueId, View>,
  phase: EquationCheck['phase'],
): EquationCheck[] {
  const reference = evaluate(program, equation, counts, (value) => values.get(value)!);
  let nudged: typeof reference | null = null;
  /** By how much more than its operands a result moves where these move by a rounding error. */
  const conditionOf = (value: ValueId) => {
    nudged ??= evaluate(program, equation, counts, (operand) => nudge(values.get(operand)!));
    return Math.max(1, relativeError(nudged.get(value)!.data, reference.get(value)!) / roundingError);
  };
  const base = tolerance(
    equation.op,
    (slot) => idsIn(equation.operands[slot] ?? null).map((value) => values.get(value)!.shape)[0] ?? [],
  );
  return Object.entries(equation.outputs).flatMap(([output, ids]) =>
    idsIn(ids).map((value) => {
      const error = relativeError(values.get(value)!.data, reference.get(value)!);
      const { op, path } = equation;
      const allowed = error > base ? base * conditionOf(value) : base;
      return { op, path, phase, output, error, tolerance: allowed, ok: error <= allowed };
    }),
  );
}
