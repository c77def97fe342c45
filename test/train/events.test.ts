import {
  adam,
  crossEntropy,
  OptionError,
  StateError,
  type EpochEvent,
  type Run,
  type StepEvent,
  type TrainingEvent,
} from '../../lib';
import { eachBackend, type BackendName } from '../support/eachBackend';
import { languageModel, tokenBatch } from '../support/models';

const data = [tokenBatch(1, 2, 3), tokenBatch(2, 2, 3)];
const start = (backend: BackendName, options = {}): Run =>
  languageModel({ backend }).fit(data, { loss: crossEntropy(), optimizer: adam(), ...options });

eachBackend((backend) => {
  test('a run is a promise of its history', async () => {
    const history = await start(backend, { epochs: 2 });
    expect(history).toMatchObject({ steps: 4, ended: 'done' });
    expect(history.epochs.map(({ epoch, step }) => [epoch, step])).toEqual([
      [1, 2],
      [2, 4],
    ]);
    expect(history.seconds).toBeGreaterThan(0);
  });

  test('events come in order, with their figures', async () => {
    const events: TrainingEvent[] = [];
    for await (const event of start(backend, { epochs: 2, validation: data.slice(1), metrics: ['accuracy'] })) {
      events.push(event);
    }
    expect(events.map(({ type, epoch, step }) => `${type} ${epoch} ${step}`)).toEqual([
      'step 1 1',
      'step 1 2',
      'epoch 1 2',
      'step 2 3',
      'step 2 4',
      'epoch 2 4',
    ]);
    const [step, second, epoch] = events as [StepEvent, StepEvent, EpochEvent];
    expect(step).toMatchObject({ loss: step.figures.loss, learningRate: 1e-3 });
    expect(step.gradientNorm).toBeGreaterThan(0);
    expect(step.figures.accuracy).toBeGreaterThanOrEqual(0);
    expect(step.figures.bitsPerCharacter).toBeCloseTo(step.loss / Math.LN2, 12);
    expect(epoch.train.loss).toBeCloseTo((step.loss + second.loss) / 2, 6);
    expect(Object.keys(epoch.validation!).sort()).toEqual(['accuracy', 'bitsPerCharacter', 'loss', 'perplexity']);
  });

  test('listeners hear the events of their type', async () => {
    const heard: string[] = [];
    const run = start(backend, { epochs: 2 })
      .on('step', ({ step }) => heard.push(`step ${step}`))
      .on('epoch', ({ epoch, validation }) => heard.push(`epoch ${epoch} ${validation === null}`));
    await run;
    expect(heard).toEqual(['step 1', 'step 2', 'epoch 1 true', 'step 3', 'step 4', 'epoch 2 true']);
  });

  test('a listener that throws ends the training with its error', async () => {
    const fault = new Error('the disk of the listener is full');
    const steps: number[] = [];
    const run = start(backend, { epochs: 3 }).on('step', ({ step }) => {
      steps.push(step);
      if (step === 2) throw fault;
    });
    await expect(run).rejects.toBe(fault);
    expect(steps).toEqual([1, 2]);
  });

  test('leaving the loop ends the listening, not the training', async () => {
    const run = start(backend, { epochs: 3 });
    for await (const event of run) if (event.step === 2) break;
    expect(await run).toMatchObject({ steps: 6, ended: 'done' });
  });

  test('two loops hear the same', async () => {
    const run = start(backend, { epochs: 2 });
    const listen = async () => {
      const events: TrainingEvent[] = [];
      for await (const event of run) events.push(event);
      return events;
    };
    const [one, other] = await Promise.all([listen(), listen()]);
    expect(one).toHaveLength(6);
    expect(other).toEqual(one);
  });

  test('a slow listener misses steps but no epoch, and does not stall the training', async () => {
    const run = start(backend, { epochs: 150 });
    const iterator = run[Symbol.asyncIterator]();
    await run;
    const events: TrainingEvent[] = [];
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) events.push(next.value);
    const epochs = events.filter(({ type }) => type === 'epoch');
    expect(epochs.map(({ epoch }) => epoch)).toEqual(Array.from({ length: 150 }, (_, k) => k + 1));
    const steps = events.filter(({ type }) => type === 'step');
    expect(steps).toHaveLength(256);
    expect(steps.at(-1)!.step).toBe(300);
  });

  test('a loop that begins after the end ends at once', async () => {
    const run = start(backend);
    await run;
    for await (const event of run) throw new Error(`received ${event.type}`);
  });

  test('events that are asked for together all come, and the rest are done', async () => {
    const iterator = start(backend)[Symbol.asyncIterator]();
    const results = await Promise.all(Array.from({ length: 5 }, () => iterator.next()));
    expect(results.map(({ value }) => (value as TrainingEvent | undefined)?.type)).toEqual([
      'step',
      'step',
      'epoch',
      undefined,
      undefined,
    ]);
  });

  test('stop ends the training after the step under way', async () => {
    const run = start(backend, { epochs: 1000 });
    run.on('step', ({ step }) => {
      if (step === 3) void run.stop();
    });
    const history = await run;
    expect(history).toMatchObject({ steps: 3, ended: 'stopped' });
    expect(history.epochs).toHaveLength(2);
    expect(await run.stop()).toBe(history);
  });

  test('stop in a loop over the events ends the training with the step of the event', async () => {
    const run = start(backend, { epochs: 1000 });
    for await (const event of run) if (event.type === 'step' && event.step === 3) void run.stop();
    expect(await run).toMatchObject({ steps: 3, ended: 'stopped' });
  });

  test('an error rejects the promise, and is thrown by the loop', async () => {
    const broken = [
      tokenBatch(1, 2, 3),
      { inputs: { data: Int32Array.of(99), shape: [1, 1] }, targets: { data: Int32Array.of(0), shape: [1, 1] } },
    ];
    const run = languageModel({ backend }).fit(broken, { loss: crossEntropy(), optimizer: adam() });
    const events: TrainingEvent[] = [];
    const listen = async () => {
      for await (const event of run) events.push(event);
    };
    await expect(listen()).rejects.toThrow('expected integers in 0..6, received 99 at index 0');
    expect(events.map(({ type }) => type)).toEqual(['step']);
    await expect(run).rejects.toThrow('received 99');
  });
});

