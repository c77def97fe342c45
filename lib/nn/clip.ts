import { isFiniteFloat32 } from '../arrays';
import { OptionError } from '../errors';
import { describe } from '../options';

/** An option of cells whose activations are those of ONNX's operators. */
export interface GateClipOptions {
  /**
   * Bounds what enters each activation to ±gateClip: the `clip` of ONNX. No gradient flows where it does, nor at the bound
   * itself. Default: no bound.
   */
  readonly gateClip?: number;
}

/** The bound that an option asks for, as float32, so that both backends clip at the same number; 0 for none. */
export function clipOf(kind: string, name: string, clip: number | undefined): number {
  if (clip === undefined) return 0;
  if (typeof clip === 'number' && Math.fround(clip) > 0 && isFiniteFloat32(clip)) return Math.fround(clip);
  throw new OptionError(`${kind}: ${name}: expected a positive number within float32, received ${describe(clip)}`);
}
