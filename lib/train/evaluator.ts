import { DataError } from '../errors';
import { iterate, type Data } from '../data/batch';
import type { Network } from '../nn/network';
import type { RecurrentState } from '../nn/trace';
import type { Shape } from '../ops/shape';
import { prepareBatch } from './batch';
import { figuresOf, MeanFigures, weightOf, type Figures } from './figures';
import { writeStep, type Objective } from './step';

export interface EvaluateOptions extends Objective {
  /** Recurrent layers go on from batch to batch. Default: as the data say. */
  readonly carryState?: boolean;
  readonly signal?: AbortSignal;
}

let evaluations = 0;

/** Means of loss and metrics over all batches of `data`, without dropout. */
export async function evaluate(
  network: Network,
  data: Data,
  options: EvaluateOptions,
  declaredShapes: Readonly<Record<string, Shape>> = {},
): Promise<Figures> {
  const carries = options.carryState ?? data.continuesState ?? false;
  const means = new MeanFigures(options.loss);
  const evaluation = ++evaluations;
  let first = true;
  for await (const batch of iterate(data)) {
    const { inputs, inputSignature, supervision, supervisionSignature, counts } = prepareBatch(batch, declaredShapes);
    network.bind(inputSignature);
    const recurrentState: RecurrentState = carries ? { carried: `evaluation ${counts.B ?? 1}` } : 'zero';
    const key = `evaluate ${JSON.stringify(recurrentState)} ${objectiveKey(options, evaluation)} ${JSON.stringify([inputSignature, supervisionSignature])}`;
    const { written, executable } = network.prepare(key, counts, () =>
      writeStep(network, inputSignature, supervisionSignature, { training: false, recurrentState }, options, null),
    );
    if (first) network.zeroStates(written.carried);
    first = false;
    const result = await executable.run(network.store, { ...inputs, ...supervision }, { signal: options.signal });
    means.add(figuresOf(options.loss, result), weightOf(result));
  }
  if (means.isEmpty) throw new DataError('evaluate: the data hold no batch');
  return means.mean();
}

/** Programs are kept for objectives that a name tells apart; a function of the user's own is written anew for each pass. */
function objectiveKey({ loss, metrics = [] }: Objective, evaluation: number): string {
  return typeof loss === 'function' || !Array.isArray(metrics) ? `#${evaluation}` : `${loss.key} ${metrics.join(',')}`;
}
