/** How a training finds where it stood, and whether it is the same. */
import { readCheckpoint, type Checkpoint } from '../checkpoint/checkpoint';
import { CheckpointError, OptionError } from '../errors';
import { batchCount, batchShapes, type Data } from '../data/batch';
import type { LossFunction } from '../nn/loss';
import type { Network } from '../nn/network';
import { differences, inLines } from './differences';
import type { FitOptions, FitSettings } from './fitOptions';
import { parseRecord, type TrainingRecord } from './record';
import type { RunFolder } from './runFolder';
import { chosenMetrics, lossOf } from './step';

export interface ResumePoint {
  readonly path: string;
  readonly checkpoint: Checkpoint;
  readonly record: TrainingRecord;
}

/**
 * The newest checkpoint that is whole. Those newer than it are put aside, `.damaged`, and `onDamage` hears of each.
 *
 * @throws CheckpointError when there are checkpoints, but none can be read, or one is of another version.
 */
export async function newestCheckpoint(
  folder: RunFolder,
  onDamage: (message: string) => void,
): Promise<ResumePoint | null> {
  const damaged: { path: string; error: CheckpointError }[] = [];
  for (const { path } of await folder.checkpoints()) {
    let checkpoint: Checkpoint;
    try {
      checkpoint = await readCheckpoint(path);
    } catch (error) {
      if (!(error instanceof CheckpointError) || couldNotBeRead(error)) throw error;
      damaged.push({ path, error });
      continue;
    }
    const record = parseRecord(path, checkpoint.record);
    // Only now that an older one is known to be whole.
    for (const { path, error } of damaged)
      onDamage(`${error.message}; it is kept as ${await folder.setAside(path)}, and the one before it is taken`);
    return { path, checkpoint, record };
  }
  if (damaged.length === 0) return null;
  const { error } = damaged[0]!;
  throw new CheckpointError(`${folder.path}: none of its ${damaged.length} checkpoints can be read: ${error.message}`, {
    cause: error,
  });
}

/** A file that may not be read, or for which there is no memory, is not damaged. */
const couldNotBeRead = ({ cause }: CheckpointError) => cause !== undefined && !(cause instanceof CheckpointError);

/** Options on which the weights depend, as JSON by name. */
export function trainingOptions(
  network: Network,
  data: Data,
  options: FitOptions<never>,
  { carries, watch, maxSkipped }: FitSettings,
): Record<string, unknown> {
  const { optimizer, clipNorm = null, clipValue = null, accumulate = 1, validation, earlyStopping } = options;
  const keyOf = (part: { readonly key: string } | LossFunction<never>) =>
    typeof part === 'function' ? `function ${part.name}` : part.key;
  return {
    backend: network.backend.name,
    loss: keyOf(lossOf(options)),
    metrics: Object.fromEntries([...chosenMetrics(options)].map(([name, metric]) => [name, keyOf(metric)])),
    optimizer: optimizer.settings,
    clipNorm,
    clipValue,
    accumulate,
    validation: validation !== undefined,
    carryState: carries,
    // A run that ended for want of patience may be given more.
    earlyStopping: earlyStopping === undefined ? null : { ...watch, patience: null },
    onNonFinite: maxSkipped === 0 ? 'stop' : { maxInARow: maxSkipped },
    data: { ...data?.settings, batches: batchCount(data) ?? null, ...batchShapes(data) },
    frozen: [...network.frozen].sort(),
  };
}

/** @throws OptionError naming each option that is not as in the run. */
export function expectSameOptions(folder: RunFolder, before: unknown, now: unknown): void {
  // As JSON, in which both are compared.
  const found = differences(before, JSON.parse(JSON.stringify(now)));
  if (found.length === 0) return;
  throw new OptionError(
    `fit: resume: expected the options of the run in ${folder.path}, for it to go on with the same bits:\n  ${inLines(found)}`,
  );
}
