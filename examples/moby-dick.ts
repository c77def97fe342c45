/**
 * Trains a character language model on Moby Dick and holds it against n-gram models of the same text.
 *
 *     npm start                        the whole budget
 *     npm start -- --steps 200         a shorter one
 *     npm start -- --resume            goes on where it was interrupted
 *
 * Writes model.safetensors, metrics.jsonl, checkpoints and summary.json to runs/moby-dick (or --run DIR), in the place of
 * those of an earlier run.
 */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { plot } from 'asciichart';
import {
  adam,
  cosine,
  crossEntropy,
  embedding,
  generate,
  getThreads,
  linear,
  lstm,
  nativeInfo,
  sequential,
  text,
} from 'lstm-native';
import { mobyDick } from './support/moby-dick';
import { CharacterNgrams } from './support/ngram';
import { script } from './support/script';

const usage = 'moby-dick.ts [--steps N] [--epochs 10] [--run runs/moby-dick] [--resume]';

async function main(): Promise<void> {
  const { values: options } = parseArgs({
    options: {
      steps: { type: 'string' },
      epochs: { type: 'string', default: '10' },
      run: { type: 'string', default: 'runs/moby-dick' },
      resume: { type: 'boolean', default: false },
    },
  });
  const corpus = text.fromString(mobyDick());
  const { vocabulary, train, validation, test } = corpus;
  console.log(
    `Moby Dick: ${(train.length + validation.length + test.length).toLocaleString('en-US')} characters, ${vocabulary.size} symbols; ` +
      `trained on the first 90 %, validated on the next 5 %, tested on the last 5 %.`,
  );
  console.log(`${nativeInfo().isa}, ${getThreads()} threads.\n`);

  const model = sequential([embedding(vocabulary.size, 64), lstm(256), linear(vocabulary.size)], { seed: 1 });
  const loss = crossEntropy();
  const run = model.fit(train.batches({ batchSize: 32, sequenceLength: 64 }), {
    loss,
    optimizer: adam({ lr: cosine(4e-3, { warmup: 50 }) }),
    clipNorm: 1,
    epochs: Number(options.epochs),
    maxSteps: options.steps === undefined ? undefined : Number(options.steps),
    validation: validation.batches({ batchSize: 32, sequenceLength: 64 }),
    // A bar where there is a terminal. Plain lines would say what is printed below.
    progress: Boolean(process.stderr.isTTY),
    runDir: options.run,
    resume: options.resume,
    overwrite: !options.resume,
  });
  const bits: number[] = [];
  run.on('step', ({ figures }) => bits.push(figures.bitsPerCharacter));
  run.on('epoch', ({ epoch, train, validation, seconds, step }) => {
    console.log(
      `epoch ${epoch}: loss ${train.loss.toFixed(3)}, training ${train.bitsPerCharacter.toFixed(3)}, ` +
        `validation ${validation!.bitsPerCharacter.toFixed(3)} bits per character, ` +
        `${Math.round((step * 32 * 64) / seconds).toLocaleString('en-US')} characters per second`,
    );
  });
  const history = await run;

  // A finished run that is resumed takes no step.
  if (bits.length > 0)
    console.log(`\nBits per character during training:\n${plot(thinned(bits, 72), { height: 12 })}\n`);
  // One row, so that every character of a part but its first is predicted, with the state carried all the way.
  const whole = { batchSize: 1, sequenceLength: 256 };
  const validationBits = (await model.evaluate(validation.batches(whole), { loss })).bitsPerCharacter;
  const testBits = (await model.evaluate(test.batches(whole), { loss })).bitsPerCharacter;
  const ngrams = new CharacterNgrams(5, vocabulary.size, train.tokens);
  const ngramBits = (order: number) => ngrams.bitsPerCharacter(test.tokens, order);
  const rows = [
    ['unigram', ngramBits(1)],
    ['trigram', ngramBits(3)],
    ['5-gram', ngramBits(5)],
    ['LSTM', testBits],
  ] as const;
  console.log('Bits per character on the whole test part:');
  for (const [name, value] of rows) console.log(`  ${name.padEnd(8)} ${value.toFixed(3)}`);
  console.log(
    `The LSTM ${testBits < ngramBits(5) ? 'beats' : 'does not beat'} the 5-gram; on the validation part it has ${validationBits.toFixed(3)}.\n`,
  );

  const sample = await generate(model, { prompt: 'Call me', length: 400, temperature: 0.7, seed: 7 });
  console.log(`${sample}\n`);

  const summary = {
    testBitsPerCharacter: testBits,
    validationBitsPerCharacter: validationBits,
    fiveGramBitsPerCharacter: ngramBits(5),
    trigramBitsPerCharacter: ngramBits(3),
    unigramBitsPerCharacter: ngramBits(1),
    charactersPerSecond: (history.steps * 32 * 64) / history.seconds,
    trainSeconds: history.seconds,
    steps: history.steps,
    isa: nativeInfo().isa,
    threads: getThreads(),
  };
  await writeFile(`${options.run}/summary.json`, `${JSON.stringify(summary, null, 2)}\n`);
  console.log(
    [
      `Written to ${options.run}: model.safetensors, metrics.jsonl, summary.json.`,
      'Next:',
      '  npm run example -- generate.ts --prompt "Call me"      more text from the saved model',
      '  npm run example -- service.ts                          the same model behind HTTP',
      '  npm run example -- train.ts your.txt                   train on a text of your own',
    ].join('\n'),
  );
}

/** Means over `count` equal parts: a curve that fits the terminal. */
function thinned(values: readonly number[], count: number): number[] {
  if (values.length <= count) return [...values];
  return Array.from({ length: count }, (_, part) => {
    const slice = values.slice(
      Math.floor((part * values.length) / count),
      Math.floor(((part + 1) * values.length) / count),
    );
    return slice.reduce((sum, value) => sum + value, 0) / slice.length;
  });
}

script(usage, main);
