/** `npm run bench:report`: Markdown tables, and a chart, of results that `npm run bench -- --json FILE` kept. */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { drawChart } from './chart';
import { markdown } from './markdown';
import { UsageError } from './options';
import { geometricMeans, type Report, type Row } from './report';

const usage = `npm run bench:report -- FILE.json ... [--chart FILE.svg]

  FILE.json ...     what npm run bench -- --json kept; of a case that is in several, the last counts
  --chart FILE.svg  draws ratios to other engines and percent of the roof there, by ECharts (npm ci --prefix benchmarks)
  --help            this text

Prints the tables in Markdown.`;

function readOptions() {
  try {
    return parseArgs({
      options: { chart: { type: 'string' }, help: { type: 'boolean', default: false } },
      allowPositionals: true,
    });
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n--help lists the options`);
  }
}

/** The machines of all, and the rows, each once. */
export interface Results {
  readonly machines: readonly Report['machine'][];
  readonly rows: readonly Row[];
  readonly geomean: Report['geomean'];
}

function readResults(files: readonly string[]): Results {
  const reports = files.map(readReport);
  const keyOf = ({ suite, case: name, pass }: Row) => [suite, name, pass].join('\n');
  const rows = [...new Map(reports.flatMap((report) => report.rows).map((row) => [keyOf(row), row])).values()];
  return { machines: reports.map(({ machine }) => machine), rows, geomean: geometricMeans(rows) };
}

function readReport(file: string): Report {
  try {
    const report = JSON.parse(readFileSync(file, 'utf8')) as Partial<Report> | null;
    if (!Array.isArray(report?.rows) || typeof report.machine !== 'object') throw new Error('has no machine and rows');
    return report as Report;
  } catch (error) {
    throw new UsageError(`${file}: expected what npm run bench -- --json keeps: ${(error as Error).message}`);
  }
}

function main(): void {
  const { values, positionals } = readOptions();
  if (values.help) return console.log(usage);
  if (positionals.length === 0) throw new UsageError(`expected FILE.json ..., received none\n\n${usage}`);
  const results = readResults(positionals);
  if (values.chart !== undefined) writeFileSync(values.chart, drawChart(results));
  console.log(markdown(results));
}

try {
  main();
} catch (error) {
  console.error(error instanceof UsageError ? error.message : error);
  process.exitCode = 1;
}
