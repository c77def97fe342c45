import { reference } from '../../lib/backend/reference/reference';
import type { ArrayView } from '../../lib/backend/backend';
import type { AttributeSpec, Attributes, Dtype, Emit, Given, Op, Slots, ValueType, Variable } from '../../lib/ops/op';
import { ProgramBuilder } from '../../lib/program/builder';
import type { Program } from '../../lib/program/program';
import type { Tensor } from './random';

export type Values = Readonly<Record<string, Tensor>>;
export type Variables = Readonly<Record<string, Variable>>;
/** Writes equations on variables; returns the results by name. */
export type Write = (variables: Variables, emit: Emit) => Variables;

export const typeOf = ({ data, shape, dims }: Tensor): ValueType => ({
  dtype: (Object.prototype.toString.call(data) === '[object Int32Array]' ? 'int32' : 'float32') satisfies Dtype,
  shape: dims ?? shape,
});

/** One input for each value, of its type. */
export function declareInputs(builder: ProgramBuilder, values: Values): Record<string, Variable> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, builder.input(name, typeOf(value))]));
}

export const capacities = { T: 64, B: 64, S: 64 };

/** Runs a program without states on the reference backend. */
export function run(program: Program, values: Values): Readonly<Record<string, ArrayView>> {
  const store = reference.createStore();
  return reference.prepare(program, capacities).runSync(store, values).outputs;
}

/** What the equations make of the values, on the reference backend. */
export function evaluate(values: Values, write: Write): Readonly<Record<string, ArrayView>> {
  const builder = new ProgramBuilder();
  const results = write(declareInputs(builder, values), builder.emit.bind(builder));
  for (const [name, variable] of Object.entries(results)) builder.output(name, variable);
  return run(builder.finish(), values);
}

/** An op as equations: its operand slots take the variables of the same name, lists those called `slot.0`, `slot.1`, ... */
export function writeOp<O extends Slots, R extends Slots, A extends AttributeSpec>(
  op: Op<O, R, A>,
  attributes: Attributes<A>,
): Write {
  return (variables, emit) => {
    const operands = Object.entries(op.operands).map(([slot, { arity }]) => {
      const list = Object.keys(variables).filter((name) => name.startsWith(`${slot}.`));
      return [slot, arity === 'many' ? list.map((name) => variables[name]) : variables[slot]];
    });
    const outputs = emit(op, Object.fromEntries(operands) as Given<O, Variable>, attributes);
    return Object.fromEntries(
      Object.entries(outputs as Record<string, Variable | readonly Variable[]>).flatMap(([slot, output]) =>
        Array.isArray(output) ? output.map((one: Variable, k) => [`${slot}.${k}`, one]) : [[slot, output]],
      ),
    ) as Variables;
  };
}
