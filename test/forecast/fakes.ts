/** Models whose forecasts one can compute by hand. */
import type { Batch } from '../../lib/data/batch';
import type { Series } from '../../lib/data/series/series';
import type { HeadDistribution } from '../../lib/forecast/reading';
import type { Module } from '../../lib/model/module';
import { Layer } from '../../lib/nn/layer';

class FakeHead extends Layer {
  constructor(readonly distribution: HeadDistribution) {
    super();
  }

  override forward(): never {
    throw new Error('a fake is not traced');
  }
}

export const pointLike: HeadDistribution = {
  kind: 'point',
  quantile: (parameters) => parameters[0]!,
  mean: (parameters) => parameters[0]!,
};

/** Three numbers, q10, q50 and q90; linear between them. */
export const quantilesLike: HeadDistribution = {
  kind: 'quantiles',
  levels: [0.1, 0.5, 0.9],
  quantile: (parameters, level) => {
    const [low, mid, high] = Array.from(parameters);
    const within = Math.min(Math.max(level, 0.1), 0.9);
    return within < 0.5
      ? low! + ((mid! - low!) * (within - 0.1)) / 0.4
      : mid! + ((high! - mid!) * (within - 0.5)) / 0.4;
  },
  mean: (parameters) => parameters[1]!,
};

/** The uniform distribution on [a, b], of parameters a and b. */
export const uniformLike: HeadDistribution = {
  kind: 'uniform',
  quantile: (parameters, level) => parameters[0]! + (parameters[1]! - parameters[0]!) * level,
  mean: (parameters) => (parameters[0]! + parameters[1]!) / 2,
};

/** Says for each row of a window and target the head's numbers: `past(rowsBack, column)` are scaled, 1 the last row. */
export type Rule = (past: (rowsBack: number, column: number) => number, step: number, target: number) => number[];

export function fakeModel(
  series: Series,
  window: { readonly lookback: number; readonly horizon: number },
  distribution: HeadDistribution,
  rule: Rule,
): Module & { readonly batchSizes: number[] } {
  const targets = series.format.targets.length;
  const batchSizes: number[] = [];
  const predict = async ({ inputs }: Batch) => {
    const tensor = 'data' in inputs && ArrayBuffer.isView(inputs.data) ? inputs : (inputs as { past: never }).past;
    const { data, shape } = tensor as { data: Float32Array; shape: number[] };
    const [batch, rows, columns] = shape as [number, number, number];
    batchSizes.push(batch);
    const numbers: number[] = [];
    let size = 1;
    for (let index = 0; index < batch; index++) {
      const past = (rowsBack: number, column: number) => data[(index * rows + rows - rowsBack) * columns + column]!;
      for (let step = 1; step <= window.horizon; step++) {
        for (let target = 0; target < targets; target++) {
          const given = rule(past, step, target);
          size = given.length;
          numbers.push(...given);
        }
      }
    }
    const outer = [batch, window.horizon, targets];
    return { data: Float64Array.from(numbers), shape: distribution.kind === 'point' ? outer : [...outer, size] };
  };
  return {
    series: series.format.withWindow(window),
    head: new FakeHead(distribution),
    predict,
    batchSizes,
  } as unknown as Module & { readonly batchSizes: number[] };
}

const day = 86_400_000;
export const date = (row: number): Date => new Date(Date.UTC(2020, 0, 1) + row * day);
