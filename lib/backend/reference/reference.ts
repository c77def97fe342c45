/** The reference backend: interprets a program with the plain loops that stand beside each op, in float64. */
import type { View, ValueType } from '../../ops/op';
import { elementCount, evaluateShape, type Counts } from '../../ops/shape';
import { mapSlots, opOf, type Equation, type Program, type ValueId } from '../../program/program';
import type { ArrayView, Backend, Executable, RunOptions, RunResult, Store } from '../backend';
import { bindInputs } from '../bind';
import { ReferenceStore } from './store';

export const reference: Backend = {
  name: 'reference',
  createStore: () => new ReferenceStore(),
  prepare: (program, capacities) => new Interpreter(program, capacities),
};

function newView({ dtype, shape }: ValueType, counts: Counts): View {
  const sizes = evaluateShape(shape, counts);
  const size = elementCount(sizes);
  return { data: dtype === 'int32' ? new Int32Array(size) : new Float64Array(size), shape: sizes };
}

/** Evaluates one equation on the given operands; returns its outputs by value. Also the judge of single equations in `verify`. */
export function evaluate(
  program: Program,
  equation: Equation,
  counts: Counts,
  read: (value: ValueId) => View,
): Map<ValueId, View> {
  const made = new Map<ValueId, View>();
  const make = (value: ValueId) => {
    const view = newView(program.values[value]!, counts);
    made.set(value, view);
    return view;
  };
  opOf(equation).reference({
    operands: mapSlots(equation.operands, read),
    outputs: mapSlots(equation.outputs, make),
    attributes: equation.attributes,
  });
  return made;
}

class Interpreter implements Executable {
  constructor(
    readonly program: Program,
    readonly capacities: Counts,
  ) {}

  async run(
    store: Store,
    inputs: Readonly<Record<string, ArrayView>>,
    { signal }: RunOptions = {},
  ): Promise<RunResult> {
    signal?.throwIfAborted();
    const result = this.runSync(store, inputs);
    // Runs in a row leave room for timers and others on the event loop.
    await new Promise(setImmediate);
    return result;
  }

  runSync(store: Store, inputs: Readonly<Record<string, ArrayView>>): RunResult {
    const { program, capacities } = this;
    const states = store as ReferenceStore;
    const { counts, arrays } = bindInputs(program, capacities, inputs);
    const views = new Map<ValueId, View>();
    program.inputs.forEach(({ value }, index) => views.set(value, widen(program.values[value]!, arrays[index]!)));
    for (const { name, value } of program.states) {
      const shape = evaluateShape(program.values[value]!.shape, counts);
      views.set(value, { data: states.array(name).slice(0, elementCount(shape)), shape });
    }
    const execute = (equation: Equation) => {
      for (const [value, view] of evaluate(program, equation, counts, (id) => views.get(id)!)) views.set(value, view);
    };
    program.compute.forEach(execute);
    const failed = program.guards.find(({ value }) => !Number.isFinite(views.get(value)!.data[0]));
    if (!failed) {
      program.commit.forEach(execute);
      for (const { name, next } of program.states) if (next !== null) states.array(name).set(views.get(next)!.data);
    }
    const made = program.outputs.flatMap(({ name, value }) =>
      views.has(value) ? [[name, views.get(value)!] as const] : [],
    );
    return { outputs: Object.fromEntries(made), failedGuard: failed?.name ?? null };
  }

  repeatSync(store: Store, inputs: Readonly<Record<string, ArrayView>>): () => RunResult['outputs'] {
    return () => this.runSync(store, inputs).outputs;
  }

  dispose(): void {}
}

/** A copy in the reference's dtype: float64, or int32. */
function widen({ dtype }: ValueType, { data, shape }: ArrayView): View {
  return { data: dtype === 'int32' ? Int32Array.from(data) : Float64Array.from(data), shape };
}
