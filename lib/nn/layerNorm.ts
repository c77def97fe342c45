import { OptionError } from '../errors';
import { layerNorm as layerNormOp } from '../ops/layerNorm';
import type { Variable } from '../ops/op';
import { checkOptions, describe, flag } from '../options';
import { constant } from './initializer';
import { Layer, type LayerConfig } from './layer';
import { lengthsOf, type LengthOptions } from './lengths';
import { lastSize } from './size';

export interface LayerNormOptions {
  /** Inferred from the first input when left out. */
  readonly inputSize?: number;
  /** Added to the variance. Default 1e-5. */
  readonly eps?: number;
  /** Whether there are parameters. Default true. */
  readonly elementwiseAffine?: boolean;
  /** Whether there is a `bias` beside the `weight`. Default true, and nothing without `elementwiseAffine`. */
  readonly bias?: boolean;
}

export interface LayerNorm {
  (input: Variable, options?: LengthOptions): Variable;
}

/**
 * y = (x - mean) / √(variance + eps) ⊙ weight + bias over the last axis, the variance without Bessel's correction.
 *
 * Input [..., F], output the same. Parameters: `weight [F]`, 1 at first, `bias [F]`, 0 at first. Called with lengths, an
 * input [T, B, ..., F] gives 0 past them; an input without steps, such as [B, F], is normalized as it is.
 * Source: Ba, Kiros & Hinton 2016; names and init as PyTorch `nn.LayerNorm`.
 */
export class LayerNorm extends Layer {
  constructor(readonly options: LayerNormOptions = {}) {
    super();
    checkOptions('layerNorm', options, ['inputSize', 'eps', 'elementwiseAffine', 'bias']);
    const { eps = 1e-5, elementwiseAffine = true, bias } = options;
    if (typeof eps !== 'number' || !(eps > 0 && eps < Infinity))
      throw new OptionError(`layerNorm: eps: expected a number > 0, received ${describe(eps)}`);
    flag('layerNorm', 'elementwiseAffine', elementwiseAffine);
    flag('layerNorm', 'bias', bias ?? true);
    if (bias && !elementwiseAffine)
      throw new OptionError('layerNorm: bias: expected none where elementwiseAffine is false, received true');
  }

  override describe(): LayerConfig {
    return { kind: 'layerNorm', options: this.options };
  }

  override forward(x: Variable, options: LengthOptions = {}): Variable {
    const lengths = lengthsOf('layerNorm', options);
    const { inputSize, eps = 1e-5, elementwiseAffine = true, bias: hasBias = true } = this.options;
    const shape = [lastSize('layerNorm', x, inputSize)];
    const weight = elementwiseAffine ? this.parameter('weight', shape, constant(1)) : null;
    const bias = elementwiseAffine && hasBias ? this.parameter('bias', shape, constant(0)) : null;
    const hasSteps = x.type.shape.length > 2;
    return x.builder.emit(layerNormOp, { x, weight, bias, lengths: hasSteps ? lengths : null }, { eps }).y;
  }
}

/** A `LayerNorm` layer: `layerNorm()`. */
export const layerNorm = (options?: LayerNormOptions): LayerNorm => new LayerNorm(options);
