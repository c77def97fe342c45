/** Predictions of a model for many origins at once, direct or recursive, in the units of the series. */
import { joined } from '../arrays';
import { DataError, OptionError } from '../errors';
import type { BatchInputs } from '../data/batch';
import type { Origin, Series } from '../data/series/series';
import { unscale, type Scaler } from '../data/series/scaling';
import { hashText, philox } from '../ops/philox';
import { meanOf, pointColumn, type Column, type HeadDistribution } from './reading';

/** A network as far as forecasting needs it. */
export interface Predictor {
  predict(
    batch: { readonly inputs: BatchInputs },
    options: { readonly signal?: AbortSignal },
  ): Promise<{ readonly data: ArrayLike<number>; readonly shape: readonly number[] }>;
}

/** Where a forecast begins. */
export type Place = Pick<Origin, 'key' | 'row'>;

export interface Plan {
  readonly horizon: number;
  /** Rows that the model sees, and that it forecasts at once. */
  readonly window: { readonly lookback: number; readonly horizon: number };
  readonly columns: readonly Column[];
  readonly distribution: HeadDistribution;
  /** Paths of a recursive forecast; 0 feeds back the point forecast. */
  readonly samples: number;
  readonly seed: number;
  readonly signal?: AbortSignal;
}

/** Of one target, by the names of columns: as many numbers as the horizon. */
export type Prediction = Readonly<Record<string, Float64Array>>;

/** Windows per call of the model: enough to keep kernels busy, few enough to let others have their turn. */
const windowsPerCall = 256;

/** What the head says of `[window][row][target]`, K numbers each, for a chunk of windows. */
type Parameters = (window: number, row: number, target: number) => ArrayLike<number>;

/** Values of the targets `[k, M]` after an origin, in the units of the series, that stand for observations. */
type Given = Float64Array;

export class Forecaster {
  private readonly targets: readonly string[];

  constructor(
    private readonly model: Predictor,
    private readonly series: Series,
    private readonly plan: Plan,
  ) {
    this.targets = series.format.targets;
  }

  /** For each origin, for each target, its columns. */
  async predict(origins: readonly Place[]): Promise<Prediction[][]> {
    const { horizon, window, columns, samples } = this.plan;
    const blank = (): Prediction => Object.fromEntries(columns.map(({ name }) => [name, new Float64Array(horizon)]));
    const predictions = origins.map(() => this.targets.map(blank));
    await this.run(origins, null, (index, row, target, parameters) =>
      this.read(predictions[index]![target]!, origins[index]!.key, row, target, parameters),
    );
    if (horizon <= window.horizon) return predictions;
    const { past } = this.series.format.spec;
    if (past.length > 0)
      throw new OptionError(
        `forecast: horizon: expected at most ${window.horizon}, that of the head: beyond it the model would need ` +
          `${past.join(', ')} of rows to come, which nobody knows; received ${horizon}`,
      );
    await (samples > 0 ? this.followPaths(origins, predictions) : this.followPoint(origins, predictions));
    return predictions;
  }

  /** Recursion on the point forecast: block after block, as if it had come true. Bands are those of each block alone. */
  private async followPoint(origins: readonly Place[], predictions: Prediction[][]): Promise<void> {
    const { horizon, window, columns } = this.plan;
    const { name } = pointColumn(columns);
    for (let done = window.horizon; done < horizon; done += window.horizon) {
      const given = predictions.map((ofTargets) =>
        this.given(done, (step, target) => ofTargets[target]![name]![step]!),
      );
      await this.run(origins, given, (index, row, target, parameters) =>
        this.read(predictions[index]![target]!, origins[index]!.key, done + row, target, parameters),
      );
    }
  }

  /** Recursion on paths drawn from the head's distribution, row by row; bands are the paths' quantiles. */
  private async followPaths(origins: readonly Place[], predictions: Prediction[][]): Promise<void> {
    const { horizon, window, columns, samples, seed, distribution } = this.plan;
    for (const [index, origin] of origins.entries()) {
      const paths = Array.from({ length: samples }, () => this.targets.map(() => new Float64Array(horizon)));
      for (let done = 0; done < horizon; done += window.horizon) {
        const given = paths.map((path) => this.given(done, (step, target) => path[target]![step]!));
        await this.run(
          paths.map(() => origin),
          done === 0 ? null : given,
          (path, row, target, parameters) => {
            if (done + row >= horizon) return;
            const drawn = distribution.quantile(parameters, uniform(seed, origin, path, done + row, target));
            paths[path]![target]![done + row] = this.units(origin.key, target, drawn);
          },
        );
      }
      predictions[index]!.forEach((prediction, target) => {
        for (let row = window.horizon; row < horizon; row++) {
          const values = Float64Array.from(paths, (path) => path[target]![row]!).sort();
          const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
          for (const { name, level } of columns)
            prediction[name]![row] = level === null ? mean : quantileOf(values, level);
        }
      });
    }
  }

