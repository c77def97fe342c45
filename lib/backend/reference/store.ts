import { StateError } from '../../errors';
import { elementCount } from '../../ops/shape';
import type { StateSpec, Store } from '../backend';

/** States as float64 arrays (int32 states as int32 arrays). */
export class ReferenceStore implements Store {
  readonly states = new Map<string, StateSpec>();
  private readonly arrays = new Map<string, Float64Array | Int32Array>();

  allocate(states: readonly StateSpec[]): void {
    for (const state of states) {
      if (this.states.has(state.name)) throw new StateError(`the store has a state '${state.name}' already`);
    }
    // All of them before any is kept: memory may not suffice.
    const arrays = states.map(({ dtype, shape }) =>
      dtype === 'int32' ? new Int32Array(elementCount(shape)) : new Float64Array(elementCount(shape)),
    );
    states.forEach((state, index) => {
      this.states.set(state.name, state);
      this.arrays.set(state.name, arrays[index]!);
    });
  }

  /** The live array of a state; the interpreter reads and replaces it. */
  array(name: string): Float64Array | Int32Array {
    const array = this.arrays.get(name);
    if (!array) throw new StateError(`the store has no state '${name}'`);
    return array;
  }

  write(name: string, data: ArrayLike<number>): void {
    const array = this.array(name);
    if (data.length !== array.length) {
      throw new StateError(`${name}: expected ${array.length} elements, received ${data.length}`);
    }
    array.set(data);
  }

  async read(name: string): Promise<Float64Array | Int32Array> {
    return this.readNow(name);
  }

  readNow(name: string): Float64Array | Int32Array {
    return this.array(name).slice();
  }

  snapshot(names: readonly string[] = [...this.states.keys()], added: readonly StateSpec[] = []): ReferenceStore {
    const copy = new ReferenceStore();
    copy.allocate([...names.map((name) => this.states.get(name)!), ...added]);
    for (const name of names) copy.write(name, this.array(name));
    return copy;
  }

  dispose(): void {
    this.states.clear();
    this.arrays.clear();
  }
}
