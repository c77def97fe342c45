/**
 * Resident memory while character models train, each in a fresh process. `grown` is what was resident at most after a
 * step, less what was after the import of the library; `budget` is arena, parameters and optimizer together, all in
 * MB. `ratio` is the first over the second. `arena` is the arena's size over what is alive at the worst equation.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { Setting } from '../contest';
import { rowBesidePeak, type Row, type Rows } from '../report';
import { operationsOf } from '../lstmLayer';

export interface MemoryCase {
  readonly E: number;
  readonly H: number;
  readonly V: number;
  readonly layers: number;
  readonly T: number;
  readonly B: number;
}

/** Bytes, and seconds and operations a second. */
export interface MemoryReport {
  readonly grown: number;
  readonly arenaBytes: number;
  readonly liveBytes: number;
  readonly parameterBytes: number;
  readonly optimizerBytes: number;
  readonly seconds: readonly number[];
  readonly peak: readonly number[];
}

const cases: readonly MemoryCase[] = [
  { E: 64, H: 256, V: 96, layers: 1, T: 256, B: 128 },
  { E: 128, H: 512, V: 96, layers: 2, T: 128, B: 64 },
  { E: 256, H: 1024, V: 96, layers: 1, T: 64, B: 32 },
];

const nameOf = ({ layers, ...sizes }: MemoryCase) =>
  `${Object.entries(sizes)
    .map(([name, size]) => `${name} ${size}`)
    .join(', ')}, ${layers} ${layers === 1 ? 'layer' : 'layers'}`;

export async function* memory({ wanted }: Setting): Rows {
  for (const one of cases.filter((one) => wanted(nameOf(one)))) yield rowOf(one, await train(one));
}

async function train(one: MemoryCase): Promise<MemoryReport> {
  const script = join(__dirname, '..', 'memoryProcess.ts');
  const child = spawn(process.execPath, ['--expose-gc', '--import', 'tsx', script, JSON.stringify(one)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [said, [status]] = await Promise.all([text(child.stdout), once(child, 'exit') as Promise<[number | null]>]);
  if (status !== 0) throw new Error(`memory: ${nameOf(one)}: its process ended with ${status}`);
  return JSON.parse(said) as MemoryReport;
}

const mega = 2 ** 20;

function rowOf(one: MemoryCase, report: MemoryReport): Row {
  const { E, H, V, layers, T, B } = one;
  const [first, others] = [
    { T, B, I: E, H },
    { T, B, I: H, H },
  ];
  const operations = operationsOf(first, 'train') + (layers - 1) * operationsOf(others, 'train') + 6 * T * B * H * V;
  const { grown, arenaBytes, liveBytes, parameterBytes, optimizerBytes } = report;
  const budget = arenaBytes + parameterBytes + optimizerBytes;
  return {
    ...rowBesidePeak({ suite: 'memory', case: nameOf(one), pass: 'train' }, operations, report),
    figures: { grown: grown / mega, budget: budget / mega, ratio: grown / budget, arena: arenaBytes / liveBytes },
  };
}
