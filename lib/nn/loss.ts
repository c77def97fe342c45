/** What a loss is, and what losses have in common; the losses themselves stand in `losses/`. */
import { ShapeError } from '../errors';
import { reshape } from '../ops/functions';
import { broadcast } from '../ops/layout/broadcast';
import { weightedMean } from '../ops/loss/weightedMean';
import type { ValueType, Variable } from '../ops/op';
import { formatShape, sameShape, type Shape } from '../ops/shape';
import type { Metric } from './metric';
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
  /** Metrics by name that are computed within the program when they are asked for. */
  readonly metrics: Readonly<Record<string, Metric>>;
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
export function expectTargets(loss: string, targets: Variable, expected: ValueType): void {
  const { dtype, shape } = targets.type;
  if (dtype === expected.dtype && sameShape(shape, expected.shape)) return;
  const [wanted, received] = [expected.shape, shape].map((one) => formatShape(publicShape(one)));
  const [array, meaning] = expected.dtype === 'int32' ? ['Int32Array', ', class numbers'] : ['Float32Array', ''];
  if (dtype === expected.dtype)
    throw new ShapeError(`targets: expected ${wanted} by the output of the network${meaning}, received ${received}`);
  throw new ShapeError(
    `targets: expected ${array} of shape ${wanted} for ${loss}${meaning}, received ${dtype} of shape ${received}`,
  );
}

/** Weights of whole sequences [B] count for each of their steps, [T, B], or days of a horizon, [B, h]. */
export function weightRows(weights: Variable | null, rows: Shape): Variable | null {
  if (!weights || sameShape(weights.type.shape, rows)) return weights;
  const { shape } = weights.type;
  const isOne = shape.length === 1 && rows.length === 2;
  if (isOne && shape[0] === rows[1]) return weights.builder.emit(broadcast, { x: weights }, { shape: rows }).y;
  if (isOne && shape[0] === rows[0]) {
    const column = reshape(weights, [shape[0]!, 1]);
    return weights.builder.emit(broadcast, { x: column }, { shape: rows }).y;
  }
  const [expected, received] = [rows, shape].map((one) => formatShape(publicShape(one)));
  throw new ShapeError(`weights: expected [B] or ${expected}, received ${received}`);
}

/** Σ_r w_r Σ_f l / (F · Σ_r w_r) of values l [rows..., F...]; 0 where nothing counts. */
export function meanOver(values: Variable, rowAxes: number, weights: Variable | null): LossTerms {
  const rows = weightRows(weights, values.type.shape.slice(0, rowAxes));
  const { mean, total_weight } = values.builder.emit(weightedMean, { x: values, weights: rows }, { row_axes: rowAxes });
  return { loss: mean, totalWeight: total_weight };
}
