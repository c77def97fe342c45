/** What training steps of different layers have in common: a backward pass, an update, states and what they hold. */
import type { StateSpec } from '../lib/backend/backend';
import { float64, type Variable } from '../lib/ops/op';
import { gradientNorm } from '../lib/ops/update/gradientNorm';
import { sgd } from '../lib/optim/sgd';
import type { ProgramBuilder } from '../lib/program/builder';
import { gradient } from '../lib/program/gradient';
import type { Program } from '../lib/program/program';

/**
 * The gradients of all operands, their common norm, which the program gives out and which guards its commit, and an update
 * of the parameters among them. Learning rate and weight decay are states, 0 unless they are written.
 */
export function writeBackward(
  builder: ProgramBuilder,
  { y, dy }: { readonly y: Variable; readonly dy: Variable },
  operands: Readonly<Record<string, Variable>>,
  parameterShapes: Readonly<Record<string, readonly number[]>>,
): void {
  const found = gradient(builder, [{ variable: y, cotangent: dy }], Object.values(operands));
  const gradients = Object.fromEntries(Object.keys(operands).map((name, index) => [name, found[index]!]));
  // The biases have one gradient in common.
  const { norm } = builder.emit(gradientNorm, { gradients: [...new Set(Object.values(gradients))] }, {});
  builder.output('norm', norm);
  builder.guard('norm', norm);
  const trainables = Object.entries(parameterShapes).map(([path, shape]) => ({
    path,
    shape,
    parameter: operands[path]!,
    gradient: gradients[path]!,
    group: 0,
  }));
  const learning_rate = builder.state('learning_rate', float64(1));
  const weight_decay = builder.state('weight_decay', float64(1));
  builder.commit(() => sgd().emit(builder, trainables, { learning_rate, weight_decay, scale: null, clip_value: null }));
}

/** The states that a store needs for a program whose sizes are numbers. */
export function stateSpecs(program: Program): StateSpec[] {
  return program.states.map(({ name, value }) => {
    const { dtype, shape } = program.values[value]!;
    return { name, dtype, shape: shape.map(Number) };
  });
}

/** Numbers in (-scale, scale) without a pattern, the same in every run. */
export const numbers = (count: number, scale: number) =>
  Float32Array.from({ length: count }, (_, index) => scale * Math.sin(index * index));
