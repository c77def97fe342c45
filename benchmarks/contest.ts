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

export async function contest(given: Contest, { rounds, peers, bandwidths }: Setting): Promise<Row> {
  const contenders: Record<string, Contender> = { peak: measurePeak, ours: await repeated(given.time) };
  const skipped: Record<string, string> = {};
  for (const peer of peers) {
    const reason = await open(peer, given);
    if (reason === null) contenders[peer.name] = await repeated((count) => peer.time(count));
    else skipped[peer.name] = reason;
  }
  const { peak, ours, ...theirs } = await alternate(contenders, rounds);
  given.dispose();
  const ratio = Object.fromEntries(
    Object.entries(theirs).map(([name, seconds]) => [name, medianRatio(seconds, ours!)]),
  );
  const { suite, case: name, pass, operations, traffic } = given;
  return rowBesideRoofline(
    { suite, case: name, pass },
    { operations, traffic, bandwidths },
    { seconds: ours!, peak: peak! },
    { ratio, skipped },
  );
}

/** Makes the peer ready; or says why it has no such case or is no contender. */
async function open(peer: Peer, given: Contest): Promise<string | null> {
  try {
    const theirs = await peer.open(given.asked, getThreads(), await given.inputs());
    if (!theirs) return 'its first call took more than 10 s';
    compare(peer.name, given, theirs, await given.outputs());
    return null;
  } catch (error) {
    if (error instanceof PeerError && error.isRefusal) return (error.cause as Error).message;
    throw error;
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
      throw new PeerError(`${peer}: ${name}, ${pass}: ${tensor} differs from ours by ${relative.toExponential(1)}`);
  }
}

async function repeated(time: (count: number) => Promise<number>): Promise<Contender> {
  await time(1);
  const count = Math.max(1, Math.ceil(leastSample / (await time(3))));
  return () => time(count);
}
