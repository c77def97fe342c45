/** What recurrent layers did at every step of a program, and the gradients that reached them there. */
import { isVariable, type Variable } from '../ops/op';
import type { EquationRecord, ProgramBuilder } from '../program/builder';
import type { LayerRecord } from '../nn/records';

const variablesOf = (slots: EquationRecord['outputs'] | EquationRecord['operands']) =>
  Object.values(slots)
    .flat()
    .filter((variable): variable is Variable => variable !== null);

/**
 * The record of a layer, and beside it, once the program is differentiated, all that its backward equation gives over time:
 * whatever its op calls it, such as `dh`, `dcells`, `dgates`.
 */
export function perStepOf(builder: ProgramBuilder, record: LayerRecord): Readonly<Record<string, Variable>> {
  const forward = builder.records.find(({ outputs }) => variablesOf(outputs).includes(record.hidden));
  const made = forward ? variablesOf(forward.outputs) : [];
  const backward = builder.records.find(
    ({ op, operands }) =>
      op.name === `${forward?.op.name}_backward` && variablesOf(operands).some((operand) => made.includes(operand)),
  );
  const [steps] = record.hidden.type.shape;
  const overTime = Object.entries(backward?.outputs ?? {}).filter(([, made]) => {
    const shape = isVariable(made) ? made.type.shape : [];
    return shape.length === 3 && shape[0] === steps;
  });
  return { ...record, ...(Object.fromEntries(overTime) as Record<string, Variable>) };
}
