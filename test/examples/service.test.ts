import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { embedding, generate, linear, load, lstm, sequential, text, type Module } from 'lstm-native';
import { Example } from '../support/example';

const folder = mkdtempSync(join(tmpdir(), 'lstm-native-service-'));
const path = join(folder, 'model.safetensors');

interface Next {
  readonly next: readonly { readonly character: string; readonly probability: number }[];
}

let model: Module;
let service: Example;
let address: string;

/** Large enough that a long text keeps it busy while other requests come and go. Nothing here depends on training. */
async function saveModel(): Promise<void> {
  const corpus = text.fromString('the white whale swims and the old ship sails. ');
  const { size } = corpus.vocabulary;
  const made = sequential([embedding(size, 64), lstm(256), linear(size)], { seed: 3 });
  made.bind({ inputs: { data: Int32Array.of(0), shape: [1, 1] } });
  await made.save(path, { text: corpus });
  made.dispose();
}

async function start(name: string, ...args: string[]): Promise<[Example, string]> {
  const example = new Example(name, args, { PORT: '0' });
  const line = await example.line(/^listening/);
  return [example, `http://127.0.0.1:${/(\d+)\D*$/.exec(line)![1]}`];
}

const post = (call: string, body: unknown, signal?: AbortSignal) =>
  fetch(`${address}${call}`, { method: 'POST', body: JSON.stringify(body), signal });

async function answer<T = Next>(call: string, body: unknown): Promise<T> {
  const response = await post(call, body);
  expect(response.status).toBe(200);
  return (await response.json()) as T;
}

const step = (user: string, characters: string) => answer(`/sessions/${user}/step`, { text: characters });

beforeAll(async () => {
  await saveModel();
  model = await load(path);
  // Three live sessions only, so that others are parked.
  [service, address] = await start('service.ts', '--model', path, '--sessions', '3');
});

afterAll(() => {
  service.kill('SIGKILL');
  model.dispose();
  rmSync(folder, { recursive: true, force: true });
});

test('/generate gives what generate gives', async () => {
  const options = { prompt: 'the whale', length: 40, temperature: 0.7, seed: 5 };
  expect(await answer('/generate', options)).toEqual({ text: await generate(model, options) });
});

test('/predict gives the probabilities of every next character, likeliest first', async () => {
  const { next } = await answer('/predict', { text: 'the whale' });
  const probabilities = next.map(({ probability }) => probability);
  expect(new Set(next.map(({ character }) => character)).size).toBe(model.vocabulary!.size);
  expect(probabilities.reduce((sum, probability) => sum + probability, 0)).toBeCloseTo(1, 12);
  expect(probabilities).toEqual([...probabilities].sort((a, b) => b - a));
});

test('a text in pieces, a text at once and /predict agree to the last bit', async () => {
  await step('ann', 'the ');
  await step('other', 'ship ');
  const pieces = await step('ann', 'whale');
  expect(pieces).toEqual(await step('ben', 'the whale'));
  expect(pieces).toEqual(await answer('/predict', { text: 'the whale' }));
});

test('more users than live sessions go on where they left off', async () => {
  const users = Array.from({ length: 10 }, (_, index) => `user-${index}`);
  const beginnings = users.map((_, index) => 'swims and sails.'.slice(0, index + 3));
  await Promise.all(users.map((user, index) => step(user, beginnings[index]!)));
  const ends = await Promise.all(users.map((user) => step(user, ' the')));
  const whole = await Promise.all(beginnings.map((beginning) => answer('/predict', { text: `${beginning} the` })));
  expect(ends).toEqual(whole);
});

test("a parked user's concurrent steps are all taken", async () => {
  await step('cat', 'the ');
  for (const user of ['d', 'e', 'f', 'g']) await step(user, 'old');
  await Promise.all(Array.from({ length: 12 }, () => step('cat', 'sw')));
  expect(await step('cat', 'im')).toEqual(await answer('/predict', { text: `the ${'sw'.repeat(12)}im` }));
});

test('a state goes out as bytes and comes in elsewhere', async () => {
  await step('dan', 'the white whale');
  const state = await (await fetch(`${address}/sessions/dan/state`)).arrayBuffer();
  const put = await fetch(`${address}/sessions/eve/state`, { method: 'PUT', body: state });
  expect(put.status).toBe(200);
  expect(await step('eve', ' swims')).toEqual(await step('dan', ' swims'));
});

