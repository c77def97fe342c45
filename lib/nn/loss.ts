import { ShapeError } from '../errors';
import { broadcast } from '../ops/layout/broadcast';
import { accuracy } from '../ops/loss/accuracy';
import { crossEntropy as crossEntropyOp } from '../ops/loss/crossEntropy';
import { meanSquaredError as meanSquaredErrorOp } from '../ops/loss/meanSquaredError';
import { int32, type ValueType, type Variable } from '../ops/op';
import { formatShape, sameShape, type Shape } from '../ops/shape';
import { checkOptions } from '../options';
import { publicShape } from './signature';

/** What a network's `forward` returned: one variable, or several by name. */
export type Outputs = Variable | Readonly<Record<string, Variable>>;

export interface LossTerms {
  /** The scalar to minimise. */
  readonly loss: Variable;
  /** Σ of the weights behind the mean, so that means over batches can be combined; null counts each batch as one. */
  readonly totalWeight: Variable | null;
}

/** A loss that is built in; a function of (outputs, targets, weights) to a scalar Variable serves as well. */
export interface Loss {
  readonly name: string;
  /** Equal for losses that write equal equations. */
  readonly key: string;
  terms(output: Variable, targets: Variable, weights: Variable | null): LossTerms;
  /** Metrics by name that are computed within the program. */
  readonly metrics: Readonly<
    Record<string, (output: Variable, targets: Variable, weights: Variable | null) => Variable>
  >;
  /** Figures that follow from the mean loss. */
  derived(loss: number): Readonly<Record<string, number>>;
}

/**
 * What a loss or metric of one's own sees unless its parameter says more: the one output of the network, a Variable; or,
 * of a `forward` that returns several by name, all of them: `({ tags, score }) => ...`.
 */
export type AnyOutputs = Variable & Readonly<Record<string, Variable>>;

/**
 * A loss of one's own: writes a scalar from what `forward` returned, the targets of the batch, and its weights.
 *
 * Variables are `[T, B, ...]`, targets too. `weights` is null when all count alike; otherwise it is [B] or [T, B], and 0
 * past the `lengths` of the batch where targets have steps. A loss that leaves it out counts padding as well:
 * `weightedMean(errors, weights)` does not. `targets` is undefined for a batch without any.
 */
export type LossFunction<O extends Outputs = AnyOutputs> = (
  outputs: O,
  targets: Variable,
  weights: Variable | null,
) => Variable;

/** Throws unless the targets are one for each place of the output; both as users write them, steps second. */
function expectTargets(loss: string, targets: Variable, expected: ValueType): void {
  const { dtype, shape } = targets.type;
  if (dtype !== expected.dtype) {
    const array = expected.dtype === 'int32' ? 'Int32Array' : 'Float32Array';
    throw new ShapeError(`targets: expected ${array} for ${loss}, received ${dtype}`);
  }
  if (!sameShape(shape, expected.shape)) {
    const [wanted, received] = [expected.shape, shape].map((one) => formatShape(publicShape(one)));
    throw new ShapeError(`targets: expected ${wanted} by the output of the network, received ${received}`);
  }
}

/** Weights of whole sequences [B] count for each of their steps [T, B]. */
function weightRows(weights: Variable | null, rows: Shape): Variable | null {
  if (!weights || sameShape(weights.type.shape, rows)) return weights;
  if (weights.type.shape.length === 1 && rows.length === 2 && weights.type.shape[0] === rows[1]) {
    return weights.builder.emit(broadcast, { x: weights }, { shape: rows }).y;
  }
  const [expected, received] = [rows, weights.type.shape].map((shape) => formatShape(publicShape(shape)));
  throw new ShapeError(`weights: expected [B] or ${expected}, received ${received}`);
}

/**
 * L = Σ w·(log Σ exp(logits) − logit of the target) / Σ w, over targets that are not `ignoreIndex`.
 *
 * Logits [..., V]; targets int32 [...]; weights [...] or [B]. Default `ignoreIndex` −100. A batch without any counted
 * target has loss 0. Figures: `perplexity`, `bitsPerCharacter`; metric `accuracy`, the fraction of counted targets that
 * have the largest logit. Source: PyTorch `nn.CrossEntropyLoss`.
 */
export function crossEntropy(options: { readonly ignoreIndex?: number } = {}): Loss {
  checkOptions('crossEntropy', options, ['ignoreIndex']);
  const attributes = { ignore_index: options.ignoreIndex ?? -100 };
  const operands = (logits: Variable, targets: Variable, weights: Variable | null) => {
    expectTargets('crossEntropy', targets, int32(...logits.type.shape.slice(0, -1)));
    const classes = logits.type.shape[logits.type.shape.length - 1]!;
    targets.builder.requireRange(targets, { below: classes, except: attributes.ignore_index });
    return { logits, targets, weights: weightRows(weights, logits.type.shape.slice(0, -1)) };
  };
  return {
    name: 'crossEntropy',
    key: `crossEntropy ${attributes.ignore_index}`,
    terms(logits, targets, weights) {
      const { loss, total_weight } = logits.builder.emit(
        crossEntropyOp,
        operands(logits, targets, weights),
        attributes,
      );
      return { loss, totalWeight: total_weight };
    },
    metrics: {
      accuracy: (logits, targets, weights) =>
        logits.builder.emit(accuracy, operands(logits, targets, weights), attributes).accuracy,
    },
    derived: (loss) => ({ perplexity: Math.exp(loss), bitsPerCharacter: loss / Math.LN2 }),
  };
}

/**
 * L = Σ_r w_r Σ_f (p − t)² / (F · Σ_r w_r); plain mean without weights.
 *
 * Prediction and targets [..., F]; weights [...] or [B]. Figure: `rootMeanSquaredError`. Source: PyTorch `nn.MSELoss`.
 */
export function meanSquaredError(): Loss {
  return {
    name: 'meanSquaredError',
    key: 'meanSquaredError',
    terms(prediction, target, weights) {
      expectTargets('meanSquaredError', target, prediction.type);
      const { loss, total_weight } = prediction.builder.emit(
        meanSquaredErrorOp,
        { prediction, target, weights: weightRows(weights, prediction.type.shape.slice(0, -1)) },
        {},
      );
      return { loss, totalWeight: total_weight };
    },
    metrics: {},
    derived: (loss) => ({ rootMeanSquaredError: Math.sqrt(loss) }),
  };
}
