import { OptionError, synthetic, type Batch, type Tensor } from '../../lib';
import { iterate } from '../../lib/data/batch';

const first = <D extends Iterable<Batch<Tensor>>>(data: D): Batch<Tensor> => [...data][0]!;

describe('a synthetic data set', () => {
  const kinds = {
    'adding problem': (seed: number) => synthetic.addingProblem({ steps: 9, batchSize: 3, batches: 4, seed }),
    'copy memory': (seed: number) => synthetic.copyMemory({ delay: 5, batchSize: 3, batches: 4, seed }),
    'embedded Reber grammar': (seed: number) => synthetic.embeddedReberGrammar({ batchSize: 3, batches: 4, seed }),
  };
  for (const [name, make] of Object.entries(kinds)) {
    it(`gives equal batches for equal seeds and passes, others for others, and can begin anywhere: ${name}`, async () => {
      const data = make(7);
      expect(data.length).toBe(4);
      expect([...data]).toHaveLength(4);
      expect([...data]).toEqual([...make(7)]);
      expect([...data]).toEqual([...data.pass(0, 0)]);
      expect([...data]).not.toEqual([...make(8)]);
      expect([...data]).not.toEqual([...data.pass(1, 0)]);
      const begun: unknown[] = [];
      for await (const batch of iterate(data, { epoch: 3, begin: 2 })) begun.push(batch);
      expect(begun).toEqual([...data.pass(3, 0)].slice(2));
    });
  }

  it('refuses sizes and seeds that are none', () => {
    expect(() => synthetic.addingProblem({ steps: 1 })).toThrow(
      'addingProblem: steps: expected an integer of 2 or more',
    );
    expect(() => synthetic.addingProblem({ batchSize: 0 })).toThrow(OptionError);
    expect(() => synthetic.copyMemory({ seed: -1 })).toThrow('copyMemory: seed: expected an integer in 0..4294967295');
    expect(() => synthetic.embeddedReberGrammar({ steps: 3 } as never)).toThrow("unknown option 'steps'");
    expect(() => synthetic.noisySines({ length: 3, periods: [5, 0] })).toThrow(
      'periods: expected one or more positive',
    );
    expect(() => synthetic.noisySines({ length: 3, amplitudes: [1, 2] })).toThrow('amplitudes: expected 1, received 2');
    expect(() => synthetic.mackeyGlass({ length: 3, exponent: 9.5 })).toThrow('exponent: expected a positive integer');
  });
});

test('the adding problem marks one value of each half and asks for their sum', () => {
  const { inputs, targets } = first(synthetic.addingProblem({ steps: 7, batchSize: 50, batches: 1 }));
  expect([inputs.shape, targets!.shape]).toEqual([
    [50, 7, 2],
    [50, 1],
  ]);
  for (let b = 0; b < 50; b++) {
    const pairs = Array.from({ length: 7 }, (_, t) => [...inputs.data.slice((b * 7 + t) * 2, (b * 7 + t) * 2 + 2)]);
    const marked = pairs.flatMap(([, mark], t) => (mark === 1 ? [t] : []));
    expect(marked).toHaveLength(2);
    expect([marked[0]! < 3, marked[1]! >= 3]).toEqual([true, true]);
    expect(targets!.data[b]).toBeCloseTo(pairs[marked[0]!]![0]! + pairs[marked[1]!]![0]!, 6);
  }
});

test('copy memory shows symbols, a blank for so long, a signal, and asks for the symbols', () => {
  const data = synthetic.copyMemory({ delay: 4, symbols: 2, kinds: 3, batchSize: 1, batches: 1, seed: 3 });
  const { inputs, targets } = first(data);
  const [a, b] = inputs.data;
  expect([...inputs.data]).toEqual([a, b, 0, 0, 0, 4, 0, 0]);
  expect([...targets!.data]).toEqual([0, 0, 0, 0, 0, 0, a, b]);
  expect(data.vocabularySize).toBe(5);
  expect(synthetic.copyMemory().memorylessLoss).toBeCloseTo(0.0204, 4);
});

