/** One file is a model: weights under PyTorch's names and, in the metadata, the architecture and all that prediction needs. */
import { z } from 'zod';
import { CheckpointError, LstmNativeError } from '../errors';
import { writeFileAtomically } from '../checkpoint/atomic';
import { loadFile } from '../checkpoint/file';
import { serializeChunks } from '../checkpoint/safetensors';
import { Vocabulary } from '../data/vocabulary';
import type { Signature } from '../nn/signature';
import { describeLayer, makeModule, type LayerConfig, type ModuleClasses } from './architecture';
import type { Module } from './module';
import type { ModuleOptions } from './options';
import { loadState } from './stateDict';

export interface SaveOptions {
  /** The corpus (or its vocabulary) on which a text model was trained. */
  readonly text?: { readonly vocabulary: Vocabulary };
}

export interface LoadOptions extends Pick<ModuleOptions, 'backend'> {
  /** Classes of your own that the file names. */
  readonly modules?: ModuleClasses;
}

const metadataKey = 'lstm_native';
const formatVersion = 1;

const layerConfig: z.ZodType<LayerConfig> = z.looseObject({ kind: z.string() });
const metadataSchema = z.object({
  version: z.literal(formatVersion),
  architecture: layerConfig,
  inputs: z.record(
    z.string(),
    z.object({
      dtype: z.enum(['float32', 'int32']),
      shape: z.array(z.union([z.number().int().positive(), z.enum(['T', 'B', 'S'])])),
    }),
  ),
  seed: z.number().int().min(0).max(0x7fffffff),
  vocabulary: z.unknown().optional(),
});

export async function saveModel(model: Module, path: string): Promise<void> {
  const { network, vocabulary } = model;
  const inputs = network.requireBound();
  const tensors = Object.fromEntries(
    [...(await network.readParameters())].map(([name, { data, shape }]) => [
      name,
      { data: Float32Array.from(data), shape },
    ]),
  );
  const metadata = {
    version: formatVersion,
    architecture: describeLayer(model),
    inputs,
    seed: network.seed,
    ...(vocabulary ? { vocabulary: vocabulary.toJSON() } : {}),
  };
  await writeFileAtomically(path, serializeChunks(tensors, { [metadataKey]: JSON.stringify(metadata) }));
}

/** Reads a model that `save` wrote. The file is checked whole before anything is made of it. */
export async function load(path: string, options: LoadOptions = {}): Promise<Module> {
  const { tensors, metadata } = await loadFile(path);
  try {
    const { architecture, inputs, seed, vocabulary } = parseMetadata(metadata[metadataKey]);
    const model = makeModule(architecture, { seed, backend: options.backend }, options.modules ?? {});
    model.network.bind(inputs as Signature);
    loadState(model.network, tensors, '');
    if (vocabulary !== undefined) model.vocabulary = Vocabulary.fromJSON(vocabulary as never);
    return model;
  } catch (error) {
    if (!(error instanceof LstmNativeError)) throw error;
    throw new CheckpointError(`${path}: ${error.message}`, { cause: error });
  }
}

function parseMetadata(text: string | undefined): z.infer<typeof metadataSchema> {
  if (text === undefined) {
    throw new CheckpointError(
      `no description of a model in the metadata ('${metadataKey}'); weights alone are read by loadStateDict`,
    );
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new CheckpointError(`the description of the model is not JSON`, { cause: error });
  }
  const parsed = metadataSchema.safeParse(json);
  if (!parsed.success)
    throw new CheckpointError(
      `the description of the model is not one that this version reads: ${z.prettifyError(parsed.error)}`,
    );
  return parsed.data;
}
