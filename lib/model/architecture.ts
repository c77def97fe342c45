/** The kinds of layer that a model file can describe: each with how it is written down and made again. */
import { CheckpointError } from '../errors';
import { Dropout } from '../nn/dropout';
import { Embedding } from '../nn/embedding';
import type { Layer } from '../nn/layer';
import { Linear } from '../nn/linear';
import { Lstm } from '../nn/lstm';
import { Module } from './module';
import type { ModuleOptions } from './options';
import { Sequential } from './sequential';

/** A layer as JSON. `kind` is a built-in kind, or the name of a class of the user's own. */
export interface LayerConfig {
  readonly kind: string;
  readonly [argument: string]: unknown;
}

/** Classes of the user's own by name, for `load`; each is made without arguments. */
export type ModuleClasses = Readonly<Record<string, new (options?: ModuleOptions) => Module>>;

interface Kind<L extends Layer> {
  readonly layer: new (...args: never[]) => L;
  write(layer: L): Record<string, unknown>;
  make(config: never): L;
}

const kind = <L extends Layer>(rules: Kind<L>): Kind<Layer> => rules as Kind<Layer>;

const kinds: Readonly<Record<string, Kind<Layer>>> = {
  embedding: kind<Embedding>({
    layer: Embedding,
    write: ({ vocabularySize, embeddingSize }) => ({ vocabularySize, embeddingSize }),
    make: ({ vocabularySize, embeddingSize }: Embedding) => new Embedding(vocabularySize, embeddingSize),
  }),
  lstm: kind<Lstm>({
    layer: Lstm,
    write: ({ hiddenSize, options }) => ({ hiddenSize, options }),
    make: ({ hiddenSize, options }: Lstm) => new Lstm(hiddenSize, options),
  }),
  linear: kind<Linear>({
    layer: Linear,
    write: ({ outputSize, options }) => ({ outputSize, options }),
    make: ({ outputSize, options }: Linear) => new Linear(outputSize, options),
  }),
  dropout: kind<Dropout>({ layer: Dropout, write: ({ p }) => ({ p }), make: ({ p }: Dropout) => new Dropout(p) }),
};

export function describeLayer(layer: Layer): LayerConfig {
  if (layer instanceof Sequential) return { kind: 'sequential', layers: layer.layers.map(describeLayer) };
  for (const [name, rules] of Object.entries(kinds)) {
    if (layer.constructor === rules.layer) return { kind: name, ...rules.write(layer) };
  }
  return { kind: layer.constructor.name };
}

export function makeModule(config: LayerConfig, options: ModuleOptions, classes: ModuleClasses): Module {
  if (config.kind === 'sequential' && Array.isArray(config.layers)) {
    return new Sequential(
      config.layers.map((layer: LayerConfig) => makeLayer(layer, classes)),
      options,
    );
  }
  const own = Object.hasOwn(classes, config.kind) ? classes[config.kind] : undefined;
  if (own) return new own(options);
  throw new CheckpointError(
    `architecture: unknown layer '${String(config.kind)}'; a class of your own is passed as load(path, { modules: { ${String(config.kind)} } })`,
  );
}

function makeLayer(config: LayerConfig, classes: ModuleClasses): Layer {
  const rules = Object.hasOwn(kinds, config.kind) ? kinds[config.kind] : undefined;
  return rules ? rules.make(config as never) : makeModule(config, {}, classes);
}
