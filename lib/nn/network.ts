/** A tree of layers with its parameters in a backend's store: it writes programs and runs them. */
import { BackendError, DataError, ShapeError, StateError } from '../errors';
import type { Backend, Executable, RunOptions, RunResult, StateSpec, Store } from '../backend/backend';
import { isVariable, type Variable } from '../ops/op';
import { countNames, elementCount, evaluateShape, formatShape, type Counts, type Dim } from '../ops/shape';
import { describe } from '../options';
import { ProgramBuilder } from '../program/builder';
import type { Program } from '../program/program';
import { callRoot } from './call';
import { draw } from './initializer';
import { layerPaths, pathIn, type Layer } from './layer';
import type { Outputs } from './loss';
import { batchFirst, countsOf, timeFirst, type Arrays, type Signature } from './signature';
import { Trace, traced, type CarriedState, type ParameterSpec, type TraceMode } from './trace';

/** What `write` hands to the code that adds a loss, outputs or updates. */
export interface Writing {
  readonly builder: ProgramBuilder;
  readonly trace: Trace;
  /** Inside orientation [T, B, ...]. */
  readonly inputs: Readonly<Record<string, Variable>>;
  readonly outputs: Readonly<Record<string, Variable>>;
  /** As `forward` returned them. */
  readonly result: Outputs;
}

export interface Written {
  readonly program: Program;
  readonly carried: readonly CarriedState[];
  executable: Executable | null;
}

/** What parameters hold at first; may refuse them all before memory is asked for. */
export type InitialValues = (specs: readonly ParameterSpec[]) => (spec: ParameterSpec) => ArrayLike<number>;

/** Plans kept per network; each holds memory for its capacities. */
const maxPrograms = 16;

export class Network {
  readonly store: Store;
  readonly parameters = new Map<string, ParameterSpec>();
  readonly frozen = new Set<string>();
  /** The inputs with which the network was first bound; null before. */
  signature: Signature | null = null;
  /** Whose moments the optimizer states are. */
  momentOwner: object | null = null;
  /** The trainer or caller that has the network to itself; null when it is free. */
  busy: string | null = null;
  private readonly programs = new Map<string, Written>();

  constructor(
    readonly root: Layer,
    readonly backend: Backend,
    readonly seed: number,
  ) {
    this.store = backend.createStore();
  }

  /** Writes the network once to learn its parameters, and fills them. Does nothing when it is bound already. */
  bind(signature: Signature, initial: InitialValues = this.drawn): void {
    if (this.signature) return;
    const { trace } = this.trace(signature, { training: false, recurrentState: 'zero' }, () => {});
    this.ensureParameters([...trace.parameters.values()], initial);
    this.signature = signature;
  }

  requireBound(): Signature {
    if (!this.signature) {
      throw new StateError(
        'the sizes of this network are not known yet: they are inferred from the first batch; call bind(batch), fit or predict first',
      );
    }
    return this.signature;
  }

  /** Traces the layers on inputs of these types, lets `body` add to the program, and makes sure of its parameters. */
  write(signature: Signature, mode: TraceMode, body: (writing: Writing) => void, extra: Signature = {}): Written {
    const { trace, builder } = this.trace(signature, mode, body, extra);
    this.ensureParameters([...trace.parameters.values()], this.drawn);
    return { program: builder.finish(), carried: trace.carried, executable: null };
  }

  private trace(signature: Signature, mode: TraceMode, body: (writing: Writing) => void, extra: Signature = {}) {
    const builder = new ProgramBuilder();
    const paths = layerPaths(this.root);
    const trace = new Trace(builder, mode, (layer) => pathIn(paths, layer));
    const makeInputs = (types: Signature) =>
      Object.fromEntries(Object.entries(types).map(([name, type]) => [name, timeFirst(builder.input(name, type))]));
    this.checkSizes(signature);
    const inputs = makeInputs(signature);
    traced(trace, () => {
      const result = callRoot(this.root, inputs);
      body({ builder, trace, inputs: { ...inputs, ...makeInputs(extra) }, outputs: outputsByName(result), result });
    });
    return { trace, builder };
  }

