/**
 * Streams in a process of its own, and prints by what is stepped how many garbage collections 100,000 steps had, and how
 * many bytes of the heap a step took.
 */
import { embedding, gru, linear, lstm, sequential, type Session } from '../../lib';
import { collectionsDuring } from '../support/collections';

const steps = 100_000;
const features = Float32Array.of(0.5, -0.25, 1);

const streams: Readonly<Record<string, () => readonly [Session, (index: number) => number | ArrayLike<number>]>> = {
  features: () => {
    const model = sequential([lstm(17, { numLayers: 2 }), linear(2)]);
    return [model.bind({ inputs: { data: features, shape: [1, 1, 3] } }).session(), () => features];
  },
  'numbers in a list': () => {
    const list = Array.from(features);
    const model = sequential([gru(8)]);
    return [model.bind({ inputs: { data: features, shape: [1, 1, 3] } }).session(), () => list];
  },
  tokens: () => {
    const model = sequential([embedding(7, 4), lstm(8), linear(7)]);
    return [model.bind({ inputs: { data: Int32Array.of(0), shape: [1, 1] } }).session(), (index) => index % 7];
  },
  litter: () => {
    const [session, input] = streams.features!();
    return [session, (index) => Array.from(input(index) as ArrayLike<number>)];
  },
};

async function main(): Promise<void> {
  const garbage: Record<string, { collections: number; bytes: number }> = {};
  for (const [name, stream] of Object.entries(streams)) {
    const [session, input] = stream();
    const run = () => {
      for (let index = 0; index < steps; index++) session.step(input(index));
    };
    // Code that is not compiled yet makes objects of its numbers.
    run();
    // The round with the least of three: what steps leave they leave each time, but compiling, later where the machine is busy, once.
    const rounds: { collections: number; bytes: number }[] = [];
    for (let round = 0; round < 3; round++) {
      let bytes = 0;
      const collections = await collectionsDuring(() => {
        const before = process.memoryUsage().heapUsed;
        run();
        bytes = process.memoryUsage().heapUsed - before;
      });
      rounds.push({ collections, bytes });
    }
    const [least] = rounds.sort((a, b) => a.collections - b.collections || a.bytes - b.bytes);
    garbage[name] = { collections: least!.collections, bytes: least!.bytes / steps };
    session.dispose();
  }
  process.stdout.write(JSON.stringify(garbage));
}

void main();
