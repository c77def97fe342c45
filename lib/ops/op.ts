/**
 * The contract of an op: one coarse, typed equation kind.
 *
 * An op's file holds its shape rule, its gradient rule and its reference loop side by side; the native kernel of the
 * same name is the same mathematics, fast. Operands and outputs are named slots, so programs print readably and the
 * three rules destructure what they need.
 */
import { OptionError, ShapeError } from '../errors';
import { formatShape, sameShape, type Dim, type Shape } from './shape';

export type Dtype = 'float32' | 'int32' | 'float64';

export interface ValueType {
  readonly dtype: Dtype;
  readonly shape: Shape;
}

/**
 * How many values a slot holds. `one`: always; `optional`: an operand that may be missing; `many`: a list;
 * `onDemand`: an output that is not planned, and whose kernel pointer is null, unless somebody reads it.
 */
export type Arity = 'one' | 'optional' | 'many' | 'onDemand';

export interface Slot<A extends Arity = Arity> {
  /** `any`: a layout op that moves float32 or int32 elements. */
  readonly dtype: Dtype | 'any';
  readonly arity: A;
  /** For an output: the operand whose memory it overwrites (a state, updated in the commit). */
  readonly inPlace?: string;
}
export type Slots = Readonly<Record<string, Slot>>;

export const one = (dtype: Slot['dtype']): Slot<'one'> => ({ dtype, arity: 'one' });
export const optional = (dtype: Slot['dtype']): Slot<'optional'> => ({ dtype, arity: 'optional' });
export const many = (dtype: Slot['dtype']): Slot<'many'> => ({ dtype, arity: 'many' });
export const onDemand = (dtype: Slot['dtype']): Slot<'onDemand'> => ({ dtype, arity: 'onDemand' });
/** Outputs that overwrite the operand(s) of the slot `operand`. */
export const inPlace = <A extends 'one' | 'many'>(slot: Slot<A>, operand: string): Slot<A> => ({
  ...slot,
  inPlace: operand,
});

type BoundBy<A extends Arity, T> = A extends 'many' ? readonly T[] : A extends 'optional' ? T | null : T;

/** What a slot is bound to: `T`, `T | null` or a list of `T`; for slots that are not known, any of these. */
export type Bound<S extends Slots, T> = { readonly [K in keyof S]: BoundBy<S[K]['arity'], T> };

/** What a caller passes: as `Bound`, but optional operands may be left out. */
export type Given<S extends Slots, T> = {
  readonly [K in keyof S as S[K] extends Slot<'optional'> ? never : K]: Bound<S, T>[K];
} & { readonly [K in keyof S as S[K] extends Slot<'optional'> ? K : never]?: T | null };

/**
 * Kinds of attribute, fixed when the program is built. `shape` is read by the shape rule alone: kernels see the
 * shapes of the outputs.
 */
export interface AttributeKinds {
  readonly integer: number;
  readonly number: number;
  readonly boolean: boolean;
  readonly integers: readonly number[];
  readonly numbers: readonly number[];
  readonly shape: Shape;
}
export type AttributeSpec = Readonly<Record<string, keyof AttributeKinds>>;
export type Attributes<A extends AttributeSpec> = { readonly [K in keyof A]: AttributeKinds[A[K]] };

/**
 * A value of a program under construction: what layers and functions such as `add` take and return. It holds no numbers;
 * those come when the program runs.
 */
export interface Variable {
  /** Its number among the values of the program. */
  readonly id: number;
  /** `dtype`, and `shape` with steps first: `[T, B, features]`, where `'T'` and `'B'` are sizes known when a batch comes. */
  readonly type: ValueType;
  /** The program that it belongs to; functions append their equations there. */
  readonly builder: Emitter;
}

export const isVariable = (value: unknown): value is Variable =>
  typeof value === 'object' && value !== null && 'builder' in value && 'type' in value && 'id' in value;

/** Integers from `from` up to but not including `below`, or exactly `except`; of float32, numbers from 0 to `below`. */
export interface IntegerRange {
  /** Default 0. */
  readonly from?: number;
  readonly below: Dim;
  /** Whether `below` itself is allowed too: lengths may equal T. */
  readonly inclusive?: boolean;
  readonly except?: number;
  /** Who needs it, where the name of the input alone does not tell. */
  readonly purpose?: string;
}