describe('bad input is answered with what was expected', () => {
  test.each([
    ['/generate', { prompt: '' }, 400, 'prompt'],
    ['/generate', { prompt: 'the', length: 1e9 }, 400, 'length'],
    ['/generate', { prompt: 'the', wings: 2 }, 400, 'wings'],
    ['/generate', { prompt: 'Ω' }, 400, 'characters of the vocabulary'],
    ['/predict', { text: 7 }, 400, 'expected string'],
    ['/predict', { text: 'a'.repeat(1 << 21) }, 413, 'at most 1048576 bytes'],
    ['/sessions/ann/step', { text: 'Ω' }, 400, 'characters of the vocabulary'],
    ['/sessions/a b/step', { text: 'a' }, 404, 'no such call'],
    ['/constructor', {}, 404, 'no such call'],
  ])('%s', async (call, body, status, message) => {
    const response = await post(call, body);
    const { error } = (await response.json()) as { error: string };
    expect([response.status, error]).toEqual([status, expect.stringContaining(message)]);
  });

  test('what is not JSON, an unknown user, a state that is none', async () => {
    const json = await fetch(`${address}/generate`, { method: 'POST', body: '{' });
    expect([json.status, await json.json()]).toEqual([400, { error: 'body: expected JSON' }]);
    const user = await fetch(`${address}/sessions/nobody/state`);
    expect([user.status, await user.json()]).toEqual([404, { error: "sessions: there is none of 'nobody'" }]);
    const before = await step('fay', 'the');
    const state = await fetch(`${address}/sessions/fay/state`, { method: 'PUT', body: 'not a state' });
    expect(state.status).toBe(400);
    expect(await step('gus', 'the')).toEqual(before);
    expect(await step('fay', ' ')).toEqual(await step('gus', ' '));
  });
});

describe('while a long text is predicted', () => {
  const long = { text: 'the old ship sails. '.repeat(1000) };

  /** By then a request sent before has arrived, and its prediction begun. */
  async function fiveAnswers(from = address): Promise<void> {
    for (let round = 0; round < 5; round++) expect((await fetch(`${from}/health`)).status).toBe(200);
  }

  test('the service answers others', async () => {
    let answered = false;
    const predicted = answer('/predict', long).then(() => (answered = true));
    await fiveAnswers();
    expect(answered).toBe(false);
    await predicted;
  });

  test('a client that leaves ends its prediction', async () => {
    const leaving = new AbortController();
    const response = post('/predict', long, leaving.signal);
    await fiveAnswers();
    leaving.abort();
    await expect(response).rejects.toThrow('aborted');
    await service.line(/^POST \/predict abandoned$/);
    expect((await answer('/predict', { text: 'the' })).next).not.toHaveLength(0);
  });

  test('SIGTERM lets the request under way be answered, then ends the process with 0', async () => {
    const [own, ownAddress] = await start('service.ts', '--model', path);
    const predicted = fetch(`${ownAddress}/predict`, { method: 'POST', body: JSON.stringify(long) });
    await fiveAnswers(ownAddress);
    own.kill('SIGTERM');
    expect((await predicted).status).toBe(200);
    expect(await own.exitCode()).toBe(0);
  });
});

test('tiny-service.ts continues what it is sent, and outlives what it cannot spell', async () => {
  const [tiny, tinyAddress] = await start('tiny-service.ts', path);
  const send = (body: string) => fetch(tinyAddress, { method: 'POST', body });
  const unknown = await send('Ω');
  expect([unknown.status, await unknown.text()]).toEqual([400, expect.stringContaining('vocabulary')]);
  const long = await send('the whale'.repeat(1000));
  expect([long.status, await long.text()]).toEqual([400, 'expected at most 1000 characters']);
  const texts = await Promise.all([1, 2].map(async () => (await send('the whale')).text()));
  expect(texts).toEqual([expect.stringMatching(/^the whale.{200}$/s), expect.stringMatching(/^the whale.{200}$/s)]);
  expect(texts[0]).not.toBe(texts[1]);
  tiny.kill('SIGKILL');
});
