import { resolve } from 'node:path';
import { DataError, OptionError } from '../errors';
import { batchCount, isData, type Data } from '../data/batch';
import type { AnyOutputs, Outputs } from '../nn/loss';
import { abortSignal, checkOptions, describe, flag, positiveInteger } from '../options';
import type { CheckpointOptions, CheckpointSettings } from './checkpointing';
import {
  bestSettings,
  earlyStoppingSettings,
  expectFigure,
  type EarlyStoppingOptions,
  type KnownFigures,
  type WatchSettings,
} from './earlyStopping';
import { derivedNames, figureNames } from './step';
import { checkStepOptions, type StepOptions } from './stepper';

export interface FitOptions<O extends Outputs = AnyOutputs> extends Omit<StepOptions<O>, 'carryState'> {
  /**
   * So many batches make one step: one update with the gradient of all of them together, as of one larger batch, in the
   * memory of one. Each weighs as much as the weights behind its loss; a loss of your own counts each alike. The last step
   * of a pass takes those that are left; a step that is not complete when the training ends does not take place. Steps are
   * updates in events, `maxSteps`, schedules and checkpoints. Default 1.
   */
  readonly accumulate?: number;
  /** Passes over the data. Default 1, or as many as `maxSteps` or `maxSeconds` allow. */
  readonly epochs?: number;
  /** Ends the training after this many steps. */
  readonly maxSteps?: number;
  /**
   * Ends the training after the step during which this time has passed, or while it waits for data. A resumed training
   * counts the time before its checkpoint too.
   */
  readonly maxSeconds?: number;
  /** Evaluated after each epoch, with the same loss and metrics. */
  readonly validation?: Data;
  /** Truncated backpropagation through time: recurrent state goes on from batch to batch, and starts at zero with each pass. Default: as the data say. */
  readonly carryState?: boolean;
  /**
   * Ends the training when the validation has not become better for so many epochs (`earlyStopping: 3`), and leaves the
   * model with the weights of its best epoch. Needs `validation`, and the most that the training may take: `epochs`,
   * `maxSteps` or `maxSeconds`.
   */
  readonly earlyStopping?: number | EarlyStoppingOptions;
  /**
   * When loss or gradient norm of a step is not finite: `stop` rejects with NonFiniteError; `skip` leaves weights, moments
   * and carried state as they are and goes on with the next batch, for at most `maxInARow` (default 10) steps in a row.
   * Default `stop`.
   */
  readonly onNonFinite?: 'stop' | 'skip' | { readonly maxInARow: number };
  /** A bar on a terminal, plain lines elsewhere, on standard error, with the loss, metrics, and bits per character of text. Default false. */
  readonly progress?: boolean;
  /**
   * A folder for `metrics.jsonl`, `checkpoints/` and, at the end, `model.safetensors`. One that holds a run is refused, but
   * for `resume` and `overwrite`; one in which another training is at work, always (StateError, which names its process).
   */
  readonly runDir?: string;
  /** Removes the run that `runDir` holds, and begins a new one. Default false. */
  readonly overwrite?: boolean;
  /** When checkpoints are written to `runDir`; false for none. Default: every 5 minutes, after the best epoch, and at the end. */
  readonly checkpoint?: CheckpointOptions | false;
  /**
   * Goes on with a run where its newest checkpoint was taken: the weights and the history become bit for bit those of a
   * training that was not interrupted. A folder must hold a run; `true` takes `runDir`, and begins there where it holds none.
   *
   * Model, data and options must be those of the run. Others may be given for `epochs`, `maxSteps`, `maxSeconds`,
   * `checkpoint`, `progress`, `signal` and the patience of `earlyStopping`; losses and metrics of one's own are compared
   * by name. A run that is done goes on where these allow more, and else gives its history.
   */
  readonly resume?: string | boolean;
  /** Ends the training at once: the step under way is abandoned, the run rejects with the signal's reason. `run.stop()` ends it kindly. */
  readonly signal?: AbortSignal;
}

const known: readonly (keyof FitOptions)[] = [
  'loss',
  'optimizer',
  'clipNorm',
  'clipValue',
  'metrics',
  'accumulate',
  'epochs',
  'maxSteps',
  'maxSeconds',
  'validation',
  'carryState',
  'earlyStopping',
  'onNonFinite',
  'progress',
  'runDir',
  'overwrite',
  'checkpoint',
  'resume',
  'signal',
];

/** Where a training keeps its files, and what becomes of those that are there. */
export interface RunPlace {
  readonly path: string;
  /** `go on` with the run there, which must be; `go on or begin`; `begin` where there must be none; or `overwrite`. */
  readonly purpose: 'go on' | 'go on or begin' | 'begin' | 'overwrite';
}

/** What options mean, with defaults filled in. */
export interface FitSettings {
  readonly epochs: number;
  readonly carries: boolean;
  readonly watch: WatchSettings | null;
  /** Steps in a row that may be skipped. */
  readonly maxSkipped: number;
  readonly place: RunPlace | null;
  readonly checkpoints: CheckpointSettings | null;
}

