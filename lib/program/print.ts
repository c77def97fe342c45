import type { ValueType } from '../ops/op';
import { formatShape } from '../ops/shape';
import { idsIn, readValues, type Equation, type Ids, type Program } from './program';

const formatType = ({ dtype, shape }: ValueType) => `${dtype}${formatShape(shape)}`;
const formatId = (id: number) => `%${id}`;
const formatIds = (ids: Ids) =>
  Array.isArray(ids) ? `(${ids.map(formatId).join(' ')})` : idsIn(ids).map(formatId).join();

function formatEquation(program: Program, equation: Equation): string {
  const read = readValues(program);
  const outputs = Object.entries(equation.outputs)
    .filter(([, ids]) => idsIn(ids).some((id) => read.has(id)))
    .map(([slot, ids]) => `${slot} ${formatIds(ids)}: ${formatType(program.values[idsIn(ids)[0]!]!)}`);
  const operands = Object.entries(equation.operands)
    .filter(([, ids]) => ids !== null)
    .map(([slot, ids]) => `${slot} ${formatIds(ids)}`);
  const attributes = Object.entries(equation.attributes).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  const path = equation.path ? `  # ${equation.path}` : '';
  return `${outputs.join(', ')} = ${equation.op}(${[...operands, ...attributes].join(', ')})${path}`;
}

/** One line for each input, state, equation and output. */
export function print(program: Program): string {
  const typed = (value: number) => `${formatId(value)}: ${formatType(program.values[value]!)}`;
  return [
    ...program.inputs.map(({ name, value }) => `input ${name} ${typed(value)}`),
    ...program.states.map(
      ({ name, value, next }) => `state ${name} ${typed(value)}${next === null ? '' : ` -> ${formatId(next)}`}`,
    ),
    ...program.compute.map((equation) => formatEquation(program, equation)),
    ...(program.guards.length
      ? [`commit if finite: ${program.guards.map(({ name, value }) => `${name} ${formatId(value)}`).join(', ')}`]
      : []),
    ...program.commit.map((equation) => formatEquation(program, equation)),
    ...program.outputs.map(({ name, value }) => `output ${name} ${formatId(value)}`),
  ].join('\n');
}
