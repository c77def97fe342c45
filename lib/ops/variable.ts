import { DataError } from '../errors';
import { describe } from '../options';
import { isVariable, type Emitter, type Variable } from './op';

/** Throws unless a layer or a function was given a Variable where it needs one. */
export function expectVariable(argument: string, value: unknown): asserts value is Variable {
  if (isVariable(value)) return;
  const { output } = (value ?? {}) as { readonly output?: unknown };
  // What `lstm` returns holds states as well.
  const advice = isVariable(output) ? '; hand on its output' : '';
  throw new DataError(`${argument}: expected a Variable, received ${describe(value)}${advice}`);
}

/** Where equations on `x` are written. */
export function emitterOf(x: Variable): Emitter {
  expectVariable('x', x);
  return x.builder;
}
