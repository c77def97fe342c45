import type { Checkpoint } from '../checkpoint/checkpoint';
import { OptionError } from '../errors';
import type { Network } from '../nn/network';
import { differences, inLines } from '../train/differences';
import type { Keepsakes } from './keepsakes';
import { metadataKey, parseMetadata } from './metadata';
import { modelMetadata } from './save';
import { checkState, loadState } from './stateDict';

/**
 * Gives a network the parameters of a checkpoint.
 *
 * @throws OptionError naming what is not as in the checkpoint: architecture, inputs, seed, or what is kept of the data.
 */
export function restoreModel(network: Network, keepsakes: Keepsakes, checkpoint: Checkpoint): void {
  const { parameters, metadata } = checkpoint;
  const stored = parseMetadata(metadata[metadataKey]);
  const own = modelMetadata(network, keepsakes, network.signature ?? stored.inputs)[metadataKey]!;
  const found = differences(JSON.parse(metadata[metadataKey]!), JSON.parse(own));
  if (found.length > 0)
    throw new OptionError(
      `fit: resume: expected the model and data of the run, for it to go on with the same bits:\n  ${inLines(found)}`,
    );
  if (network.signature) return loadState(network, parameters, '');
  network.bind(stored.inputs, (specs) => {
    checkState(new Map(specs.map((spec) => [spec.path, spec])), parameters);
    return ({ path }) => parameters.get(path)!.data;
  });
}
