/** Streams in a process of its own, and prints how many garbage collections 100,000 steps had, by what is stepped. */
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
  const counts: Record<string, number> = {};
  for (const [name, stream] of Object.entries(streams)) {
    const [session, input] = stream();
    const run = () => {
      for (let index = 0; index < steps; index++) session.step(input(index));
    };
    // Code that is not compiled yet makes objects of its numbers.
    run();
    counts[name] = await collectionsDuring(run);
    session.dispose();
  }
  process.stdout.write(JSON.stringify(counts));
}

void main();
