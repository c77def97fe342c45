/** `npm run bench`: measures, prints a table, keeps JSON when asked to. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { setThreads } from '../lib/backend/native/native';
import { LstmNativeError } from '../lib/errors';
import { describeMachine, formatReport, geometricMeans, type Report, type Row } from './report';
import { layer } from './suites/layer';
import { predict } from './suites/predict';
import { threads } from './suites/threads';
import { variants } from './suites/variants';

/** Measures the cases whose name is wanted. */
type Suite = (rounds: number, wanted: (name: string) => boolean) => Promise<Row[]>;

const suites: Readonly<Record<string, Suite>> = { layer, predict, threads, variants };

const leastRounds = 7;

const usage = `npm run bench -- [options]

  --suite NAME     one of ${Object.keys(suites).join(', ')}; may be given several times; default layer
  --filter TEXT    only the cases whose name contains it; may be given several times
  --threads N      threads of the team; default as the library chooses
  --isa NAME       scalar, avx2 or avx512; default the fastest
  --rounds N       timed rounds, ${leastRounds} or more; default 15
  --json FILE      writes { machine, rows, geomean }
  --help           this text

Contenders take turns within one run; times are medians; percent of peak is the median ratio to the FMA peak that was
measured just before. GFLOP/s count 2·T·B·4H·(I+H) operations for infer and three times as many for train.`;

class UsageError extends Error {}

function readOptions() {
  const { values } = parseArgs({
    options: {
      suite: { type: 'string', multiple: true, default: ['layer'] },
      filter: { type: 'string', multiple: true, default: [''] },
      threads: { type: 'string' },
      isa: { type: 'string' },
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
  return { ...values, rounds };
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
  const machine = await describeMachine();
  const rows: Row[] = [];
  const wanted = (name: string) => options.filter.some((text) => name.includes(text));
  for (const name of options.suite) rows.push(...(await suites[name]!(options.rounds, wanted)));
  if (rows.length === 0) throw new UsageError(`--filter: no case of ${options.suite.join(', ')} has such a name`);
  const report: Report = { machine, rows, geomean: geometricMeans(rows) };
  console.log(formatReport(report));
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
  return 0;
}

main().then(
  (status) => (process.exitCode = status),
  (error: Error) => {
    const expected = error instanceof UsageError || error instanceof LstmNativeError || error instanceof TypeError;
    console.error(expected ? error.message : error);
    process.exitCode = 1;
  },
);
