import { DataError } from '../errors';
import { describe } from '../options';
import { Module } from './module';

/** Throws unless this is a module, where a function takes one. */
export function expectModule(owner: string, model: unknown): asserts model is Module {
  if (!(model instanceof Module)) throw new DataError(`${owner}: expected a model, received ${describe(model)}`);
}
