import { adam, crossEntropy, embedding, linear, lstm, sequential, text } from 'lstm-native';

test('training leaves the event loop free between any two steps', async () => {
  const corpus = text.fromString('call me ishmael. '.repeat(1000));
  const { size } = corpus.vocabulary;
  const model = sequential([embedding(size, 32), lstm(128), linear(size)]);
  const data = corpus.train.batches({ batchSize: 16, sequenceLength: 64 });
  let turns = 0;
  let watching = setImmediate(function turn() {
    turns++;
    watching = setImmediate(turn);
  });
  const turnsAt: number[] = [];
  try {
    const run = model.fit(data, { loss: crossEntropy(), optimizer: adam({ lr: 1e-3 }), maxSteps: 8 });
    await run.on('step', () => turnsAt.push(turns));
  } finally {
    clearImmediate(watching);
    model.dispose();
  }
  expect(turnsAt).toHaveLength(8);
  // A step that kept the event loop for itself would allow one turn, in which its outcome comes in.
  for (const [index, turnsBefore] of turnsAt.slice(0, -1).entries()) {
    expect(turnsAt[index + 1]! - turnsBefore).toBeGreaterThan(2);
  }
});
