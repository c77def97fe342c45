/**
 * How late the event loop is while `model.fit` trains at full speed: the character model of `end-to-end` on text that is
 * drawn at random. `p50`, `p99` and `max` are milliseconds between two firings of a timer of 1 ms, so 1 is the least;
 * `idleP99` is the same of a process that does nothing, before the training.
 */
import { monitorEventLoopDelay, type IntervalHistogram } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { adam, crossEntropy, embedding, linear, lstm, sequential, text } from '../../lib';
import { measurePeak } from '../../lib/backend/native/native';
import type { Setting } from '../contest';
import { operationsOf } from '../lstmLayer';
import { rowBesidePeak, type Rows } from '../report';

const shape = { T: 64, B: 32, I: 64, H: 256, V: 96 };
const { T, B, I, H, V } = shape;

/** Steps that compile code and touch memory first. */
const warmUp = 20;
const trainingSeconds = 10;

export async function* eventLoop({ wanted }: Setting): Rows {
  const name = `fit, E ${I}, H ${H}, V ${V}, T ${T}, B ${B}`;
  if (!wanted(name)) return;
  const idle = await watched(() => sleep(1000));
  const peak = await measurePeak();
  const { delays, seconds } = await train();
  const operations = operationsOf(shape, 'train') + 6 * T * B * H * V;
  const row = rowBesidePeak({ suite: 'event-loop', case: name, pass: 'train' }, operations, {
    seconds,
    peak: seconds.map(() => peak),
  });
  const figures = { p50: at(delays, 50), p99: at(delays, 99), max: delays.max / 1e6, idleP99: at(idle, 99) };
  yield { ...row, figures };
}

const at = (delays: IntervalHistogram, percentile: number) => delays.percentile(percentile) / 1e6;

async function watched(work: () => PromiseLike<unknown>): Promise<IntervalHistogram> {
  const delays = monitorEventLoopDelay({ resolution: 1 });
  delays.enable();
  await work();
  delays.disable();
  return delays;
}

/** V symbols without a pattern. */
function corpus() {
  const codes = Array.from({ length: 400_000 }, (_, k) => 32 + ((k * 7919 + ((k * k) % 13)) % V));
  return text.fromString(codes.map((code) => String.fromCharCode(code)).join(''));
}

async function train() {
  const batches = corpus().train.batches({ batchSize: B, sequenceLength: T });
  const model = sequential([embedding(V, I), lstm(H), linear(V)], { seed: 1 });
  const options = { loss: crossEntropy(), optimizer: adam({ lr: 1e-3 }), clipNorm: 1 };
  await model.fit(batches, { ...options, maxSteps: warmUp });
  const ends: number[] = [];
  const delays = await watched(() =>
    model.fit(batches, { ...options, maxSeconds: trainingSeconds }).on('step', () => ends.push(performance.now())),
  );
  model.dispose();
  return { delays, seconds: ends.slice(1).map((end, k) => (end - ends[k]!) / 1e3) };
}
