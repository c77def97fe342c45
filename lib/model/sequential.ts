import { DataError, OptionError } from '../errors';
import { isLayer, layerPaths, type Layer, type LayerConfig } from '../nn/layer';
import type { Loss } from '../nn/loss';
import type { LstmCallOptions } from '../nn/lstm';
import { lengthsInput } from '../nn/signature';
import { isVariable, type Variable } from '../ops/op';
import { checkOptions, describe } from '../options';
import { Module } from './module';
import type { ModuleOptions } from './options';

/** The name under which layers read what the first layer is called with. */
const pastInput = 'past';

/** Lengths and initial states for all layers, and inputs by the names under which layers read them. */
export type SequentialCallOptions = LstmCallOptions & Readonly<Partial<Record<string, unknown>>>;

/** Layers one after another; a layer that returns several variables hands on its `output`. Paths are `0`, `1`, ... */
export class Sequential extends Module {
  readonly layers: readonly Layer[];

  constructor(layers: readonly Layer[], options?: ModuleOptions) {
    // First, for a forgotten array makes options of the second layer.
    expectLayers(layers);
    super(options);
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

  /** What its layers read, but for what comes from within. */
  override inputNames(): readonly string[] {
    return [...new Set(this.layers.flatMap((layer) => layer.inputNames()))];
  }

  override defaultLoss(): Loss | null {
    return this.layers.at(-1)!.defaultLoss();
  }

  /**
   * @param input What the first layer takes; or inputs by name: those that layers read beside what comes to them go to
   *   these layers, and the one that is left over to the first.
   */
  override forward(
    input: Variable | Readonly<Record<string, Variable>>,
    options: SequentialCallOptions = {},
  ): Variable {
    const names = this.inputNames();
    checkOptions('sequential', options, ['lengths', 'initialState', ...names]);
    const { first, ...call } = isVariable(input) ? { first: input, ...options } : routed(input, names);
    const given: Readonly<Record<string, unknown>> = { past: first, ...call };
    const { lengths = null, initialState } = call as LstmCallOptions;
    const common = { lengths, ...(initialState !== undefined && { initialState }) };
    return this.layers.reduce((x, layer) => {
      const read = layer.inputNames().flatMap((name) => (given[name] ? [[name, given[name]] as const] : []));
      const step = layer as unknown as (x: Variable, options: object) => Variable | { output: Variable };
      const result = step(x, { ...common, ...Object.fromEntries(read) });
      return isVariable(result) ? result : result?.output;
    }, first);
  }
}

function expectLayers(layers: unknown): void {
  const expected = 'sequential: expected an array of one or more layers';
  if (isLayer(layers))
    throw new OptionError(`${expected}, received ${describe(layers)}; put it between brackets, sequential([...])`);
  if (!Array.isArray(layers) || layers.length === 0) throw new OptionError(`${expected}, received ${describe(layers)}`);
  const wrong = layers.findIndex((layer) => !isLayer(layer));
  if (wrong >= 0) throw new OptionError(`${expected}, received ${describe(layers[wrong])} at index ${wrong}`);
}

/** Inputs by name: `first` the one that no layer reads by its name, the others under theirs. */
function routed(input: Readonly<Record<string, Variable>>, names: readonly string[]) {
  const given = Object.keys(input ?? {}).filter((name) => name !== lengthsInput);
  const beside = names.filter((name) => name !== pastInput);
  const [first, ...others] = given.filter((name) => !beside.includes(name));
  const variable = first === undefined ? undefined : input[first];
  if (beside.length > 0 && others.length === 0 && isVariable(variable)) return { ...input, first: variable };
  const expected = `a single input${beside.length > 0 ? ` beside ${beside.join(', ')}, which its layers read` : ''}`;
  throw new DataError(
    `sequential: expected ${expected}, received ${given.length > 0 ? `${given.join(', ')} by name` : describe(input)}`,
  );
}

/** `sequential([embedding(size, 64), lstm(256), linear(size)], { seed: 1 })`. */
export const sequential = (layers: readonly Layer[], options?: ModuleOptions): Sequential =>
  new Sequential(layers, options);
