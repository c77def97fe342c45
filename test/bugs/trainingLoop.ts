/** A training that goes on: prints by how many megabytes the process grew after the first steps. Run by engines.test.ts. */
import { adam, linear, lstm, meanSquaredError, sequential } from '../../lib';
import { floats32, ints, noise } from '../support/models';

/** Batches of a megabyte; so a step that keeps one is seen at once. */
const [B, T, I] = [32, 128, 64];
const steps = { first: 40, later: 160 };

async function main(): Promise<void> {
  const model = sequential([lstm(8, { bidirectional: true }), linear(1)], { seed: 1 });
  const optimizer = adam();
  const x = noise(1, B, T, I);
  const step = async (index: number) => {
    const inputs = floats32(x.data, [B, T, I]);
    const lengths = ints(Array.from({ length: B }, (_, b) => (b * 29 + index * 7) % (T + 1)));
    const targets = floats32(new Float32Array(B * T), [B, T, 1]);
    await model.trainStep({ inputs, targets, lengths }, { loss: meanSquaredError(), optimizer });
    await model.evaluate([{ inputs, targets, lengths }], { loss: meanSquaredError() });
  };
  const resident = async (from: number, to: number) => {
    for (let index = from; index < to; index++) await step(index);
    (globalThis as { gc?: () => void }).gc!();
    return process.memoryUsage().rss / 2 ** 20;
  };
  const early = await resident(0, steps.first);
  const late = await resident(steps.first, steps.first + steps.later);
  console.log(`grew by ${Math.max(0, Math.round(late - early))} MB`);
}

void main();
