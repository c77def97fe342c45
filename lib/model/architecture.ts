/** Layers from their descriptions in a model file. */
import { CheckpointError } from '../errors';
import { Dropout } from '../nn/dropout';
import { Embedding } from '../nn/embedding';
import { Gru } from '../nn/gru';
import { PointHead, QuantileHead } from '../nn/heads';
import { isLayer, Layer, layerPaths, type LayerConfig } from '../nn/layer';
import { LayerNorm } from '../nn/layerNorm';
import { Linear } from '../nn/linear';
import { Lstm } from '../nn/lstm';
import { AttentionPooling, MaxPooling, MeanPooling } from '../nn/pooling';
import { Residual } from '../nn/residual';
import { Rnn } from '../nn/rnn';
import { Slstm } from '../nn/slstm';
import { describe } from '../options';
import type { Module } from './module';
import type { ModuleOptions } from './options';
import { Sequential } from './sequential';

/**
 * How `load` makes modules of the user's own, by the names of their classes: a class whose constructor takes the options
 * alone, or a function for one that takes more: `{ Tagger, Classifier: (options) => new Classifier(17, options) }`.
 */
export type ModuleClasses = Readonly<
  Record<string, (new (options?: ModuleOptions) => Module) | ((options: ModuleOptions) => Module)>
>;

/** Each kind of layer that is no module; its constructor checks what the file says. */
const kinds: Readonly<Record<string, (config: never) => Layer>> = {
  embedding: ({ vocabularySize, embeddingSize, options }: Embedding) =>
    new Embedding(vocabularySize, embeddingSize, options),
  lstm: ({ hiddenSize, options }: Lstm) => new Lstm(hiddenSize, options),
  gru: ({ hiddenSize, options }: Gru) => new Gru(hiddenSize, options),
  rnn: ({ hiddenSize, options }: Rnn) => new Rnn(hiddenSize, options),
  slstm: ({ hiddenSize, options }: Slstm) => new Slstm(hiddenSize, options),
  linear: ({ outputSize, options }: Linear) => new Linear(outputSize, options),
  dropout: ({ p }: Dropout) => new Dropout(p),
  layerNorm: ({ options }: LayerNorm) => new LayerNorm(options),
  meanPooling: () => new MeanPooling(),
  maxPooling: () => new MaxPooling(),
  attentionPooling: ({ options }: AttentionPooling) => new AttentionPooling(options),
  pointHead: ({ options }: PointHead) => new PointHead(options),
  quantileHead: ({ quantiles, options }: QuantileHead) => new QuantileHead(quantiles, options),
};

/** Where in a model a layer stands, and what has been made before it. */
interface Place {
  readonly path: string;
  /** By path. */
  readonly made: Map<string, Layer>;
}

const below = ({ path, made }: Place, field: string): Place => ({ path: path ? `${path}.${field}` : field, made });

export function makeModule(
  config: LayerConfig,
  options: ModuleOptions,
  classes: ModuleClasses,
  place: Place = { path: '', made: new Map() },
): Module {
  if (config.kind === 'sequential' && Array.isArray(config.layers)) {
    const layers: Layer[] = [];
    for (const [index, layer] of (config.layers as (LayerConfig & { readonly with?: number })[]).entries()) {
      // A layer that stands in several places has one set of parameters.
      const shared = layer?.kind === 'shared' ? layers[layer.with ?? -1] : undefined;
      layers.push(shared ?? makeLayer(layer, classes, below(place, String(index))));
    }
    return new Sequential(layers, options);
  }
  const own = Object.hasOwn(classes, config?.kind) ? classes[config.kind] : undefined;
  if (own) return makeOwn(config.kind, own, options);
  throw new CheckpointError(
    `architecture: unknown layer '${String(config.kind)}'; a class of your own is passed as load(path, { modules: { ${String(config.kind)} } })`,
  );
}

/** Functions that are no classes have no prototype, or one that is no layer's. */
const isClass = (own: ModuleClasses[string]): own is new (options?: ModuleOptions) => Module =>
  own.prototype instanceof Layer;

function makeOwn(name: string, own: ModuleClasses[string], options: ModuleOptions): Module {
  try {
    const made = isClass(own) ? new own(options) : own(options);
    if (isLayer(made)) return made;
    throw new CheckpointError(`expected a function that returns a Module, received ${describe(made)} from it`);
  } catch (cause) {
    const advice = `modules: { ${name}: (options) => new ${name}(..., options) }`;
    throw new CheckpointError(
      `architecture: ${name}: it could not be made with the options alone: ${(cause as Error).message}; ` +
        `if its constructor takes more, pass a function: ${advice}`,
      { cause },
    );
  }
}

function makeLayer(config: LayerConfig, classes: ModuleClasses, place: Place): Layer {
  if (typeof config?.kind !== 'string') {
    throw new CheckpointError(
      `architecture: ${place.path}: expected a layer with its kind, received ${describe(config)}`,
    );
  }
  const layer = makeAt(config, classes, place);
  expectKnown(config, layer.describe(), place);
  // With the layers of a module of the user's own, which made them itself.
  for (const [inner, path] of layerPaths(layer)) {
    const at = path ? below(place, path).path : place.path;
    if (!place.made.has(at)) place.made.set(at, inner as Layer);
  }
  return layer;
}

/** A file of a later version may say more of a layer than this one reads. */
function expectKnown(config: LayerConfig, known: LayerConfig, { path }: Place): void {
  for (const name of Object.keys(config)) {
    if (Object.hasOwn(known, name)) continue;
    throw new CheckpointError(
      `architecture: ${path}: ${config.kind}: unknown argument '${name}'; it has ${Object.keys(known).join(', ')}`,
    );
  }
}

function makeAt(config: LayerConfig, classes: ModuleClasses, place: Place): Layer {
  if (config?.kind === 'residual')
    return new Residual(makeLayer(config.layer as LayerConfig, classes, below(place, 'layer')));
  const make = Object.hasOwn(kinds, config?.kind) ? kinds[config.kind] : undefined;
  return make ? make(withTie(config, place) as never) : makeModule(config, {}, classes, place);
}

/** The path of a tied embedding becomes the embedding. */
function withTie(config: LayerConfig, { path, made }: Place): LayerConfig {
  const options = config.options as { readonly tiedTo?: unknown } | undefined;
  if (config.kind !== 'linear' || options?.tiedTo === undefined) return config;
  const tiedTo = made.get(options.tiedTo as string);
  if (tiedTo instanceof Embedding) return { ...config, options: { ...options, tiedTo } };
  throw new CheckpointError(
    `architecture: ${path}: linear: tiedTo: expected the path of an embedding before it, received ${describe(options.tiedTo)}`,
  );
}
