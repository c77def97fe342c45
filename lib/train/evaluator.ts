import { DataError } from '../errors';
import { iterate, type Data } from '../data/batch';
import type { AnyOutputs, Outputs } from '../nn/loss';
import type { Network } from '../nn/network';
import type { RecurrentState } from '../nn/trace';
import type { Shape } from '../ops/shape';
import { checkOptions } from '../options';
import { prepareBatch } from './batch';
import { figuresOf, MeanFigures, weightOf, type Figures } from './figures';
import { checkObjective, objectiveKey, writeStep, type Objective } from './step';

export interface EvaluateOptions<O extends Outputs = AnyOutputs> extends Objective<O> {
  /** Recurrent layers go on from batch to batch. Default: as the data say. */
  readonly carryState?: boolean;
  readonly signal?: AbortSignal;
}

/** Passes under way that carry state: they take turns, since they share it. */
const carrying = new WeakMap<Network, Promise<unknown>>();

/** Means of loss and metrics over all batches of `data`, without dropout. */
export async function evaluate(
  network: Network,
  data: Data,
  options: EvaluateOptions<never>,
  declaredShapes: Readonly<Record<string, Shape>> = {},
): Promise<Figures> {
  checkOptions('evaluate', options ?? {}, ['loss', 'metrics', 'carryState', 'signal']);
  checkObjective('evaluate', options ?? {});
  const carries = options.carryState ?? data?.continuesState ?? false;
  const pass = () => onePass(network, data, options, declaredShapes, carries);
  if (!carries) return pass();
  const turn = (carrying.get(network) ?? Promise.resolve()).then(pass);
  carrying.set(
    network,
    turn.catch(() => {}),
  );
  return turn;
}

async function onePass(
  network: Network,
  data: Data,
  options: EvaluateOptions<never>,
  declaredShapes: Readonly<Record<string, Shape>>,
  carries: boolean,
): Promise<Figures> {
  const means = new MeanFigures(options.loss);
  let rows: number | null = null;
  for await (const batch of iterate(data)) {
    const { inputs, inputSignature, supervision, supervisionSignature, counts } = prepareBatch(batch, declaredShapes);
    network.bind(inputSignature);
    const recurrentState: RecurrentState = carries ? { carried: `evaluation ${counts.B ?? 1}` } : 'zero';
    const key = `evaluate ${objectiveKey(options)} ${JSON.stringify([recurrentState, inputSignature, supervisionSignature])}`;
    const { written, executable } = network.prepare(key, counts, () =>
      writeStep(network, inputSignature, supervisionSignature, { training: false, recurrentState }, options, null),
    );
    if (rows === null) network.zeroStates(written.carried);
    rows ??= counts.B ?? 1;
    if (carries && counts.B !== rows)
      throw new DataError(`evaluate: with carried state every batch needs ${rows} rows, received ${counts.B}`);
    const result = await executable.run(network.store, { ...inputs, ...supervision }, { signal: options.signal });
    if (result.failedGuard !== null && carries)
      throw new DataError('evaluate: the loss is not finite, so no state can be carried on');
    means.add(figuresOf(options.loss, result), weightOf(result));
  }
  if (means.isEmpty) throw new DataError('evaluate: the data hold no batch');
  return means.mean();
}
