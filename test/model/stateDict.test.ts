import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CheckpointError, linear, lstm, Module, type Inputs, type StateDict } from '../../lib';
import { serialize } from '../../lib/checkpoint/safetensors';
import { eachBackend } from '../support/eachBackend';
import { copies, languageModel, noise, tokenBatch } from '../support/models';

const batch = tokenBatch(1, 2, 3);

eachBackend((backend) => {
  test('a state dict taken from one model makes another equal', async () => {
    const [one, other] = [1, 2].map((seed) => languageModel({ backend, seed }).bind(batch));
    expect(await copies(other!)).not.toEqual(await copies(one!));
    await other!.loadStateDict(await one!.stateDict());
    expect(await copies(other!)).toEqual(await copies(one!));
    expect((await other!.predict(batch)).data).toEqual((await one!.predict(batch)).data);
  });

  test('a state dict is a copy', async () => {
    const model = languageModel({ backend }).bind(batch);
    const before = await copies(model);
    for (const { data } of Object.values(await model.stateDict())) data.fill(9);
    expect(await copies(model)).toEqual(before);
  });

  test.each<[string, (state: StateDict) => StateDict, string]>([
    [
      'that lacks a name',
      (state) => Object.fromEntries(Object.entries(state).filter(([name]) => name !== '2.bias')),
      '2.bias: expected [7], received none',
    ],
    [
      'with a name too many',
      (state) => ({ ...state, '3.bias': state['2.bias']! }),
      '3.bias: the network has no such parameter',
    ],
    [
      'with another shape',
      (state) => ({ ...state, '2.weight': { ...state['2.weight']!, shape: [5, 7] } }),
      '2.weight: expected [7, 5], received [5, 7]',
    ],
    [
      'with too little data',
      (state) => ({ ...state, '2.bias': { data: new Float32Array(3), shape: [7] } }),
      '2.bias: expected 7 elements, received 3',
    ],
    [
      'with a NaN',
      (state) => ({ ...state, '2.bias': { data: new Float32Array(7).fill(NaN), shape: [7] } }),
      '2.bias: expected finite numbers',
    ],
    [
      'with what is infinite in float32',
      (state) => ({ ...state, '2.bias': { data: new Float64Array(7).fill(1e300), shape: [7] } }),
      '2.bias: expected finite numbers',
    ],
    ['of plain arrays', (state) => ({ ...state, '2.bias': [0] as never }), '2.bias: expected { data, shape }'],
  ])('a state dict %s is refused whole', async (_, change, message) => {
    const model = languageModel({ backend }).bind(batch);
    const other = await languageModel({ backend, seed: 5 }).bind(batch).stateDict();
    const before = await copies(model);
    const loading = model.loadStateDict(change(other));
    await expect(loading).rejects.toThrow(CheckpointError);
    await expect(loading).rejects.toThrow(message);
    expect(await copies(model)).toEqual(before);
  });
});

class Encoder extends Module {
  readonly layer = lstm(3);
  readonly head = linear(2);
  override forward({ x }: Inputs<'x'>) {
    return this.head(this.layer(x).output);
  }
}

test('a part of a larger file is taken by its prefix', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'state-'));
  try {
    const model = new Encoder({ backend: 'reference', seed: 1 }).bind({ inputs: { x: noise(1, 2, 3, 4) } });
    const whole = Object.entries(await model.stateDict()).map(([name, tensor]) => [`encoder.${name}`, tensor] as const);
    const path = join(folder, 'whole.safetensors');
    await writeFile(path, serialize({ ...Object.fromEntries(whole), 'decoder.weight': noise(2, 3, 3) }));
    const other = new Encoder({ backend: 'reference', seed: 2 }).bind({ inputs: { x: noise(1, 2, 3, 4) } });
    await other.loadStateDict(path, { prefix: 'encoder.' });
    expect(await copies(other)).toEqual(await copies(model));
    await expect(other.loadStateDict(path)).rejects.toThrow('decoder.weight: the network has no such parameter');
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('a file that is not there is a CheckpointError that names it', async () => {
  const model = languageModel({ backend: 'reference' }).bind(batch);
  await expect(model.loadStateDict('nowhere.safetensors')).rejects.toThrow(CheckpointError);
  await expect(model.loadStateDict('nowhere.safetensors')).rejects.toThrow('nowhere.safetensors: cannot be read');
});
