/**
 * A program: typed equations over values, in the order in which they run. A frozen value between the stages: layers
 * build it, gradient rules extend it, a plan lays it out, a backend executes it.
 *
 * Every value is made once: by an input, a state, or one equation. `compute` runs first; `commit` (the updates of
 * states) runs only when every guard is finite.
 */
import type { OpName } from '../ops/registry';
import { registry } from '../ops/registry';
import type { AttributeKinds, IntegerRange, Op, ValueType } from '../ops/op';
import { sameShape, type Dim } from '../ops/shape';

export type ValueId = number;
/** What a slot is bound to. */
export type Ids = ValueId | null | readonly ValueId[];

export interface Equation {
  readonly op: OpName;
  readonly operands: Readonly<Record<string, Ids>>;
  readonly outputs: Readonly<Record<string, Ids>>;
  readonly attributes: Readonly<Record<string, AttributeKinds[keyof AttributeKinds]>>;
  /** The layer that wrote it, for messages. */
  readonly path: string;
}

export interface ProgramInput {
  readonly name: string;
  readonly value: ValueId;
  /** What the integers of this input may be, all at once; checked when it is bound. */
  readonly ranges: readonly IntegerRange[];
}

/** A size that a program needs at least, which no shape says. */
export interface LeastSize {
  readonly size: Dim;
  readonly least: number;
  /** The layer that needs it, and for what; for messages. */
  readonly purpose: string;
}

export interface ProgramState {
  readonly name: string;
  readonly value: ValueId;
  /** What it becomes in the commit; null when it is only read. */
  readonly next: ValueId | null;
}

export interface NamedValue {
  readonly name: string;
  readonly value: ValueId;
}

export interface Program {
  readonly values: readonly ValueType[];
  readonly inputs: readonly ProgramInput[];
  readonly leastSizes: readonly LeastSize[];
  readonly states: readonly ProgramState[];
  readonly compute: readonly Equation[];
  readonly guards: readonly NamedValue[];
  readonly commit: readonly Equation[];
  readonly outputs: readonly NamedValue[];
}

/** What a slot is bound to, as a list. */
export function listOf<T>(bound: T | null | readonly T[]): readonly T[] {
  if (bound === null) return [];
  return Array.isArray(bound) ? (bound as readonly T[]) : [bound as T];
}

export const idsIn = (ids: Ids): readonly ValueId[] => listOf(ids);

/** The values of all slots, in the order of the op's signature. */
export function allIds(bound: Readonly<Record<string, Ids>>): readonly ValueId[] {
  return Object.values(bound).flatMap(idsIn);
}

/** Replaces what each slot is bound to, keeping the slot's form: one, none or a list. */
export function mapSlots<T, U>(
  bound: Readonly<Record<string, T | null | readonly T[]>>,
  replace: (value: T) => U,
): Record<string, U | null | readonly U[]> {
  return Object.fromEntries(
    Object.entries(bound).map(([slot, value]) => [
      slot,
      value === null ? null : Array.isArray(value) ? value.map(replace) : replace(value as T),
    ]),
  );
}

/** The declaration of an equation's op. */
export function opOf(equation: Equation): Op {
  return registry[equation.op];
}

/** Pairs of an output and the operand whose memory it overwrites. */
export function inPlacePairs(equation: Equation): (readonly [output: ValueId, operand: ValueId])[] {
  return Object.entries(opOf(equation).outputs).flatMap(([slot, { inPlace }]) => {
    if (inPlace === undefined) return [];
    const operands = idsIn(equation.operands[inPlace] ?? null);
    return idsIn(equation.outputs[slot] ?? null).map((output, index) => [output, operands[index]!] as const);
  });
}

/**
 * Checks a program from scratch: every value is made before it is read, and once; every equation's types follow from
 * its op's shape rule. The builder guarantees this; it guards programs that were made or changed in another way.
 */
export function typecheck(program: Program): void {
  const made = new Set<ValueId>();
  const make = (value: ValueId, by: string) => {
    if (program.values[value] === undefined) throw new TypeError(`${by}: value %${value} has no type`);
    if (made.has(value)) throw new TypeError(`${by}: value %${value} is made twice`);
    made.add(value);
  };
  const read = (value: ValueId, by: string) => {
    if (!made.has(value)) throw new TypeError(`${by}: value %${value} is read before it is made`);
  };
  for (const input of program.inputs) make(input.value, `input ${input.name}`);
  for (const state of program.states) make(state.value, `state ${state.name}`);
  const check = (equation: Equation) => {
    const by = `${equation.path || 'program'}: ${equation.op}`;
    for (const id of allIds(equation.operands)) read(id, by);
    const typeOf = (id: ValueId) => program.values[id]!;
    const inferred = opOf(equation).infer(mapSlots(equation.operands, typeOf), equation.attributes);
    for (const [slot, ids] of Object.entries(equation.outputs)) {
      const types = [(inferred as Record<string, ValueType | readonly ValueType[]>)[slot]!].flat();
      idsIn(ids).forEach((id, index) => {
        make(id, by);
        const type = types[index];
        if (!type || type.dtype !== typeOf(id).dtype || !sameShape(type.shape, typeOf(id).shape)) {
          throw new TypeError(`${by}: the type of ${slot} does not follow from its operands`);
        }
      });
    }
  };
  program.compute.forEach(check);
  for (const guard of program.guards) read(guard.value, `guard ${guard.name}`);
  program.commit.forEach(check);
  for (const { name, next } of program.states) if (next !== null) read(next, `state ${name}`);
  for (const output of program.outputs) read(output.value, `output ${output.name}`);
}

/** The values that something reads: equations, guards, outputs, and the next run. */
export function readValues(program: Program): Set<ValueId> {
  const read = new Set<ValueId>();
  for (const equation of [...program.compute, ...program.commit])
    for (const value of allIds(equation.operands)) read.add(value);
  for (const { value } of [...program.guards, ...program.outputs]) read.add(value);
  for (const { next } of program.states) if (next !== null) read.add(next);
  return read;
}
