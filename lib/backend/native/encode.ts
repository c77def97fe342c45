/**
 * A program and its plan as words, numbers and names, for the native decoder (native/program/decode.cc), which reads
 * them in this order and refuses what does not fit:
 *
 *   format, capacities of T B S, arena blocks
 *   values: count, then each: dtype, rank, (coefficient, exponents of T B S) by axis, place, position
 *   inputs: count, values
 *   equations: count, how many of them compute, then each: opcode, operands and outputs (by slot: count, values),
 *     attributes (each: how many of the numbers)
 *   guards, outputs, states that change, their next values: count, values
 */
import type { AttributeKinds, Slots } from '../../ops/op';
import type { OpName } from '../../ops/registry';
import { countNames, monomial, type Counts } from '../../ops/shape';
import { alignment, plan, type Placement } from '../../program/plan';
import { idsIn, opOf, type Equation, type Ids, type Program } from '../../program/program';
import { BackendError } from '../../errors';
import { dtypeCodes } from './addon';

export interface EncodedProgram {
  readonly words: Int32Array;
  readonly numbers: Float64Array;
  readonly states: readonly string[];
}

const format = 1;
const placeCodes = { arena: 0, input: 1, state: 2, unplanned: 3 } as const;

export function encode(program: Program, capacities: Counts, opcodes: ReadonlyMap<OpName, number>): EncodedProgram {
  const { placements, arenaBytes } = plan(program, capacities);
  const words: number[] = [format, ...countNames.map((name) => capacities[name]), arenaBytes / alignment];
  const numbers: number[] = [];
  const list = (values: readonly number[]) => words.push(values.length, ...values);

  words.push(program.values.length);
  program.values.forEach(({ dtype, shape }, value) => {
    const dims = shape.map(monomial).flatMap(({ coefficient, exponents }) => [coefficient, ...exponents]);
    words.push(dtypeCodes[dtype], shape.length, ...dims, ...encodePlacement(placements[value]!));
  });
  list(program.inputs.map(({ value }) => value));

  const equations = [...program.compute, ...program.commit];
  words.push(equations.length, program.compute.length);
  for (const equation of equations) {
    const op = opOf(equation);
    words.push(opcodes.get(equation.op)!);
    for (const ids of [...slotIds(op.operands, equation.operands), ...slotIds(op.outputs, equation.outputs)]) list(ids);
    for (const values of attributeNumbers(equation)) {
      words.push(values.length);
      numbers.push(...values);
    }
  }

  const changing = program.states.filter(({ next }) => next !== null);
  list(program.guards.map(({ value }) => value));
  list(program.outputs.map(({ value }) => value));
  list(changing.map(({ value }) => value));
  list(changing.map(({ next }) => next!));
  return { words: toInt32(words), numbers: Float64Array.from(numbers), states: program.states.map(({ name }) => name) };
}

function encodePlacement(placement: Placement): readonly [place: number, position: number] {
  const code = placeCodes[placement.kind];
  switch (placement.kind) {
    case 'arena':
      return [code, placement.offset / alignment];
    case 'unplanned':
      return [code, 0];
    default:
      return [code, placement.index];
  }
}

const slotIds = (slots: Slots, bound: Readonly<Record<string, Ids>>) =>
  Object.keys(slots).map((slot) => idsIn(bound[slot] ?? null));

function attributeNumbers(equation: Equation): number[][] {
  return Object.entries(opOf(equation).attributes)
    .filter(([, kind]) => kind !== 'shape')
    .map(([name]) =>
      [equation.attributes[name] as AttributeKinds['number' | 'boolean' | 'integers' | 'numbers']].flat().map(Number),
    );
}

function toInt32(words: readonly number[]): Int32Array {
  const encoded = Int32Array.from(words);
  const index = words.findIndex((word, position) => word !== encoded[position]);
  if (index >= 0) throw new BackendError(`the program is too large to run: a size of ${words[index]}`);
  return encoded;
}
