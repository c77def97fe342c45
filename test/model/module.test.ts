import {
  adam,
  crossEntropy,
  DataError,
  linear,
  Module,
  OptionError,
  sequential,
  StateError,
  verify,
  type Variable,
} from '../../lib';
import { eachBackend } from '../support/eachBackend';
import { copies, ints, languageModel, noise, Tagger, tokenBatch } from '../support/models';

const batch = tokenBatch(1, 2, 3);

test('before the sizes are known, parameters, summaries and files say what to do', async () => {
  const model = languageModel({ backend: 'reference' });
  expect(() => model.parameters()).toThrow(StateError);
  expect(() => model.summary()).toThrow('call bind(batch), fit or predict first');
  expect(() => model.session()).toThrow(StateError);
  await expect(model.stateDict()).rejects.toThrow(StateError);
  await expect(model.save('never.safetensors')).rejects.toThrow(StateError);
});

test('a summary lists every parameter, its shape, its size and the sum', () => {
  const model = languageModel({ backend: 'reference' }).bind(batch).freeze('0');
  expect(`\n${model.summary()}\n`).toMatchInlineSnapshot(`
   "
   parameter       shape    elements
   0.weight        [7, 4]         28  frozen
   1.weight_ih_l0  [20, 4]        80
   1.weight_hh_l0  [20, 5]       100
   1.bias_ih_l0    [20]           20
   1.bias_hh_l0    [20]           20
   2.weight        [7, 5]         35
   2.bias          [7]             7
   total                         290
   "
  `);
});

test('a program prints', () => {
  expect(languageModel({ backend: 'reference' }).bind(batch).program()).toContain('= lstm(');
});

test('freezing a path that names nothing is refused', () => {
  const model = languageModel({ backend: 'reference' }).bind(batch);
  expect(() => model.freeze('3')).toThrow(OptionError);
  expect(() => model.freeze('1.weight')).toThrow(
    "freeze: no parameter is named '1.weight' or stands below it; there are 0.weight, 1.weight_ih_l0, ",
  );
  expect(() => model.unfreeze('9')).toThrow("unfreeze: no parameter is named '9'");
});

test('a freeze reaches what stands below a path, and not a longer name', () => {
  class Two extends Module {
    readonly head = linear(2);
    readonly head2 = linear(2);
    override forward(x: Variable) {
      return this.head2(this.head(x));
    }
  }
  const model = new Two({ backend: 'reference' }).bind({ inputs: noise(1, 2, 3) }).freeze('head');
  const frozen = () => model.parameters().filter((parameter) => parameter.frozen);
  expect(frozen().map(({ path }) => path)).toEqual(['head.weight', 'head.bias']);
  expect(model.freeze('head2.bias').unfreeze('head') && frozen().map(({ path }) => path)).toEqual(['head2.bias']);
});