  private given(steps: number, value: (step: number, target: number) => number): Given {
    const size = this.targets.length;
    return Float64Array.from({ length: steps * size }, (_, at) => value(Math.floor(at / size), at % size));
  }

  private read(prediction: Prediction, key: string, row: number, target: number, parameters: ArrayLike<number>): void {
    if (row >= this.plan.horizon) return;
    const { columns, distribution } = this.plan;
    const units = (value: number) => this.units(key, target, value);
    // Quantiles go through the logarithm's inverse as they are; a mean does not.
    const isLog = distribution.kind !== 'point' && this.scaler(key, target).log;
    for (const { name, level, read } of columns)
      prediction[name]![row] =
        level === null && isLog ? meanOf(distribution, parameters, units) : units(read(parameters));
  }

  private units(key: string, target: number, value: number): number {
    return unscale(this.scaler(key, target), value);
  }

  private scaler(key: string, target: number): Scaler {
    return this.series.format.scaler(this.targets[target]!, key);
  }

  /** Runs the model on windows, chunk by chunk, `given` values following each origin. */
  private async run(
    origins: readonly Place[],
    given: readonly Given[] | null,
    visit: (index: number, row: number, target: number, parameters: ArrayLike<number>) => void,
  ): Promise<void> {
    const { window, signal } = this.plan;
    const size = this.targets.length;
    for (let begin = 0; begin < origins.length; begin += windowsPerCall) {
      const chunk = origins.slice(begin, begin + windowsPerCall);
      const values = given?.slice(begin, begin + windowsPerCall);
      const steps = values ? values[0]!.length / size : 0;
      const batch = this.series.windowAt(chunk, {
        ...window,
        ...(values ? { given: { data: joined(Float64Array, values), shape: [chunk.length, steps, size] } } : {}),
      });
      const output = await this.model.predict(batch, { signal });
      const parameters = parametersOf(output, [chunk.length, window.horizon, size]);
      for (let index = 0; index < chunk.length; index++) {
        for (let row = 0; row < window.horizon; row++) {
          for (let target = 0; target < size; target++)
            visit(begin + index, row, target, parameters(index, row, target));
        }
      }
    }
  }
}

/** Reads `[B, horizon, M]` or `[B, horizon, M, K]`. */
function parametersOf(
  { data, shape }: { readonly data: ArrayLike<number>; readonly shape: readonly number[] },
  expected: readonly [number, number, number],
): Parameters {
  const [, horizon, targets] = expected;
  const fits =
    Array.isArray(shape) &&
    (shape.length === 3 || shape.length === 4) &&
    expected.every((size, axis) => shape[axis] === size);
  if (!fits) {
    const received = Array.isArray(shape) ? `[${shape.join(', ')}]` : 'several outputs';
    throw new DataError(
      `forecast: expected a head's output [${expected.join(', ')}] or [${expected.join(', ')}, K], received ${received}`,
    );
  }
  const size = (shape as readonly number[])[3] ?? 1;
  const numbers = data as Float32Array | Float64Array;
  return (window, row, target) => {
    const at = ((window * horizon + row) * targets + target) * size;
    return numbers.subarray(at, at + size);
  };
}

/** In (0, 1), the same for the same place of a series whatever else is drawn, and at other places another. */
function uniform(seed: number, { key, row }: Place, path: number, step: number, target: number): number {
  const stream = (0x666f72 ^ hashText(key)) >>> 0;
  return (philox([seed, stream], [row, path, step, target])[0] + 0.5) / 2 ** 32;
}

/** Of ascending values, linear between them. Source: Hyndman & Fan 1996, type 7. */
export function quantileOf(sorted: ArrayLike<number>, level: number): number {
  const position = level * (sorted.length - 1);
  const below = Math.floor(position);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below]! + (position - below) * (sorted[above]! - sorted[below]!);
}
