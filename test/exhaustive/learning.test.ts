/**
 * Tasks that a recurrent network is known to learn, or not to. Each has a budget of steps, twice what it took when they
 * were chosen, and prints what it came to.
 */
import {
  adam,
  crossEntropy,
  embedding,
  linear,
  lstm,
  meanSquaredError,
  sequential,
  synthetic,
  type Sequential,
} from '../../lib';

const report = (line: string) => process.stdout.write(`${line}\n`);

test('an LSTM solves the adding problem over 100 steps: mean squared error below 0.01', async () => {
  const train = synthetic.addingProblem({ steps: 100, batchSize: 64, batches: 100, seed: 1 });
  // One set says when to stop, another, which the training has not seen, how good it is.
  const held = (seed: number) => synthetic.addingProblem({ steps: 100, batchSize: 250, batches: 8, seed });
  const [validation, fresh] = [held(2), held(3)];
  const model = sequential([lstm(64, { output: 'last', forgetBias: 1 }), linear(1)], { seed: 1 });
  const loss = meanSquaredError();
  const run = model.fit(train, { loss, optimizer: adam({ lr: 3e-3 }), clipNorm: 1, maxSteps: 4000, validation });
  void run.on('epoch', ({ validation }) => {
    if (validation!.loss < 0.005) void run.stop();
  });
  const { seconds, steps } = await run;
  const { loss: error } = await model.evaluate(fresh, { loss });
  report(
    `adding problem, T 100: mean squared error ${error.toFixed(5)} after ${steps * 64} sequences, ${seconds.toFixed(0)} s`,
  );
  expect(error).toBeLessThan(0.01);
});

/** For each step, the symbols that are given more than half of the least probability that the grammar gives a possible one. */
async function predictedSuccessors(model: Sequential, text: string): Promise<string[]> {
  const tokens = synthetic.reberTokens(text).subarray(0, -1);
  const { data } = await model.predict({ inputs: { data: tokens, shape: [1, tokens.length] } });
  const K = synthetic.reberSymbols.length;
  return Array.from(tokens, (_, t) => {
    const weights = Array.from(data.subarray(K * t, K * (t + 1)), Math.exp);
    const sum = weights.reduce((total, weight) => total + weight, 0);
    return [...synthetic.reberSymbols].filter((_symbol, k) => weights[k]! / sum > 0.25).join('');
  });
}

test('an LSTM knows every possible successor in fresh strings of the embedded Reber grammar, and no other', async () => {
  const train = synthetic.embeddedReberGrammar({ batchSize: 32, batches: 100, seed: 1 });
  const symbols = embedding(7, 7);
  const model = sequential([symbols, lstm(32, { forgetBias: 1 }), linear(7)], { seed: 1 });
  const { steps, seconds } = await model.fit(train, {
    loss: crossEntropy(),
    optimizer: adam({ lr: 0.01 }),
    clipNorm: 1,
    maxSteps: 2000,
  });
  const sorted = (set: string) => [...set].sort().join('');
  let right = 0;
  let all = 0;
  for (const { text, successors } of synthetic.reberStrings({ count: 512, seed: 2 })) {
    const predicted = await predictedSuccessors(model, text);
    right += successors.filter((set, t) => sorted(set) === sorted(predicted[t]!)).length;
    all += successors.length;
  }
  report(
    `embedded Reber grammar: ${right} of ${all} steps of 512 fresh strings after ${steps * 32} strings, ${seconds.toFixed(0)} s`,
  );
  expect(right).toBe(all);
});

/** What a plain LSTM comes to on fresh sequences of copy memory, five symbols kept for `delay` steps: nothing else differs between the two controls. */
async function copyMemoryLoss(delay: number, maxSteps: number) {
  const task = { delay, symbols: 5, batchSize: 16 };
  const train = synthetic.copyMemory({ ...task, batches: 50, seed: 1 });
  const fresh = synthetic.copyMemory({ ...task, batches: 10, seed: 2 });
  const { vocabularySize, memorylessLoss } = train;
  const layers = [embedding(vocabularySize, 10), lstm(64, { forgetBias: 1 }), linear(vocabularySize)] as const;
  const model = sequential(layers, { seed: 1 });
  const loss = crossEntropy();
  const { seconds, steps } = await model.fit(train, { loss, optimizer: adam({ lr: 0.01 }), clipNorm: 1, maxSteps });
  const { loss: reached } = await model.evaluate(fresh, { loss });
  const told = `loss ${reached.toFixed(5)} after ${steps} steps, ${seconds.toFixed(0)} s; without memory ${memorylessLoss.toFixed(5)}`;
  return { ofMemoryless: reached / memorylessLoss, told };
}

test('a plain LSTM solves copy memory over 5 steps, the positive control: a tenth of the loss of no memory', async () => {
  const { ofMemoryless, told } = await copyMemoryLoss(5, 3500);
  report(`copy memory, T 5: solved: ${told}`);
  expect(ofMemoryless).toBeLessThan(0.1);
});

test('a plain LSTM does not solve copy memory over 1000 steps, the negative control: it stays at the loss of no memory', async () => {
  const { ofMemoryless, told } = await copyMemoryLoss(1000, 500);
  report(`copy memory, T 1000: NOT solved, as expected of a plain LSTM: ${told}`);
  // It has learned all but the symbols, and none of them: those that are guessed cost ln 8 each.
  expect(ofMemoryless).toBeGreaterThan(0.97);
  expect(ofMemoryless).toBeLessThan(1.15);
});
