import { linear as linearOp } from '../ops/linear';
import type { Variable } from '../ops/op';
import { checkOptions, positiveInteger } from '../options';
import { uniform } from './initializer';
import { Layer, type LayerConfig } from './layer';
import { lastSize } from './size';

export interface LinearOptions {
  /** Inferred from the first input when left out. */
  readonly inputSize?: number;
  /** Default true. */
  readonly bias?: boolean;
}

export interface Linear {
  (input: Variable): Variable;
}

/**
 * y = x · weightᵀ + bias over the last axis.
 *
 * Parameters: `weight [O, I]`, `bias [O]`, drawn from U(±1/√I). Source: PyTorch `nn.Linear`.
 */
export class Linear extends Layer {
  constructor(
    readonly outputSize: number,
    readonly options: LinearOptions = {},
  ) {
    super();
    checkOptions('linear', options, ['inputSize', 'bias']);
    positiveInteger('linear', 'outputSize', outputSize);
  }

  override describe(): LayerConfig {
    const { outputSize, options } = this;
    return { kind: 'linear', outputSize, options };
  }

  override forward(x: Variable): Variable {
    const inputSize = lastSize('linear', x, this.options.inputSize);
    const initializer = uniform(1 / Math.sqrt(inputSize));
    const weight = this.parameter('weight', [this.outputSize, inputSize], initializer);
    const bias = this.options.bias === false ? null : this.parameter('bias', [this.outputSize], initializer);
    return x.builder.emit(linearOp, { x, weight, bias }, {}).y;
  }
}

/** A `Linear` layer: `linear(17)`. */
export const linear = (outputSize: number, options?: LinearOptions): Linear => new Linear(outputSize, options);
