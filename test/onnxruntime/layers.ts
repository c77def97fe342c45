/** What a layer of ours makes of a case. */
import { Module, type Gru, type Inputs, type Lstm, type OutputTensor, type Variable } from '../../lib';
import type { BackendName } from '../support/eachBackend';
import { ints } from '../support/models';
import { rowOf, stackArrays, type FloatArray } from '../support/onnxRecurrent';
import type { Case, Contestant, Results } from './cases';

type InputName = 'input' | 'h_0' | 'c_0' | 'lengths';

/** The layer alone, with its initial state among the inputs. */
class Alone extends Module {
  override readonly inputShapes = { h_0: ['L', 'B', 'H'], c_0: ['L', 'B', 'H'] };
  private readonly layer;

  constructor({ layer }: Contestant, { H, parameters, direction }: Case, backend: BackendName) {
    super({ backend });
    this.layer = layer(H, { bidirectional: direction !== 'forward', bias: parameters[0]!.bias_ih !== undefined });
  }

  override forward({ input, h_0, c_0, lengths }: Partial<Inputs<InputName>>): Record<string, Variable> {
    const initialState = h_0 && { hiddenState: h_0, ...(c_0 && { cellState: c_0 }) };
    const call = this.layer as (x: Variable, options: object) => ReturnType<Gru> & Partial<ReturnType<Lstm>>;
    const { output, hiddenState, cellState } = call(input!, { lengths, ...(initialState && { initialState }) });
    return { output, h_n: hiddenState, ...(cellState && { c_n: cellState }) };
  }
}

/** What the layer computes. A reverse layer is the second half of a bidirectional one. */
export async function compute(contestant: Contestant, given: Case, backend: BackendName): Promise<Results[]> {
  const { direction, parameters, lengths, x, h0, c0 } = given;
  const cells = direction === 'reverse' ? [parameters[0]!, ...parameters] : parameters;
  const both = (states: readonly FloatArray[]) =>
    stackArrays(direction === 'reverse' ? [states[0]!, ...states] : states);
  const inputs = { input: x, ...(h0 && { h_0: both(h0) }), ...(c0 && { c_0: both(c0) }) };
  const batch = { inputs, ...(lengths && { lengths: ints(lengths) }) };
  const model = new Alone(contestant, given, backend);
  try {
    model.bind(batch);
    await model.loadStateDict(
      Object.fromEntries(
        cells.flatMap((cell, index) =>
          Object.entries(cell).map(([name, value]) => [
            `layer.${name}_l0${index ? '_reverse' : ''}`,
            value as FloatArray,
          ]),
        ),
      ),
    );
    const { output, ...states }: Readonly<Record<string, OutputTensor>> = await model.predict(batch);
    const wanted = cells.map((_, index) => index).slice(-parameters.length);
    return wanted.map((index) => ({
      output: columnBlock(output!, index, given.H),
      ...Object.fromEntries(Object.entries(states).map(([name, state]) => [name, rowOf(state, index)])),
    }));
  } finally {
    model.dispose();
  }
}

/** Columns from index·size on, of the last axis. */
function columnBlock({ shape, data }: FloatArray, index: number, size: number): FloatArray {
  const width = shape.at(-1)!;
  return {
    shape: [...shape.slice(0, -1), size],
    data: data.filter((_, k) => Math.floor((k % width) / size) === index),
  };
}
