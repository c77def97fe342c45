/** Every recurrent layer that ONNX has an operator for computes what ONNX Runtime computes. */
import { eachBackend } from '../support/eachBackend';
import { float32Bound, relativeDistance } from '../support/expectClose';
import { onnxGates, permuteBlocks, type CellParameters } from '../support/onnxRecurrent';
import { drawCase, nameOf, type Case, type Contestant, type Results } from './cases';
import { contestants } from './contestants';
import { judge } from './judge';
import { compute } from './layers';

const casesEach = 6;

const cases = Object.entries(contestants).flatMap(([name, contestant], index) =>
  Array.from({ length: casesEach }, (_, k) => {
    const given = drawCase(contestant, 100 * index + k);
    return [name, nameOf(given), contestant, given] as const;
  }),
);

/** Our parameters with blocks `a` and `b` of the named arrays taken for each other. */
const swapped =
  (names: readonly (keyof CellParameters)[], blocks: number, a: number, b: number) =>
  (given: Case): Case => {
    const order = Array.from({ length: blocks }, (_, k) => (k === a ? b : k === b ? a : k));
    const swap = (parameters: CellParameters) => {
      const wrong = names.map((name) => [name, parameters[name] && permuteBlocks(parameters[name], order)] as const);
      return { ...parameters, ...Object.fromEntries(wrong.filter(([, array]) => array)) };
    };
    return { ...given, parameters: given.parameters.map(swap) };
  };

/** What a comparison on these cases has to notice. */
function mistakesOf({ cell, peepholes }: Contestant): Record<string, (given: Case) => Case> {
  const gates = onnxGates[cell].length;
  const arrays = ['weight_ih', 'weight_hh', 'bias_ih', 'bias_hh'] as const;
  const pairs = (count: number) => Array.from({ length: count - 1 }, (_, k) => [k, k + 1] as const);
  return {
    ...Object.fromEntries(pairs(gates).map(([a, b]) => [`gates ${a} and ${b}`, swapped(arrays, gates, a, b)])),
    ...(peepholes &&
      Object.fromEntries(pairs(3).map(([a, b]) => [`peepholes ${a} and ${b}`, swapped(['weight_peephole'], 3, a, b)]))),
    'initial states': (given) => ({ ...given, h0: null, c0: null }),
    lengths: (given) => ({ ...given, lengths: null }),
  };
}

/** The largest relative distance of any result, by what it is. */
export function distances(received: readonly Results[], expected: readonly Results[]): Record<string, number> {
  const found: Record<string, number> = {};
  expected.forEach((results, direction) => {
    expect(Object.keys(received[direction]!)).toEqual(Object.keys(results));
    for (const [name, { shape, data }] of Object.entries(results)) {
      const { [name]: ours } = received[direction]!;
      expect(ours!.shape).toEqual(shape);
      found[name] = Math.max(found[name] ?? 0, relativeDistance(ours!.data, data));
    }
  });
  return found;
}

eachBackend((backend) => {
  // Both sides round to float32, one of them to float64 on the reference.
  const sides = backend === 'native' ? 2 : 1;

  test.each(cases)('%s: %s', async (_name, _case, contestant, given) => {
    const { T, I, H } = given;
    const bound = sides * float32Bound({ terms: I + H, steps: T });
    const found = distances(await compute(contestant, given, backend), await judge(contestant, given));
    expect(Object.entries(found).filter(([, distance]) => !(distance <= bound))).toEqual([]);
  });
});

describe.each(Object.entries(contestants))('%s', (name, contestant) => {
  const own = cases.filter(([of]) => of === name).map(([, , , given]) => given);

  test.each(Object.entries(mistakesOf(contestant)))('a mistake in %s is noticed', async (_, spoil) => {
    const found: number[] = [];
    for (const given of own) {
      const results = distances(await compute(contestant, spoil(given), 'reference'), await judge(contestant, given));
      found.push(...Object.values(results));
    }
    expect(Math.max(...found)).toBeGreaterThan(0.01);
  });
});
