/** The cells by hand: one unit, two steps, the equations written out. */
import { gru } from '../../../lib/ops/recurrent/gru';
import { rnn } from '../../../lib/ops/recurrent/rnn';
import { slstm } from '../../../lib/ops/recurrent/slstm';
import { evaluate, writeOp } from '../../support/evaluate';
import { floats } from '../../support/random';

const sigma = (z: number) => 1 / (1 + Math.exp(-z));
const [wr, wz, wn, ur, uz, un, br, bz, bn, cr, cz, cn] = [
  ...[0.5, -0.3, 0.8, 0.1, 0.4, -0.6, 0.05, 1, -0.1, 0.3, -0.2, 0.7],
] as [number, number, number, number, number, number, number, number, number, number, number, number];

test.each([true, false])('one gru unit over two steps is what the equations give by hand (after %p)', (after) => {
  let h = 0.25;
  const expected = [1, -2].map((x) => {
    const r = sigma(wr * x + br + ur * h + cr);
    const z = sigma(wz * x + bz + uz * h + cz);
    const n = Math.tanh(wn * x + bn + (after ? r * (un * h + cn) : un * (r * h) + cn));
    h = (1 - z) * n + z * h;
    return h;
  });
  const values = {
    x: floats([2, 1, 1], [1, -2]),
    h0: floats([1, 1], [0.25]),
    weight_ih: floats([3, 1], [wr, wz, wn]),
    weight_hh: floats([3, 1], [ur, uz, un]),
    bias_ih: floats([3], [br, bz, bn]),
    bias_hh: floats([3], [cr, cz, cn]),
  };
  const { y, h_n } = evaluate(values, writeOp(gru, { reverse: false, reset_after: after, gate_clip: 0 }));
  expected.forEach((value, t) => expect(y!.data[t]).toBeCloseTo(value, 14));
  expect(h_n!.data[0]).toBe(y!.data[1]);
});

test.each([true, false])('one rnn unit over two steps is what the equation gives by hand (relu %p)', (relu) => {
  let h = 0.25;
  const expected = [1, -2].map((x) => {
    const z = wn * x + bn + un * h + cn;
    h = relu ? Math.max(0, z) : Math.tanh(z);
    return h;
  });
  const values = {
    x: floats([2, 1, 1], [1, -2]),
    h0: floats([1, 1], [0.25]),
    weight_ih: floats([1, 1], [wn]),
    weight_hh: floats([1, 1], [un]),
    bias_ih: floats([1], [bn]),
    bias_hh: floats([1], [cn]),
  };
  const { y } = evaluate(values, writeOp(rnn, { reverse: false, relu, gate_clip: 0 }));
  expected.forEach((value, t) => expect(y!.data[t]).toBeCloseTo(value, 14));
});

test.each([false, true])('one slstm unit over two steps is what the equations give by hand (exponential %p)', (exp) => {
  const [wi, wf, wg, wo, ui, uf, ug, uo] = [wr, wz, wn, 0.2, ur, uz, un, -0.9];
  const [ci, cf, cg, co] = [br + cr, bz + cz, bn + cn, 0.35];
  const one = (value: number) => floats([1, 1], [value]);
  let [h, c, n, m] = [0.25, -0.4, 0.8, 0.6];
  const expected = [1, -2].map((x) => {
    const [input, forget] = [wi * x + ui * h + ci, wf * x + uf * h + cf];
    const kept = (exp ? forget : Math.log(sigma(forget))) + m;
    const next = Math.max(input, kept);
    const [i, f] = [Math.exp(input - next), Math.exp(kept - next)];
    c = f * c + i * Math.tanh(wg * x + ug * h + cg);
    n = f * n + i;
    m = next;
    h = (sigma(wo * x + uo * h + co) * c) / n;
    return h;
  });
  const values = {
    ...{ x: floats([2, 1, 1], [1, -2]), h0: one(0.25), c0: one(-0.4), n0: one(0.8), m0: one(0.6) },
    weight_ih: floats([4, 1], [wi, wf, wg, wo]),
    weight_hh: floats([4, 1], [ui, uf, ug, uo]),
    bias_ih: floats([4], [br, bz, bn, 0.35]),
    bias_hh: floats([4], [cr, cz, cn, 0]),
  };
  const { y, c_n, n_n, m_n } = evaluate(values, writeOp(slstm, { reverse: false, exponential_forget: exp }));
  expected.forEach((value, t) => expect(y!.data[t]).toBeCloseTo(value, 14));
  [c_n, n_n, m_n].forEach((state, k) => expect(state!.data[0]).toBeCloseTo([c, n, m][k]!, 14));
});
