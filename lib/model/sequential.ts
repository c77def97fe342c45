import { DataError, OptionError } from '../errors';
import { isLayer, layerPaths, type Layer, type LayerConfig } from '../nn/layer';
import type { LstmCallOptions } from '../nn/lstm';
import { isVariable, type Variable } from '../ops/op';
import { checkOptions } from '../options';
import { Module } from './module';
import type { ModuleOptions } from './options';

/** Layers one after another; a layer that returns several variables hands on its `output`. Paths are `0`, `1`, ... */
export class Sequential extends Module {
  readonly layers: readonly Layer[];

  constructor(layers: readonly Layer[], options?: ModuleOptions) {
    super(options);
    if (!Array.isArray(layers) || layers.length === 0 || !layers.every(isLayer)) {
      throw new OptionError('sequential: expected an array of one or more layers');
    }
    this.layers = layers;
    // Numbered fields give PyTorch's paths; the array itself is no field of its own.
    Object.assign(this, layers);
    Object.defineProperty(this, 'layers', { enumerable: false });
  }

  override describe(paths: ReadonlyMap<object, string> = layerPaths(this)): LayerConfig {
    if (this.constructor !== Sequential) return super.describe();
    const layers = this.layers.map((layer, index) => {
      const first = this.layers.indexOf(layer);
      return first < index ? { kind: 'shared', with: first } : layer.describe(paths);
    });
    return { kind: 'sequential', layers };
  }

  override forward(input: Variable, options: LstmCallOptions = {}): Variable {
    if (!isVariable(input)) {
      const names = Object.keys(input ?? {}).join(', ');
      throw new DataError(
        `sequential: expected a single input, received ${names ? `${names} by name` : String(input)}`,
      );
    }
    checkOptions('sequential', options, ['lengths', 'initialState']);
    return this.layers.reduce((x, layer) => {
      const call = layer as unknown as (x: Variable, options: LstmCallOptions) => Variable | { output: Variable };
      const result = call(x, options);
      return isVariable(result) ? result : result?.output;
    }, input);
  }
}

/** `sequential([embedding(size, 64), lstm(256), linear(size)], { seed: 1 })`. */
export const sequential = (layers: readonly Layer[], options?: ModuleOptions): Sequential =>
  new Sequential(layers, options);
