/** What ONNX Runtime makes of a case. */
import { ints } from '../support/models';
import { stackArrays, toOnnx, type FloatArray } from '../support/onnxRecurrent';
import { rowOf, swapLeadingAxes } from '../support/slices';
import type { Case, Contestant, OnnxActivation, Results } from './cases';
import type { OnnxNode, OnnxTensor } from './onnxModel';
import { runOnnx } from './runtime';

export async function judge(contestant: Contestant, given: Case): Promise<Results[]> {
  const results = await runOnnx(nodeOf(contestant, given));
  return given.parameters.map((_, direction) => {
    // Y is [T,D,B,H]; its states are [D,B,H].
    const steps = Array.from({ length: given.T }, (_, t) => rowOf(rowOf(results.Y!, t), direction));
    const state = (name: 'h_n' | 'c_n', from: 'Y_h' | 'Y_c', initial: Case['h0']) =>
      results[from] && { [name]: startedOnly(rowOf(results[from], direction), given, initial?.[direction]) };
    return {
      output: swapLeadingAxes(stackArrays(steps)),
      ...state('h_n', 'Y_h', given.h0),
      ...state('c_n', 'Y_c', given.c0),
    };
  });
}

/** Where a sequence has no step, ONNX Runtime's last state is 0. Ours is the initial state. */
function startedOnly(state: FloatArray, { lengths }: Case, initial: FloatArray | undefined): FloatArray {
  const data = state.data.slice();
  lengths?.forEach((length, b) => {
    if (length > 0) return;
    expect(rowOf(state, b).data.every((value) => value === 0)).toBe(true);
    if (initial) data.set(rowOf(initial, b).data, b * state.shape[1]!);
  });
  return { shape: state.shape, data };
}

/** ONNX's inputs and outputs are in the order of the operator's definition. */
function nodeOf({ cell, attributes, activations = [], standIn }: Contestant, given: Case): OnnxNode {
  const { T, B, I, H, direction, x, h0, c0, lengths } = given;
  const parameters = toOnnx(cell, standIn ? given.parameters.map(standIn) : given.parameters);
  const floats = (name: string, array: FloatArray | null | undefined) =>
    array ? ([name, { dtype: 'float32', ...array }] as const) : null;
  const states = (name: string, each: Case['h0']) => floats(name, each && stackArrays(each));
  const sequenceLengths: OnnxTensor | null = lengths && { dtype: 'int32', ...ints(lengths) };
  const isLstm = cell === 'LSTM';
  return {
    operator: cell,
    attributes: {
      direction,
      hidden_size: H,
      ...activationAttributes(given.parameters.flatMap(() => activations)),
      ...attributes,
    },
    inputs: [
      floats('X', swapLeadingAxes({ shape: [B, T, I], data: x.data })),
      floats('W', parameters.W),
      floats('R', parameters.R),
      floats('B', parameters.B),
      sequenceLengths && (['sequence_lens', sequenceLengths] as const),
      states('initial_h', h0),
      ...(isLstm ? [states('initial_c', c0), floats('P', parameters.P)] : []),
    ],
    outputs: ['Y', 'Y_h', ...(isLstm ? ['Y_c'] : [])],
  };
}

/** Of all directions. A function without parameters has no place in the lists of α and β. */
function activationAttributes(activations: readonly OnnxActivation[]): OnnxNode['attributes'] {
  if (activations.length === 0) return {};
  const numbers = (which: 'alpha' | 'beta') =>
    activations.map(({ [which]: value }) => value).filter((value) => value !== undefined);
  const [activation_alpha, activation_beta] = [numbers('alpha'), numbers('beta')];
  return {
    activations: activations.map(({ name }) => name),
    ...(activation_alpha.length > 0 && { activation_alpha, activation_beta }),
  };
}
