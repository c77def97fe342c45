/**
 * One LSTM layer as a case: a program that the native backend executes, as it would within a network.
 *
 * x and dy are states of the store: within a network they are values of other layers, and passing arrays from
 * JavaScript is no part of a layer. For the same reason nothing large is copied out:
 *
 * - `infer` computes y for all steps and gives out its last one. Weights were packed before, once.
 * - `train` computes y, the gradients of x, h0, c0 and every parameter, their common norm, which it gives out, and an
 *   update with learning rate 0, after which every weight is packed anew: once in each step, as in a training.
 *
 * Timed is a `run`, from the call to its settled promise; or, where trials before show that to be faster, a `runSync`: one
 * thread, but no way to another and back, which takes longer than the smallest layers.
 */
import type { Executable, Store } from '../lib/backend/backend';
import type { Tensors } from './peers/peer';
import { getThreads, native } from '../lib/backend/native/native';
import { slice } from '../lib/ops/layout/slice';
import { float32, type Variable } from '../lib/ops/op';
import { lstm } from '../lib/ops/recurrent/lstm';
import { plainLstm } from '../lib/ops/recurrent/lstmKind';
import { elementCount } from '../lib/ops/shape';
import { ProgramBuilder } from '../lib/program/builder';
import { gradient } from '../lib/program/gradient';
import type { Program } from '../lib/program/program';
import { alternate, median, secondsOf } from './measure';
import type { Pass } from './report';
import { numbers, stateSpecs, writeBackward } from './trainStep';

/** Seconds of a run beyond which the way to another thread is no matter. */
const longestSync = 1e-3;

export interface LayerSize {
  readonly T: number;
  readonly B: number;
  readonly I: number;
  readonly H: number;
}

/** Sizes of the states, by name. */
const stateShapes = ({ T, B, I, H }: LayerSize): Readonly<Record<string, readonly number[]>> => ({
  ...parameterShapes({ I, H }),
  x: [T, B, I],
  h0: [B, H],
  c0: [B, H],
  dy: [T, B, H],
});

const parameterShapes = ({ I, H }: Pick<LayerSize, 'I' | 'H'>): Readonly<Record<string, readonly number[]>> => ({
  weight_ih: [4 * H, I],
  weight_hh: [4 * H, H],
  bias_ih: [4 * H],
  bias_hh: [4 * H],
});

/** The two multiplies of a step, over all steps; backward has each of them twice. */
export function operationsOf({ T, B, I, H }: LayerSize, pass: Pass): number {
  return (pass === 'train' ? 3 : 1) * 2 * T * B * 4 * H * (I + H);
}

export const nameOf = ({ T, B, I, H }: LayerSize): string => `T ${T}, B ${B}, I ${I}, H ${H}`;

export class LstmLayer {
  private readonly store: Store;
  private readonly executable: Executable;
  private readonly runs: Readonly<Record<'run' | 'runSync', () => unknown>> = {
    run: () => this.executable.run(this.store, {}),
    runSync: () => this.executable.runSync(this.store, {}),
  };
  /** By the number of threads that it was tried with. */
  private readonly fastest = new Map<number, 'run' | 'runSync'>();

  constructor(
    readonly size: LayerSize,
    readonly pass: Pass,
  ) {
    const { T, B } = size;
    this.executable = native.prepare(pass === 'train' ? trainProgram(size) : inferProgram(size), { T, B, S: 1 });
    this.store = native.createStore();
    this.store.allocate(stateSpecs(this.executable.program));
    for (const { name, dtype, shape } of this.store.states.values()) {
      // Learning rate and weight decay stay 0, and so does the initial state.
      if (dtype !== 'float32' || name === 'h0' || name === 'c0') continue;
      const scale = name === 'x' || name === 'dy' ? 1 : 1 / Math.sqrt(size.H);
      this.store.write(name, numbers(elementCount(shape), scale));
    }
  }

  /** Seconds of one run, the mean of `count`. */
  readonly time = async (count = 1): Promise<number> => {
    const threads = getThreads();
    const way = this.fastest.get(threads) ?? (await this.findFastest());
    this.fastest.set(threads, way);
    return this.timeOf(way, count);
  };

  private async timeOf(way: 'run' | 'runSync', count: number): Promise<number> {
    const repeated = async () => {
      for (let k = 0; k < count; k++) await this.runs[way]();
    };
    return (await secondsOf(repeated)) / count;
  }

  private async findFastest(): Promise<'run' | 'runSync'> {
    if ((await this.timeOf('run', 3)) > longestSync) return 'run';
    const samples = await alternate({ run: () => this.timeOf('run', 3), runSync: () => this.timeOf('runSync', 3) }, 3);
    return median(samples.runSync) < median(samples.run) ? 'runSync' : 'run';
  }

  /** The states by name, as they were written. */
  async inputs(): Promise<Tensors> {
    const names = Object.keys(stateShapes(this.size)).filter((name) => this.store.states.has(name));
    const read = async (name: string) => [name, (await this.store.read(name)) as Float32Array] as const;
    return Object.fromEntries(await Promise.all(names.map(read)));
  }

  /** What the runs compute and leave inside: y and, of a training step, its gradients. */
  async outputs(): Promise<Tensors> {
    const { T, B } = this.size;
    const executable = native.prepare(shownProgram(this.size, this.pass), { T, B, S: 1 });
    const { outputs } = await executable.run(this.store, {});
    executable.dispose();
    return Object.fromEntries(Object.entries(outputs).map(([name, { data }]) => [name, data as Float32Array]));
  }

  dispose(): void {
    this.executable.dispose();
    this.store.dispose();
  }
}

function shownProgram(size: LayerSize, pass: Pass): Program {
  const builder = new ProgramBuilder();
  const operands = statesOf(builder, size);
  const { y } = builder.emit(lstm, operands, { reverse: false, ...plainLstm });
  builder.output('y', y);
  if (pass !== 'train') return builder.finish();
  const dy = builder.state('dy', float32(size.T, size.B, size.H));
  const { x, weight_ih, weight_hh, bias_ih } = operands;
  const gradients = gradient(builder, [{ variable: y, cotangent: dy }], [x, weight_ih, weight_hh, bias_ih]);
  ['dx', 'dweight_ih', 'dweight_hh', 'dbias'].forEach((name, index) => builder.output(name, gradients[index]!));
  return builder.finish();
}

function inferProgram(size: LayerSize): Program {
  const builder = new ProgramBuilder();
  const { y } = builder.emit(lstm, statesOf(builder, size), { reverse: false, ...plainLstm });
  builder.output('last', builder.emit(slice, { x: y }, { axis: 0, begin: size.T - 1, end: size.T }).y);
  return builder.finish();
}

function trainProgram(size: LayerSize): Program {
  const builder = new ProgramBuilder();
  const operands = statesOf(builder, size);
  const { y } = builder.emit(lstm, operands, { reverse: false, ...plainLstm });
  const dy = builder.state('dy', float32(size.T, size.B, size.H));
  writeBackward(builder, { y, dy }, operands, parameterShapes(size));
  return builder.finish();
}

function statesOf(builder: ProgramBuilder, size: LayerSize) {
  const shapes = stateShapes(size);
  const state = (name: string): Variable => builder.state(name, float32(...shapes[name]!));
  return {
    x: state('x'),
    h0: state('h0'),
    c0: state('c0'),
    weight_ih: state('weight_ih'),
    weight_hh: state('weight_hh'),
    bias_ih: state('bias_ih'),
    bias_hh: state('bias_hh'),
  };
}
