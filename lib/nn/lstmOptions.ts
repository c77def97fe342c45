import { isFiniteFloat32 } from '../arrays';
import { OptionError } from '../errors';
import { lstmKind, type Activation, type LstmKindAttributes } from '../ops/recurrent/lstmKind';
import { describe } from '../options';
import { clipOf, type GateClipOptions } from './clip';
import type { RecurrentOptions } from './recurrent';
import { cellRegularizersOf, type CellRegularizerOptions } from './regularizers';

export type GateActivation = 'sigmoid' | 'hardSigmoid' | 'tanh' | 'relu';
export type CellActivation = GateActivation | 'identity';

/**
 * The variants of Greff et al. 2017 ("LSTM: A Search Space Odyssey"): vanilla, and vanilla without input, forget or
 * output gate, without input or output activation, with coupled input and forget gates, without peepholes, and with full
 * gate recurrence.
 */
export type LstmVariant = keyof typeof variants;

/** What makes an LSTM another one; options compose, and those that contradict each other are refused. */
export interface LstmCellOptions extends CellRegularizerOptions, GateClipOptions {
  /** A named set of the options below. Vanilla (V) has peepholes, and so has every variant but NP. */
  readonly variant?: LstmVariant;
  /** i and f see c_{t-1}, o sees c_t, each through a weight of its own for each unit. Default false. */
  readonly peepholes?: boolean;
  /** f = 1 - i. The rows of the forget gate stay without effect. Default false. */
  readonly coupledGates?: boolean;
  /** False: the gate is 1, and its rows stay without effect. Default true. */
  readonly inputGate?: boolean;
  readonly forgetGate?: boolean;
  readonly outputGate?: boolean;
  /** Of i, f and o; `hardSigmoid` is clip(0.2 z + 0.5, 0, 1). Default 'sigmoid'. */
  readonly gateActivation?: GateActivation;
  /** Of the candidate g. Default 'tanh'. */
  readonly cellActivation?: CellActivation;
  /** Between c_t and the output gate. Default 'tanh'. */
  readonly outputActivation?: CellActivation;
  /** Bounds c_t to ±cellClip; no gradient flows where it does. Default: no bound. */
  readonly cellClip?: number;
  /**
   * i, f and o also see i, f and o of the step before, through a weight of their own; these are a third state, zeros at
   * first. Of a gate that is not there they see 0, of a coupled forget gate 1 - i. Default false.
   */
  readonly fullGateRecurrence?: boolean;
  /**
   * Normalizes what x and what h add to the gates, each over all of them together, and c on its way to h (Ba et al. 2016);
   * the carried c stays as it is. Gates without weights of their own take no part; what gates see of gates joins h before
   * it is normalized; biases and peepholes are added afterwards. Default false.
   */
  readonly layerNorm?: boolean;
  /** What the forget gate's two biases add up to at first, in place of random numbers. */
  readonly forgetBias?: number;
  /** Projects h_t to this size, smaller than the hidden size, as PyTorch's `proj_size`. Default: no projection. */
  readonly projSize?: number;
}

const variants = {
  V: { peepholes: true },
  NIG: { peepholes: true, inputGate: false },
  NFG: { peepholes: true, forgetGate: false },
  NOG: { peepholes: true, outputGate: false },
  NIAF: { peepholes: true, cellActivation: 'identity' },
  NOAF: { peepholes: true, outputActivation: 'identity' },
  CIFG: { peepholes: true, coupledGates: true },
  NP: { peepholes: false },
  FGR: { peepholes: true, fullGateRecurrence: true },
} as const satisfies Record<string, LstmCellOptions>;

export const lstmOptionNames: readonly (keyof LstmCellOptions)[] = [
  'variant',
  'peepholes',
  'coupledGates',
  'inputGate',
  'forgetGate',
  'outputGate',
  'gateActivation',
  'cellActivation',
  'outputActivation',
  'cellClip',
  'gateClip',
  'fullGateRecurrence',
  'layerNorm',
  'forgetBias',
  'projSize',
  'zoneout',
  'recurrentDropout',
];

/** The options checked and worked out. */
export interface LstmCell {
  readonly kind: LstmKindAttributes;
  readonly peepholes: boolean;
  readonly fullGateRecurrence: boolean;
  readonly layerNorm: boolean;
  readonly forgetBias: number | null;
  readonly projSize: number | null;
  readonly regularizers: ReturnType<typeof cellRegularizersOf>;
}

type Refuse = (reason: string) => never;

