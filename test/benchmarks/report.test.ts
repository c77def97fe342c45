import { drawChart } from '../../benchmarks/chart';
import { markdown } from '../../benchmarks/markdown';
import { readOptions, UsageError } from '../../benchmarks/options';
import { formatReport, geometricMeans, type Row } from '../../benchmarks/report';
import { fitLine } from '../../benchmarks/suites/linearity';

const row = (name: string, ratio: Row['ratio'], more: Partial<Row> = {}): Row => ({
  suite: 'small',
  case: name,
  pass: 'train',
  ms: 1.25,
  gflops: 100,
  rooflinePercent: 71.6,
  ratio,
  ...more,
});

const rows = [
  row('T 1', { onednn: 2, pytorch: 3 }),
  row('T 2', { onednn: 8 }, { skipped: { pytorch: 'its process has ended' } }),
  row('H 64, step', {}, { suite: 'serving', pass: 'step', figures: { collections: 0, microseconds: 4.567 } }),
];
const machine = { date: '2026-01-02', cpu: 'CPU', isa: 'avx2', threads: 2, peakGflops: 200 };
const geomean = geometricMeans(rows);

test('geometric means are of the rows in which a peer was timed', () => {
  expect(geomean).toEqual({
    'small.train': { onednn: expect.closeTo(4) as number, pytorch: expect.closeTo(3) as number },
    'serving.step': {},
  });
});

test('the report has a table for each suite, with its own columns', () => {
  const lines = formatReport({ machine, rows, geomean }).split('\n');
  expect(lines).toContain(
    'suite  case  pass      ms  GFLOP/s  % of roof  x onednn  x pytorch                         skipped',
  );
  expect(lines).toContain(
    'small  T 2   train  1.250    100.0         72      8.00          -  pytorch: its process has ended',
  );
  expect(lines).toContain('serving  H 64, step  step  1.250    100.0         72            0          4.57');
  expect(lines).toContain('small.train: 4.00 x onednn in the geometric mean');
});

test('Markdown tells once why a peer was not timed', () => {
  const text = markdown({ machines: [machine, machine], rows, geomean });
  expect(text.match(/CPU, avx2/g)).toHaveLength(1);
  expect(text).toContain(
    '| geometric mean | x onednn | x pytorch |\n| --- | ---: | ---: |\n| `small.train` | 4.00 | 3.00 |',
  );
  expect(text).toContain('| T 2 | train | 1.250 | 100.0 | 72 | 8.00 | - |');
  expect(text).toContain('- pytorch: its process has ended (1 of 2 rows)');
});

test('there is no chart of suites that have no roof', () => {
  const others = [row('fit', {}, { suite: 'event-loop' })];
  expect(() => drawChart({ machines: [machine], rows: others, geomean: {} })).toThrow(UsageError);
});

test('a line through points of a line is that line', () => {
  const x = [16, 32, 64, 128];
  const y = x.map((at) => 5 + 3 * at);
  for (const weights of [x.map(() => 1), y.map((value) => value ** -2)]) {
    const { constant, slope, rSquared } = fitLine(x, y, weights);
    expect([constant, slope, rSquared]).toEqual([expect.closeTo(5), expect.closeTo(3), expect.closeTo(1)]);
  }
  const bent = fitLine([0, 1, 2], [0, 0, 3], [1, 1, 1]);
  expect([bent.constant, bent.slope, bent.rSquared]).toEqual([
    expect.closeTo(-0.5),
    expect.closeTo(1.5),
    expect.closeTo(0.75),
  ]);
});

test('options are read, each name once', () => {
  const args = '--suite small --suite serving --suite small --peers onednn,tfjs --peers onednn --threads 2'.split(' ');
  const { suite, peers, threads, rounds, filter } = readOptions(args);
  expect({ suite, peers, threads, rounds, filter }).toEqual({
    suite: ['small', 'serving'],
    peers: ['onednn', 'tfjs'],
    threads: 2,
    rounds: 15,
    filter: [''],
  });
});

test.each([
  ['--threads x', "--threads: expected a whole number in 1..256, received 'x'"],
  ['--threads 257', "--threads: expected a whole number in 1..256, received '257'"],
  ['--rounds 6', "--rounds: expected a whole number from 7, received '6'"],
  ['--rounds 7.5', "--rounds: expected a whole number from 7, received '7.5'"],
  ['--suite large', '--suite: expected one of layer, small'],
  ['--peers onednn,mine', "received 'mine'"],
  ['--isa neon', "--isa: expected one of scalar, avx2, avx512, received 'neon'"],
  ['--loud', "Unknown option '--loud'"],
  ['small', "Unexpected argument 'small'"],
])('%s is refused', (args, message) => {
  expect(() => readOptions(args.split(' '))).toThrow(UsageError);
  expect(() => readOptions(args.split(' '))).toThrow(message);
});
