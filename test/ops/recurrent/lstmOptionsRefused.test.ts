import { lstm } from '../../../lib/ops/recurrent/lstm';
import { lstmKind, plainLstm, type LstmKindAttributes } from '../../../lib/ops/recurrent/lstmKind';
import { checkGradient } from '../../support/checkGradient';
import { evaluate, writeOp } from '../../support/evaluate';
import { lstmWith } from '../../support/lstmOptions';
import { Random } from '../../support/random';

const sizes = { T: 4, B: 3, I: 2, H: 3, P: 2 };
const write = (kind: LstmKindAttributes) => writeOp(lstm, { reverse: false, ...kind });

describe('what has no meaning is refused', () => {
  const { values } = lstmWith([], sizes);
  const run =
    (kind: LstmKindAttributes, extra = {}) =>
    () =>
      evaluate({ ...values, ...extra }, write(kind));

  test('coupled gates without an input gate', () => {
    expect(run(lstmKind({ input: 'one', forget: 'coupled' }))).toThrow('would always be 0');
  });

  test('a candidate, or a cell, that is always 1', () => {
    expect(run(lstmKind({ candidate: 'one' }))).toThrow("only a gate can be 'one'");
    expect(run(lstmKind({ cell: 'coupled' }))).toThrow("only the forget gate 'coupled'");
  });

  test.each([-1, NaN, Infinity])('a clip of %p', (clip) => {
    expect(run(lstmKind({}, clip))).toThrow('cell_clip: expected a positive number');
    expect(run(lstmKind({}, 0, clip))).toThrow('gate_clip: expected a positive number');
  });

  test('activations that are not five known ones', () => {
    expect(run({ activations: [0, 0, 1, 0], cell_clip: 0, gate_clip: 0 })).toThrow('expected 5 numbers');
    expect(run({ activations: [0, 0, 1, 0, 9], cell_clip: 0, gate_clip: 0 })).toThrow('expected 5 numbers');
  });

  test('full gate recurrence without a gate, and gates of a step before that nothing sees', () => {
    const none = lstmKind({ input: 'one', forget: 'one', output: 'one' });
    const weight_gate = new Random(1).normal(9, 9);
    expect(run(none, { weight_gate })).toThrow('weight_gate: expected an input, forget or output gate');
    expect(run(plainLstm, { g0: new Random(1).normal(3, 9) })).toThrow('g0: without weight_gate no gate sees gates');
  });

  test('layer normalization in part', () => {
    expect(run(plainLstm, { weight_ln_c: new Random(1).normal(3) })).toThrow(
      'weight_ln_ih: layer normalization needs all four of weight_ln_ih, weight_ln_hh, weight_ln_c, bias_ln_c',
    );
  });

  test('a gradient through gates that do not recur', () => {
    expect(() => checkGradient(values, write(plainLstm), { on: ['g_n'] })).toThrow('g_n without weight_gate');
  });

  test.each([
    ['weight_gate', [9, 3], 'weight_gate: expected [9, 9], received [9, 3]'],
    ['g0', [3, 3], 'g0: expected [3, 9], received [3, 3]'],
    ['weight_ln_hh', [3], 'weight_ln_hh: expected [12], received [3]'],
    ['bias_ln_c', [4], 'bias_ln_c: expected [3], received [4]'],
  ])('a %s of another shape', (slot, shape, message) => {
    const { values: whole, kind } = lstmWith(['full gate recurrence', 'layer normalization'], sizes);
    const wrong = { ...whole, [slot]: new Random(1).normal(...shape) };
    expect(() => evaluate(wrong, write(kind))).toThrow(message);
  });

  test.each([
    ['weight_peephole', [4], 'weight_peephole: expected [9], received [4]'],
    ['keep_cell', [3, 3], 'keep_cell: expected [4, 3, 3], received [3, 3]'],
    ['keep_hidden', [2], 'keep_hidden: expected [3], received [2]'],
    ['hidden_mask', [3, 2], 'hidden_mask: expected [3, 3], received [3, 2]'],
    ['weight_hr', [2, 3], 'weight_hr: expected [3, 3], received [2, 3]'],
  ])('a %s of another shape', (slot, shape, message) => {
    expect(run(plainLstm, { [slot]: new Random(1).normal(...shape) })).toThrow(message);
  });
});
