import { DataError, StateError } from '../errors';
import { float32, type Variable } from '../ops/op';
import type { Shape } from '../ops/shape';
import { describe } from '../options';
import type { Initializer } from './initializer';
import type { Loss } from './loss';
import { activeTrace } from './trace';

/** A layer as JSON. `kind` is a built-in kind, or the name of a class of the user's own. */
export interface LayerConfig {
  readonly kind: string;
  readonly [argument: string]: unknown;
}

/**
 * A part of a network: it holds parameters and writes equations, and does no arithmetic itself.
 *
 * A layer is called like a function while a program is traced; the call runs `forward` once, under the layer's path.
 * Layers held in fields (or arrays in fields) are its children, and their field names make the parameters' paths.
 */
export abstract class Layer {
  constructor() {
    // Layers are functions: `this.encoder(x)` reads better than `this.encoder.forward(x)` and records the path.
    const self = ((...args: never[]) => {
      const trace = activeTrace();
      if (typeof self.forward !== 'function')
        throw new DataError(`${self.constructor.name}: expected a method forward, received ${describe(self.forward)}`);
      return trace.enter(self, () => self.forward(...args));
    }) as unknown as this;
    Object.setPrototypeOf(self, new.target.prototype);
    return self;
  }

  abstract forward(...args: never[]): unknown;

  /**
   * The layer as JSON, for a model file: its kind and what makes it again. A class of the user's own is named alone.
   * `paths` are those of the network's layers, for a layer that refers to another.
   */
  describe(paths?: ReadonlyMap<object, string>): LayerConfig {
    void paths;
    return { kind: this.constructor.name };
  }

  /**
   * Inputs of a batch, by name, that the layer reads beside what it is called with; `sequential` hands them over as options
   * of these names, those that the batch holds. `past` is what the first layer is called with.
   */
  inputNames(): readonly string[] {
    return [];
  }

  /** How arrays of a batch are to be read that the layer has to do with, as `Module.inputShapes`: inputs, and `targets`. */
  readings(): Readonly<Record<string, Shape>> {
    return {};
  }

  /** The loss of a network that ends in this layer, where none is given; null where one must be. */
  defaultLoss(): Loss | null {
    return null;
  }

  /** The variable of a parameter of this layer; made, and later drawn from (seed, path), when it is first asked for. */
  protected parameter(name: string, shape: readonly number[], initializer: Initializer): Variable {
    return activeTrace().parameter(this, name, shape, initializer);
  }

  /** The state in which this layer begins when it is given none; null for zeros, or for what its parameter `learned` holds. */
  protected recurrentState(name: string, shape: Shape, learned: string | null = null): Variable | null {
    return activeTrace().recurrentState(this, name, float32(...shape), this.describe().kind, learned);
  }

  /** Keeps a final state for the next run, where the program carries states. */
  protected carryState(name: string, next: Variable): void {
    activeTrace().carryState(this, name, next);
  }
}

export const isLayer = (value: unknown): value is Layer => value instanceof Layer;

/** The layers below `root`, depth first, with their paths; a layer held twice bears its first path. */
export function layerPaths(root: Layer): Map<object, string> {
  const paths = new Map<object, string>();
  const visit = (layer: Layer, path: string) => {
    if (paths.has(layer)) return;
    paths.set(layer, path);
    for (const [field, value] of Object.entries(layer)) {
      const below = path ? `${path}.${field}` : field;
      if (isLayer(value)) visit(value, below);
      else if (Array.isArray(value)) value.forEach((item, index) => isLayer(item) && visit(item, `${below}.${index}`));
    }
  };
  visit(root, '');
  return paths;
}

/** The path of a layer within the network that is being traced. */
export function pathIn(paths: ReadonlyMap<object, string>, layer: object): string {
  const path = paths.get(layer);
  if (path === undefined) {
    throw new StateError(
      'a layer that is called in forward() must be held in a field of its module, so that its parameters have a path',
    );
  }
  return path;
}
