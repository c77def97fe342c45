/** Results as Markdown: what was measured on, the geometric means, and a table for each suite. */
import { describe, tableOf, type Report, type Row } from './report';
import type { Results } from './show';

export function markdown({ machines, rows, geomean }: Results): string {
  const suites = [...new Set(rows.map(({ suite }) => suite))];
  const parts = [
    ...new Set(machines.map((machine) => describe(machine).replaceAll('\n', '; '))),
    ...meansTable(geomean),
    ...suites.flatMap((suite) => suiteTable(rows.filter((row) => row.suite === suite))),
  ];
  return parts.join('\n\n');
}

function meansTable(geomean: Report['geomean']): string[] {
  const keys = Object.keys(geomean).filter((key) => Object.keys(geomean[key]!).length > 0);
  if (keys.length === 0) return [];
  const peers = [...new Set(keys.flatMap((key) => Object.keys(geomean[key]!)))];
  const lines = keys.map((key) => [`\`${key}\``, ...peers.map((peer) => geomean[key]![peer]?.toFixed(2) ?? '')]);
  return [tableText([['geometric mean', ...peers.map((peer) => `x ${peer}`)], ...lines], 1)];
}

/** The table, without the suite's own column; who was skipped is told below, once for each reason. */
function suiteTable(rows: readonly Row[]): string[] {
  const { words, cells } = tableOf(rows, false);
  const skipped = new Map<string, number>();
  for (const row of rows)
    for (const [peer, reason] of Object.entries(row.skipped ?? {})) {
      const told = `${peer}: ${reason}`;
      skipped.set(told, (skipped.get(told) ?? 0) + 1);
    }
  const table = tableText(
    cells.map(([, ...others]) => others),
    words - 1,
  );
  const notes = [...skipped].map(([told, count]) => `- ${told} (${count} of ${rows.length} rows)`);
  return [`### \`${rows[0]!.suite}\``, table, ...(notes.length > 0 ? [`Not timed:\n\n${notes.join('\n')}`] : [])];
}

const tableText = ([header, ...lines]: readonly (readonly string[])[], words: number): string =>
  [header!, header!.map((_, column) => (column < words ? '---' : '---:')), ...lines]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n');