/** Appends one equation; returns its outputs by slot name. */
export type Emit = <O extends Slots, R extends Slots, A extends AttributeSpec>(
  op: Op<O, R, A>,
  operands: Given<O, Variable>,
  attributes: Attributes<A>,
) => Bound<R, Variable>;

export interface Emitter {
  readonly emit: Emit;
  /** A number, different for each call in a program, for ops that draw random numbers. */
  nextRandomStream(): number;
  /** States what the numbers of a variable that comes from an input may be; checked when a batch is bound. */
  requireRange(variable: Variable, range: IntegerRange): void;
  /** States the least that a size may be which comes with a batch, and for what; checked when a batch is bound. */
  requireLeast(size: Dim, least: number, purpose: string): void;
}

export interface GradientCall<O extends Slots, R extends Slots, A extends AttributeSpec> {
  readonly operands: Bound<O, Variable>;
  readonly outputs: Bound<R, Variable>;
  readonly attributes: Attributes<A>;
  /** The gradient of the scalar with respect to each output; null where nothing flows back. At least one is not null. */
  readonly cotangents: { readonly [K in keyof R]: BoundBy<R[K]['arity'], Variable | null> };
  /** Whether somebody needs the gradient of this operand. */
  wants(this: void, operand: keyof O & string): boolean;
  readonly emit: Emit;
}

/** Gradients by operand slot; a slot left out, or null, receives none. */
export type Gradients<O extends Slots> = {
  readonly [K in keyof O]?: BoundBy<O[K]['arity'], Variable | null>;
};

/** A value on the reference backend: float32 and float64 values are float64 arrays, int32 values int32 arrays. */
export interface View {
  readonly data: Float64Array | Int32Array;
  readonly shape: readonly number[];
}

export interface ReferenceCall<O extends Slots, R extends Slots, A extends AttributeSpec> {
  readonly operands: Bound<O, View>;
  /** Freshly allocated and zero. */
  readonly outputs: Bound<R, View>;
  readonly attributes: Attributes<A>;
}

/** Declared as a method, so that the ops of a registry share one type although their slots differ. */
export type GradientRule<O extends Slots, R extends Slots, A extends AttributeSpec> = {
  rule(call: GradientCall<O, R, A>): Gradients<O>;
}['rule'];

export interface Op<O extends Slots = Slots, R extends Slots = Slots, A extends AttributeSpec = AttributeSpec> {
  readonly name: string;
  readonly operands: O;
  readonly outputs: R;
  readonly attributes: A;
  /** The shape rule: types of the outputs, or a ShapeError that names the operand. */
  infer(operands: Bound<O, ValueType>, attributes: Attributes<A>): Bound<R, ValueType>;
  /** The gradient rule emits ops; `none` for backward and update ops. */
  readonly gradient: 'none' | GradientRule<O, R, A>;
  /** The definition of correct: plain loops in float64. */
  reference(call: ReferenceCall<O, R, A>): void;
}

/** Declares an op; exists so that the types of the three rules follow from the slots. */
export function defineOp<
  const N extends string,
  const O extends Slots,
  const R extends Slots,
  const A extends AttributeSpec,
>(op: Op<O, R, A> & { readonly name: N }): Op<O, R, A> & { readonly name: N } {
  return op;
}

export const float32 = (...shape: Shape): ValueType => ({ dtype: 'float32', shape });
export const float64 = (...shape: Shape): ValueType => ({ dtype: 'float64', shape });
export const int32 = (...shape: Shape): ValueType => ({ dtype: 'int32', shape });

/** Throws a ShapeError unless the operand has the expected shape. */
export function expectShape(operand: string, received: ValueType, expected: Shape): void {
  if (!sameShape(received.shape, expected)) {
    throw new ShapeError(`${operand}: expected ${formatShape(expected)}, received ${formatShape(received.shape)}`);
  }
}

/** Throws a ShapeError unless the operand has the expected number of axes, described by `letters` such as `[T, B, I]`. */
export function expectRank(operand: string, received: ValueType, rank: number, letters: string): void {
  if (received.shape.length !== rank) {
    throw new ShapeError(`${operand}: expected ${letters}, received ${formatShape(received.shape)}`);
  }
}

/** Throws where somebody asks for a gradient that has no rule: a silent zero would be a wrong answer. */
export function refuseGradient(slot: string, asked: boolean): void {
  if (asked) throw new OptionError(`${slot}: no gradient flows through it`);
}
