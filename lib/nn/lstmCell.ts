/** What layers with an LSTM's cell share: its states and its parameters. */
import { lstmGates } from '../ops/recurrent/lstm';
import { peepholeGates, recurrentGates } from '../ops/recurrent/lstmVariant';
import { constant, withForgetBias } from './initializer';
import { lstmOptionNames, type LstmCell, type LstmCellOptions } from './lstmOptions';
import type { CellCall, CellKind } from './recurrent';
import { cellRegularizers } from './regularizers';

export type LstmStateNames = 'hiddenState' | 'cellState' | 'gateState';

const states: readonly LstmStateNames[] = ['hiddenState', 'cellState'];

/** What a layer says of its cell; `options` have not been checked yet, and a file may hold none. */
export const lstmCellKind = (
  hiddenSize: number,
  options: LstmCellOptions | null,
): Omit<CellKind<LstmStateNames>, 'kind'> & { readonly options: readonly string[] } => ({
  states: options?.fullGateRecurrence === true || options?.variant === 'FGR' ? [...states, 'gateState'] : states,
  stateBlocks: { gateState: recurrentGates.length },
  gateCount: 4,
  options: lstmOptionNames,
  // Both are called when the options have been checked.
  outputSize: () => options?.projSize ?? hiddenSize,
  biasInitializer: (name, others) => withForgetBias(options?.forgetBias, name, others, lstmGates.forget, hiddenSize),
});

/** The operands of an op with this cell: x, the states, and the parameters of one layer in one direction. */
export function lstmOperands(call: CellCall<LstmStateNames>, hiddenSize: number, cell: LstmCell) {
  const { x, initial, weights, lengths, parameter } = call;
  const { peepholes, projSize, fullGateRecurrence, layerNorm, regularizers } = cell;
  const { hiddenState: h0, cellState: c0, gateState: g0 } = initial;
  const H = hiddenSize;
  const gates = recurrentGates.length * H;
  const norm = (name: string, size: number, value: number) =>
    layerNorm ? parameter(name, [size], constant(value)) : null;
  return {
    ...{ x, h0, c0, ...weights, lengths },
    weight_peephole: peepholes ? parameter('weight_peephole', [peepholeGates.length * H]) : null,
    weight_hr: projSize === null ? null : parameter('weight_hr', [projSize, H]),
    weight_gate: fullGateRecurrence ? parameter('weight_gate', [gates, gates]) : null,
    g0: fullGateRecurrence ? g0 : null,
    weight_ln_ih: norm('weight_ln_ih', 4 * H, 1),
    weight_ln_hh: norm('weight_ln_hh', 4 * H, 1),
    weight_ln_c: norm('weight_ln_c', H, 1),
    bias_ln_c: norm('bias_ln_c', H, 0),
    ...cellRegularizers(x, regularizers, { hiddenSize: H, outputSize: projSize ?? H }),
  };
}
