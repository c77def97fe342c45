import type { ArrayView } from '../backend/backend';
import { OptionError } from '../errors';
import type { Network } from '../nn/network';
import { checkOptions, describe, flag, positiveInteger } from '../options';
import type { Figures } from './figures';

export interface WatchOptions {
  /** A figure of the validation: the loss, what follows from it, or one of `metrics`. Default `loss`. */
  readonly metric?: string;
  /** Which values are better. Default `min` for the loss and what follows from it; for other metrics it must be said. */
  readonly mode?: 'min' | 'max';
}

export interface EarlyStoppingOptions extends WatchOptions {
  /** Epochs without a better figure after which the training ends. Default 3. */
  readonly patience?: number;
  /** By how much a figure must be better to count. Default 0. */
  readonly minDelta?: number;
  /** The training ends with the weights of the best epoch, whichever way it ends but by an error. Default true. */
  readonly restoreBest?: boolean;
}

export type WatchSettings = Required<EarlyStoppingOptions>;

export interface Best {
  readonly epoch: number;
  /** Steps taken by the end of that epoch. */
  readonly step: number;
  readonly metric: string;
  readonly value: number;
}

/** Names of the figures that there are. */
export interface KnownFigures {
  readonly all: readonly string[];
  /** Those that follow from the loss, for which less is better. */
  readonly derived: readonly string[];
}

/** @throws OptionError unless there is a figure of this name. */
export function expectFigure(option: string, name: unknown, { all }: KnownFigures): void {
  if (!all.includes(name as string))
    throw new OptionError(
      `${option}: expected one of the figures, ${all.join(', ')}, received ${describe(name)}; others have to be among metrics`,
    );
}

/** The options in full. */
export function earlyStoppingSettings(options: number | EarlyStoppingOptions, figures: KnownFigures): WatchSettings {
  const given = typeof options === 'number' ? { patience: options } : options;
  checkOptions('fit: earlyStopping', given, ['patience', 'metric', 'mode', 'minDelta', 'restoreBest']);
  const { patience = 3, minDelta = 0, restoreBest = true } = given;
  positiveInteger('fit: earlyStopping', 'patience', patience);
  if (typeof minDelta !== 'number' || !(minDelta >= 0 && minDelta < Infinity))
    throw new OptionError(`fit: earlyStopping: minDelta: expected a number >= 0, received ${describe(minDelta)}`);
  flag('fit: earlyStopping', 'restoreBest', restoreBest);
  return { ...watched('fit: earlyStopping', given, figures), patience, minDelta, restoreBest };
}

/** What only decides which checkpoint is kept as the best. */
export const bestSettings = (options: string | WatchOptions, figures: KnownFigures): WatchSettings => {
  const given = typeof options === 'string' ? { metric: options } : options;
  checkOptions('fit: checkpoint: best', given, ['metric', 'mode']);
  return {
    ...watched('fit: checkpoint: best', given, figures),
    patience: Infinity,
    minDelta: 0,
    restoreBest: false,
  };
};

function watched(owner: string, { metric = 'loss', mode }: WatchOptions, figures: KnownFigures) {
  expectFigure(`${owner}: metric`, metric, figures);
  const isLoss = metric === 'loss' || figures.derived.includes(metric);
  if (mode === undefined && !isLoss)
    throw new OptionError(`${owner}: mode: expected 'min' or 'max', to say which ${metric} is better, received none`);
  if (mode !== undefined && mode !== 'min' && mode !== 'max')
    throw new OptionError(`${owner}: mode: expected 'min' or 'max', received ${describe(mode)}`);
  return { metric, mode: mode ?? 'min' };
}

/** Watches a figure of the validation from epoch to epoch. */
export class Watch {
  best: Best | null = null;
  /** Epochs since the best. */
  waited = 0;
  /** The parameters of the best epoch, where they are to be restored. */
  bestParameters: ReadonlyMap<string, ArrayView> | null = null;

  constructor(private readonly settings: WatchSettings) {}

  get isOver(): boolean {
    return this.waited >= this.settings.patience;
  }

  async note(figures: Figures, { epoch, step }: { epoch: number; step: number }, network: Network): Promise<void> {
    const { metric, restoreBest } = this.settings;
    const value = figures[metric] ?? NaN;
    if (!this.isBetter(value)) {
      this.waited++;
      return;
    }
    this.best = { epoch, step, metric, value };
    this.waited = 0;
    if (restoreBest) this.bestParameters = await network.readParameters();
  }

  /** Goes on where the watch of a checkpoint stood, if it watched the same figure. */
  resume(before: { best: Best | null; waited: number }, bestParameters: ReadonlyMap<string, ArrayView> | null): void {
    if (before.best && before.best.metric !== this.settings.metric) return;
    this.best = before.best;
    this.waited = before.waited;
    this.bestParameters = bestParameters;
  }

  restore(network: Network): void {
    for (const [path, { data }] of this.bestParameters ?? []) network.writeParameter(path, data);
  }

  /** A figure that is no number is better than none. */
  private isBetter(value: number): boolean {
    const { mode, minDelta } = this.settings;
    if (!this.best) return !Number.isNaN(value);
    const gain = mode === 'min' ? this.best.value - value : value - this.best.value;
    return gain > minDelta;
  }
}
