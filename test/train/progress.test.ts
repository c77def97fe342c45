import { adam, crossEntropy, text } from '../../lib';
import { languageModel, tokenBatch } from '../support/models';

const loss = crossEntropy();
const isTerminal = process.stderr.isTTY;
let printed: string[] = [];

beforeEach(() => {
  printed = [];
  process.stderr.isTTY = false;
  jest.spyOn(process.stderr, 'write').mockImplementation((line) => printed.push(String(line)) > 0);
});
afterEach(() => {
  jest.restoreAllMocks();
  process.stderr.isTTY = isTerminal;
});

test('a training that is not asked for progress prints nothing', async () => {
  await languageModel().fit([tokenBatch(1, 2, 3)], { loss, optimizer: adam() });
  expect(printed).toEqual([]);
});

test('progress on text tells bits per character', async () => {
  const data = text.fromString('abcdefg'.repeat(20)).train.batches({ batchSize: 2, sequenceLength: 100 });
  await languageModel().fit(data, { loss, optimizer: adam(), progress: true });
  const figures = String.raw`loss \d\.\d{4}, \d\.\d{3} bits per character`;
  expect(printed).toEqual([
    expect.stringMatching(new RegExp(`^ +\\d+ s  step 1/1  ${figures}\n$`)),
    expect.stringMatching(new RegExp(`^ +\\d+ s  step 1/1  epoch 1 done, training ${figures}\n$`)),
  ]);
});

test('progress on other data tells the loss and the metrics asked for', async () => {
  const data = [tokenBatch(1, 2, 3)];
  const options = { loss, optimizer: adam(), validation: data, metrics: ['accuracy'], progress: true };
  await languageModel().fit(data, options);
  const figures = String.raw`loss \d\.\d{4}, accuracy [01]\.\d+`;
  expect(printed).toEqual([
    expect.stringMatching(new RegExp(`^ +\\d+ s  step 1/1  ${figures}\n$`)),
    expect.stringMatching(new RegExp(`epoch 1 done, training ${figures}; validation ${figures}\n$`)),
  ]);
});