export function lstmCellOf(layer: string, hiddenSize: number, given: LstmCellOptions & RecurrentOptions): LstmCell {
  const refuse: Refuse = (reason) => {
    throw new OptionError(`${layer}: ${reason}`);
  };
  const options = withVariant(given, refuse);
  const { peepholes = false, coupledGates = false, inputGate = true, forgetGate = true, outputGate = true } = options;
  const { gateActivation = 'sigmoid', cellActivation = 'tanh', outputActivation = 'tanh' } = options;
  const { fullGateRecurrence = false, layerNorm = false } = options;
  const { cellClip, gateClip, forgetBias, projSize } = options;
  const flags = { peepholes, coupledGates, inputGate, forgetGate, outputGate, fullGateRecurrence, layerNorm };
  for (const [name, value] of Object.entries(flags)) {
    if (typeof value !== 'boolean') refuse(`${name}: expected true or false, received ${describe(value)}`);
  }
  expectActivation('gateActivation', gateActivation, gateActivations, refuse);
  expectActivation('cellActivation', cellActivation, cellActivations, refuse);
  expectActivation('outputActivation', outputActivation, cellActivations, refuse);
  if (coupledGates && !inputGate) refuse('coupledGates: without an input gate, 1 - i would always be 0');
  if (coupledGates && !forgetGate) refuse('coupledGates: the forget gate is 1 - i, so forgetGate cannot be false');
  if (fullGateRecurrence && !inputGate && !forgetGate && !outputGate) {
    refuse('fullGateRecurrence: there is no input, forget or output gate to recur');
  }
  const [cellLimit, gateLimit] = [clipOf(layer, 'cellClip', cellClip), clipOf(layer, 'gateClip', gateClip)];
  if (forgetBias !== undefined) expectForgetBias(options, forgetBias, refuse);
  if (projSize !== undefined && !(Number.isInteger(projSize) && projSize >= 1 && projSize < hiddenSize)) {
    refuse(
      `projSize: expected an integer from 1 to ${hiddenSize - 1}, below the hidden size, received ${describe(projSize)}`,
    );
  }
  const regularizers = cellRegularizersOf(layer, options);
  const gate = (present: boolean): Activation => (present ? gateActivation : 'one');
  const places = {
    input: gate(inputGate),
    forget: coupledGates ? 'coupled' : gate(forgetGate),
    candidate: cellActivation,
    output: gate(outputGate),
    cell: outputActivation,
  } as const;
  return {
    kind: lstmKind(places, cellLimit, gateLimit),
    peepholes,
    fullGateRecurrence,
    layerNorm,
    forgetBias: forgetBias ?? null,
    projSize: projSize ?? null,
    regularizers,
  };
}

const gateActivations: readonly GateActivation[] = ['sigmoid', 'hardSigmoid', 'tanh', 'relu'];
const cellActivations: readonly CellActivation[] = [...gateActivations, 'identity'];

function expectActivation(name: string, value: string, known: readonly string[], refuse: Refuse): void {
  if (!known.includes(value)) {
    refuse(`${name}: expected one of ${known.join(', ')}, received ${describe(value)}`);
  }
}

function expectForgetBias(
  { coupledGates, forgetGate, bias }: LstmCellOptions & RecurrentOptions,
  value: number,
  refuse: Refuse,
): void {
  if (typeof value !== 'number' || !isFiniteFloat32(value))
    refuse(`forgetBias: expected a number, received ${describe(value)}`);
  if (coupledGates) refuse('forgetBias: a coupled forget gate has no bias of its own');
  if (forgetGate === false) refuse('forgetBias: there is no forget gate');
  if (bias === false) refuse('forgetBias: there are no biases');
}

/** The options that a variant stands for, beside the others given; one that says otherwise is refused. */
function withVariant<O extends LstmCellOptions>(options: O, refuse: Refuse): O {
  const { variant } = options;
  if (variant === undefined) return options;
  if (typeof variant !== 'string' || !Object.hasOwn(variants, variant)) {
    refuse(`variant: expected one of ${Object.keys(variants).join(', ')}, received ${describe(variant)}`);
  }
  const implied = variants[variant];
  const asked = new Map<string, unknown>(Object.entries(options));
  for (const [name, value] of Object.entries<unknown>(implied)) {
    const other = asked.get(name);
    if (other !== undefined && other !== value)
      refuse(`${name}: ${JSON.stringify(other)} contradicts the variant ${variant}`);
  }
  return { ...options, ...implied };
}
