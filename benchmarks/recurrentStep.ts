/**
 * Any recurrent layer as a case: its training step, with everything that the step of `LstmLayer` has in it: y, the
 * gradients of x, of the initial states and of every parameter, their norm, and an update with learning rate 0, after which every
 * weight is packed anew. The layer is in training: what it drops or keeps is drawn anew in each run.
 */
import type { ArrayView, Executable, Store } from '../lib/backend/backend';
import { native } from '../lib/backend/native/native';
import { draw } from '../lib/nn/initializer';
import { randomKeyInput, Trace, traced } from '../lib/nn/trace';
import { float32, int32, type Variable } from '../lib/ops/op';
import { elementCount } from '../lib/ops/shape';
import { ProgramBuilder } from '../lib/program/builder';
import type { LayerSize } from './lstmLayer';
import { secondsOf } from './measure';
import { numbers, stateSpecs, writeBackward } from './trainStep';

export type RecurrentLayer = (
  x: Variable,
  call: { readonly lengths?: Variable; readonly memory?: Variable },
) => { readonly output: Variable };

export interface RecurrentCase {
  readonly layer: RecurrentLayer;
  readonly size: LayerSize;
  /** Steps of each row; all T where left out. */
  readonly lengths?: readonly number[];
  /** What a layer with attention attends to: [B, ...shape]. */
  readonly memory?: readonly number[];
}

export class RecurrentStep {
  private readonly store: Store;
  private readonly executable: Executable;
  private readonly inputs: Record<string, ArrayView> = {};
  private runs = 0;

  constructor(given: RecurrentCase) {
    const { T, B } = given.size;
    const { builder, trace } = writeStep(given);
    this.executable = native.prepare(builder.finish(), { T, B, S: 1 });
    this.store = native.createStore();
    this.store.allocate(stateSpecs(this.executable.program));
    for (const { path, shape, initializer } of trace.parameters.values()) {
      this.store.write(path, draw(initializer, 0, path, elementCount(shape)));
    }
    for (const name of ['x', 'dy', ...(given.memory ? ['memory'] : [])]) {
      this.store.write(name, numbers(elementCount(this.store.states.get(name)!.shape), 1));
    }
    if (given.lengths) this.inputs.lengths = { data: Int32Array.from(given.lengths), shape: [B] };
    for (const [name, { type }] of Object.entries(trace.initialStates)) {
      const shape = type.shape.map(Number);
      this.inputs[name] = { data: new Float32Array(elementCount(shape)), shape };
    }
  }

  /** Seconds of one run. */
  readonly time = (): Promise<number> =>
    secondsOf(async () => {
      const usesKey = this.executable.program.inputs.some(({ name }) => name === randomKeyInput);
      const key = usesKey && { [randomKeyInput]: { data: Int32Array.of(0, this.runs++), shape: [2] } };
      const { failedGuard } = await this.executable.run(this.store, { ...this.inputs, ...key });
      // Without its commit a step would be shorter than it is.
      if (failedGuard !== null) throw new Error(`expected a finite ${failedGuard}`);
    });

  dispose(): void {
    this.executable.dispose();
    this.store.dispose();
  }
}

function writeStep({ layer, size: { T, B, I }, lengths, memory }: RecurrentCase) {
  const builder = new ProgramBuilder();
  const trace = new Trace(builder, { training: true, recurrentState: 'inputs' }, () => '');
  const x = builder.state('x', float32(T, B, I));
  const attended = memory && { memory: builder.state('memory', float32(B, ...memory)) };
  const call = { ...(lengths && { lengths: builder.input('lengths', int32(B)) }), ...attended };
  const { output: y } = traced(trace, () => layer(x, call));
  const dy = builder.state('dy', y.type);
  const parameters = [...trace.parameters.values()];
  const variables = parameters.map(({ path, shape }) => [path, builder.state(path, float32(...shape))] as const);
  const operands = { x, ...attended, ...trace.initialStates, ...Object.fromEntries(variables) };
  writeBackward(builder, { y, dy }, operands, Object.fromEntries(parameters.map(({ path, shape }) => [path, shape])));
  return { builder, trace };
}
