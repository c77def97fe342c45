import { embedding as embeddingOp } from '../ops/embedding';
import type { Variable } from '../ops/op';
import { expectVariable } from '../ops/variable';
import { positiveInteger } from '../options';
import { normal } from './initializer';
import { Layer, type LayerConfig } from './layer';

export interface Embedding {
  (tokens: Variable): Variable;
}

/**
 * y = weight[token]: a learned vector for each of V tokens; int32 [...] to float32 [..., E].
 *
 * Parameter: `weight [V, E]`, drawn from N(0, 1). Tokens outside 0..V-1 are refused when a batch is bound.
 * Source: PyTorch `nn.Embedding`.
 */
export class Embedding extends Layer {
  constructor(
    readonly vocabularySize: number,
    readonly embeddingSize: number,
  ) {
    super();
    positiveInteger('embedding', 'vocabularySize', vocabularySize);
    positiveInteger('embedding', 'embeddingSize', embeddingSize);
  }

  override describe(): LayerConfig {
    const { vocabularySize, embeddingSize } = this;
    return { kind: 'embedding', vocabularySize, embeddingSize };
  }

  override forward(tokens: Variable): Variable {
    expectVariable('embedding: tokens', tokens);
    const weight = this.parameter('weight', [this.vocabularySize, this.embeddingSize], normal(1));
    const { y } = tokens.builder.emit(embeddingOp, { tokens, weight }, {});
    tokens.builder.requireRange(tokens, { below: this.vocabularySize });
    return y;
  }
}

/** An `Embedding` layer: `embedding(10_000, 64)`. */
export const embedding = (vocabularySize: number, embeddingSize: number): Embedding =>
  new Embedding(vocabularySize, embeddingSize);