test('a failed run that is only iterated leaves no rejection unhandled', async () => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => unhandled.push(reason);
  process.on('unhandledRejection', note);
  try {
    const run = languageModel({ backend: 'reference' }).fit([{ inputs: 3 as never }], {
      loss: crossEntropy(),
      optimizer: adam(),
    });
    await expect(
      (async () => {
        for await (const event of run) throw new Error(`received ${event.type}`);
      })(),
    ).rejects.toThrow('data: expected batches');
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(unhandled).toEqual([]);
  } finally {
    process.off('unhandledRejection', note);
  }
});

test('an event that does not exist, and a listener that is none, are refused', async () => {
  const run = start('reference');
  expect(() => run.on('epochs' as never, () => {})).toThrow(
    "on: expected one of 'step', 'epoch', 'skip', 'checkpoint', 'resume', 'warning', received 'epochs'",
  );
  expect(() => run.on('epochs' as never, () => {})).toThrow(OptionError);
  expect(() => run.on('step', undefined as never)).toThrow('on: expected a function that takes the event');
  await run;
});

test('a second fit is refused at once, and the first goes on', async () => {
  const model = languageModel({ backend: 'reference' });
  const options = { loss: crossEntropy(), optimizer: adam(), epochs: 3 };
  const first = model.fit(data, options);
  await expect(model.fit(data, { ...options, optimizer: adam() })).rejects.toThrow(StateError);
  const step = { loss: crossEntropy(), optimizer: adam() };
  await expect(model.trainStep(data[0]!, step)).rejects.toThrow('trainStep: the network is busy with fit');
  expect((await first).steps).toBe(6);
  expect((await model.fit(data, { ...options, optimizer: adam() })).steps).toBe(6);
});
