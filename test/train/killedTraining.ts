/** A training that is killed from outside, in a process of its own: its run folder is the argument; it prints each step. */
import { adam } from '../../lib/optim/adam';
import { crossEntropy } from '../../lib/nn/losses';
import { embedding } from '../../lib/nn/embedding';
import { dropout } from '../../lib/nn/dropout';
import { linear } from '../../lib/nn/linear';
import { sequential, type Sequential } from '../../lib/model/sequential';
import type { Batch } from '../../lib/data/batch';
import type { FitOptions } from '../../lib/train/fitOptions';

const size = 7;

export const killedModel = (): Sequential =>
  sequential([embedding(size, 8), dropout(0.2), linear(size)], { backend: 'reference', seed: 5 });

/** Ten batches of tokens that follow from each other. */
export const killedData: Batch[] = Array.from({ length: 10 }, (_, index) => {
  const tokens = (shift: number) =>
    Int32Array.from({ length: 6 }, (_, k) => ((index + 1) * (k + shift) + k * k) % size);
  return { inputs: { data: tokens(0), shape: [2, 3] }, targets: { data: tokens(1), shape: [2, 3] } };
});

export const killedOptions = (runDir: string): FitOptions => ({
  loss: crossEntropy(),
  optimizer: adam({ lr: 0.01 }),
  epochs: 60,
  runDir,
  resume: true,
  checkpoint: { everySteps: 1, keepLast: 2 },
});

if (require.main === module) {
  const run = killedModel().fit(killedData, killedOptions(process.argv[2]!));
  run.on('step', ({ step }) => process.stdout.write(`${step}\n`));
  run.then(
    () => process.exit(0),
    (error: unknown) => {
      process.stderr.write(String(error));
      process.exit(1);
    },
  );
}
