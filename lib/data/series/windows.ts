/** Windows of series as batches: what a model sees before an origin, and what it is to say after it. */
import { DataError } from '../../errors';
import { checkOptions, flag, positiveInteger } from '../../options';
import type { Batch, BatchInputs, DataTraits, Tensor } from '../batch';
import { checkSeed } from '../draws';
import { permutation } from '../permutation';
import type { EncodedSeries, RowLayout } from './encode';
import type { SeriesFormat } from './format';
import type { PartName } from '../split';
import type { Range } from './split';

export interface WindowSizes {
  /** Rows before the origin that a model sees. */
  readonly lookback: number;
  /** Rows from the origin on that it is to forecast. */
  readonly horizon: number;
}

export interface OriginOptions extends WindowSizes {
  /** Rows from one origin to the next. Default 1. */
  readonly stride?: number;
}

export interface WindowOptions extends OriginOptions {
  /** Windows of a batch. Default 32; the last batch of a pass may have fewer. */
  readonly batchSize?: number;
  /** Whether each pass has the windows in another order. Default true for the training part, false for the others. */
  readonly shuffle?: boolean;
  /** Of the orders. An integer in 0..2³²−1; default 0. */
  readonly seed?: number;
}

/** The rows of a part in one of the series. */
export interface PartOfSeries {
  readonly series: EncodedSeries;
  readonly range: Range;
}

/** The first row to be forecast, in one of the series. */
export interface WindowOrigin {
  readonly series: EncodedSeries;
  readonly row: number;
}

const originNames = ['lookback', 'horizon', 'stride'] as const;

export function checkOriginOptions(
  owner: string,
  options: OriginOptions,
  known: readonly string[] = originNames,
): void {
  checkOptions(owner, options, known);
  positiveInteger(owner, 'lookback', options.lookback);
  positiveInteger(owner, 'horizon', options.horizon);
  if (options.stride !== undefined) positiveInteger(owner, 'stride', options.stride);
}

export function checkWindowOptions(options: WindowOptions): void {
  checkOriginOptions('windows', options, [...originNames, 'batchSize', 'shuffle', 'seed']);
  const { batchSize = 32, shuffle = false, seed = 0 } = options;
  positiveInteger('windows', 'batchSize', batchSize);
  flag('windows', 'shuffle', shuffle);
  checkSeed('windows', seed);
}

/**
 * The origins of a part, series by series, in order of time: rows o of the part at which `lookback` rows are before o,
 * be they of the part before, and `horizon` rows from o on are of the part. They are counted, not listed.
 */
export class Origins {
  readonly length: number;
  private readonly firsts: readonly number[];
  /** Origins in the series before each, and in all. */
  private readonly begins: readonly number[];

  /** @throws DataError when no series of the part is long enough for one window. */
  constructor(
    name: PartName,
    private readonly parts: readonly PartOfSeries[],
    { lookback, horizon, stride = 1 }: OriginOptions,
  ) {
    this.stride = stride;
    this.firsts = parts.map(({ range }) => Math.max(range.begin, lookback));
    const begins = [0];
    parts.forEach(({ range }, index) => {
      const last = range.end - horizon;
      const first = this.firsts[index]!;
      begins.push(begins[index]! + (last < first ? 0 : Math.floor((last - first) / stride) + 1));
    });
    this.begins = begins;
    this.length = begins.at(-1)!;
    if (this.length === 0) throw tooShort(name, parts, { lookback, horizon });
  }

  private readonly stride: number;

  at(index: number): WindowOrigin {
    // The last series that begins at the index or before.
    let [low, high] = [0, this.parts.length - 1];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.begins[middle]! <= index) low = middle;
      else high = middle - 1;
    }
    const row = this.firsts[low]! + (index - this.begins[low]!) * this.stride;
    return { series: this.parts[low]!.series, row };
  }
}

function tooShort(name: PartName, parts: readonly PartOfSeries[], { lookback, horizon }: WindowSizes): DataError {
  const longest = parts.reduce((one, other) => (other.range.end > one.range.end ? other : one));
  const { begin, end } = longest.range;
  const sizes = `for lookback ${lookback} and horizon ${horizon}`;
  if (name === 'train')
    return new DataError(`train: expected ${lookback + horizon} rows or more ${sizes}, received ${end - begin}`);
  return new DataError(
    `${name}: expected ${horizon} rows or more, ${lookback} before them, ${sizes}; received ${end - begin}, ${begin} before them`,
  );
}

/** Assembles what a model is given for windows. */
export class WindowAssembler {
  constructor(
    private readonly layout: RowLayout,
    private readonly sizes: WindowSizes,
  ) {}

