/** What a layer of ours makes of a case. */
import type { OutputTensor } from '../../lib';
import { BareRecurrent } from '../support/bareRecurrent';
import type { BackendName } from '../support/eachBackend';
import { ints } from '../support/models';
import { stackArrays, type FloatArray } from '../support/onnxRecurrent';
import { columns, rowOf } from '../support/slices';
import type { Case, Contestant, Results } from './cases';

/** What the layer computes. A reverse layer is the second half of a bidirectional one. */
export async function compute(contestant: Contestant, given: Case, backend: BackendName): Promise<Results[]> {
  const { direction, parameters, lengths, x, h0, c0 } = given;
  const cells = direction === 'reverse' ? [parameters[0]!, ...parameters] : parameters;
  const both = (states: readonly FloatArray[]) =>
    stackArrays(direction === 'reverse' ? [states[0]!, ...states] : states);
  const inputs = { input: x, ...(h0 && { h_0: both(h0) }), ...(c0 && { c_0: both(c0) }) };
  const batch = { inputs, ...(lengths && { lengths: ints(lengths) }) };
  const bias = parameters[0]!.bias_ih !== undefined;
  const layer = contestant.layer(given.H, { bidirectional: direction !== 'forward', bias });
  const model = new BareRecurrent(layer, { backend });
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
      output: columns(output!, index * given.H, (index + 1) * given.H),
      ...Object.fromEntries(Object.entries(states).map(([name, state]) => [name, rowOf(state, index)])),
    }));
  } finally {
    model.dispose();
  }
}
