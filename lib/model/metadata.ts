/** What a model file says of the model, beside the weights. */
import { z } from 'zod';
import { CheckpointError } from '../errors';
import type { LayerConfig } from '../nn/layer';

/** The key in the file's metadata under which the description stands, as JSON. */
export const metadataKey = 'lstm_native';
export const formatVersion = 1;

const layerConfig: z.ZodType<LayerConfig> = z.looseObject({ kind: z.string() });

const metadataSchema = z.object({
  version: z.literal(formatVersion),
  architecture: layerConfig,
  /** Types of the inputs in public orientation. */
  inputs: z.record(
    z.string(),
    z.object({
      dtype: z.enum(['float32', 'int32']),
      shape: z.array(z.union([z.number().int().positive(), z.enum(['T', 'B', 'S'])])),
    }),
  ),
  seed: z.number().int().min(0).max(0x7fffffff),
  /** What the model keeps of its data; each is checked by its own kind. */
  vocabulary: z.unknown().optional(),
  series: z.unknown().optional(),
  labels: z.unknown().optional(),
});

export type ModelMetadata = z.infer<typeof metadataSchema>;

export function parseMetadata(text: string | undefined): ModelMetadata {
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
  if (parsed.success) return parsed.data;
  throw new CheckpointError(
    `the description of the model is not one that this version reads: ${z.prettifyError(parsed.error)}`,
  );
}
