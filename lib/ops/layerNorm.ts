import { OptionError, ShapeError } from '../errors';
import { defineOp, expectShape, float32, onDemand, one, optional, refuseGradient, type ValueType } from './op';
import { expectLengths, stepRows } from './pooling/steps';
import { rowOf } from './recurrent/sequence';

interface Affine<T> {
  readonly weight: T | null;
  readonly lengths: T | null;
}

function expectFeatures(x: ValueType, { weight, lengths }: Affine<ValueType>): void {
  const size = x.shape.at(-1);
  if (size === undefined) throw new ShapeError('x: expected at least one axis, received a scalar');
  if (weight) expectShape('weight', weight, [size]);
  if (lengths) expectLengths(x, lengths);
}

/**
 * y = (x - mean) / √(variance + eps) ⊙ weight + bias over the last axis, the variance without Bessel's correction. With
 * lengths, x is [T, B, ..., F] and y is 0 past them. `rstd` is 1 / √(variance + eps). (Ba, Kiros & Hinton 2016)
 */
export const layerNorm = defineOp({
  name: 'layer_norm',
  operands: { x: one('float32'), weight: optional('float32'), bias: optional('float32'), lengths: optional('int32') },
  outputs: { y: one('float32'), mean: onDemand('float32'), rstd: onDemand('float32') },
  attributes: { eps: 'number' },
  infer({ x, weight, bias, lengths }, { eps }) {
    expectFeatures(x, { weight, lengths });
    if (bias) expectShape('bias', bias, [x.shape.at(-1)!]);
    if (!(eps >= 0)) throw new OptionError(`eps: expected a number >= 0, received ${eps}`);
    const perRow = float32(...x.shape.slice(0, -1));
    return { y: x, mean: perRow, rstd: perRow };
  },
  gradient({ operands: { x, weight, lengths }, outputs: { mean, rstd }, cotangents, wants, emit }) {
    refuseGradient('mean', cotangents.mean !== null);
    refuseGradient('rstd', cotangents.rstd !== null);
    const { dx, dweight, dbias } = emit(layerNormBackward, { dy: cotangents.y!, x, mean, rstd, weight, lengths }, {});
    return {
      x: wants('x') ? dx : null,
      weight: weight && wants('weight') ? dweight : null,
      bias: wants('bias') ? dbias : null,
    };
  },
  reference({ operands: { x, weight, bias, lengths }, outputs: { y, mean, rstd }, attributes: { eps } }) {
    const size = x.shape.at(-1)!;
    for (const row of stepRows(x.shape, lengths)) {
      const values = rowOf(x, row);
      const average = values.reduce((sum, value) => sum + value, 0) / size;
      const variance = values.reduce((sum, value) => sum + (value - average) ** 2, 0) / size;
      const scale = 1 / Math.sqrt(variance + eps);
      mean.data[row] = average;
      rstd.data[row] = scale;
      const normalized = rowOf(y, row);
      for (let k = 0; k < size; k++) {
        normalized[k] = (values[k]! - average) * scale * (weight?.data[k] ?? 1) + (bias?.data[k] ?? 0);
      }
    }
  },
});

/**
 * With n = (x - mean)·rstd and g = dy ⊙ weight: dx = rstd·(g - Σ g / F - n·Σ (g ⊙ n) / F), dweight = Σ dy ⊙ n and dbias = Σ dy
 * over the rows. Rows past a length give and receive nothing.
 */
export const layerNormBackward = defineOp({
  name: 'layer_norm_backward',
  operands: {
    dy: one('float32'),
    x: one('float32'),
    mean: one('float32'),
    rstd: one('float32'),
    weight: optional('float32'),
    lengths: optional('int32'),
  },
  outputs: { dx: onDemand('float32'), dweight: onDemand('float32'), dbias: onDemand('float32') },
  attributes: {},
  infer({ dy, x, mean, rstd, weight, lengths }) {
    expectFeatures(x, { weight, lengths });
    expectShape('dy', dy, x.shape);
    expectShape('mean', mean, x.shape.slice(0, -1));
    expectShape('rstd', rstd, x.shape.slice(0, -1));
    const perFeature = float32(x.shape.at(-1)!);
    return { dx: x, dweight: perFeature, dbias: perFeature };
  },
  gradient: 'none',
  reference({ operands: { dy, x, mean, rstd, weight, lengths }, outputs: { dx, dweight, dbias } }) {
    const size = x.shape.at(-1)!;
    for (const row of stepRows(x.shape, lengths)) {
      const scale = rstd.data[row]!;
      const normalized = rowOf(x, row).map((value) => (value - mean.data[row]!) * scale);
      const given = rowOf(dy, row);
      const scaled = given.map((value, k) => value * (weight?.data[k] ?? 1));
      const average = scaled.reduce((sum, value) => sum + value, 0) / size;
      const projection = scaled.reduce((sum, value, k) => sum + value * normalized[k]!, 0) / size;
      const gradient = rowOf(dx, row);
      for (let k = 0; k < size; k++) {
        gradient[k] = scale * (scaled[k]! - average - normalized[k]! * projection);
        dweight.data[k]! += given[k]! * normalized[k]!;
        dbias.data[k]! += given[k]!;
      }
    }
  },
});
