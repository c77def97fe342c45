/** One file is a model: weights under PyTorch's names and, in the metadata, the architecture and all that prediction needs. */
import { writeFileAtomically, type FileSystem } from '../checkpoint/atomic';
import { serializeChunks } from '../checkpoint/safetensors';
import type { Vocabulary } from '../data/vocabulary';
import { layerPaths } from '../nn/layer';
import type { Network } from '../nn/network';
import type { Signature } from '../nn/signature';
import { keepsakesToJSON, type Keepsakes } from './keepsakes';
import { formatVersion, metadataKey, type ModelMetadata } from './metadata';

export interface SaveOptions {
  /** The corpus (or its vocabulary) on which a text model was trained. */
  readonly text?: { readonly vocabulary: Vocabulary };
}

export async function saveModel(
  network: Network,
  keepsakes: Keepsakes,
  path: string,
  fileSystem?: FileSystem,
): Promise<void> {
  const metadata = modelMetadata(network, keepsakes, network.requireBound());
  // As the backend keeps them (the reference in float64), so that a loaded model predicts the same bits.
  const tensors = Object.fromEntries(await network.readParameters());
  await writeFileAtomically(path, serializeChunks(tensors, metadata), fileSystem);
}

/** What a file says of a model with these inputs, beside the weights. */
export function modelMetadata(
  network: Network,
  keepsakes: Keepsakes,
  inputs: Signature,
): Readonly<Record<string, string>> {
  const metadata = {
    version: formatVersion,
    architecture: network.root.describe(layerPaths(network.root)),
    inputs: inputs as ModelMetadata['inputs'],
    seed: network.seed,
    ...keepsakesToJSON(keepsakes),
  } satisfies ModelMetadata;
  return { [metadataKey]: JSON.stringify(metadata) };
}
