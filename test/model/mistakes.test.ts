import {
  adam,
  calendar,
  calibrate,
  crossEntropy,
  DataError,
  embedding,
  forecast,
  Labels,
  linear,
  lstm,
  LstmNativeError,
  metrics,
  naive,
  OptionError,
  pointHead,
  sequences,
  sequential,
  series,
  setThreads,
  verify,
  vjp,
  Vocabulary,
  WordVocabulary,
  type Module,
} from '../../lib';
import { eachBackend } from '../support/eachBackend';
import { ints, languageModel, noise, tokenBatch } from '../support/models';

const rows = Array.from({ length: 40 }, (_, n) => ({ date: new Date(Date.UTC(2024, 0, n + 1)), y: n % 5 }));
const table = series.fromRecords(rows, { time: 'date', target: 'y' });
const window = { lookback: 4, horizon: 2 };
const forecaster = () => sequential([lstm(3), pointHead({ horizon: 2 })]);

test.each(['series', 'labels', 'vocabulary'] as const)('a model whose %s is none says so', async (name) => {
  const model = Object.assign(forecaster(), { [name]: {} }) as Module;
  const message = `model.${name}: expected null, or what a model that was trained or loaded has there, received {`;
  await expect(model.fit(table.train.windows(window), { optimizer: adam() })).rejects.toThrow(`fit: ${message}`);
  await expect(model.evaluate(table.train.windows(window))).rejects.toThrow(OptionError);
  model.bind({ inputs: { data: new Float32Array(4), shape: [1, 4, 1] } });
  await expect(model.save('never-written.safetensors')).rejects.toThrow(`save: ${message}`);
});

test('what is no format of series, backtest, list of baselines, of names or characters is refused by its name', async () => {
  const model = Object.assign(forecaster(), { series: {} });
  await expect(table.forecast(model as never)).rejects.toThrow(
    'forecast: the model was not trained on windows of series',
  );
  for (const wrong of [{}, null, 3, { columns: [] }])
    expect(() => calibrate(wrong as never)).toThrow('calibrate: expected what series.backtest(...) gave, received');
  const trained = forecaster();
  await trained.fit(table.train.windows(window), { optimizer: adam() });
  await expect(table.backtest(trained, { baselines: [naive(), naive as never] })).rejects.toThrow(
    'such as [naive(), seasonalNaive(7)], received the function naive at index 1',
  );
  await expect(table.backtest(trained, { baselines: naive() as never })).rejects.toThrow('received { name, fit }');
  expect(() => Labels.of(5 as never)).toThrow('labels: expected an array of strings, received 5');
  expect(() => Labels.of('ab')).toThrow(DataError);
  expect(() => Labels.of(['a', 5 as never])).toThrow('labels: expected strings, received 5 at index 1');
  expect(() => Vocabulary.of({} as never)).toThrow('vocabulary: expected an array of strings, received {');
  expect(() => Vocabulary.of(['a', 'word'])).toThrow(
    "vocabulary: expected a text, or a list of single characters, received 'word' at index 1",
  );
  expect(Vocabulary.of(['b', 'a', 'b']).size).toBe(2);
  expect(() => setThreads('2' as never)).toThrow("setThreads: threads: expected an integer in 1..256, received '2'");
});

const sentences = [
  { words: ['a', 'fine', 'film'], mood: 'good' },
  { words: ['a', 'bad', 'film'], mood: 'bad' },
];

test('a model of words refuses a plain string, whose characters it would read', async () => {
  const corpus = await sequences.from(sentences, {
    inputs: ({ words }) => words,
    label: ({ mood }) => mood,
    split: [1, 0, 0],
    unknown: 'map',
  });
  const model = sequential([embedding(corpus.vocabulary!.size, 4), lstm(4, { output: 'last' }), linear(2)]);
  await model.fit(corpus.train.batches({ batchSize: 2 }), { loss: crossEntropy(), optimizer: adam() });
  await expect(sequences.classify(model, ['a fine film'])).rejects.toThrow(
    "classify: record 0: inputs: tokens: expected an array of words, as the vocabulary is one of words such as 'bad', " +
      "received 'a fine film'; split the text as that of the training was",
  );
  expect(await sequences.classify(model, [['a', 'fine', 'film']])).toHaveLength(1);
  expect(() => WordVocabulary.of(['to', 'be']).encode('to')).toThrow(DataError);
  // One that was made of strings is of characters, and reads strings.
  expect(WordVocabulary.of('abc').encode('cab')).toEqual(Int32Array.of(2, 0, 1));
});

