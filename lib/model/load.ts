import { BackendError, CheckpointError, LstmNativeError } from '../errors';
import { partsOf } from '../checkpoint/checkpoint';
import { loadFile } from '../checkpoint/file';
import type { Tokenizer } from '../data/vocabularies/tokenizer';
import { withTokenizer } from '../data/vocabulary';
import { checkOptions, filePath } from '../options';
import { makeModule, type ModuleClasses } from './architecture';
import { keep, keepsakesFromJSON } from './keepsakes';
import { metadataKey, parseMetadata } from './metadata';
import type { Module } from './module';
import type { ModuleOptions } from './options';
import { Sequential } from './sequential';
import { checkState } from './stateDict';

export interface LoadOptions extends Pick<ModuleOptions, 'backend'> {
  /**
   * Modules of your own that the file names, by class name: the class, if its constructor takes the options alone, or a
   * function: `{ Tagger, Classifier: (options) => new Classifier(17, options) }`.
   */
  readonly modules?: ModuleClasses;
  /** The one that made the tokens of the text that the model was trained on: a file cannot keep functions. It is checked to be the same. */
  readonly tokenizer?: Tokenizer;
}

/**
 * Reads a model that `save` wrote, or that of a checkpoint. The file is checked whole before anything is made of it.
 *
 *     const model = await load('model.safetensors');
 *     const tagger = await load('tagger.safetensors', { modules: { Tagger } });
 */
export async function load(path: string, options: LoadOptions = {}): Promise<Module> {
  filePath('load', path);
  checkOptions('load', options, ['backend', 'modules', 'tokenizer']);
  const model = await read(path, options);
  if (options.tokenizer !== undefined) model.vocabulary = withTokenizer(model.vocabulary, options.tokenizer);
  return model;
}

async function read(path: string, options: LoadOptions): Promise<Module> {
  const { tensors, metadata } = await loadFile(path);
  const { parameters } = partsOf(tensors);
  try {
    const { architecture, inputs, seed, ...rest } = parseMetadata(metadata[metadataKey]);
    const model = makeModule(architecture, { seed, backend: options.backend }, options.modules ?? {});
    // Checked before memory is asked for: the description may claim any size, the tensors are there.
    model.network.bind(inputs, (specs) => {
      checkState(new Map(specs.map((spec) => [spec.path, spec])), parameters);
      return ({ path: name }) => parameters.get(name)!.data;
    });
    keep(model, keepsakesFromJSON(rest, model instanceof Sequential ? model.layers[0]! : null));
    return model;
  } catch (error) {
    if (error instanceof BackendError) throw error;
    const reason = error instanceof LstmNativeError ? '' : 'the model that it describes could not be made: ';
    throw new CheckpointError(`${path}: ${reason}${(error as Error).message}`, { cause: error });
  }
}
