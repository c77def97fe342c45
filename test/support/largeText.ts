/**
 * Trains on a large text in a process of its own: node --import tsx largeText.ts <file> <characters | bytes> <steps>. Prints what
 * it took as JSON.
 */
import { readFileSync } from 'node:fs';
import { adam, crossEntropy, embedding, linear, lstm, sequential, text } from '../../lib';

export interface LargeTextReport {
  /** Resident bytes after everything is imported, and the most there ever were. */
  readonly imported: number;
  readonly peak: number;
  readonly steps: number;
  /** Tokens of the text. */
  readonly tokens: number;
  readonly inMemory: boolean;
  readonly seconds: { readonly opening: number; readonly training: number };
}

/** VmHWM or VmRSS of this process, as the kernel counts. */
function resident(name: 'VmHWM' | 'VmRSS'): number {
  const [, kilobytes] = new RegExp(`${name}:\\s+(\\d+) kB`).exec(readFileSync('/proc/self/status', 'utf8'))!;
  return Number(kilobytes) * 1024;
}

async function report(): Promise<LargeTextReport> {
  const [path, level, maxSteps] = process.argv.slice(2);
  const imported = resident('VmRSS');
  const begin = performance.now();
  const corpus = await text.fromFile(path!, { level: level as 'bytes', inMemory: false });
  const opened = performance.now();
  const { size } = corpus.vocabulary;
  const model = sequential([embedding(size, 32), lstm(128), linear(size)], { seed: 1 });
  const data = corpus.train.batches({ batchSize: 32, sequenceLength: 64 });
  const options = { loss: crossEntropy(), optimizer: adam(), maxSteps: Number(maxSteps) };
  const { steps, seconds: training } = await model.fit(data, options);
  const { train, validation, test } = corpus;
  return {
    imported,
    peak: resident('VmHWM'),
    steps,
    tokens: train.length + validation.length + test.length,
    inMemory: train.inMemory,
    seconds: { opening: (opened - begin) / 1000, training },
  };
}

void report().then((made) => process.stdout.write(JSON.stringify(made)));
