/**
 * A character model behind HTTP, with one stream of state per user.
 *
 *     PORT=3000 npm run example -- service.ts --model runs/moby-dick/model.safetensors
 *
 *     POST /generate {"prompt": "Call me", "length": 100, "temperature": 0.8, "seed": 7}   -> {"text"}
 *     POST /predict {"text": "Call m"}              -> {"next": [{"character", "probability"}, ...]}, likeliest first
 *     POST /sessions/ann/step {"text": "Call m"}    -> the same, after all that ann has sent so far
 *     GET, PUT /sessions/ann/state                  -> ann's state as bytes, to go on here or elsewhere
 *     GET /health                                   -> {"status", "sessions"}
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseArgs } from 'node:util';
import { generate, load, type Module, type Vocabulary } from 'lstm-native';
import { z } from 'zod';
import { HttpError, readBytes, readJson, send, statusOf } from './support/http';
import { script } from './support/script';
import { SessionCache } from './support/sessionCache';

const maxBytes = 1 << 20;
const generateBody = z.strictObject({
  prompt: z.string().min(1).max(1000),
  length: z.int().min(1).max(2000).default(200),
  temperature: z.number().min(0).max(10).default(0.8),
  seed: z.int().min(0).max(0xffffffff).default(0),
});
const predictBody = z.strictObject({ text: z.string().min(1).max(20_000) });
// Steps are synchronous: so many take some milliseconds, and no other request can come between them.
const stepBody = z.strictObject({ text: z.string().min(1).max(500) });

interface Call {
  readonly request: IncomingMessage;
  readonly user: string;
  /** Aborted when nobody waits for the response any more. */
  readonly signal: AbortSignal;
}

type Route = (call: Call) => Promise<unknown>;

/** Each method and path, in which `:user` stands for a name. */
function routesOf(model: Module, vocabulary: Vocabulary, sessions: SessionCache): Readonly<Record<string, Route>> {
  return {
    'GET /health': async () => ({ status: 'ok', sessions: sessions.size }),

    'POST /generate': async ({ request, signal }) => ({
      text: await generate(model, { ...(await readJson(request, generateBody, maxBytes)), signal }),
    }),

    'POST /predict': async ({ request, signal }) => {
      const tokens = vocabulary.encode((await readJson(request, predictBody, maxBytes)).text);
      const { data } = await model.predict({ inputs: { data: tokens, shape: [1, tokens.length] } }, { signal });
      return { next: likeliest(data.subarray(-vocabulary.size), vocabulary) };
    },

    'POST /sessions/:user/step': async ({ request, user }) => {
      const tokens = vocabulary.encode((await readJson(request, stepBody, maxBytes)).text);
      return sessions.use(user, (session) => {
        let logits: ArrayLike<number> = [];
        for (const token of tokens) logits = session.step(token);
        return { next: likeliest(logits, vocabulary) };
      });
    },

    'GET /sessions/:user/state': async ({ user }) => {
      if (!sessions.has(user)) throw new HttpError(404, `sessions: there is none of '${user}'`);
      return sessions.use(user, (session) => session.exportState());
    },

    'PUT /sessions/:user/state': async ({ request, user }) => {
      const state = await readBytes(request, maxBytes);
      sessions.use(user, (session) => session.importState(state));
      return { status: 'ok' };
    },
  };
}

/** Characters with their probabilities, softmax(logits). */
function likeliest(logits: ArrayLike<number>, vocabulary: Vocabulary): { character: string; probability: number }[] {
  const values = Array.from(logits);
  const highest = Math.max(...values);
  const weights = values.map((logit) => Math.exp(logit - highest));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights
    .map((weight, token) => ({ character: vocabulary.decode([token]), probability: weight / total }))
    .sort((a, b) => b.probability - a.probability);
}

/** The model's service, not listening yet. */
function createService(model: Module, sessions: SessionCache): Server {
  const { vocabulary } = model;
  if (!vocabulary) throw new Error('the model has no vocabulary: it was not trained on text');
  const routes = routesOf(model, vocabulary, sessions);
  const server = createServer((request, response) => void answer(request, response));

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const abandoned = new AbortController();
    response.once('close', () => abandoned.abort());
    const line = `${request.method} ${request.url}`;
    try {
      const [, user = '', name] = /^\/sessions\/([\w.-]{1,64})\/(\w+)$/.exec(request.url ?? '') ?? [];
      const key = `${request.method} ${name ? `/sessions/:user/${name}` : request.url}`;
      const route = Object.hasOwn(routes, key) ? routes[key] : undefined;
      if (!route) throw new HttpError(404, `no such call: ${line}; there are ${Object.keys(routes).join(', ')}`);
      reply(200, await route({ request, user, signal: abandoned.signal }));
    } catch (error) {
      if (abandoned.signal.aborted) return console.log(`${line} abandoned`);
      const status = statusOf(error);
      if (status === 500) console.error(error);
      reply(status, { error: status === 500 ? 'internal error' : (error as Error).message });
    }

    function reply(status: number, body: unknown): void {
      // No next request is awaited while the service shuts down, or after a body of which the rest was not read.
      if (!server.listening || status === 413) response.setHeader('connection', 'close');
      send(response, status, body);
      console.log(`${line} ${status}`);
    }
  }
  return server;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      model: { type: 'string', default: 'runs/moby-dick/model.safetensors' },
      sessions: { type: 'string', default: '64' },
    },
  });
  const model = await load(values.model);
  const sessions = new SessionCache(model, { live: Number(values.sessions), parked: 10_000 });
  const server = createService(model, sessions);
  server.listen(Number(process.env.PORT ?? 3000), '127.0.0.1', () => {
    console.log(`listening on http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  });
  // Requests under way are answered; then nothing keeps the process alive.
  const shutDown = () =>
    server.close(() => {
      sessions.dispose();
      model.dispose();
    });
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, shutDown);
}

script('[PORT=3000] service.ts [--model FILE] [--sessions 64]', main);
