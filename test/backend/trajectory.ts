/** A training and predictions of odd sizes, boiled down to digests that are equal only when every bit is. */
import { createHash } from 'node:crypto';
import { adam, crossEntropy, embedding, linear, lstm, sequential, type Batch, type Sequential } from '../../lib';
import { Random } from '../support/random';

const vocabularySize = 11;

/** Units past the last whole vector of every ISA, in two layers. */
const model = (seed = 1): Sequential =>
  sequential([embedding(vocabularySize, 6), lstm(33, { numLayers: 2, dropout: 0.3 }), linear(vocabularySize)], {
    seed,
  });

type Numbers = Float32Array | Float64Array | Int32Array;

function digest(arrays: Iterable<Numbers>): string {
  const hash = createHash('sha256');
  for (const { buffer, byteOffset, byteLength } of arrays) hash.update(new Uint8Array(buffer, byteOffset, byteLength));
  return hash.digest('hex');
}

function tokens(random: Random, B: number, T: number) {
  return random.integers(vocabularySize, B, T);
}

/** Teams of one to three split the larger batch by rows, larger teams by hidden units. */
const cases = {
  'B 7': { B: 7, lengths: false },
  'B 17 with lengths': { B: 17, lengths: true },
} as const;
export type Case = keyof typeof cases;
export const caseNames = Object.keys(cases) as Case[];

function batchesOf(name: Case): Batch[] {
  const random = new Random(3);
  const { B, lengths } = cases[name];
  const T = 9;
  return Array.from({ length: 4 }, () => ({
    inputs: tokens(random, B, T),
    targets: tokens(random, B, T),
    ...(lengths ? { lengths: random.integers(T + 1, B) } : {}),
  }));
}

export interface Trajectory {
  readonly losses: number[];
  /** Of the losses, the gradient norms and the weights after the last step. */
  readonly digest: string;
}

/** A hundred steps with dropout, clipping and Adam; `beforeStep` may meddle with what should make no difference. */
export async function train(name: Case, seed = 1, beforeStep: (step: number) => void = () => {}): Promise<Trajectory> {
  const trained = model(seed);
  const batches = batchesOf(name);
  const options = { loss: crossEntropy(), optimizer: adam({ lr: 1e-2 }), clipNorm: 0.5 };
  const losses: number[] = [];
  const norms: number[] = [];
  for (let step = 0; step < 100; step++) {
    beforeStep(step);
    const { loss, gradientNorm } = await trained.trainStep(batches[step % batches.length]!, options);
    losses.push(loss);
    norms.push(gradientNorm);
  }
  const weights = Object.values(await trained.stateDict()).map(({ data }) => data as Float32Array);
  trained.dispose();
  return { losses, digest: digest([Float64Array.from(losses), Float64Array.from(norms), ...weights]) };
}

/** One row of a batch of 17, predicted in three ways. */
export async function predictRow(row = 5): Promise<Record<'inBatch' | 'alone' | 'streamed', string>> {
  const [B, T] = [17, 20];
  const inputs = tokens(new Random(4), B, T);
  const own = inputs.data.slice(row * T, (row + 1) * T);
  const predicting = model();
  const inBatch = (await predicting.predict({ inputs })).data.slice(
    row * T * vocabularySize,
    (row + 1) * T * vocabularySize,
  );
  const alone = await predicting.predict({ inputs: { data: own, shape: [1, T] } });
  const session = predicting.session();
  const streamed = Array.from(own, (token) => session.step(token).slice());
  session.dispose();
  predicting.dispose();
  return { inBatch: digest([inBatch]), alone: digest([alone.data]), streamed: digest(streamed) };
}
