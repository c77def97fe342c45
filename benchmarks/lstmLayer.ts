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
 * Timed is one `run`, from the call to its settled promise.
 */
import type { Executable, Store } from '../lib/backend/backend';
import { native } from '../lib/backend/native/native';
import { slice } from '../lib/ops/layout/slice';
import { float32, type Variable } from '../lib/ops/op';
import { lstm } from '../lib/ops/recurrent/lstm';
import { plainLstm } from '../lib/ops/recurrent/lstmKind';
import { elementCount } from '../lib/ops/shape';
import { ProgramBuilder } from '../lib/program/builder';
import type { Program } from '../lib/program/program';
import { secondsOf } from './measure';
import type { Pass } from './report';
import { numbers, stateSpecs, writeBackward } from './trainStep';

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

  constructor(
    readonly size: LayerSize,
    readonly pass: Pass,
  ) {
    const { T, B } = size;
    this.executable = native.prepare(pass === 'train' ? trainProgram(size) : inferProgram(size), { T, B, S: 1 });
    this.store = native.createStore();
    this.store.allocate(stateSpecs(this.executable.program));
    for (const { name, dtype, shape } of this.store.states.values()) {
      const scale = name === 'x' ? 1 : 1 / Math.sqrt(size.H);
      // Learning rate and weight decay stay 0.
      if (dtype === 'float32') this.store.write(name, numbers(elementCount(shape), scale));
    }
  }

  /** Seconds of one run. */
  readonly time = (): Promise<number> => secondsOf(() => this.executable.run(this.store, {}));

  dispose(): void {
    this.executable.dispose();
    this.store.dispose();
  }
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
