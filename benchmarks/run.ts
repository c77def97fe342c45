/** `npm run bench`: measures, prints a table, keeps JSON when asked to. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { getThreads, setThreads } from '../lib/backend/native/native';
import { LstmNativeError } from '../lib/errors';
import type { Setting } from './contest';
import { peerNames, startPeers } from './peers';
import { PeerError, type Peer } from './peers/peer';
import { describeMachine, formatReport, geometricMeans, type Report, type Row } from './report';
import { measureBandwidths } from './roofline';
import { deepbench } from './suites/deepbench';
import { endToEnd } from './suites/endToEnd';
import { layer } from './suites/layer';
import { predict } from './suites/predict';
import { serving } from './suites/serving';
import { small } from './suites/small';
import { threads } from './suites/threads';
import { variants } from './suites/variants';

/** Measures the cases whose name is wanted. */
type Suite = (setting: Setting) => Promise<Row[]>;

const suites: Readonly<Record<string, Suite>> = {
  layer,
  small,
  deepbench,
  serving,
  'end-to-end': endToEnd,
  variants,
  predict,
  threads,
};

const leastRounds = 7;

const usage = `npm run bench -- [options]

  --suite NAME     one of ${Object.keys(suites).join(', ')}; may be given several times; default layer
  --peers NAMES    engines to measure beside ours, of ${peerNames.join(', ')}, parted by commas; default none
  --filter TEXT    only the cases whose name contains it; may be given several times
  --threads N      threads of the team; default as the library chooses
  --isa NAME       scalar, avx2 or avx512; default the fastest
  --rounds N       timed rounds, ${leastRounds} or more; default 15
  --json FILE      writes { machine, rows, geomean }
  --help           this text

Contenders take turns within one run; times are medians. A ratio is the peer's time over ours. Percent of the roof is the
median ratio to the FMA peak measured just before, or to the bandwidth of the cache that holds the weights, where that takes
longer. GFLOP/s count 2·T·B·4H·(I+H) operations for infer and step, and three times as many for train. The outputs of a peer
are compared with ours before it is timed; one whose first call takes more than 10 s is skipped.`;

class UsageError extends Error {}

function readOptions() {
  const { values } = parseArgs({
    options: {
      suite: { type: 'string', multiple: true, default: ['layer'] },
      filter: { type: 'string', multiple: true, default: [''] },
      threads: { type: 'string' },
      isa: { type: 'string' },
      peers: { type: 'string', default: '' },
      rounds: { type: 'string', default: '15' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  const unknown = values.suite.find((name) => !(name in suites));
  if (unknown !== undefined)
    throw new UsageError(`--suite: expected one of ${Object.keys(suites).join(', ')}, received '${unknown}'`);
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < leastRounds)
    throw new UsageError(`--rounds: expected a number from ${leastRounds}, received '${values.rounds}'`);
  const peers = values.peers.split(',').filter((name) => name !== '');
  const stranger = peers.find((name) => !peerNames.includes(name));
  if (stranger !== undefined)
    throw new UsageError(`--peers: expected some of ${peerNames.join(', ')}, received '${stranger}'`);
  return { ...values, rounds, peers };
}

/** The instruction set is chosen when the addon is loaded, once: another one needs another process. */
function runAgainWith(isa: string): number {
  const { status, error } = spawnSync(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
    stdio: 'inherit',
    env: { ...process.env, LSTM_NATIVE_ISA: isa },
  });
  if (error) throw error;
  return status ?? 1;
}

async function main(): Promise<number> {
  const options = readOptions();
  if (options.help) {
    console.log(usage);
    return 0;
  }
  if (options.isa !== undefined && process.env.LSTM_NATIVE_ISA !== options.isa) return runAgainWith(options.isa);
  if (options.threads !== undefined) setThreads(Number(options.threads));
  const peers = await startPeers(options.peers, getThreads());
  try {
    const report = await measure(options, peers);
    console.log(formatReport(report));
    if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
  } finally {
    for (const peer of peers) peer.close();
  }
  return 0;
}

async function measure(options: ReturnType<typeof readOptions>, peers: readonly Peer[]): Promise<Report> {
  const bandwidths = await measureBandwidths();
  const versions = Object.fromEntries(peers.map(({ name, version }) => [name, version]));
  const machine = { ...(await describeMachine(bandwidths)), ...versions };
  const rows: Row[] = [];
  const wanted = (name: string) => options.filter.some((text) => name.includes(text));
  for (const name of options.suite)
    rows.push(...(await suites[name]!({ rounds: options.rounds, wanted, peers, bandwidths })));
  if (rows.length === 0) throw new UsageError(`--filter: no case of ${options.suite.join(', ')} has such a name`);
  return { machine, rows, geomean: geometricMeans(rows) };
}

main().then(
  (status) => (process.exitCode = status),
  (error: Error) => {
    const expected =
      error instanceof UsageError ||
      error instanceof PeerError ||
      error instanceof LstmNativeError ||
      error instanceof TypeError;
    console.error(expected ? error.message : error);
    process.exitCode = 1;
  },
);
