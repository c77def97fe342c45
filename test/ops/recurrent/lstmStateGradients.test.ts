import { lstm } from '../../../lib/ops/recurrent/lstm';
import { recurrentGates } from '../../../lib/ops/recurrent/lstmVariant';
import { evaluate, writeOp, type Values, type Variables } from '../../support/evaluate';
import { lstmOptionPairs, lstmOptions, lstmWith, writeStateGradients } from '../../support/lstmOptions';
import { floats, integers, Random, type Tensor } from '../../support/random';

/**
 * What reaches h_t and c_t is compared with finite differences. A share of zoneout moves one of them and nothing else:
 * c_t = k ⊙ c_{t-1} + (1 - k) ⊙ c̃_t, so that the derivative by k is the gradient of c_t times c_{t-1} - c̃_t; and h alike.
 */
const sizes = { T: 3, B: 3, I: 2, H: 3, P: 2 };
const { T, B, H } = sizes;
const lengths = integers([B], [3, 1, 2]);
const epsilon = 1e-6;

interface Setting {
  /** With shares for each element, 0 where an option gives none. */
  readonly values: Values;
  readonly cotangents: Values;
  readonly attributes: ReturnType<typeof lstmWith>['kind'] & { readonly reverse: boolean };
}

function setUp(names: readonly string[], reverse: boolean): Setting {
  const { values, kind } = lstmWith(names, sizes);
  const size = values.h0!.shape[1]!;
  const random = new Random(5);
  const everywhere = (share: Tensor | undefined, width: number) =>
    floats(
      [T, B, width],
      Float64Array.from({ length: T * B * width }, (_, k) => {
        if (!share) return 0;
        return share.data[share.shape.length === 1 ? k % width : k]!;
      }),
    );
  const shares = { keep_hidden: everywhere(values.keep_hidden, size), keep_cell: everywhere(values.keep_cell, H) };
  const dg_n = { dg_n: random.normal(B, recurrentGates.length * H) };
  const cotangents = { dy: random.normal(T, B, size), dh_n: random.normal(B, size), dc_n: random.normal(B, H) };
  return {
    values: { ...values, ...shares, lengths },
    cotangents: { ...cotangents, ...(values.weight_gate ? dg_n : {}) },
    attributes: { reverse, ...kind },
  };
}

const forward = ({ attributes }: Setting, values: Values) => evaluate(values, writeOp(lstm, attributes));

function loss(setting: Setting, values: Values): number {
  const outputs = forward(setting, values);
  const places = { dy: 'y', dh_n: 'h_n', dc_n: 'c_n', dg_n: 'g_n' } as const;
  return Object.entries(setting.cotangents).reduce((sum, [name, { data }]) => {
    const result = outputs[places[name as keyof typeof places]]!.data;
    return Array.from(data).reduce((total, d, k) => total + d * result[k]!, sum);
  }, 0);
}

function stateGradients({ values, cotangents, attributes }: Setting) {
  const inputs = (all: Variables) => Object.fromEntries(Object.keys(values).map((name) => [name, all[name]!]));
  const arriving = (all: Variables) => Object.fromEntries(Object.keys(cotangents).map((name) => [name, all[name]!]));
  return evaluate({ ...values, ...cotangents }, (all, emit) =>
    writeStateGradients(inputs(all), writeOp(lstm, attributes)(inputs(all), emit), arriving(all), attributes, emit),
  );
}

/** ∂loss/∂share of every element, by central differences. */
function byShare(setting: Setting, slot: 'keep_hidden' | 'keep_cell'): number[] {
  const { data, shape } = setting.values[slot]!;
  return Array.from(data, (_, index) => {
    const moved = (by: number) => {
      const share = Float64Array.from(data, (value, k) => (k === index ? value + by : value));
      return loss(setting, { ...setting.values, [slot]: floats(shape, share) });
    };
    return (moved(epsilon) - moved(-epsilon)) / (2 * epsilon);
  });
}

/** What h and c were before each step, and what they would have become without zoneout; null past a length. */
function changes(setting: Setting) {
  const { values, attributes } = setting;
  const { y, cells, gates, unprojected } = forward(setting, values);
  const size = values.h0!.shape[1]!;
  const at = (array: { readonly data: ArrayLike<number> }, row: number, width: number, j: number) =>
    array.data[row * width + j]!;
  const before = (sequence: typeof y, initial: Tensor, t: number, b: number, width: number, j: number) => {
    const previous = attributes.reverse ? t + 1 : t - 1;
    return previous < 0 || previous >= lengths.data[b]!
      ? at(initial, b, width, j)
      : at(sequence!, previous * B + b, width, j);
  };
  const clip = (c: number) =>
    attributes.cell_clip > 0 ? Math.min(Math.max(c, -attributes.cell_clip), attributes.cell_clip) : c;
  const of = (width: number, change: (t: number, b: number, j: number) => number) =>
    Array.from({ length: T * B * width }, (_, k) => {
      const [t, b, j] = [Math.floor(k / (B * width)), Math.floor(k / width) % B, k % width];
      return t < lengths.data[b]! ? change(t, b, j) : null;
    });
  const c = of(H, (t, b, j) => {
    const [i, f, g] = [0, 1, 2].map((gate) => at(gates!, t * B + b, 4 * H, gate * H + j));
    const old = before(cells, values.c0!, t, b, H, j);
    return old - clip(f! * old + i! * g!);
  });
  const h = of(size, (t, b, p) => {
    const row = Array.from({ length: H }, (_, j) => at(unprojected!, t * B + b, H, j));
    const { weight_hr } = values;
    const projected = weight_hr ? row.reduce((sum, v, j) => sum + v * weight_hr.data[p * H + j]!, 0) : row[p]!;
    return before(y, values.h0!, t, b, size, p) - projected;
  });
  return { h, c };
}

function check(names: readonly string[], reverse: boolean): void {
  const setting = setUp(names, reverse);
  const { dh, dcells } = stateGradients(setting);
  const { h, c } = changes(setting);
  const compare = (received: ArrayLike<number>, change: readonly (number | null)[], differences: readonly number[]) =>
    change.forEach((by, k) => {
      if (by === null) return expect(received[k]).toBe(0);
      const [rule, difference] = [received[k]! * by, differences[k]!];
      expect(Math.abs(rule - difference)).toBeLessThan(1e-5 + 1e-3 * Math.abs(difference));
    });
  compare(dh!.data, h, byShare(setting, 'keep_hidden'));
  compare(dcells!.data, c, byShare(setting, 'keep_cell'));
}

test.each([[], ...Object.keys(lstmOptions).map((name) => [name])])(
  'all that reaches h and c meets finite differences, in both directions, with %s',
  (...names: string[]) => {
    check(names, false);
    check(names, true);
  },
);

test('in every pair of options that composes', () => {
  for (const pair of lstmOptionPairs) check(pair, false);
});

test('without zoneout dh is what the projection gives, and at the last step it is dy and dh_n', () => {
  const setting = setUp([], false);
  const { dh } = stateGradients(setting);
  const { dy, dh_n } = setting.cotangents;
  for (let j = 0; j < H; j++) {
    const last = (lengths.data[0]! - 1) * B * H + j;
    expect(dh!.data[last]).toBeCloseTo(dy!.data[last]! + dh_n!.data[j]!, 14);
  }
});
