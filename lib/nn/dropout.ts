import { multiply } from '../ops/elementwise/arithmetic';
import { dropout as dropoutOp } from '../ops/elementwise/dropout';
import { fill } from '../ops/elementwise/fill';
import { broadcast } from '../ops/layout/broadcast';
import type { Emitter, Variable } from '../ops/op';
import type { Shape } from '../ops/shape';
import { expectVariable } from '../ops/variable';
import { probability } from '../options';
import { Layer, type LayerConfig } from './layer';
import { activeTrace } from './trace';

export interface Dropout {
  (x: Variable): Variable;
}

/** y = mask ⊙ x / (1 - p) in training, fresh for each element and step; y = x otherwise. Masks come from Philox. */
export function applyDropout(x: Variable, p: number): Variable {
  const trace = activeTrace();
  if (p === 0 || !trace.mode.training) return x;
  return x.builder.emit(dropoutOp, { x, key: trace.key() }, { p, stream: x.builder.nextRandomStream() }).y;
}

/** A mask of zeros, with probability p, and 1 / (1 - p). */
export function dropoutMask(builder: Emitter, p: number, shape: Shape): Variable {
  const ones = builder.emit(fill, {}, { value: 1, shape }).y;
  return builder.emit(dropoutOp, { x: ones, key: activeTrace().key() }, { p, stream: builder.nextRandomStream() }).y;
}

/** `applyDropout` to [T, B, I] with one mask for all steps: a sequence loses the same elements at each. */
export function applySequenceDropout(x: Variable, p: number): Variable {
  if (p === 0 || !activeTrace().mode.training) return x;
  const { builder, type } = x;
  const mask = dropoutMask(builder, p, type.shape.slice(1));
  return builder.emit(multiply, { a: x, b: builder.emit(broadcast, { x: mask }, { shape: type.shape }).y }, {}).y;
}

/** Dropout as a layer: each element is zero with probability `p` in training. Source: PyTorch `nn.Dropout`. */
export class Dropout extends Layer {
  constructor(readonly p: number) {
    super();
    probability('dropout', 'p', p);
  }

  override describe(): LayerConfig {
    return { kind: 'dropout', p: this.p };
  }

  override forward(x: Variable): Variable {
    expectVariable('dropout: input', x);
    return applyDropout(x, this.p);
  }
}

/** A `Dropout` layer: `dropout(0.2)`. */
export const dropout = (p = 0.5): Dropout => new Dropout(p);
