import { DataError, OptionError, ShapeError } from '../errors';
import type {
  AttributeSpec,
  Attributes,
  Bound,
  Emitter,
  Given,
  IntegerRange,
  Op,
  Slots,
  ValueType,
  Variable,
} from '../ops/op';
import type { OpName } from '../ops/registry';
import { formatShape, type Dim } from '../ops/shape';
import {
  listOf,
  mapSlots,
  type Equation,
  type LeastSize,
  type NamedValue,
  type Program,
  type ProgramInput,
  type ProgramState,
  type ValueId,
} from './program';

/** An equation under construction: with its op and its variables, as gradient rules want them. */
export interface EquationRecord {
  readonly op: Op;
  readonly operands: Readonly<Record<string, Variable | null | readonly Variable[]>>;
  readonly outputs: Readonly<Record<string, Variable | readonly Variable[]>>;
  readonly attributes: Readonly<Record<string, never>>;
  readonly path: string;
}

/** Ops whose output holds the integers of their first operand, rearranged: a range on it is a range on the input. */
const layoutOps: ReadonlySet<string> = new Set(['transpose', 'reshape', 'slice', 'concat']);

/** Appends equations, checking each as it is written, and freezes them into a `Program`. */
export class ProgramBuilder implements Emitter {
  readonly records: EquationRecord[] = [];
  private readonly commitRecords: EquationRecord[] = [];
  private target = this.records;
  private readonly types: ValueType[] = [];
  private readonly inputs = new Map<string, { variable: Variable; ranges: IntegerRange[] }>();
  private readonly leastSizes: LeastSize[] = [];
  private readonly states = new Map<string, { variable: Variable; next: Variable | null }>();
  private readonly outputs = new Map<string, Variable>();
  private readonly guards = new Map<string, Variable>();
  private path = '';
  /** Errors whose message says the path already. */
  private readonly locatedErrors = new WeakSet<Error>();
  private randomStreams = 0;

  input(name: string, type: ValueType): Variable {
    if (this.inputs.has(name)) throw new TypeError(`the program has an input '${name}' already`);
    const variable = this.newVariable(type);
    this.inputs.set(name, { variable, ranges: [] });
    return variable;
  }

  /** The variable of a state; the same one at each call with this name. */
  state(name: string, type: ValueType): Variable {
    const known = this.states.get(name);
    if (known) {
      if (formatShape(known.variable.type.shape) !== formatShape(type.shape)) {
        throw new ShapeError(
          `${name}: expected ${formatShape(known.variable.type.shape)} as before, received ${formatShape(type.shape)}`,
        );
      }
      return known.variable;
    }
    const variable = this.newVariable(type);
    this.states.set(name, { variable, next: null });
    return variable;
  }

  /** What the state becomes in the commit. */
  setNext(name: string, next: Variable): void {
    const state = this.states.get(name);
    if (!state) throw new TypeError(`the program has no state '${name}'`);
    if (state.next) throw new TypeError(`the state '${name}' is written twice`);
    state.next = next;
  }

  output(name: string, variable: Variable): void {
    if (this.outputs.has(name)) throw new TypeError(`the program has an output '${name}' already`);
    this.outputs.set(name, variable);
  }

  /** The commit runs only if this scalar is finite. */
  guard(name: string, variable: Variable): void {
    this.guards.set(name, variable);
  }

  emit<O extends Slots, R extends Slots, A extends AttributeSpec>(
    op: Op<O, R, A>,
    operands: Given<O, Variable>,
    attributes: Attributes<A>,
  ): Bound<R, Variable> {
    const given = operands as Readonly<Record<string, Variable | null | readonly Variable[] | undefined>>;
    const bound = Object.fromEntries(Object.keys(op.operands).map((slot) => [slot, given[slot] ?? null]));
    this.checkOperands(op, bound);
    const types = op.infer(mapSlots(bound, (variable: Variable) => variable.type) as never, attributes);
    const outputs = mapSlots(types as Record<string, ValueType | readonly ValueType[]>, (type) =>
      this.newVariable(type),
    );
    this.target.push({
      op: op,
      operands: bound,
      outputs: outputs as Record<string, Variable>,
      attributes: attributes as never,
      path: this.path,
    });
    return outputs as Bound<R, Variable>;
  }

  nextRandomStream(): number {
    return this.randomStreams++;
  }

  /** Equations and errors inside bear this layer path; an error bears the innermost. */
  scope<T>(path: string, body: () => T): T {
    const outer = this.path;
    this.path = path;
    try {
      return body();
    } catch (error) {
      throw this.located(error, path);
    } finally {
      this.path = outer;
    }
  }