eachBackend((backend) => {
  test('frozen parameters do not change by a bit, the others do', async () => {
    const model = languageModel({ backend }).bind(batch).freeze('1');
    const before = await copies(model);
    await model.fit([batch, batch], { loss: crossEntropy(), optimizer: adam({ weightDecay: 0.1 }) });
    const after = await copies(model);
    for (const name of Object.keys(before)) {
      if (name.startsWith('1.')) expect(after[name]).toEqual(before[name]);
      else expect(after[name]).not.toEqual(before[name]);
    }
  });

  test('parameters that are unfrozen in the middle train from then on', async () => {
    const model = languageModel({ backend }).bind(batch).freeze('0');
    const options = { loss: crossEntropy(), optimizer: adam() };
    await model.trainStep(batch, options);
    model.unfreeze('');
    const before = await copies(model);
    await model.trainStep(batch, options);
    for (const [name, data] of Object.entries(await copies(model))) expect(data).not.toEqual(before[name]);
  });

  test('with everything frozen there is nothing to train', async () => {
    const model = languageModel({ backend }).bind(batch).freeze('');
    const training = model.fit([batch], { loss: crossEntropy(), optimizer: adam() });
    await expect(training).rejects.toThrow(DataError);
    await expect(training).rejects.toThrow('training: no parameter is left');
    const step = model.trainStep(batch, { loss: crossEntropy(), optimizer: adam() });
    await expect(step).rejects.toThrow('training: no parameter is left');
    await expect(verify(model, batch)).rejects.toThrow('training: no parameter is left');
  });

  test('predict gives [batch, time, features], and smaller and larger batches after it', async () => {
    const model = languageModel({ backend });
    const sizes = [
      [2, 3],
      [1, 1],
      [5, 2],
      [3, 7],
      [2, 3],
    ] as const;
    const first = await model.predict(batch);
    for (const [B, T] of sizes) {
      expect((await model.predict(tokenBatch(1, B, T))).shape).toEqual([B, T, 7]);
    }
    expect((await model.predict(batch)).data).toEqual(first.data);
  });

  test('rows of a batch do not depend on their neighbours', async () => {
    const model = languageModel({ backend });
    const all = await model.predict(tokenBatch(4, 9, 4));
    const { inputs } = tokenBatch(4, 9, 4);
    const one = await model.predict({ inputs: { data: inputs.data.slice(20, 24), shape: [1, 4] } });
    expect(Array.from(one.data)).toEqual(Array.from(all.data.slice(20 * 7, 24 * 7)));
  });

  test('predictions under way at once do not disturb each other', async () => {
    const model = languageModel({ backend }).bind(batch);
    const sizes = [3, 9, 1, 17, 2, 30];
    const together = await Promise.all(sizes.map((B) => model.predict(tokenBatch(B, B, 3))));
    for (const [index, B] of sizes.entries()) {
      expect(together[index]!.data).toEqual((await model.predict(tokenBatch(B, B, 3))).data);
    }
  });

  test('predictAll goes through a data set in order', async () => {
    const model = languageModel({ backend });
    const data = [1, 2, 3].map((B) => tokenBatch(B, B, 2));
    const shapes: (readonly number[])[] = [];
    for await (const { shape } of model.predictAll(data)) shapes.push(shape);
    expect(shapes).toEqual([
      [1, 2, 7],
      [2, 2, 7],
      [3, 2, 7],
    ]);
  });

  test('a module takes inputs by name and gives outputs by name', async () => {
    const inputs = { tokens: ints([0, 1, 2, 3, 4, 5], [2, 3]), features: noise(1, 2, 6) };
    const outputs = await new Tagger({ backend }).predict({ inputs, lengths: ints([3, 1]) });
    expect(Object.keys(outputs).sort()).toEqual(['output', 'score', 'state']);
    expect([outputs.output!.shape, outputs.score!.shape, outputs.state!.shape]).toEqual([
      [2, 3, 3],
      [2, 1],
      [2, 2, 4],
    ]);
  });

  test('a network without parameters predicts', async () => {
    class Same extends Module {
      override forward(x: Variable) {
        return x;
      }
    }
    const x = noise(1, 2, 3, 4);
    expect(Array.from((await new Same({ backend }).predict({ inputs: x })).data)).toEqual(Array.from(x.data));
    const flat = noise(1, 2, 3);
    expect(Array.from((await new Same({ backend }).predict({ inputs: flat })).data)).toEqual(Array.from(flat.data));
  });

  test('an aborted prediction rejects with the reason of the signal', async () => {
    const reason = new Error('the user went away');
    const predicting = languageModel({ backend }).predict(batch, { signal: AbortSignal.abort(reason) });
    await expect(predicting).rejects.toBe(reason);
  });

  test('evaluate gives the mean over all targets, as one batch of all would', async () => {
    const model = languageModel({ backend }).bind(batch);
    const whole = tokenBatch(3, 6, 4);
    const rows = (begin: number, end: number) => {
      const part = { data: whole.inputs.data.slice(begin * 4, end * 4), shape: [end - begin, 4] };
      return { inputs: part, targets: { data: whole.targets!.data.slice(begin * 4, end * 4), shape: part.shape } };
    };
    const options = { loss: crossEntropy(), metrics: ['accuracy'] };
    const one = await model.evaluate([whole], options);
    const parts = await model.evaluate([rows(0, 1), rows(1, 6)], options);
    expect(parts.loss).toBeCloseTo(one.loss, 6);
    // Each batch's fraction comes rounded to float32.
    expect(parts.accuracy).toBeCloseTo(one.accuracy!, 6);
    expect(parts.perplexity).toBeCloseTo(Math.exp(parts.loss), 12);
    expect(parts.bitsPerCharacter).toBeCloseTo(parts.loss / Math.LN2, 12);
  });

  test('evaluate changes nothing', async () => {
    const model = languageModel({ backend, lstm: { dropout: 0.5, numLayers: 2 } }).bind(batch);
    const before = await copies(model);
    const first = await model.evaluate([batch], { loss: crossEntropy() });
    expect(await model.evaluate([batch], { loss: crossEntropy() })).toEqual(first);
    expect(await copies(model)).toEqual(before);
  });

  test('a disposed model refuses every call, and disposing again is harmless', async () => {
    const model = languageModel({ backend }).bind(batch);
    model.dispose();
    model.dispose();
    expect(() => model.parameters()).toThrow(StateError);
    await expect(model.predict(batch)).rejects.toThrow('the model is disposed');
  });

  test('a model in training cannot be disposed, frozen or trained a second time', async () => {
    const model = languageModel({ backend });
    const training = model.fit([batch, batch], { loss: crossEntropy(), optimizer: adam() });
    await new Promise<void>((resolve) => void training.on('step', () => resolve()));
    const second = model.fit([batch], { loss: crossEntropy(), optimizer: adam() });
    expect(() => model.dispose()).toThrow(StateError);
    expect(() => model.freeze('0')).toThrow('the network is busy with fit');
    await expect(second).rejects.toThrow('fit: the network is busy with fit');
    await training;
    await model.fit([batch], { loss: crossEntropy(), optimizer: adam() });
    model.dispose();
  });
});

test('forward must return variables', async () => {
  class Wrong extends Module {
    override forward() {
      return 3 as never;
    }
  }
  await expect(new Wrong({ backend: 'reference' }).predict({ inputs: noise(1, 2, 3) })).rejects.toThrow(
    /^forward: expected it to return a Variable, or Variables by name, received 3$/,
  );
  class Half extends Module {
    override forward(x: Variable) {
      return { output: x, cells: undefined as never };
    }
  }
  await expect(new Half({ backend: 'reference' }).predict({ inputs: noise(1, 2, 3) })).rejects.toThrow(
    /received { output, cells }, of which cells is undefined$/,
  );
});

test('a sequential hands on lengths to the layers that take them', async () => {
  const model = sequential([linear(3)], { backend: 'reference' });
  const { shape } = await model.predict({ inputs: noise(1, 2, 4, 3), lengths: ints([4, 2]) });
  expect(shape).toEqual([2, 4, 3]);
});
