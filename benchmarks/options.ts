/** The options of `npm run bench`. */
import { parseArgs } from 'node:util';
import { peerNames } from './peers';
import { suites } from './suites';

const leastRounds = 7;
const mostThreads = 256;
const isas = ['scalar', 'avx2', 'avx512'];

const width = Math.max(...Object.keys(suites).map((name) => name.length));

export const usage = `npm run bench -- [options]

  --suite NAME     one of those below; may be given several times; default layer
  --peers NAMES    engines to measure beside ours, of ${peerNames.join(', ')}, parted by commas; default none
  --filter TEXT    only the cases whose name contains it; may be given several times
  --threads N      threads of the team, 1 to ${mostThreads}; default as the library chooses
  --isa NAME       ${isas.slice(0, -1).join(', ')} or ${isas.at(-1)}; default the fastest that the machine has
  --rounds N       timed rounds, ${leastRounds} or more; default 15; variants goes on for 3 s a row
  --json FILE      keeps { machine, rows, geomean } there, row by row; npm run bench:report makes a chart or tables of it
  --help           this text

Suites, those with a star with peers; the others take no notice of --peers:

${Object.entries(suites)
  .map(([name, { peers, about }]) => `  ${(name + (peers ? ' *' : '')).padEnd(width + 3)}${about}`)
  .join('\n')}

Contenders take turns within one run; times are medians. A ratio is the peer's time over ours. Percent of the roof is the
median ratio to the FMA peak measured just before, or to the bandwidth of the cache that holds the weights, where that takes
longer. GFLOP/s count 2·T·B·4H·(I+H) operations for infer and step, and three times as many for train. The outputs of a peer
are compared with ours before it is timed; one whose first call takes more than 10 s, or whose process ends, is skipped in
this case, and the row says why. Rows are told as they are measured, on the standard error; the tables follow at the end.`;

export class UsageError extends Error {}

const expect = (option: string, expected: string, received: string): UsageError =>
  new UsageError(`--${option}: expected ${expected}, received '${received}'`);

function wholeNumber(option: string, value: string, least: number, most = Infinity): number {
  const number = Number(value);
  if (value.trim() !== '' && Number.isInteger(number) && number >= least && number <= most) return number;
  throw expect(
    option,
    most === Infinity ? `a whole number from ${least}` : `a whole number in ${least}..${most}`,
    value,
  );
}

function oneOf(option: string, value: string, known: readonly string[]): string {
  if (!known.includes(value)) throw expect(option, `one of ${known.join(', ')}`, value);
  return value;
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        suite: { type: 'string', multiple: true, default: ['layer'] },
        filter: { type: 'string', multiple: true, default: [''] },
        threads: { type: 'string' },
        isa: { type: 'string' },
        peers: { type: 'string', multiple: true, default: [] },
        rounds: { type: 'string', default: '15' },
        json: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n--help lists the options`);
  }
}

/** @throws UsageError for what is none of the options or values that `usage` tells of. */
export function readOptions(args: readonly string[]) {
  const values = parsed(args);
  const peers = values.peers.flatMap((names) => names.split(',')).filter((name) => name !== '');
  return {
    ...values,
    suite: [...new Set(values.suite.map((name) => oneOf('suite', name, Object.keys(suites))))],
    peers: [...new Set(peers.map((name) => oneOf('peers', name, peerNames)))],
    isa: values.isa === undefined ? undefined : oneOf('isa', values.isa, isas),
    threads: values.threads === undefined ? undefined : wholeNumber('threads', values.threads, 1, mostThreads),
    rounds: wholeNumber('rounds', values.rounds, leastRounds),
  };
}

export type BenchOptions = ReturnType<typeof readOptions>;
