import { DataError } from '../errors';
import type { RunResult } from '../backend/backend';
import type { Data } from '../data/batch';
import type { AnyOutputs, Outputs } from '../nn/loss';
import type { Network } from '../nn/network';
import { streamBeginsInput, type RecurrentState } from '../nn/trace';
import type { Shape } from '../ops/shape';
import { abortSignal, checkOptions, flag } from '../options';
import { prepareBatch, type PreparedBatch } from './batch';
import { Feed } from './feed';
import { MeanFigures, measure, type Figures } from './figures';
import { checkObjective, objectiveKey, writeStep, type Objective } from './step';

export interface EvaluateOptions<O extends Outputs = AnyOutputs> extends Objective<O> {
  /** Recurrent layers go on from batch to batch. Default: as the data say. */
  readonly carryState?: boolean;
  /** Abandons the evaluation, which then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** For each network, numbers of the passes under way that carry state: each has states of its own, used again by later ones. */
const carrying = new WeakMap<Network, Set<number>>();

async function withOwnStates<T>(network: Network, body: (pass: number) => Promise<T>): Promise<T> {
  const underWay = carrying.get(network) ?? new Set();
  carrying.set(network, underWay);
  let pass = 0;
  while (underWay.has(pass)) pass++;
  underWay.add(pass);
  try {
    return await body(pass);
  } finally {
    underWay.delete(pass);
  }
}

/** Means of loss and metrics over all batches of `data`, without dropout. */
export async function evaluate(
  network: Network,
  data: Data,
  options: EvaluateOptions<never>,
  declaredShapes: Readonly<Record<string, Shape>> = {},
): Promise<Figures> {
  checkOptions('evaluate', options ?? {}, ['loss', 'metrics', 'carryState', 'signal']);
  checkObjective('evaluate', options ?? {});
  abortSignal('evaluate', options.signal);
  if (options.carryState !== undefined) flag('evaluate', 'carryState', options.carryState);
  const carries = options.carryState ?? data?.continuesState ?? false;
  const pass = (states: string | null) => onePass(network, data, options, declaredShapes, states);
  return carries ? withOwnStates(network, (number) => pass(`evaluation ${number}`)) : pass(null);
}

async function onePass(
  network: Network,
  data: Data,
  options: EvaluateOptions<never>,
  declaredShapes: Readonly<Record<string, Shape>>,
  states: string | null,
): Promise<Figures> {
  const means = new MeanFigures(options);
  const feed = new Feed(data);
  const signals = options.signal ? [options.signal] : [];
  let rows: number | null = null;
  try {
    for (;;) {
      const item = await feed.next(signals);
      options.signal?.throwIfAborted();
      if (!item || item.done) break;
      const prepared = prepareBatch(item.value, declaredShapes);
      const { B = 1 } = prepared.counts;
      if (states !== null && rows !== null && B !== rows)
        throw new DataError(`evaluate: with carried state every batch needs ${rows} rows, received ${B}`);
      const result = await runBatch(network, prepared, options, states, rows === null);
      rows = B;
      means.add(measure(options, result));
    }
  } finally {
    await feed.close();
  }
  if (means.isEmpty) throw new DataError('evaluate: the data hold no batch');
  return means.mean();
}

async function runBatch(
  network: Network,
  { inputs, inputSignature, supervision, supervisionSignature, counts }: PreparedBatch,
  options: EvaluateOptions<never>,
  states: string | null,
  isFirst: boolean,
): Promise<RunResult> {
  network.bind(inputSignature);
  const recurrentState: RecurrentState =
    states === null ? 'zero' : { carried: `${states}, rows ${counts.B ?? 1}`, told: true };
  const key = `evaluate ${objectiveKey(options)} ${JSON.stringify([recurrentState, inputSignature, supervisionSignature])}`;
  const { written, executable } = network.prepare(key, counts, () =>
    writeStep(network, inputSignature, supervisionSignature, { training: false, recurrentState }, options, null),
  );
  if (isFirst) network.zeroStates(written.carried.map(({ name }) => name));
  const isTold = executable.program.inputs.some(({ name }) => name === streamBeginsInput);
  const begins = { [streamBeginsInput]: { data: Float32Array.of(isFirst ? 1 : 0), shape: [1] } };
  const given = { ...inputs, ...supervision, ...(isTold && begins) };
  const result = await executable.run(network.store, given, { signal: options.signal });
  if (result.failedGuard !== null && states !== null)
    throw new DataError('evaluate: the loss is not finite, so no state can be carried on');
  return result;
}
