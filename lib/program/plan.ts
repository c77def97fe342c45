/**
 * The memory plan: where each value of a program lies when sizes are at their capacities. Values whose lifetimes do
 * not meet share memory; everything lies in one arena, on 64-byte boundaries.
 */
import { elementCount, evaluateShape, type Counts } from '../ops/shape';
import { allIds, idsIn, inPlacePairs, opOf, readValues, type Equation, type Program, type ValueId } from './program';

export type Placement =
  | { readonly kind: 'arena'; readonly offset: number; readonly bytes: number }
  | { readonly kind: 'input'; readonly index: number }
  | { readonly kind: 'state'; readonly index: number }
  /** An output on demand that nobody reads. */
  | { readonly kind: 'unplanned' };

export interface Plan {
  readonly capacities: Counts;
  /** By value. */
  readonly placements: readonly Placement[];
  readonly arenaBytes: number;
  /** What is alive at the worst equation: no arena can be smaller. */
  readonly liveBytes: number;
}

export const alignment = 64;
export const bytesPerElement = { float32: 4, int32: 4, float64: 8 } as const;

/** The equations, by index, during which a value must be kept: from its making to its last reading. */
interface Lifetime {
  readonly value: ValueId;
  readonly bytes: number;
  readonly begin: number;
  end: number;
}

export function plan(program: Program, capacities: Counts): Plan {
  const placements: Placement[] = program.values.map(() => ({ kind: 'unplanned' }));
  program.inputs.forEach(({ value }, index) => (placements[value] = { kind: 'input', index }));
  program.states.forEach(({ value }, index) => (placements[value] = { kind: 'state', index }));
  for (const equation of program.commit) {
    for (const [output, operand] of inPlacePairs(equation)) placements[output] = placements[operand]!;
  }
  const byteSize = (value: ValueId) => {
    const { dtype, shape } = program.values[value]!;
    const bytes = elementCount(evaluateShape(shape, capacities)) * bytesPerElement[dtype];
    return Math.ceil(Math.max(bytes, 1) / alignment) * alignment;
  };
  const lifetimes = findLifetimes(program, byteSize).filter(({ value }) => placements[value]!.kind === 'unplanned');
  const arenaBytes = assignOffsets(
    lifetimes,
    (value, offset, bytes) => (placements[value] = { kind: 'arena', offset, bytes }),
  );
  return { capacities, placements, arenaBytes, liveBytes: mostAlive(lifetimes) };
}

function findLifetimes(program: Program, byteSize: (value: ValueId) => number): Lifetime[] {
  const lifetimes = new Map<ValueId, Lifetime>();
  const equations = [...program.compute, ...program.commit];
  const keepUntil = (value: ValueId, end: number) => {
    const lifetime = lifetimes.get(value);
    if (lifetime) lifetime.end = Math.max(lifetime.end, end);
  };
  const reads = readValues(program);
  equations.forEach((equation, index) => {
    for (const value of allIds(equation.operands)) keepUntil(value, index);
    for (const value of plannedOutputs(equation, reads))
      lifetimes.set(value, { value, bytes: byteSize(value), begin: index, end: index });
  });
  for (const { value } of program.guards) keepUntil(value, program.compute.length);
  for (const { value } of program.outputs) keepUntil(value, equations.length);
  for (const { next } of program.states) if (next !== null) keepUntil(next, equations.length);
  return [...lifetimes.values()];
}

function plannedOutputs(equation: Equation, reads: ReadonlySet<ValueId>): ValueId[] {
  return Object.entries(equation.outputs).flatMap(([slot, ids]) =>
    idsIn(ids).filter((value) => opOf(equation).outputs[slot]!.arity !== 'onDemand' || reads.has(value)),
  );
}

/** The largest sum of the bytes that are kept during one equation. */
function mostAlive(lifetimes: readonly Lifetime[]): number {
  const last = Math.max(0, ...lifetimes.map(({ end }) => end));
  const changes = new Float64Array(last + 2);
  for (const { begin, end, bytes } of lifetimes) {
    changes[begin]! += bytes;
    changes[end + 1]! -= bytes;
  }
  let alive = 0;
  return changes.reduce((most, change) => Math.max(most, (alive += change)), 0);
}

/** Largest first, each at the lowest offset that is free during its lifetime. */
function assignOffsets(
  lifetimes: readonly Lifetime[],
  place: (value: ValueId, offset: number, bytes: number) => void,
): number {
  const placed: { lifetime: Lifetime; offset: number }[] = [];
  let arenaBytes = 0;
  for (const lifetime of [...lifetimes].sort((a, b) => b.bytes - a.bytes || a.begin - b.begin)) {
    const neighbours = placed
      .filter((other) => other.lifetime.begin <= lifetime.end && lifetime.begin <= other.lifetime.end)
      .sort((a, b) => a.offset - b.offset);
    let offset = 0;
    for (const other of neighbours) {
      if (offset + lifetime.bytes <= other.offset) break;
      offset = Math.max(offset, other.offset + other.lifetime.bytes);
    }
    placed.push({ lifetime, offset });
    place(lifetime.value, offset, lifetime.bytes);
    arenaBytes = Math.max(arenaBytes, offset + lifetime.bytes);
  }
  return arenaBytes;
}
