import { maskedSoftmax, maxPool, meanPool, reshape, tanh, weightedPool } from '../ops/functions';
import { linear } from '../ops/linear';
import { expectRank, type Variable } from '../ops/op';
import { checkOptions, positiveInteger } from '../options';
import { uniform } from './initializer';
import { Layer, type LayerConfig } from './layer';
import { lengthsOf, refuseSteps, type LengthOptions } from './lengths';
import { lastSize } from './size';

/** Checks what a pooling layer is called with; returns the lengths. */
function pooledLengths(kind: string, x: Variable, options: LengthOptions): Variable | null {
  const lengths = lengthsOf(kind, options);
  lastSize(kind, x, undefined);
  expectRank(`${kind}: input`, x.type, 3, '[T, B, F]');
  refuseSteps(`${kind}: the layer`);
  return lengths;
}

export interface MeanPooling {
  (input: Variable, options?: LengthOptions): Variable;
}

/**
 * y = Σ x_t / length over the steps of each sequence; [T, B, F] to [B, F].
 *
 * Nothing past a length has any part; a sequence of length 0 gives zeros. No parameters. It cannot be stepped.
 */
export class MeanPooling extends Layer {
  override describe(): LayerConfig {
    return { kind: 'meanPooling' };
  }

  override forward(x: Variable, options: LengthOptions = {}): Variable {
    return meanPool(x, pooledLengths('meanPooling', x, options));
  }
}

/** A `MeanPooling` layer: `sequential([gru(64), meanPooling(), linear(3)])`. */
export const meanPooling = (): MeanPooling => new MeanPooling();

export interface MaxPooling {
  (input: Variable, options?: LengthOptions): Variable;
}

/**
 * y = the largest x_t of each feature over the steps of each sequence; [T, B, F] to [B, F].
 *
 * The first of equal steps receives the gradient. Nothing past a length has any part; a sequence of length 0 gives
 * zeros. No parameters. It cannot be stepped.
 */
export class MaxPooling extends Layer {
  override describe(): LayerConfig {
    return { kind: 'maxPooling' };
  }

  override forward(x: Variable, options: LengthOptions = {}): Variable {
    return maxPool(x, pooledLengths('maxPooling', x, options));
  }
}

/** A `MaxPooling` layer: `sequential([gru(64), maxPooling(), linear(3)])`. */
export const maxPooling = (): MaxPooling => new MaxPooling();

export interface AttentionPoolingOptions {
  /** The size A of the space in which steps are scored. Default: the input size. */
  readonly attentionSize?: number;
  /** Inferred from the first input when left out. */
  readonly inputSize?: number;
}

export interface AttentionPoolingOutput {
  /** [B, F]. */
  readonly output: Variable;
  /** α [T, B]: sums to 1 over the steps of each sequence, 0 past its length. */
  readonly weights: Variable;
}

export interface AttentionPooling {
  (input: Variable, options?: LengthOptions): AttentionPoolingOutput;
}

/**
 * A sum of each sequence's steps, weighted by what the layer learns to look at:
 *
 *     score_t = vᵀ tanh(W x_t + b)        α = softmax of the scores over the steps of the sequence        y = Σ α_t x_t
 *
 * Input [T, B, F]; returns `{ output [B, F], weights [T, B] }`, of which `sequential` hands on the output. Parameters: W
 * `weight [A, F]` and b `bias [A]`, drawn from U(±1/√F), v `vector [1, A]`, from U(±1/√A): two PyTorch `nn.Linear`, the
 * second without bias. Nothing past a length has any part; a sequence of length 0 gives zeros. It cannot be stepped.
 * Source: Yang et al. 2016, "Hierarchical attention networks", equations 5 to 7.
 */
export class AttentionPooling extends Layer {
  constructor(readonly options: AttentionPoolingOptions = {}) {
    super();
    checkOptions('attentionPooling', options, ['attentionSize', 'inputSize']);
    const { attentionSize = 1 } = options;
    positiveInteger('attentionPooling', 'attentionSize', attentionSize);
  }

  override describe(): LayerConfig {
    return { kind: 'attentionPooling', options: this.options };
  }

  override forward(x: Variable, options: LengthOptions = {}): AttentionPoolingOutput {
    const lengths = pooledLengths('attentionPooling', x, options);
    const F = lastSize('attentionPooling', x, this.options.inputSize);
    const { attentionSize: A = F } = this.options;
    const { builder, type } = x;
    const ofInput = uniform(1 / Math.sqrt(F));
    const weight = this.parameter('weight', [A, F], ofInput);
    const bias = this.parameter('bias', [A], ofInput);
    const hidden = tanh(builder.emit(linear, { x, weight, bias }, {}).y);
    const vector = this.parameter('vector', [1, A], uniform(1 / Math.sqrt(A)));
    const scores = reshape(builder.emit(linear, { x: hidden, weight: vector }, {}).y, type.shape.slice(0, 2));
    const weights = maskedSoftmax(scores, lengths);
    return { output: weightedPool(x, weights, lengths), weights };
  }
}

/** An `AttentionPooling` layer: `sequential([gru(64), attentionPooling({ attentionSize: 32 }), linear(3)])`. */
export const attentionPooling = (options?: AttentionPoolingOptions): AttentionPooling => new AttentionPooling(options);
