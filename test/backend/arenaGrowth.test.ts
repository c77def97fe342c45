import { embedding, getThreads, linear, lstm, sequential, setThreads } from 'lstm-native';

const threads = getThreads();
afterEach(() => setThreads(threads));

test('runs for which the arena has just grown give the bits of later ones', async () => {
  // The team touches fresh memory before it computes there. With more threads than CPUs, some come late to it.
  setThreads(8);
  for (const hiddenSize of [128, 256, 384]) {
    const model = sequential([embedding(97, 64), lstm(hiddenSize), linear(18)], { seed: 3 });
    const predict = async (steps: number) => {
      const data = Int32Array.from({ length: steps }, (_, step) => (step * 31 + steps) % 97);
      return (await model.predict({ inputs: { data, shape: [1, steps] } })).data;
    };
    const lengths = Array.from({ length: 10 }, (_, index) => 7 + index);
    const grown = await Promise.all(lengths.map(predict));
    const later = await Promise.all(lengths.map(predict));
    expect(grown).toEqual(later);
    model.dispose();
  }
});
