import { BackendError, CheckpointError, LstmNativeError } from '../errors';
import { loadFile } from '../checkpoint/file';
import { Vocabulary } from '../data/vocabulary';
import { makeModule, type ModuleClasses } from './architecture';
import { metadataKey, parseMetadata } from './metadata';
import type { Module } from './module';
import type { ModuleOptions } from './options';
import { checkState } from './stateDict';

export interface LoadOptions extends Pick<ModuleOptions, 'backend'> {
  /** Classes of your own that the file names. */
  readonly modules?: ModuleClasses;
}

/** Reads a model that `save` wrote. The file is checked whole before anything is made of it. */
export async function load(path: string, options: LoadOptions = {}): Promise<Module> {
  const { tensors, metadata } = await loadFile(path);
  try {
    const { architecture, inputs, seed, vocabulary } = parseMetadata(metadata[metadataKey]);
    const model = makeModule(architecture, { seed, backend: options.backend }, options.modules ?? {});
    // Checked before memory is asked for: the description may claim any size, the tensors are there.
    model.network.bind(inputs, (specs) => {
      checkState(new Map(specs.map((spec) => [spec.path, spec])), tensors);
      return ({ path: name }) => tensors.get(name)!.data;
    });
    if (vocabulary !== undefined) model.vocabulary = Vocabulary.fromJSON(vocabulary);
    return model;
  } catch (error) {
    if (error instanceof BackendError) throw error;
    const reason = error instanceof LstmNativeError ? '' : 'the model that it describes could not be made: ';
    throw new CheckpointError(`${path}: ${reason}${(error as Error).message}`, { cause: error });
  }
}
