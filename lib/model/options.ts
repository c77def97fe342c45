import { OptionError } from '../errors';
import type { Backend } from '../backend/backend';
import { native } from '../backend/native/native';
import { reference } from '../backend/reference/reference';
import { checkOptions } from '../options';

export interface ModuleOptions {
  /** Parameters and dropout masks are drawn from it. An integer in 0..2³¹−1; default 0. */
  readonly seed?: number;
  /** `native` (default), or the float64 reference, which is slow and for checking. */
  readonly backend?: Backend['name'];
}

export const backendNamed = (name: Backend['name']): Backend => (name === 'reference' ? reference : native);

export function checkModuleOptions(options: ModuleOptions): void {
  checkOptions('model', options, ['seed', 'backend']);
  const { seed = 0, backend = 'native' } = options;
  if (!Number.isInteger(seed) || seed < 0 || seed > 0x7fffffff) {
    throw new OptionError(`model: seed: expected an integer in 0..2147483647, received ${String(seed)}`);
  }
  if (backend !== 'native' && backend !== 'reference') {
    throw new OptionError(`model: backend: expected 'native' or 'reference', received ${String(backend)}`);
  }
}
