import { dropout as dropoutOp } from '../ops/elementwise/dropout';
import type { Variable } from '../ops/op';
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
