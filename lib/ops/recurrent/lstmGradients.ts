import { concat } from '../layout/concat';
import { slice } from '../layout/slice';
import { linearBackwardWeight } from '../linear';
import type { Attributes, Emit, Variable } from '../op';
import { inputGradients } from './cell';
import { maskHidden } from './hiddenRegularizers';
import { lstmBackward, type lstmGradientSlots } from './lstmBackward';
import { lstmBackwardNorm, lstmBackwardPeephole, lstmBackwardWeight } from './lstmBackwardWeight';
import { lstmGates } from './lstmCell';

/** Slots of the ops that have an LSTM's gradient, over a sequence. */
export type LstmOperand =
  | 'x'
  | 'h0'
  | 'c0'
  | 'weight_ih'
  | 'weight_hh'
  | 'bias_ih'
  | 'bias_hh'
  | 'weight_peephole'
  | 'weight_hr'
  | 'keep_hidden'
  | 'keep_cell'
  | 'hidden_mask'
  | 'g0'
  | 'weight_gate'
  | 'weight_ln_ih'
  | 'weight_ln_hh'
  | 'weight_ln_c'
  | 'bias_ln_c'
  | 'lengths';
export type LstmOperands = Record<LstmOperand, Variable | null> & Record<'x' | 'weight_ih' | 'weight_hh', Variable>;
type Normalized = Record<'normalized_ih' | 'normalized_hh' | 'normalized_c' | 'scales', Variable>;
export type LstmOutputs = Record<'y' | 'gates' | 'cells' | 'unprojected' | 'recurred' | 'bounds', Variable> &
  Normalized;

export type Arriving = Record<'dy' | 'dh_n' | 'dc_n' | 'dg_n', Variable | null>;
type LstmAttributes = Attributes<typeof lstmBackward.attributes>;

/** The gradient rule over a sequence: what has to go step by step, then sums over all steps. */
export function lstmGradients(
  operands: LstmOperands,
  outputs: LstmOutputs,
  arriving: Arriving,
  attributes: LstmAttributes,
  wants: (operand: LstmOperand) => boolean,
  emit: Emit,
) {
  const given = { ...backwardOperands(operands, outputs, arriving, attributes), lengths: operands.lengths };
  return lstmSums(emit(lstmBackward, given, attributes), operands, outputs, attributes, wants, emit);
}

/** What the steps in reverse are given, but for the lengths. */
export function backwardOperands(
  operands: LstmOperands,
  { gates, cells, bounds, normalized_ih, normalized_hh, normalized_c, scales }: LstmOutputs,
  arriving: Arriving,
  { gate_clip }: LstmAttributes,
) {
  const { c0, weight_hh, weight_peephole, weight_hr, weight_gate, keep_hidden, keep_cell, hidden_mask } = operands;
  const { weight_ln_ih, weight_ln_hh, weight_ln_c, bias_ln_c } = operands;
  const options = { weight_peephole, weight_hr, keep_hidden, keep_cell, hidden_mask, weight_gate };
  const gains = { weight_ln_ih, weight_ln_hh, weight_ln_c, bias_ln_c };
  const saved = {
    bounds: gate_clip > 0 ? bounds : null,
    ...(weight_ln_c ? { normalized_ih, normalized_hh, normalized_c, scales } : {}),
  };
  return { ...arriving, gates, cells, c0, weight_hh, ...options, ...gains, ...saved };
}

/** The gradients of operands from those that the steps in reverse made. */
export function lstmSums(
  made: Record<keyof typeof lstmGradientSlots, Variable>,
  operands: LstmOperands,
  outputs: LstmOutputs,
  { reverse }: LstmAttributes,
  wants: (operand: LstmOperand) => boolean,
  emit: Emit,
) {
  const { x, h0, c0, g0, weight_ih, weight_peephole, weight_hr, weight_gate, weight_ln_c, hidden_mask, lengths } =
    operands;
  const { y, cells, unprojected, recurred, normalized_ih, normalized_hh, normalized_c } = outputs;
  const { dgates, dh0, dc0, dg0, dprojected, dvisible } = made;
  const { dinput, drecurrent } = weight_ln_c ? made : { dinput: dgates, drecurrent: dgates };
  const masked = (h: Variable) => maskHidden(h, hidden_mask, emit);
  const norm =
    weight_ln_c && (['weight_ln_ih', 'weight_ln_hh', 'weight_ln_c', 'bias_ln_c'] as const).some((slot) => wants(slot))
      ? emit(lstmBackwardNorm, { dgates, dvisible, normalized_ih, normalized_hh, normalized_c }, {})
      : null;
  return {
    ...affineGradients({ dgates, dinput }, { x, weight_ih, lengths }, wants, emit),
    h0: dh0,
    c0: dc0,
    g0: dg0,
    weight_hh: wants('weight_hh')
      ? emit(lstmBackwardWeight, { dgates: drecurrent, y: masked(y), h0: h0 && masked(h0), lengths }, { reverse })
          .dweight_hh
      : null,
    weight_peephole:
      weight_peephole && wants('weight_peephole')
        ? emit(lstmBackwardPeephole, { dgates, cells, c0, lengths }, { reverse }).dweight_peephole
        : null,
    weight_hr:
      weight_hr && wants('weight_hr')
        ? emit(linearBackwardWeight, { dy: dprojected, x: unprojected, lengths }, {}).dweight
        : null,
    weight_gate:
      weight_gate && wants('weight_gate') ? gateWeight(drecurrent, recurred, g0, lengths, reverse, emit) : null,
    weight_ln_ih: norm && norm.dweight_ln_ih,
    weight_ln_hh: norm && norm.dweight_ln_hh,
    weight_ln_c: norm && norm.dweight_ln_c,
    bias_ln_c: norm && norm.dbias_ln_c,
  };
}

/** Biases are added after layer normalization, what x is multiplied with before. */
function affineGradients(
  { dgates, dinput }: { readonly dgates: Variable; readonly dinput: Variable },
  input: { readonly x: Variable; readonly weight_ih: Variable; readonly lengths: Variable | null },
  wants: (operand: LstmOperand) => boolean,
  emit: Emit,
) {
  const isBias = (operand: string) => operand.startsWith('bias');
  const { bias_ih, bias_hh } = inputGradients(dgates, input, (slot) => isBias(slot) && wants(slot), emit);
  const ofInput = inputGradients(dinput, input, (slot) => !isBias(slot) && wants(slot), emit);
  return { ...ofInput, bias_ih, bias_hh };
}

/** dweight_gate [3H, 3H]: the same sum as that of weight_hh, without the rows of the candidate, which sees no gates. */
function gateWeight(
  drecurrent: Variable,
  recurred: Variable,
  g0: Variable | null,
  lengths: Variable | null,
  reverse: boolean,
  emit: Emit,
): Variable {
  const { dweight_hh } = emit(lstmBackwardWeight, { dgates: drecurrent, y: recurred, h0: g0, lengths }, { reverse });
  const H = (dweight_hh.type.shape[0] as number) / 4;
  const rows = (begin: number, end: number) =>
    emit(slice, { x: dweight_hh }, { axis: 0, begin: begin * H, end: end * H }).y;
  return emit(concat, { x: [rows(0, lstmGates.candidate), rows(lstmGates.output, 4)] }, { axis: 0 }).y;
}
