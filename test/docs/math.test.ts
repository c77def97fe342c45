import type { View } from '../../lib/ops/op';
import { gatesOf, lstmCell, lstmCellBackward } from '../../lib/ops/recurrent/lstmCell';
import { Random } from '../support/random';

// The derivative ∂c_t/∂c_{t-1} of docs/math.md: f_t, and the further terms through h_{t-1}.

const H = 4;
const I = 3;
const random = new Random(5);
const normal = (...shape: number[]): Float64Array => random.normal(...shape).data;
const view = (...shape: number[]): View => ({ data: normal(...shape), shape });
const weights = { weight_ih: view(4 * H, I), weight_hh: view(4 * H, H), bias_ih: view(4 * H), bias_hh: view(4 * H) };
const x = normal(I);
const previous = { c: normal(H), o: normal(H).map((z) => 1 / (1 + Math.exp(-z))) };

/** Step t from c_{t-1}, with h_{t-1} = o_{t-1} ⊙ tanh(c_{t-1}). */
function step(c: Float64Array) {
  const next = { gates: new Float64Array(4 * H), h: new Float64Array(H), c: new Float64Array(H) };
  lstmCell(weights, { x, h: c.map((value, j) => previous.o[j]! * Math.tanh(value)), c }, next);
  return next;
}

/** Row j, column k: ∂c_t[j]/∂c_{t-1}[k], as the document writes it. */
function formula(): number[][] {
  const { gates } = step(previous.c);
  const U = (gate: number, j: number, k: number) => weights.weight_hh.data[(gate * H + j) * H + k]!;
  return Array.from({ length: H }, (_, j) =>
    Array.from({ length: H }, (_, k) => {
      const [i, f, g] = gatesOf(gates, j);
      const direct = j === k ? f : 0;
      const throughGates =
        previous.c[j]! * f * (1 - f) * U(1, j, k) + g * i * (1 - i) * U(0, j, k) + i * (1 - g * g) * U(2, j, k);
      return direct + throughGates * previous.o[k]! * (1 - Math.tanh(previous.c[k]!) ** 2);
    }),
  );
}

/** |a - b| where both are of the order of 1: rounding in double precision is far below, a missing term far above. */
const largestDifference = (a: number[][], b: number[][]) =>
  Math.max(...a.flatMap((row, j) => row.map((value, k) => Math.abs(value - b[j]![k]!))));

test('the derivative of c_t by c_{t-1} is f_t and the further terms, by finite differences', () => {
  const epsilon = 1e-6;
  const moved = (k: number, by: number) => step(previous.c.map((value, j) => (j === k ? value + by : value))).c;
  const columns = Array.from({ length: H }, (_, k) => {
    const [above, below] = [moved(k, epsilon), moved(k, -epsilon)];
    return Array.from(above, (value, j) => (value - below[j]!) / (2 * epsilon));
  });
  const differences = Array.from({ length: H }, (_, j) => columns.map((column) => column[j]!));
  expect(largestDifference(formula(), differences)).toBeLessThan(1e-8);
});

test('the backward cell multiplies with that derivative: dc by f_t, and dh by the further terms', () => {
  const { gates, c: nextC } = step(previous.c);
  const rows = Array.from({ length: H }, (_, j) => {
    const dc = new Float64Array(H);
    dc[j] = 1;
    const dz = new Float64Array(4 * H);
    lstmCellBackward({ gates, c: previous.c, nextC }, new Float64Array(H), dc, { dz, dcells: new Float64Array(H) });
    return Array.from(dc, (direct, k) => {
      const dh = dz.reduce((sum, dzRow, row) => sum + dzRow * weights.weight_hh.data[row * H + k]!, 0);
      return direct + dh * previous.o[k]! * (1 - Math.tanh(previous.c[k]!) ** 2);
    });
  });
  expect(largestDifference(formula(), rows)).toBeLessThan(1e-14);
});
