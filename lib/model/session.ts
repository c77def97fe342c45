import { isFiniteFloat32 } from '../arrays';
import { CheckpointError, DataError, OptionError, StateError } from '../errors';
import type { ArrayView, Executable, NumberArray, Store } from '../backend/backend';
import { checkElements } from '../backend/bind';
import { parse, serialize, type FileContent } from '../checkpoint/safetensors';
import { carriedStates, singleOutput, type Network } from '../nn/network';
import { lengthsInput, singleInput, type Signature } from '../nn/signature';
import type { CarriedState } from '../nn/trace';
import { elementCount, evaluateShape, formatShape, type Counts } from '../ops/shape';
import { describe } from '../options';
import type { StateSpec } from '../backend/backend';

/** What one step takes: a token, the numbers of one step, or arrays by input name. */
export type StepInput = number | ArrayLike<number> | Readonly<Record<string, ArrayView>>;

const counts: Counts = { T: 1, B: 1, S: 1 };
const namespace = 'session';

/** The array that each step's numbers are copied to, and the step that reads it. */
interface SingleInput {
  readonly data: Int32Array | Float64Array;
  readonly shape: readonly number[];
  readonly run: () => Readonly<Record<string, ArrayView>>;
}

/** One stream: recurrent state that goes on from step to step, over a snapshot of the parameters. */
export class Session {
  private readonly store: Store;
  private executable: Executable;
  /** Prepares the step for memories of up to so many slots. */
  private readonly prepare: (slots: number) => Executable;
  private readonly states: readonly StateSpec[];
  private readonly carried: ReadonlyMap<string, CarriedState>;
  private readonly signature: Signature;
  /** The output that `step` gives. */
  private readonly main: string;
  /** Of a network that takes a single array. */
  private single: SingleInput | null;
  private disposed = false;

  constructor(network: Network) {
    this.signature = Object.fromEntries(
      Object.entries(network.requireBound()).filter(([name]) => name !== lengthsInput),
    );
    const mode = { training: false, recurrentState: { carried: namespace } };
    const written = network.writePrediction(this.signature, mode);
    this.states = carriedStates(written, counts);
    this.carried = new Map(written.carried.map((state) => [state.name, state]));
    if (this.states.length === 0)
      throw new OptionError('session: the network has no recurrent layer that begins from a carried state');
    this.prepare = (slots) => network.backend.prepare(written.program, { ...counts, S: slots });
    this.executable = this.prepare(counts.S);
    this.store = network.snapshotParameters(this.states);
    const outputs = written.program.outputs.map(({ name }) => name);
    this.main = outputs.includes(singleOutput) ? singleOutput : outputs[0]!;
    this.single = this.singleInput();
    this.reset();
  }

  private singleInput(): SingleInput | null {
    const type = this.signature[singleInput];
    if (!type || Object.keys(this.signature).length > 1) return null;
    const shape = evaluateShape(type.shape, counts);
    const size = elementCount(shape);
    const data = type.dtype === 'int32' ? new Int32Array(size) : new Float64Array(size);
    return { data, shape, run: this.executable.repeatSync(this.store, { [singleInput]: { data, shape } }) };
  }

  /**
   * The output after one more step: a view that is valid until the next. Of several outputs by name, the one called
   * `output`, or the first; `stepAll` gives all. On the reference backend `step<Float64Array>(input)`.
   *
   * A network that takes a single array writes its output to the same array in every step: native makes no JavaScript
   * object in a step, so streams leave nothing to collect. Copy what is to be kept: `session.step(x).slice()`.
   */
  step<Elements extends NumberArray = Float32Array>(input: StepInput): Elements {
    return this.stepAll(input)[this.main]!.data as Elements;
  }

  /** As `step`, with all outputs by name. */
  stepAll(input: StepInput): Readonly<Record<string, ArrayView>> {
    const { single } = this;
    if (single) {
      take(input, single);
      return single.run();
    }
    this.expectAlive();
    if (typeof input !== 'object' || input === null || 'length' in input) {
      const names = Object.keys(this.signature).map((name) => `${name}: { data, shape }`);
      throw new DataError(
        `step: expected arrays by input name, { ${names.join(', ')} }, for this network, received ${describe(input)}`,
      );
    }
    const slots = slotsOf(this.signature, input);
    if (slots > this.executable.capacities.S) {
      const larger = this.prepare(slots);
      this.executable.dispose();
      this.executable = larger;
    }
    return this.executable.runSync(this.store, input).outputs;
  }

  /** Goes back to the state before the first step: the learned one where there is one, else zeros. */
  reset(): void {
    this.expectAlive();
    for (const { name, shape } of this.states) {
      const learned = this.carried.get(name)?.learned;
      this.store.write(name, learned ? this.store.readNow(learned) : new Float32Array(elementCount(shape)));
    }
  }