  /** The sizes that a network took from its first batch hold for all: a clearer message than that of a misfit parameter. */
  private checkSizes(signature: Signature): void {
    for (const [name, { shape }] of Object.entries(signature)) {
      const bound = this.signature?.[name]?.shape;
      const fits = bound?.length !== shape.length || shape.every((dim, axis) => fitsDim(dim, bound[axis]!));
      if (!fits)
        throw new ShapeError(`${name}: expected ${formatShape(bound)} as bound, received ${formatShape(shape)}`);
    }
  }

  /** The program under `key`, written at its first use, prepared for at least these counts. */
  prepare(key: string, counts: Partial<Counts>, write: () => Written): { written: Written; executable: Executable } {
    let written = this.programs.get(key);
    if (!written) written = write();
    this.programs.delete(key);
    this.programs.set(key, written);
    this.forgetOldPrograms();
    const { executable } = written;
    if (executable && countNames.every((name) => (counts[name] ?? 1) <= executable.capacities[name])) {
      return { written, executable };
    }
    const capacities = Object.fromEntries(
      countNames.map((name) => [name, Math.max(counts[name] ?? 1, executable?.capacities[name] ?? 1)]),
    ) as Counts;
    written.executable = this.backend.prepare(written.program, capacities);
    executable?.dispose();
    this.ensureStates(carriedStates(written, capacities));
    return { written, executable: written.executable };
  }

  /** Runs the forward program on a batch in public orientation. */
  async predict(arrays: Arrays, signature: Signature, options?: RunOptions): Promise<RunResult['outputs']> {
    this.bind(signature);
    const key = `predict ${JSON.stringify(signature)}`;
    const { executable } = this.prepare(key, countsOf(signature, arrays), () => this.writePrediction(signature));
    return (await executable.run(this.store, arrays, options)).outputs;
  }

  /** The forward program without dropout. */
  writePrediction(signature: Signature, mode: TraceMode = { training: false, recurrentState: 'zero' }): Written {
    return this.write(signature, mode, ({ builder, outputs }) => {
      for (const [name, variable] of Object.entries(outputs)) builder.output(name, batchFirst(variable));
    });
  }

  /** Adds states that are not there yet, with their first values; states that are there get them again when `reset`. */
  ensureStates(states: readonly (StateSpec & { readonly initial?: ArrayLike<number> })[], reset = false): void {
    const missing = states.filter(({ name }) => !this.store.states.has(name));
    const added = new Set(missing.map(({ name }) => name));
    this.store.allocate(missing.map(({ name, dtype, shape }) => ({ name, dtype, shape })));
    for (const { name, shape, initial } of reset ? states : missing) {
      const known = this.store.states.get(name)!;
      if (formatShape(known.shape) !== formatShape(shape)) {
        throw new ShapeError(`${name}: expected ${formatShape(known.shape)} as before, received ${formatShape(shape)}`);
      }
      if (initial) this.store.write(name, initial);
      else if (!added.has(name)) this.zeroStates([name]);
    }
  }

  /** Sets states to zero. */
  zeroStates(names: readonly string[]): void {
    for (const name of names)
      this.store.write(name, new Float32Array(elementCount(this.store.states.get(name)!.shape)));
  }

  /** Parameters that an optimizer may change. */
  trainable(): ParameterSpec[] {
    return [...this.parameters.values()].filter(({ path }) => !this.frozen.has(path));
  }

  async readParameters(): Promise<Map<string, { data: Float32Array | Float64Array; shape: readonly number[] }>> {
    this.requireBound();
    const entries = [...this.parameters.values()].map(async ({ path, shape }) => {
      const data = (await this.store.read(path)) as Float32Array | Float64Array;
      return [path, { data, shape }] as const;
    });
    return new Map(await Promise.all(entries));
  }

  /** A store with copies of the parameters, and zero-filled states beside them. */
  snapshotParameters(added: readonly StateSpec[] = []): Store {
    this.requireBound();
    return this.store.snapshot([...this.parameters.keys()], added);
  }

  writeParameter(path: string, data: ArrayLike<number>): void {
    this.store.write(path, data);
  }

