import { OptionError } from '../../errors';
import { logistic } from '../elementwise/activations';
import type { AttributeSpec, Attributes, View } from '../op';
import { expectClip, writeBounds } from './gateClip';

/** A function that a gate or a cell goes through, and its slope as a function of its value. */
interface ActivationRule {
  value(z: number): number;
  slope(y: number): number;
}

const hardSigmoidSlope = 0.2;

/**
 * `hardSigmoid` is clip(0.2 z + 0.5, 0, 1), as in ONNX, Keras 2 and tfjs. `one` is a gate that is not there. `coupled`
 * is the forget gate 1 - i: it has no weights of its own.
 */
export const activations = {
  sigmoid: { value: logistic, slope: (y) => y * (1 - y) },
  tanh: { value: Math.tanh, slope: (y) => 1 - y * y },
  relu: { value: (z) => Math.max(z, 0), slope: (y) => (y > 0 ? 1 : 0) },
  hardSigmoid: {
    value: (z) => Math.min(Math.max(hardSigmoidSlope * z + 0.5, 0), 1),
    slope: (y) => (y > 0 && y < 1 ? hardSigmoidSlope : 0),
  },
  identity: { value: (z) => z, slope: () => 1 },
  one: { value: () => 1, slope: () => 0 },
  coupled: { value: () => NaN, slope: () => 0 },
} satisfies Record<string, ActivationRule>;
export type Activation = keyof typeof activations;

/** An activation in attributes is its position in this list, as in native/kernels/recurrent/lstm_kind.h. */
const names = Object.keys(activations) as Activation[];

/** What stands at the places of the attribute `activations`: the gates in the order of `lstmGates`, then the cell. */
export interface LstmActivations {
  readonly input: Activation;
  readonly forget: Activation;
  readonly candidate: Activation;
  readonly output: Activation;
  /** Between the cell and the output gate. */
  readonly cell: Activation;
}

export const plainActivations: LstmActivations = {
  input: 'sigmoid',
  forget: 'sigmoid',
  candidate: 'tanh',
  output: 'sigmoid',
  cell: 'tanh',
};

/** Attributes that say which LSTM an op is; a clip of 0 clips nothing. */
export const lstmKindAttributes = {
  activations: 'integers',
  cell_clip: 'number',
  gate_clip: 'number',
} as const satisfies AttributeSpec;
export type LstmKindAttributes = Attributes<typeof lstmKindAttributes>;

export function lstmKind(kind: Partial<LstmActivations> = {}, cellClip = 0, gateClip = 0): LstmKindAttributes {
  const { input, forget, candidate, output, cell } = { ...plainActivations, ...kind };
  return {
    activations: [input, forget, candidate, output, cell].map((name) => names.indexOf(name)),
    cell_clip: cellClip,
    gate_clip: gateClip,
  };
}

export const plainLstm = lstmKind();

/** The activations that attributes name. */
export function activationsOf({ activations }: LstmKindAttributes): LstmActivations {
  const [input, forget, candidate, output, cell] = activations.map((code) => names[code]);
  if (activations.length !== 5 || !input || !forget || !candidate || !output || !cell) {
    throw new OptionError(`activations: expected 5 numbers of activations, received [${activations.join(', ')}]`);
  }
  return { input, forget, candidate, output, cell };
}

/** Refuses what no cell can be. */
export function expectLstmKind(kind: LstmKindAttributes): void {
  const { input, forget, candidate, output, cell } = activationsOf(kind);
  if ([candidate, cell].some((name) => name === 'one') || [input, candidate, output, cell].includes('coupled')) {
    throw new OptionError("activations: only a gate can be 'one', and only the forget gate 'coupled'");
  }
  if (forget === 'coupled' && input === 'one') {
    throw new OptionError('a forget gate coupled to an input gate that is not there would always be 0');
  }
  for (const name of ['cell_clip', 'gate_clip'] as const) expectClip(name, kind[name]);
}

/** Whether these are the attributes of the LSTM that has no options. */
export const isPlain = ({ activations, cell_clip, gate_clip }: LstmKindAttributes): boolean =>
  cell_clip === 0 && gate_clip === 0 && activations.every((code, place) => code === plainLstm.activations[place]);

/** Whether a gate has weights of its own: it is there, and not coupled. */
export const hasWeights = (gate: Activation): boolean => gate !== 'one' && gate !== 'coupled';

/** The gates that have weights of their own, as numbers of `lstmGates`. */
export function weightedGates(kind: LstmKindAttributes): readonly number[] {
  const { input, forget, candidate, output } = activationsOf(kind);
  return [input, forget, candidate, output].flatMap((name, gate) => (hasWeights(name) ? [gate] : []));
}

/** What `writeBounds` says, of the four gates. */
export function writeGateBounds(kind: LstmKindAttributes, bounds: View): void {
  const { input, forget, candidate, output } = activationsOf(kind);
  const rules = [input, forget, candidate, output].map((name) => (hasWeights(name) ? activations[name].value : null));
  writeBounds(kind.gate_clip, rules, bounds);
}