describe('the embedded Reber grammar', () => {
  it('gives strings that the grammar makes, and says after each symbol what may follow', () => {
    // The two states with loops: 4 leads by X to 3, or by S out; 3 loops on T, then by V to 5, which leads by P to 4, or by V out.
    const [from4, from3] = ['(XT*VP)*(S|XT*VV)', 'T*V(V|P(XT*VP)*(S|XT*VV))'];
    const grammar = new RegExp(`^B(?:TB(TS*X${from4}|P${from3})ET|PB(TS*X${from4}|P${from3})EP)E$`);
    for (const { text, successors } of synthetic.reberStrings({ count: 200, seed: 5 })) {
      expect(text).toMatch(grammar);
      expect(successors).toHaveLength(text.length - 1);
      successors.forEach((set, t) => expect(set).toContain(text[t + 1]));
      expect(successors.slice(0, 3)).toEqual(['TP', 'B', 'TP']);
      expect(successors.slice(-2)).toEqual([text[1], 'E']);
    }
  });

  it('gives batches of tokens with the next token as target and the lengths', () => {
    const { inputs, targets, lengths } = first(synthetic.embeddedReberGrammar({ batchSize: 6, batches: 1, seed: 1 }));
    const [, T] = inputs.shape as [number, number];
    expect(Math.max(...lengths!.data)).toBe(T);
    for (let b = 0; b < 6; b++) {
      const [seen, next] = [inputs, targets!].map(({ data }) => [...data.slice(b * T, b * T + lengths!.data[b]!)]);
      expect(next!.slice(0, -1)).toEqual(seen!.slice(1));
      expect(synthetic.reberSymbols[next!.at(-1)!]).toBe('E');
      expect(next!.at(-2)).toBe(seen![1]);
    }
  });
});

describe('a synthetic series', () => {
  it('of Mackey and Glass stays on its attractor and depends on the seed', () => {
    const x = synthetic.mackeyGlass({ length: 2000 });
    expect(Math.min(...x)).toBeGreaterThan(0.2);
    expect(Math.max(...x)).toBeLessThan(1.5);
    const mean = x.reduce((sum, value) => sum + value, 0) / x.length;
    const deviation = Math.sqrt(x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / x.length);
    expect(mean).toBeGreaterThan(0.85);
    expect(mean).toBeLessThan(1);
    expect(deviation).toBeGreaterThan(0.2);
    expect(x).toEqual(synthetic.mackeyGlass({ length: 2000 }));
    expect(x).not.toEqual(synthetic.mackeyGlass({ length: 2000, seed: 1 }));
  });

  it('of Mackey and Glass obeys its equation', () => {
    // Five-point derivative of the smooth solution, on a settled non-chaotic orbit sampled at whole units.
    const x = synthetic.mackeyGlass({ length: 400, tau: 2, exponent: 2, discard: 0 });
    for (let t = 10; t < 300; t += 7) {
      const derivative = (x[t - 2]! - 8 * x[t - 1]! + 8 * x[t + 1]! - x[t + 2]!) / 12;
      const delayed = x[t - 2]!;
      expect(derivative).toBeCloseTo((0.2 * delayed) / (1 + delayed ** 2) - 0.1 * x[t]!, 5);
    }
  });

  it('of noisy sines repeats without noise and has the noise that was asked for', () => {
    const clean = synthetic.noisySines({ length: 300, periods: [20, 50], noise: 0, seed: 4 });
    for (let t = 100; t < 300; t++) expect(clean[t]).toBeCloseTo(clean[t - 100]!, 12);
    const one = synthetic.noisySines({ length: 200, periods: [40], amplitudes: [2], noise: 0 });
    // sin² + cos² = 1: a quarter of a period apart.
    for (let t = 10; t < 200; t++) expect(one[t]! ** 2 + one[t - 10]! ** 2).toBeCloseTo(4, 12);
    const noisy = synthetic.noisySines({ length: 4000, periods: [20, 50], noise: 0.3, seed: 4 });
    const still = synthetic.noisySines({ length: 4000, periods: [20, 50], noise: 0, seed: 4 });
    const variance = noisy.reduce((sum, value, t) => sum + (value - still[t]!) ** 2, 0) / noisy.length;
    expect(Math.sqrt(variance)).toBeCloseTo(0.3, 1);
  });
});