  /** Equations inside belong to the commit. */
  commit<T>(body: () => T): T {
    this.target = this.commitRecords;
    try {
      return body();
    } finally {
      this.target = this.records;
    }
  }

  /** States what the integers of a variable may be. It must come from an input, through layout ops only. */
  requireRange(variable: Variable, range: IntegerRange): void {
    const maker = this.records.find((record) => Object.values(record.outputs).flat().includes(variable));
    if (maker && layoutOps.has(maker.op.name)) {
      for (const operand of Object.values(maker.operands).flat()) if (operand) this.requireRange(operand, range);
      return;
    }
    for (const input of this.inputs.values()) {
      const known = input.ranges.some((other) => JSON.stringify(other) === JSON.stringify(range));
      if (input.variable === variable && !known) input.ranges.push(range);
    }
  }

  requireLeast(size: Dim, least: number, purpose: string): void {
    this.leastSizes.push({ size, least, purpose: this.path ? `${this.path}: ${purpose}` : purpose });
  }

  /** The program; equations that nothing depends on are left out. */
  finish(): Program {
    const keep = this.liveRecords();
    const compute = this.records.filter((record) => keep.has(record));
    const ids = new Map<ValueId, ValueId>();
    const values: ValueType[] = [];
    const number = (variable: Variable): ValueId => {
      let id = ids.get(variable.id);
      if (id === undefined) {
        id = values.push(variable.type) - 1;
        ids.set(variable.id, id);
      }
      return id;
    };
    const inputs: ProgramInput[] = [...this.inputs].map(([name, { variable, ranges }]) => ({
      name,
      value: number(variable),
      ranges: [...ranges],
    }));
    const states = [...this.states].map(([name, { variable, next }]) => ({ name, value: number(variable), next }));
    const equation = (record: EquationRecord): Equation => ({
      op: record.op.name as OpName,
      operands: mapSlots(record.operands, number),
      outputs: mapSlots(record.outputs, number),
      attributes: record.attributes,
      path: record.path,
    });
    const named = (map: ReadonlyMap<string, Variable>): NamedValue[] =>
      [...map].map(([name, variable]) => ({ name, value: number(variable) }));
    const program: Program = {
      inputs,
      leastSizes: [...this.leastSizes],
      compute: compute.map(equation),
      guards: named(this.guards),
      commit: this.commitRecords.map(equation),
      states: states.map(({ name, value, next }): ProgramState => ({ name, value, next: next && number(next) })),
      outputs: named(this.outputs),
      values,
    };
    return deepFreeze(program);
  }

  private liveRecords(): Set<EquationRecord> {
    const live = new Set<Variable>([...this.outputs.values(), ...this.guards.values()]);
    for (const { next } of this.states.values()) if (next) live.add(next);
    const readBy = (record: EquationRecord) => {
      for (const operand of Object.values(record.operands).flat()) if (operand) live.add(operand);
    };
    this.commitRecords.forEach(readBy);
    const keep = new Set<EquationRecord>();
    for (const record of [...this.records].reverse()) {
      if (
        !Object.values(record.outputs)
          .flat()
          .some((output) => live.has(output))
      )
        continue;
      keep.add(record);
      readBy(record);
    }
    return keep;
  }

  private newVariable(type: ValueType): Variable {
    return { id: this.types.push(type) - 1, type, builder: this };
  }

  private checkOperands(op: Op, bound: Readonly<Record<string, Variable | null | readonly Variable[]>>): void {
    for (const [slot, value] of Object.entries(bound)) {
      const { dtype, arity } = op.operands[slot]!;
      const describe = `${op.name}: ${slot}`;
      if (value === null) {
        if (arity !== 'optional') throw new ShapeError(`${describe}: expected a variable, received none`);
        continue;
      }
      for (const variable of listOf(value)) {
        if (variable.builder !== this) throw new ShapeError(`${describe}: the variable belongs to another program`);
        if (dtype !== 'any' && variable.type.dtype !== dtype) {
          throw new ShapeError(`${describe}: expected ${dtype}, received ${variable.type.dtype}`);
        }
      }
    }
  }

  private located(error: unknown, path: string): unknown {
    if (path === '' || this.locatedErrors.has(error as Error)) return error;
    const kind = [ShapeError, DataError, OptionError].find((kind) => error instanceof kind);
    if (!kind) return error;
    const located = new kind(`${path}: ${(error as Error).message}`, { cause: error });
    this.locatedErrors.add(located);
    return located;
  }
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !ArrayBuffer.isView(value) && !Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value).forEach(deepFreeze);
  }
  return value;
}
