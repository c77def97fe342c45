import { OptionError, ShapeError, StateError } from '../errors';
import { linear as linearOp } from '../ops/linear';
import type { Variable } from '../ops/op';
import { formatShape } from '../ops/shape';
import { checkOptions, describe, positiveInteger } from '../options';
import { Embedding } from './embedding';
import { uniform } from './initializer';
import { Layer, type LayerConfig } from './layer';
import { lastSize } from './size';

export interface LinearOptions {
  /** Inferred from the first input when left out. */
  readonly inputSize?: number;
  /** Default true. */
  readonly bias?: boolean;
  /**
   * An embedding of the same network whose `weight [V, E]` this layer uses as its own: O must be V, and the input E wide.
   * There is one parameter, under the embedding's path; it receives the gradients of both uses. Rows that the embedding
   * drops in training are not dropped here. Source: Press & Wolf 2017; Inan et al. 2017.
   */
  readonly tiedTo?: Embedding;
}

export interface Linear {
  (input: Variable): Variable;
}

/**
 * y = x · weightᵀ + bias over the last axis.
 *
 * Parameters: `weight [O, I]`, `bias [O]`, drawn from U(±1/√I). With `tiedTo` the weight is the embedding's.
 * Source: PyTorch `nn.Linear`.
 */
export class Linear extends Layer {
  constructor(
    readonly outputSize: number,
    readonly options: LinearOptions = {},
  ) {
    super();
    checkOptions('linear', options, ['inputSize', 'bias', 'tiedTo']);
    positiveInteger('linear', 'outputSize', outputSize);
    const { tiedTo } = options;
    if (tiedTo !== undefined) this.checkTie(tiedTo);
  }

  override describe(paths?: ReadonlyMap<object, string>): LayerConfig {
    const { outputSize, options } = this;
    const { tiedTo } = options;
    return { kind: 'linear', outputSize, options: tiedTo ? { ...options, tiedTo: paths?.get(tiedTo) } : options };
  }

  override forward(x: Variable): Variable {
    const inputSize = lastSize('linear', x, this.options.inputSize);
    const initializer = uniform(1 / Math.sqrt(inputSize));
    const weight = this.tiedWeight(x) ?? this.parameter('weight', [this.outputSize, inputSize], initializer);
    const bias = this.options.bias === false ? null : this.parameter('bias', [this.outputSize], initializer);
    return x.builder.emit(linearOp, { x, weight, bias }, {}).y;
  }

  private checkTie(tiedTo: unknown): void {
    if (!(tiedTo instanceof Embedding))
      throw new OptionError(`linear: tiedTo: expected an embedding, received ${describe(tiedTo)}`);
    const { vocabularySize, embeddingSize } = tiedTo;
    const { inputSize = embeddingSize } = this.options;
    if (this.outputSize !== vocabularySize) {
      throw new OptionError(
        `linear: outputSize: expected ${vocabularySize}, the vocabulary of the embedding that it is tied to, received ${this.outputSize}`,
      );
    }
    if (inputSize !== embeddingSize) {
      throw new OptionError(
        `linear: inputSize: expected ${embeddingSize}, the size of the embedding that it is tied to, received ${inputSize}`,
      );
    }
  }

  private tiedWeight(x: Variable): Variable | null {
    const { tiedTo } = this.options;
    if (!tiedTo) return null;
    const { shape } = x.type;
    if (shape.at(-1) !== tiedTo.embeddingSize) {
      throw new ShapeError(
        `linear: input: expected a last axis of size ${tiedTo.embeddingSize}, that of the embedding that it is tied to, ` +
          `received ${formatShape(shape)}; a projection (projSize) or a linear layer before it makes them agree`,
      );
    }
    try {
      return tiedTo.table();
    } catch (cause) {
      if (!(cause instanceof StateError)) throw cause;
      throw new StateError('linear: tiedTo: the embedding must be held in a field of the same network', { cause });
    }
  }
}

/** A `Linear` layer: `linear(17)`, or `linear(10_000, { tiedTo: this.embed })`. */
export const linear = (outputSize: number, options?: LinearOptions): Linear => new Linear(outputSize, options);