  /** Runs `body` with the network reserved; a second reservation is refused. */
  async exclusively<T>(purpose: string, body: () => Promise<T>): Promise<T> {
    if (this.busy)
      throw new StateError(`${purpose}: the network is busy with ${this.busy}; wait until it is done, or stop it`);
    this.busy = purpose;
    try {
      return await body();
    } finally {
      this.busy = null;
    }
  }

  /** Forgets programs whose equations depend on what has changed, such as which parameters are frozen. */
  forgetPrograms(): void {
    for (const { executable } of this.programs.values()) executable?.dispose();
    this.programs.clear();
  }

  dispose(): void {
    this.forgetPrograms();
    this.store.dispose();
  }

  private forgetOldPrograms(): void {
    for (const [key, { executable }] of this.programs) {
      if (this.programs.size <= maxPrograms) return;
      executable?.dispose();
      this.programs.delete(key);
    }
  }

  private readonly drawn: InitialValues = () => (spec) =>
    draw(spec.initializer, this.seed, spec.path, elementCount(spec.shape));

  private ensureParameters(specs: readonly ParameterSpec[], initial: InitialValues): void {
    const missing = specs.filter(({ path }) => !this.parameters.has(path));
    for (const { path, shape } of specs) {
      const known = this.parameters.get(path);
      if (known && formatShape(known.shape) !== formatShape(shape)) {
        throw new ShapeError(
          `${path}: expected ${formatShape(known.shape)} as bound before, received ${formatShape(shape)}`,
        );
      }
    }
    const valuesOf = initial(missing);
    try {
      this.store.allocate(missing.map(({ path, shape }) => ({ name: path, dtype: 'float32', shape })));
    } catch (cause) {
      throw withoutMemory(missing, cause);
    }
    for (const spec of missing) {
      this.parameters.set(spec.path, spec);
      this.store.write(spec.path, valuesOf(spec));
    }
  }
}

/** Says which parameters were too large; what failed for another reason goes on as it is. */
function withoutMemory(specs: readonly ParameterSpec[], cause: unknown): unknown {
  const bytes = ({ shape }: ParameterSpec) => 4 * elementCount(shape);
  const isOfMemory = cause instanceof RangeError || (cause instanceof BackendError && /alloc/.test(cause.message));
  if (!isOfMemory || specs.length === 0) return cause;
  const largest = specs.reduce((one, other) => (bytes(other) > bytes(one) ? other : one));
  const all = specs.reduce((sum, spec) => sum + bytes(spec), 0);
  return new BackendError(
    `${largest.path}: no memory for ${formatShape(largest.shape)}, ${bytes(largest)} bytes in float32, ` +
      `of ${all} bytes of parameters (${cause.message}); choose smaller sizes`,
    { cause },
  );
}

/** The states that a program carries, at its capacities. */
export function carriedStates({ program, carried }: Written, capacities: Counts): StateSpec[] {
  return program.states
    .filter(({ name }) => carried.some((state) => state.name === name))
    .map(({ name, value }) => ({
      name,
      dtype: 'float32',
      shape: evaluateShape(program.values[value]!.shape, capacities),
    }));
}

const fitsDim = (dim: Dim, bound: Dim) => typeof dim !== 'number' || typeof bound !== 'number' || dim === bound;

/** The name of the output of a network that returns a single variable. */
export const singleOutput = 'output';

function outputsByName(result: unknown): Readonly<Record<string, Variable>> {
  if (isVariable(result)) return { [singleOutput]: result };
  if (
    typeof result === 'object' &&
    result !== null &&
    Object.values(result).length > 0 &&
    Object.values(result).every(isVariable)
  ) {
    return result as Record<string, Variable>;
  }
  const isNamed = typeof result === 'object' && result !== null && !Array.isArray(result);
  const wrong = Object.entries(isNamed ? result : {}).find(([, value]) => !isVariable(value));
  throw new DataError(
    `forward: expected it to return a Variable, or Variables by name, received ${describe(result)}` +
      (wrong ? `, of which ${wrong[0]} is ${describe(wrong[1])}` : ''),
  );
}
