/** A training that is killed from outside, in a process of its own: its run folder is the argument. */
import { text } from '../../lib/data/text/text';
import { restoreModel } from '../../lib/model/restore';
import { modelMetadata } from '../../lib/model/save';
import { sequential, type Sequential } from '../../lib/model/sequential';
import { dropout } from '../../lib/nn/dropout';
import { embedding } from '../../lib/nn/embedding';
import { linear } from '../../lib/nn/linear';
import { crossEntropy } from '../../lib/nn/losses';
import { lstm } from '../../lib/nn/lstm';
import { adam } from '../../lib/optim/adam';
import { cosine } from '../../lib/optim/schedules/cosine';
import type { FitOptions } from '../../lib/train/fitOptions';
import { fit } from '../../lib/train/trainer';
import { tellingFileSystem } from '../support/killing';

const corpus = text.fromString('the white whale swims and the old ship sails on. '.repeat(4));
const { vocabulary } = corpus;

export const killedModel = (): Sequential => {
  const layers = [embedding(vocabulary.size, 8), lstm(8), dropout(0.2), linear(vocabulary.size)] as const;
  const model = sequential(layers, { backend: 'native', seed: 5 });
  model.vocabulary = vocabulary;
  return model;
};

/** Ten batches of a text, the recurrent state carried from each to the next. */
export const killedData = corpus.train.batches({ batchSize: 2, sequenceLength: 9 });

export const killedOptions = (runDir: string): FitOptions => ({
  loss: crossEntropy(),
  // Down to 0 at the last of the steps: the rate of each step is its own.
  optimizer: adam({ lr: cosine(0.01) }),
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