/** @throws OptionError for what is no option, and for options that contradict each other. */
export function fitSettings(data: Data, options: FitOptions<never>): FitSettings {
  checkStepOptions('fit', options, known);
  for (const name of ['accumulate', 'epochs', 'maxSteps', 'maxSeconds'] as const) {
    const value = options[name];
    const valid =
      value === undefined ||
      (typeof value === 'number' && value > 0 && (name === 'maxSeconds' || Number.isInteger(value)));
    if (!valid)
      throw new OptionError(
        `fit: ${name}: expected a positive ${name === 'maxSeconds' ? 'number' : 'integer'}, received ${describe(value)}`,
      );
  }
  const { maxSteps, maxSeconds, carryState, progress, signal, validation } = options;
  for (const [name, value] of Object.entries({ carryState, progress }))
    if (value !== undefined) flag('fit', name, value);
  abortSignal('fit', signal);
  if (validation !== undefined && !isData(validation))
    throw new DataError(
      `fit: validation: expected an iterable of batches or a function that returns one, received ${describe(validation)}`,
    );
  if (validation && batchCount(validation) === 0)
    throw new DataError('fit: validation: expected at least one batch, received none');
  const place = runPlace(options);
  const figures = { all: figureNames(options), derived: derivedNames(options) };
  for (const { learningRate } of options.optimizer.groups)
    for (const { figure, option } of learningRate.watches ?? [])
      expectFigure(`fit: optimizer: ${option}`, figure, figures);
  return {
    epochs: options.epochs ?? (maxSteps === undefined && maxSeconds === undefined ? 1 : Infinity),
    carries: carryState ?? data?.continuesState ?? false,
    watch: watchSettings(options, place, figures),
    maxSkipped: maxSkipped(options),
    place,
    checkpoints: checkpointSettings(options, place),
  };
}

function runPlace({ runDir, resume = false, overwrite = false }: FitOptions<never>): RunPlace | null {
  for (const [name, folder] of Object.entries({ runDir, resume: typeof resume === 'boolean' ? undefined : resume }))
    if (folder !== undefined && (typeof folder !== 'string' || folder === ''))
      throw new OptionError(`fit: ${name}: expected the name of a folder, received ${describe(folder)}`);
  flag('fit', 'overwrite', overwrite);
  if (resume !== false && overwrite)
    throw new OptionError('fit: overwrite: expected either resume, to go on with a run, or overwrite, received both');
  if (typeof resume === 'string') {
    if (runDir !== undefined && resolve(runDir) !== resolve(resume))
      throw new OptionError(
        `fit: resume: expected the folder of runDir, ${describe(runDir)}, received ${describe(resume)}: a run goes on in its own`,
      );
    return { path: resume, purpose: 'go on' };
  }
  for (const [name, value] of Object.entries({ 'resume: true': resume, overwrite }))
    if (value && runDir === undefined)
      throw new OptionError(`fit: ${name}: expected a runDir, the folder of the run, received none`);
  if (runDir === undefined) return null;
  return { path: runDir, purpose: resume ? 'go on or begin' : overwrite ? 'overwrite' : 'begin' };
}

function watchSettings(
  options: FitOptions<never>,
  place: RunPlace | null,
  figures: KnownFigures,
): WatchSettings | null {
  const { earlyStopping, checkpoint, validation, epochs, maxSteps, maxSeconds } = options;
  const best = checkpoint ? checkpoint.best : undefined;
  const asks = { earlyStopping, 'checkpoint: best': best };
  for (const [name, asked] of Object.entries(asks))
    if (asked !== undefined && asked !== false && !validation)
      throw new OptionError(`fit: ${name}: expected validation data, whose figures it watches, received none`);
  if (earlyStopping !== undefined && best !== undefined)
    throw new OptionError('fit: checkpoint: best: expected none, for early stopping says what is best, received one');
  // The default, one epoch, would end before there is anything to compare.
  if (earlyStopping !== undefined && epochs === undefined && maxSteps === undefined && maxSeconds === undefined)
    throw new OptionError(
      'fit: earlyStopping: expected epochs, maxSteps or maxSeconds too, the most that the training may take, received none',
    );
  if (earlyStopping !== undefined) return earlyStoppingSettings(earlyStopping, figures);
  const keepsBest = validation && place && checkpoint !== false && best !== false;
  return keepsBest ? bestSettings(best ?? 'loss', figures) : null;
}

function maxSkipped({ onNonFinite = 'stop' }: FitOptions<never>): number {
  if (onNonFinite === 'stop') return 0;
  if (onNonFinite === 'skip') return 10;
  if (typeof onNonFinite === 'string')
    throw new OptionError(
      `fit: onNonFinite: expected 'stop', 'skip' or { maxInARow }, received ${describe(onNonFinite)}`,
    );
  checkOptions('fit: onNonFinite', onNonFinite, ['maxInARow']);
  positiveInteger('fit: onNonFinite', 'maxInARow', onNonFinite.maxInARow);
  return onNonFinite.maxInARow;
}

function checkpointSettings({ checkpoint }: FitOptions<never>, place: RunPlace | null): CheckpointSettings | null {
  if (checkpoint && !place)
    throw new OptionError('fit: checkpoint: expected a runDir, the folder where checkpoints are kept, received none');
  if (checkpoint === false || !place) return null;
  checkOptions('fit: checkpoint', checkpoint ?? {}, ['everySteps', 'everyMinutes', 'keepLast', 'best', 'onFailure']);
  const { everySteps, everyMinutes, keepLast = 3, onFailure = 'continue' } = checkpoint ?? {};
  if (everySteps !== undefined) positiveInteger('fit: checkpoint', 'everySteps', everySteps);
  positiveInteger('fit: checkpoint', 'keepLast', keepLast);
  if (everyMinutes !== undefined && !(typeof everyMinutes === 'number' && everyMinutes > 0))
    throw new OptionError(
      `fit: checkpoint: everyMinutes: expected a positive number, received ${describe(everyMinutes)}`,
    );
  if (onFailure !== 'stop' && onFailure !== 'continue')
    throw new OptionError(`fit: checkpoint: onFailure: expected 'stop' or 'continue', received ${describe(onFailure)}`);
  return {
    everySteps: everySteps ?? Infinity,
    everyMinutes: everyMinutes ?? (everySteps === undefined ? 5 : Infinity),
    keepLast,
    onFailure,
  };
}
