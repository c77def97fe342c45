import { OptionError } from '../errors';
import type { Backend } from '../backend/backend';
import { native } from '../backend/native/native';
import { reference } from '../backend/reference/reference';
import { checkOptions, describe } from '../options';

export interface ModuleOptions {
  /** Parameters and dropout masks are drawn from it. An integer in 0..2³¹−1; default 0. */
  readonly seed?: number;
  /** `native` (default), or the float64 reference, which is slow and for checking. */
  readonly backend?: Backend['name'];
}

export function backendNamed(owner: string, name: Backend['name']): Backend {
  if (name === 'native') return native;
  if (name === 'reference') return reference;
  throw new OptionError(`${owner}: backend: expected 'native' or 'reference', received ${describe(name)}`);
}

export function checkModuleOptions(options: ModuleOptions): void {
  checkOptions('model', options, ['seed', 'backend']);
  const { seed = 0, backend = 'native' } = options;
  if (!Number.isInteger(seed) || seed < 0 || seed > 0x7fffffff) {
    throw new OptionError(`model: seed: expected an integer in 0..2147483647, received ${describe(seed)}`);
  }
  backendNamed('model', backend);
}
