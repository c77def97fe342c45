/** One case beside the peers: each is checked before it is timed, then all take turns. */
import { getThreads, measurePeak } from '../lib/backend/native/native';
import { alternate, medianRatio, type Contender } from './measure';
import { PeerError, type Peer, type Tensors } from './peers/peer';
import type { LanguageModelCase, LayerCase } from './peers/protocol';
import { rowBesideRoofline, type Pass, type Row } from './report';
import type { Bandwidths, Traffic } from './roofline';

/** What all suites are given. */
export interface Setting {
  readonly rounds: number;
  readonly wanted: (name: string) => boolean;
  readonly peers: readonly Peer[];
  readonly bandwidths: Bandwidths;
}

export interface Contest {
  readonly suite: string;
  readonly case: string;
  readonly pass: Pass;
  readonly operations: number;
  readonly traffic: Traffic;
  readonly asked: LayerCase | LanguageModelCase;
  inputs(): Promise<Tensors>;
  outputs(): Promise<Tensors>;
  /** Seconds of a run, the mean of `count`. */
  time(count: number): Promise<number>;
  dispose(): void;
}

/** A sample of shorter runs would measure the clock and the calls. */
const leastSample = 5e-3;

/** Relative, over all elements: float32 in another order of additions, with activations of a few ULP. */
const agreement = 1e-3;

/** A peer whose outputs are not ours: nothing that is measured beside it would mean anything. */
export class Disagreement extends Error {}

export async function contest(given: Contest, { rounds, peers, bandwidths }: Setting): Promise<Row> {
  const contenders: Record<string, Contender> = { peak: measurePeak, ours: await repeated(given.time) };
  const skipped: Record<string, string> = {};
  for (const peer of peers) {
    await unlessItFails(peer, skipped, async () => {
      const theirs = await peer.open(given.asked, getThreads(), await given.inputs());
      compare(peer.name, given, theirs, await given.outputs());
      const time = await repeated((count) => peer.time(count));
      contenders[peer.name] = async () => (await unlessItFails(peer, skipped, time)) ?? NaN;
    });
  }
  const { peak, ours, ...theirs } = await alternate(contenders, rounds);
  given.dispose();
  const finished = Object.entries(theirs).filter(([name]) => !(name in skipped));
  const ratio = Object.fromEntries(finished.map(([name, seconds]) => [name, medianRatio(seconds, ours!)]));
  const { suite, case: name, pass, operations, traffic } = given;
  return rowBesideRoofline(
    { suite, case: name, pass },
    { operations, traffic, bandwidths },
    { seconds: ours!, peak: peak! },
    { ratio, skipped },
  );
}

/** What the peer does; one that cannot, or whose process ends, takes part no more, and the reason is kept. */
async function unlessItFails<T>(
  { name }: Peer,
  skipped: Record<string, string>,
  work: () => Promise<T>,
): Promise<T | undefined> {
  if (name in skipped) return undefined;
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof PeerError)) throw error;
    skipped[name] = error.message;
    return undefined;
  }
}

function compare(peer: string, { case: name, pass }: Contest, theirs: Tensors, ours: Tensors): void {
  for (const [tensor, values] of Object.entries(theirs)) {
    let difference = 0;
    let size = 0;
    values.forEach((value, index) => {
      difference += (value - ours[tensor]![index]!) ** 2;
      size += value ** 2;
    });
    const relative = Math.sqrt(difference / size);
    if (!(relative <= agreement))
      throw new Disagreement(`${peer}: ${name}, ${pass}: ${tensor} differs from ours by ${relative.toExponential(1)}`);
  }
}

/** How long a contender runs before it counts: JavaScript is compiled only when it has run often. */
const warmUp = 0.1;

/** A contender that has run for a while, and runs as often as a sample must be long. */
export async function repeated(time: (count: number) => Promise<number>): Promise<Contender> {
  const repeats = (run: number, wanted: number) => Math.max(1, Math.ceil(wanted / run));
  await time(1);
  const run = await time(repeats(await time(3), warmUp));
  const count = repeats(run, leastSample);
  return () => time(count);
}