eachBackend((backend) => {
  test('targets that are one-hot are told to be class numbers', async () => {
    const batch = tokenBatch(1, 2, 3);
    const model = languageModel({ backend });
    const options = { loss: crossEntropy() };
    const whole = model.evaluate([{ ...batch, targets: ints(Array(42).fill(0), [2, 3, 7]) }], options);
    await expect(whole).rejects.toThrow(
      /^targets: expected class numbers, Int32Array of shape \[B, T\] or \[B\], received \[2, 3, 7\]/,
    );
    await expect(model.evaluate([{ ...batch, targets: noise(1, 2, 3, 7) }], options)).rejects.toThrow(
      'targets: expected Int32Array of shape [B, T] for crossEntropy, class numbers, received float32 of shape [B, T, 7]',
    );
    const last = sequential([embedding(7, 2), lstm(3, { output: 'last' }), linear(3)], { backend });
    await expect(last.evaluate([{ ...batch, targets: ints([0, 1, 0, 1, 0, 0], [2, 3]) }], options)).rejects.toThrow(
      'targets: expected [B] by the output of the network, class numbers, received [B, T]',
    );
    const bytes = { data: new Uint8Array(6), shape: [2, 3] };
    await expect(model.evaluate([{ ...batch, targets: bytes as never }], options)).rejects.toThrow(
      'targets: expected Float32Array, or Int32Array for class numbers, received Uint8Array',
    );
  });

  test('parameters for which there is no memory are named, with their bytes', async () => {
    const model = sequential([lstm(1e7)], { backend });
    const inputs = { data: new Float32Array(6), shape: [1, 2, 3] };
    for (let attempt = 0; attempt < 2; attempt++)
      await expect(model.predict({ inputs })).rejects.toThrow(
        /^0\.weight_hh_l0: no memory for \[40000000, 10000000\], 1600000000000000 bytes in float32, of 1600000\d+ bytes of parameters \(.+\); choose smaller sizes$/,
      );
  });
});

/** What JavaScript lets one pass where TypeScript would not. */
const [empty, listOfNull] = [{}, [null]];
const odd: readonly unknown[] = [undefined, null, 3, 'x', empty, listOfNull, Symbol('s')];
const oddBut = (...valid: readonly unknown[]) => odd.filter((value) => !valid.includes(value));

const plain = series.fromRecords(rows, { time: 'date', target: 'y' });
let trained: Module;
beforeAll(async () => {
  trained = forecaster();
  await trained.fit(plain.train.windows(window), { optimizer: adam() });
});

const ofCalendar = (given: unknown) => {
  const own = () => given as number;
  return series.fromRecords(rows, { time: 'date', target: 'y', covariates: { future: calendar(own) } });
};
const calls: readonly [what: string, wrong: readonly unknown[], call: (given: never) => unknown][] = [
  ['an origin', odd, (given) => plain.values(given, 2)],
  ['an origin of times', odd, (given) => plain.times(given, 2)],
  ['a number of rows', oddBut(3), (given) => plain.times(plain.end(), given)],
  ['a value that is given', oddBut(undefined), (given) => plain.windowAt([plain.end()], { ...window, given })],
  ['a series to forecast', odd, (given) => forecast(given, trained)],
  ['a signal', oddBut(undefined), (given) => plain.forecast(trained, { signal: given })],
  [
    'what a baseline learned',
    odd,
    (given) => plain.backtest(trained, { baselines: [{ name: 'a', fit: () => given }] }),
  ],
  [
    'what a baseline says',
    odd,
    (given) => plain.backtest(trained, { baselines: [{ name: 'a', fit: () => () => given }] }),
  ],
  ['a forecast of a backtest', odd, (given) => calibrate({ columns: [], forecasts: [given] })],
  ['a format', odd, (format) => series.fromRecords(rows, { format })],
  ['what is in a format', odd, (spec) => series.fromRecords(rows, { format: { spec } as never })],
  ['what a function of the calendar gives', [...oddBut(3), []], ofCalendar],
  ['what is to be unscaled', oddBut(listOfNull), (given) => plain.format.unscale(given)],
  ['a model that classifies', odd, (given) => sequences.classify(given, ['a'])],
  ['words', oddBut('x'), (given) => WordVocabulary.of(given)],
  ['options of a vocabulary', oddBut(undefined, empty), (given) => WordVocabulary.of(['a'], given)],
  ['words to encode', odd, (given) => WordVocabulary.of(['to']).encodeAll(given)],
  ['a text to encode', oddBut('a'), (given) => Vocabulary.of('abc').encode(given)],
  ['tokens to decode', odd, (given) => WordVocabulary.of(['to']).decode(given)],
  ['quantiles of a score', odd, (given) => metrics.crps([1], given, [0.5])],
  ['options of a scaled error', odd, (given) => metrics.mase([1], [1], given)],
];

test('a model that nobody awaited is told to be a Promise', async () => {
  const [promise, inputs] = [Promise.resolve(trained) as never, noise(1, 1, 4, 1)];
  const message = 'expected a model, received a Promise (await it)';
  await expect(forecast(plain, promise)).rejects.toThrow(`forecast: ${message}`);
  await expect(plain.backtest(promise)).rejects.toThrow(`backtest: ${message}`);
  await expect(sequences.classify(promise, ['a'])).rejects.toThrow(`classify: ${message}`);
  await expect(vjp(promise, { inputs }, inputs)).rejects.toThrow(`vjp: ${message}`);
  await expect(verify(promise, { inputs })).rejects.toThrow(`verify: ${message}`);
});

test.each(calls)('%s that cannot be is refused by an error of this package', async (_, wrong, call) => {
  for (const given of wrong) {
    const error = await (async () => call(given as never))().catch((error: unknown) => error);
    expect(error).toBeInstanceOf(LstmNativeError);
  }
});