  /** `[B, lookback, C]`, or by name with what is known of the future `[B, horizon, F]` and of the series `[B, S]`. */
  inputs(
    origins: readonly WindowOrigin[],
    writePast?: (index: number, out: Float32Array, at: number) => void,
  ): BatchInputs {
    const { lookback, horizon } = this.sizes;
    const { past, future, static: still } = this.layout.size;
    const pastTensor = this.tensor(origins.length, lookback, past, ({ series, row }, out, at, index) =>
      writePast ? writePast(index, out, at) : series.copyPast(row - lookback, lookback, out, at),
    )(origins);
    if (future === 0 && still === 0) return pastTensor;
    const futureTensor = () =>
      this.tensor(origins.length, horizon, future, ({ series, row }, out, at) =>
        series.copyFuture(row, horizon, out, at),
      )(origins);
    const staticTensor = (): Tensor => {
      const data = new Float32Array(origins.length * still);
      origins.forEach(({ series }, index) => data.set(series.statics, index * still));
      return { data, shape: [origins.length, still] };
    };
    return {
      past: pastTensor,
      ...(future > 0 ? { future: futureTensor() } : {}),
      ...(still > 0 ? { static: staticTensor() } : {}),
    };
  }

  /** `[B, horizon, M]`, scaled. */
  targets(origins: readonly WindowOrigin[]): Tensor {
    const { horizon } = this.sizes;
    return this.tensor(origins.length, horizon, this.layout.format.targets.length, ({ series, row }, out, at) =>
      series.copyTargets(row, horizon, out, at),
    )(origins);
  }

  /** `[B, horizon]`: 0 where a target is missing. */
  weights(origins: readonly WindowOrigin[]): Tensor {
    const { horizon } = this.sizes;
    const data = new Float32Array(origins.length * horizon);
    origins.forEach(({ series, row }, index) => series.copyWeights(row, horizon, data, index * horizon));
    return { data, shape: [origins.length, horizon] };
  }

  private tensor(
    batch: number,
    rows: number,
    columns: number,
    write: (origin: WindowOrigin, out: Float32Array, at: number, index: number) => void,
  ): (origins: readonly WindowOrigin[]) => Tensor {
    return (origins) => {
      const data = new Float32Array(batch * rows * columns);
      origins.forEach((origin, index) => write(origin, data, index * rows * columns, index));
      return { data, shape: [batch, rows, columns] };
    };
  }
}

/**
 * Batches of windows: `inputs` float32 `[B, lookback, C]`, or `{ past, future [B, horizon, F], static [B, S] }` where there
 * are covariates of the future or of the series; `targets` float32 `[B, horizon, M]`; where targets are missing, `weights`
 * float32 `[B, horizon]`. All scaled; `series.inputs` names the numbers. The series are held once, whatever the windows.
 */
export class SeriesWindows implements Iterable<Batch>, DataTraits {
  /** The format with the sizes of these windows. */
  readonly series: SeriesFormat;
  /** Batches of a pass. */
  readonly length: number;
  /** Windows of a pass. */
  readonly count: number;
  private readonly origins: Origins;
  private readonly assembler: WindowAssembler;
  private readonly options: Required<WindowOptions>;
  private readonly weighs: boolean;

  constructor(name: PartName, parts: readonly PartOfSeries[], layout: RowLayout, options: WindowOptions) {
    checkWindowOptions(options);
    const { lookback, horizon, stride = 1, batchSize = 32, shuffle = name === 'train', seed = 0 } = options;
    this.options = { lookback, horizon, stride, batchSize, shuffle, seed };
    this.series = layout.format.withWindow(options);
    this.origins = new Origins(name, parts, options);
    this.assembler = new WindowAssembler(layout, options);
    this.count = this.origins.length;
    this.length = Math.ceil(this.count / this.options.batchSize);
    this.weighs = parts.some(({ series, range }) => series.hasMissingTargets(range));
  }

  get settings() {
    return { windows: this.count, ...this.options };
  }

  /** Batches of the first pass. */
  [Symbol.iterator](): Iterator<Batch> {
    return this.pass(0, 0)[Symbol.iterator]();
  }

  /** Batches of pass `epoch`, counted from 0, from batch `begin` on. */
  *pass(epoch: number, begin: number): Generator<Batch, void, undefined> {
    const { batchSize, shuffle, seed } = this.options;
    const order = shuffle ? permutation(this.count, seed, epoch) : null;
    for (let first = begin * batchSize; first < this.count; first += batchSize) {
      const size = Math.min(batchSize, this.count - first);
      const origins = Array.from({ length: size }, (_, index) =>
        this.origins.at(order ? order[first + index]! : first + index),
      );
      yield this.batch(origins);
    }
  }

  private batch(origins: readonly WindowOrigin[]): Batch {
    return {
      inputs: this.assembler.inputs(origins),
      targets: this.assembler.targets(origins),
      ...(this.weighs ? { weights: this.assembler.weights(origins) } : {}),
    };
  }
}
