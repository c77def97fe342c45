/** A training that is killed from outside, in a process of its own: its run folder is the argument. */
import type { Batch } from '../../lib/data/batch';
import { restoreModel } from '../../lib/model/restore';
import { modelMetadata } from '../../lib/model/save';
import { sequential, type Sequential } from '../../lib/model/sequential';
import { dropout } from '../../lib/nn/dropout';
import { embedding } from '../../lib/nn/embedding';
import { linear } from '../../lib/nn/linear';
import { crossEntropy } from '../../lib/nn/losses';
import { adam } from '../../lib/optim/adam';
import type { FitOptions } from '../../lib/train/fitOptions';
import { fit } from '../../lib/train/trainer';
import { tellingFileSystem } from '../support/killing';

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
  epochs: 9,
  runDir,
  resume: true,
  checkpoint: { everySteps: 1, keepLast: 2 },
});

if (require.main === module) {
  const model = killedModel();
  const { network } = model;
  const hooks = {
    check: () => {},
    metadata: (inputs: Parameters<typeof modelMetadata>[2]) => modelMetadata(network, model, inputs),
    restore: (checkpoint: Parameters<typeof restoreModel>[2]) => restoreModel(network, model, checkpoint),
    save: async () => {},
    fileSystem: tellingFileSystem(),
  };
  void fit(network, killedData, killedOptions(process.argv[2]!), {}, hooks);
}
