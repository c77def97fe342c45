import { embedding as embeddingOp } from '../ops/embedding';
import type { Emitter, Variable } from '../ops/op';
import { expectVariable } from '../ops/variable';
import { checkOptions, positiveInteger, probability } from '../options';
import { dropoutMask } from './dropout';
import { normal } from './initializer';
import { Layer, type LayerConfig } from './layer';
import { activeTrace, type Trace } from './trace';

export interface EmbeddingOptions {
  /**
   * Probability of dropping, in training, each row of `weight`: one mask [V] for a run, so that a token is lost wherever it
   * stands, and rows that stay are divided by 1 - p. Source: Gal & Ghahramani 2016; Merity et al. 2018. Default 0.
   */
  readonly dropout?: number;
}

export interface Embedding {
  (tokens: Variable): Variable;
}

/**
 * y = weight[token]: a learned vector for each of V tokens; int32 [...] to float32 [..., E].
 *
 * Parameter: `weight [V, E]`, drawn from N(0, 1). Tokens outside 0..V-1 are refused when a batch is bound. A `linear` that
 * is tied to it has the same weight.
 * Source: PyTorch `nn.Embedding`.
 */
export class Embedding extends Layer {
  /** By the program in which they act: a layer that is called twice drops the same rows. */
  readonly #masks = new WeakMap<Trace, Variable>();

  constructor(
    readonly vocabularySize: number,
    readonly embeddingSize: number,
    readonly options: EmbeddingOptions = {},
  ) {
    super();
    positiveInteger('embedding', 'vocabularySize', vocabularySize);
    positiveInteger('embedding', 'embeddingSize', embeddingSize);
    checkOptions('embedding', options, ['dropout']);
    probability('embedding', 'dropout', options.dropout ?? 0);
  }

  override describe(): LayerConfig {
    const { vocabularySize, embeddingSize, options } = this;
    return { kind: 'embedding', vocabularySize, embeddingSize, options };
  }

  override forward(tokens: Variable): Variable {
    expectVariable('embedding: tokens', tokens);
    const { y } = tokens.builder.emit(
      embeddingOp,
      { tokens, weight: this.table(), scale: this.rowScale(tokens.builder) },
      {},
    );
    tokens.builder.requireRange(tokens, { below: this.vocabularySize });
    return y;
  }

  /** The parameter `weight`, whole: nothing is dropped from it. */
  table(): Variable {
    return this.parameter('weight', [this.vocabularySize, this.embeddingSize], normal(1));
  }

  /** [V]: 0 for rows that are dropped, 1 / (1 - p) for the others; null for 1. */
  private rowScale(builder: Emitter): Variable | null {
    const trace = activeTrace();
    const { dropout = 0 } = this.options;
    if (dropout === 0 || !trace.mode.training) return null;
    const mask = this.#masks.get(trace) ?? dropoutMask(builder, dropout, [this.vocabularySize]);
    this.#masks.set(trace, mask);
    return mask;
  }
}

/** An `Embedding` layer: `embedding(10_000, 64)`. */
export const embedding = (vocabularySize: number, embeddingSize: number, options?: EmbeddingOptions): Embedding =>
  new Embedding(vocabularySize, embeddingSize, options);