  /** The recurrent state as plain bytes, for `importState` here or elsewhere. */
  exportState(): Uint8Array {
    this.expectAlive();
    // Nobody else runs on the session's own store.
    const entries = this.states.map(({ name, shape }) => [name, { data: this.store.readNow(name), shape }] as const);
    const kinds = Object.fromEntries(this.states.map(({ name }) => [name, this.carried.get(name)!.kind]));
    return serialize(Object.fromEntries(entries), { lstm_native: 'session state', kinds: JSON.stringify(kinds) });
  }

  /** Takes up a state that `exportState` gave. Nothing changes unless all of it fits. */
  importState(bytes: Uint8Array): void {
    this.expectAlive();
    const { tensors, kinds } = parseState(bytes);
    for (const { name, shape } of this.states) {
      const received = tensors.get(name);
      if (received) expectKind(name, this.carried.get(name)!.kind, kinds[name]);
      if (!received || formatShape(received.shape) !== formatShape(shape)) {
        throw new CheckpointError(
          `session state: ${name}: expected ${formatShape(shape)}, received ${received ? formatShape(received.shape) : 'none'}`,
        );
      }
      if (!received.data.every(isFiniteFloat32))
        throw new CheckpointError(`session state: ${name}: expected finite numbers`);
    }
    for (const name of tensors.keys()) {
      if (!this.states.some((state) => state.name === name))
        throw new CheckpointError(`session state: ${name}: the network has no such state`);
    }
    for (const { name } of this.states) this.store.write(name, tensors.get(name)!.data);
  }

  dispose(): void {
    this.disposed = true;
    // A step asks nothing of its own; its run refuses.
    if (this.single) this.single = { ...this.single, run: () => this.refuse() };
    this.executable.dispose();
    this.store.dispose();
  }

  private expectAlive(): void {
    if (this.disposed) this.refuse();
  }

  private refuse(): never {
    throw new StateError('session: it is disposed; model.session() begins another');
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Copies the numbers of one step to where its runs read them. */
function take(input: StepInput, { data, shape }: SingleInput): void {
  if (typeof input !== 'number' && typeof input?.length !== 'number')
    throw new DataError(`step: expected a number or the numbers of one step, received ${describe(input)}`);
  const numbers = input as number | ArrayLike<number>;
  const length = typeof numbers === 'number' ? 1 : numbers.length;
  if (length !== data.length)
    checkElements(singleInput, { data: Float64Array.from(typeof numbers === 'number' ? [numbers] : numbers), shape });
  if (typeof numbers === 'number') data[0] = numbers;
  else data.set(numbers);
  if (data instanceof Int32Array) checkTokens(data, numbers);
}

function checkTokens(data: NumberArray, numbers: number | ArrayLike<number>): void {
  for (let index = 0; index < data.length; index++) {
    const given = typeof numbers === 'number' ? numbers : numbers[index];
    if (data[index] === given) continue;
    const all = typeof numbers === 'number' ? [numbers] : Array.from(numbers);
    throw new DataError(`step: expected tokens, integers, received ${all.join(', ')}`);
  }
}

/** The slots of the largest memory among the inputs; sizes that make no sense are found when they are bound. */
function slotsOf(signature: Signature, arrays: Readonly<Record<string, ArrayView>>): number {
  const sizes = Object.entries(signature).flatMap(([name, { shape }]) =>
    shape.flatMap((dim, axis) => (dim === 'S' ? [arrays[name]?.shape?.[axis] ?? 1] : [])),
  );
  return Math.max(1, ...sizes.filter((size) => Number.isSafeInteger(size)));
}

/** Cells of different kinds may have states of one name and size, which mean different things. */
function expectKind(name: string, expected: string, received: unknown): void {
  if (received === expected) return;
  const told = typeof received === 'string' ? received : 'a layer whose kind the bytes do not tell';
  throw new CheckpointError(`session state: ${name}: expected the state of ${expected}, received that of ${told}`);
}

function parseState(bytes: Uint8Array): { tensors: FileContent['tensors']; kinds: Readonly<Record<string, unknown>> } {
  // By tag, because the bytes may come from another realm.
  if (Object.prototype.toString.call(bytes) !== '[object Uint8Array]')
    throw new CheckpointError(`session state: expected the bytes that exportState gave, received ${describe(bytes)}`);
  try {
    const { tensors, metadata } = parse(bytes);
    return { tensors, kinds: Object(JSON.parse(metadata.kinds ?? '{}')) as Record<string, unknown> };
  } catch (cause) {
    throw new CheckpointError(`session state: not what exportState gave: ${(cause as Error).message}`, { cause });
  }
}
