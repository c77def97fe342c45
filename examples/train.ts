/** Trains a character model: npm run example -- train.ts your.txt --hidden 256 --layers 2 --epochs 5 --run runs/yours [--resume] */
import { parseArgs } from 'node:util';
import { adam, crossEntropy, embedding, generate, linear, lstm, sequential, text } from 'lstm-native';
import { mobyDick } from './support/moby-dick';
import { script } from './support/script';

const usage = 'train.ts [TEXT] [--hidden 256] [--layers 1] [--epochs 5] [--run runs/train] [--resume] [--overwrite]';
const flag = { type: 'boolean', default: false } as const;
const option = (value: string) => ({ type: 'string', default: value }) as const;

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: {
      hidden: option('256'),
      layers: option('1'),
      epochs: option('5'),
      run: option('runs/train'),
      resume: flag, // goes on with an interrupted run
      overwrite: flag, // removes the run that is there
    },
    allowPositionals: true,
  });
  const corpus = positionals[0] ? await text.fromFile(positionals[0]) : text.fromString(mobyDick()); // 90/5/5 split
  const size = corpus.vocabulary.size;
  const numLayers = Number(values.layers);
  const recurrent = lstm(Number(values.hidden), { numLayers, dropout: numLayers > 1 ? 0.1 : 0 }); // between layers
  const model = sequential([embedding(size, 64), recurrent, linear(size)], { seed: 1 });

  const run = model.fit(corpus.train.batches({ batchSize: 32, sequenceLength: 64 }), {
    loss: crossEntropy(),
    optimizer: adam({ lr: 2e-3 }),
    clipNorm: 1,
    epochs: Number(values.epochs),
    validation: corpus.validation.batches({ batchSize: 32, sequenceLength: 64 }),
    runDir: values.run, // metrics.jsonl, checkpoints and, at the end, model.safetensors
    resume: values.resume,
    overwrite: values.overwrite,
  });
  for await (const event of run) {
    if (event.type === 'epoch') console.log(event.epoch, event.validation?.bitsPerCharacter);
  }

  const prompt = corpus.test.text.slice(0, 20);
  console.log(await generate(model, { prompt, length: 200, temperature: 0.8, seed: 7 }));
}

script(usage, main);
