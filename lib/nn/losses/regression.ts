/** Losses of numbers against numbers. */
import { OptionError, ShapeError } from '../../errors';
import { abs, huberPenalty, pinballPenalty, reshape, slice, subtract } from '../../ops/functions';
import { constant } from '../../ops/elementwise/constant';
import { broadcast } from '../../ops/layout/broadcast';
import { meanSquaredError as meanSquaredErrorOp } from '../../ops/loss/meanSquaredError';
import { float32, type Variable } from '../../ops/op';
import { formatShape } from '../../ops/shape';
import { checkOptions, describe } from '../../options';
import { expectTargets, meanOver, weightRows, type Loss } from '../loss';
import { lossMetric, type Metric } from '../metric';
import { publicShape } from '../signature';

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
    get metrics() {
      return { meanAbsoluteError: lossMetric(meanAbsoluteError()) };
    },
    derived: (loss) => ({ rootMeanSquaredError: Math.sqrt(loss) }),
  };
}

/** Losses of numbers share their weighting: rows [...] of F features, as `meanSquaredError`. */
function elementwise(
  name: string,
  key: string,
  penalty: (prediction: Variable, targets: Variable) => Variable,
): Pick<Loss, 'name' | 'key' | 'terms' | 'derived'> {
  return {
    name,
    key,
    terms(prediction, targets, weights) {
      expectTargets(name, targets, prediction.type);
      return meanOver(penalty(prediction, targets), rowAxesOf(targets), weights);
    },
    derived: () => ({}),
  };
}

/** All axes but the last are rows. */
export const rowAxesOf = ({ type }: Variable): number => Math.max(type.shape.length - 1, 0);

/**
 * L = Σ_r w_r Σ_f |p − t| / (F · Σ_r w_r); plain mean without weights.
 *
 * Prediction and targets [..., F]; weights [...] or [B]. Its gradient where p = t is 0. Metric `rootMeanSquaredError`.
 * Source: PyTorch `nn.L1Loss`.
 */
export function meanAbsoluteError(): Loss {
  const loss = elementwise('meanAbsoluteError', 'meanAbsoluteError', (p, t) => abs(subtract(p, t)));
  return { ...loss, metrics: { rootMeanSquaredError: rootMeanSquaredError() } };
}

/** √(Σ_r w_r Σ_f (p − t)² / (F · Σ_r w_r)) over all batches, as a metric beside any loss: `metrics: { rmse: rootMeanSquaredError() }`. */
export function rootMeanSquaredError(): Metric {
  const metric = lossMetric(meanSquaredError(), Math.sqrt);
  return { ...metric, name: 'rootMeanSquaredError' };
}

/**
 * L = Σ_r w_r Σ_f h(p − t) / (F · Σ_r w_r), h(e) = e² / 2 where |e| ≤ δ, else δ (|e| − δ/2).
 *
 * `delta` δ > 0, default 1, in the units of the targets. Prediction and targets [..., F]; weights [...] or [B]. Metrics
 * `meanAbsoluteError`, `rootMeanSquaredError`. Source: Huber 1964; PyTorch `nn.HuberLoss`.
 */
export function huber(options: { readonly delta?: number } = {}): Loss {
  checkOptions('huber', options, ['delta']);
  const { delta = 1 } = options;
  if (!(typeof delta === 'number' && delta > 0 && Number.isFinite(Math.fround(delta)) && Math.fround(delta) > 0))
    throw new OptionError(`huber: delta: expected a positive number, finite in float32, received ${describe(delta)}`);
  const loss = elementwise('huber', `huber ${delta}`, (p, t) => huberPenalty(subtract(p, t), delta));
  return { ...loss, metrics: pointMetrics((prediction) => prediction) };
}

/** Errors of the point that an output gives. */
export function pointMetrics(point: (output: Variable) => Variable): Readonly<Record<string, Metric>> {
  const of = (metric: Metric): Metric => ({
    ...metric,
    sums: (output, targets, weights) => metric.sums(point(output), targets, weights),
  });
  return {
    meanAbsoluteError: of({ ...lossMetric(meanAbsoluteError()), name: 'meanAbsoluteError' }),
    rootMeanSquaredError: of(rootMeanSquaredError()),
  };
}

/** Throws unless these are levels of quantiles: in (0, 1), each larger than the one before. */
export function checkQuantiles(owner: string, quantiles: unknown): asserts quantiles is readonly number[] {
  const valid =
    Array.isArray(quantiles) &&
    quantiles.length > 0 &&
    quantiles.every((q, k) => typeof q === 'number' && q > ((quantiles as number[])[k - 1] ?? 0) && q < 1);
  if (valid) return;
  const received = Array.isArray(quantiles) ? `[${quantiles.join(', ')}]` : describe(quantiles);
  throw new OptionError(
    `${owner}: quantiles: expected one or more numbers in (0, 1), each larger than the one before, such as [0.1, 0.5, 0.9], received ${received}`,
  );
}

/** The quantile that stands for the prediction where one number is wanted: the median, or the level nearest to it. */
export function medianIndex(quantiles: readonly number[]): number {
  const distance = (q: number) => Math.abs(q - 0.5);
  return quantiles.reduce((best, q, k) => (distance(q) < distance(quantiles[best]!) ? k : best), 0);
}

/** y [..., M] of the one at `index` along the last axis. */
const pick = (x: Variable, index: number) => reshape(slice(x, -1, index, index + 1), x.type.shape.slice(0, -1));

/**
 * L = Σ_r w_r Σ_m Σ_q ρ_q(t − p_q) / (M · Q · Σ_r w_r), ρ_q(e) = q e where e ≥ 0, else (q − 1) e: the mean over the levels,
 * so that it does not grow with their number.
 *
 * `quantiles`: levels in (0, 1), ascending. Output [..., M, Q], one number for each level; targets [..., M]; weights [...]
 * or [B]. Metrics `meanAbsoluteError` and `rootMeanSquaredError` of the median (or the level nearest to 1/2).
 * Source: Koenker & Bassett 1978.
 */
export function pinball(options: { readonly quantiles: readonly number[] }): Loss {
  checkOptions('pinball', options ?? {}, ['quantiles']);
  checkQuantiles('pinball', options?.quantiles);
  const levels = [...options.quantiles];
  return {
    name: 'pinball',
    key: `pinball ${levels.join(' ')}`,
    terms(output, targets, weights) {
      expectLast('pinball', output, levels.length, 'a number for each quantile');
      const { shape } = output.type;
      expectTargets('pinball', targets, float32(...shape.slice(0, -1)));
      const { builder } = output;
      const level = builder.emit(constant, {}, { values: levels, shape: [levels.length] }).y;
      const column = reshape(targets, [...targets.type.shape, 1]);
      const spread = builder.emit(broadcast, { x: level }, { shape }).y;
      return meanOver(pinballPenalty(subtract(column, output), spread), rowAxesOf(targets), weights);
    },
    metrics: pointMetrics((output) => pick(output, medianIndex(levels))),
    derived: () => ({}),
  };
}

/** Throws unless the output ends in an axis of this size. */
export function expectLast(loss: string, { type: { shape } }: Variable, size: number, what: string): void {
  if (shape.at(-1) === size) return;
  throw new ShapeError(
    `${loss}: expected an output whose last axis holds ${what}, ${size}, received ${formatShape(publicShape(shape))}`,
  );
}
