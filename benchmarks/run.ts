/** `npm run bench`: measures, prints tables, keeps JSON when asked to. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { getThreads, setThreads } from '../lib/backend/native/native';
import { LstmNativeError } from '../lib/errors';
import { Disagreement } from './contest';
import { readOptions, usage, UsageError, type BenchOptions } from './options';
import { startPeers } from './peers';
import { PeerError, type Peer } from './peers/peer';
import { describeMachine, formatReport, geometricMeans, progressOf, type Report, type Row } from './report';
import { measureBandwidths } from './roofline';
import { suites } from './suites';

const signals = ['SIGINT', 'SIGTERM'] as const;

/** The instruction set is chosen when the addon is loaded, once: another one needs another process. */
async function runAgainWith(isa: string): Promise<number> {
  const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
    stdio: 'inherit',
    env: { ...process.env, LSTM_NATIVE_ISA: isa },
  });
  // From a terminal it has the signal too; its second is the same as its first.
  for (const signal of signals) process.on(signal, () => child.kill(signal));
  const [status] = (await once(child, 'exit')) as [number | null];
  return status ?? 1;
}

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2));
  if (options.help) {
    console.log(usage);
    return 0;
  }
  if (options.isa !== undefined && process.env.LSTM_NATIVE_ISA !== options.isa) return runAgainWith(options.isa);
  if (options.threads !== undefined) setThreads(options.threads);
  if (options.json !== undefined) expectWritable(options.json);
  const unheard = options.suite.filter((name) => !suites[name]!.peers);
  if (options.peers.length > 0 && unheard.length > 0)
    console.error(`--peers: ${unheard.join(', ')} ${unheard.length === 1 ? 'measures' : 'measure'} no other engines`);
  const peers = await startPeers(options.peers, getThreads());
  const closePeers = () => peers.forEach((peer) => peer.close());
  for (const signal of signals) {
    process.on(signal, () => {
      closePeers();
      process.exit(signal === 'SIGINT' ? 130 : 143);
    });
  }
  try {
    console.log(formatReport(await measure(options, peers)));
  } finally {
    closePeers();
  }
  return 0;
}

/** Before anything is measured; what stands there stays until there is a row. */
function expectWritable(path: string): void {
  try {
    closeSync(openSync(path, 'a'));
  } catch (error) {
    throw new UsageError(`--json: ${(error as Error).message}`);
  }
}

async function measure(options: BenchOptions, peers: readonly Peer[]): Promise<Report> {
  const bandwidths = await measureBandwidths();
  const versions = Object.fromEntries(peers.map(({ name, version }) => [name, version]));
  const machine = { ...(await describeMachine(bandwidths)), ...versions };
  const rows: Row[] = [];
  const report = (): Report => ({ machine, rows, geomean: geometricMeans(rows) });
  const wanted = (name: string) => options.filter.some((text) => name.includes(text));
  for (const name of options.suite) {
    for await (const row of suites[name]!.run({ rounds: options.rounds, wanted, peers, bandwidths })) {
      rows.push(row);
      console.error(progressOf(row));
      // Whatever ends the run, what was measured is kept.
      if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(report(), null, 2)}\n`);
    }
  }
  if (rows.length === 0) throw new UsageError(`--filter: no case of ${options.suite.join(', ')} has such a name`);
  return report();
}

const expected = [UsageError, PeerError, Disagreement, LstmNativeError];

main().then(
  (status) => (process.exitCode = status),
  (error: Error) => {
    console.error(expected.some((kind) => error instanceof kind) ? error.message : error);
    process.exitCode = 1;
  },
);
