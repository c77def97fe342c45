/** Options of an LSTM op one by one, to be tested alone and in every pair that composes. */
import { lstmKind, type LstmActivations, type LstmKindAttributes } from '../../lib/ops/recurrent/lstmKind';
import { lstmBackward } from '../../lib/ops/recurrent/lstmBackward';
import type { Emit, Variable } from '../../lib/ops/op';
import { floats, Random, type Tensor } from './random';
import type { Values, Variables } from './evaluate';

export interface LstmSizes {
  readonly T: number;
  readonly B: number;
  readonly I: number;
  readonly H: number;
  /** The size of h with a projection. */
  readonly P: number;
}

/** What an option adds to a plain LSTM. */
export interface LstmOption {
  readonly activations?: Partial<LstmActivations>;
  readonly cellClip?: number;
  readonly gateClip?: number;
  /** Operands, for T steps of B rows; `outputSize` is the size of h. */
  readonly operands?: (sizes: LstmSizes, outputSize: number, random: Random) => Values;
}

/** Zeros and ones, half of each. */
const coins = (random: Random, scale: number, ...shape: number[]): Tensor<Float64Array> => {
  const { data } = random.uniform(0, 1, ...shape);
  return floats(
    shape,
    data.map((value) => (value < 0.5 ? 0 : scale)),
  );
};

export const lstmOptions: Readonly<Record<string, LstmOption>> = {
  peepholes: { operands: ({ H }, _, random) => ({ weight_peephole: random.normal(3 * H) }) },
  'no input gate': { activations: { input: 'one' } },
  'no forget gate': { activations: { forget: 'one' } },
  'no output gate': { activations: { output: 'one' } },
  'coupled gates': { activations: { forget: 'coupled' } },
  'no input activation': { activations: { candidate: 'identity' } },
  'no output activation': { activations: { cell: 'identity' } },
  'hard sigmoid gates': { activations: { input: 'hardSigmoid', forget: 'hardSigmoid', output: 'hardSigmoid' } },
  'relu cell': { activations: { candidate: 'relu', cell: 'relu' } },
  'sigmoid cell': { activations: { candidate: 'sigmoid', cell: 'sigmoid' } },
  'tanh gates': { activations: { input: 'tanh', forget: 'tanh', output: 'tanh' } },
  'relu gates': { activations: { input: 'relu', forget: 'relu', output: 'relu' } },
  'cell clipping': { cellClip: 0.4 },
  'gate clipping': { gateClip: 0.6 },
  'full gate recurrence': {
    operands: ({ B, H }, _, random) => ({
      weight_gate: random.uniform(-1 / Math.sqrt(H), 1 / Math.sqrt(H), 3 * H, 3 * H),
      g0: random.uniform(0, 1, B, 3 * H),
    }),
  },
  'layer normalization': {
    operands: ({ H }, _, random) => ({
      weight_ln_ih: random.uniform(0.5, 1.5, 4 * H),
      weight_ln_hh: random.uniform(0.5, 1.5, 4 * H),
      weight_ln_c: random.uniform(0.5, 1.5, H),
      bias_ln_c: random.uniform(-0.5, 0.5, H),
    }),
  },
  projection: { operands: ({ H, P }, _, random) => ({ weight_hr: random.normal(P, H) }) },
  'zoneout of the hidden state': {
    operands: ({ T, B }, size, random) => ({ keep_hidden: coins(random, 1, T, B, size) }),
  },
  'zoneout of the cell': { operands: ({ T, B, H }, _, random) => ({ keep_cell: coins(random, 1, T, B, H) }) },
  'expected zoneout': {
    operands: ({ H }, size, random) => ({
      keep_hidden: random.uniform(0, 1, size),
      keep_cell: random.uniform(0, 1, H),
    }),
  },
  'recurrent mask': { operands: ({ B }, size, random) => ({ hidden_mask: coins(random, 2, B, size) }) },
};

/** The values that are data and receive no gradient. */
export const lstmData: readonly string[] = ['keep_hidden', 'keep_cell', 'hidden_mask'];

/** Whether two options say different things about the same part of the cell, or make no cell together. */
function exclude(a: LstmOption, b: LstmOption): boolean {
  const both = [...Object.keys(a.activations ?? {}), ...Object.keys(b.activations ?? {})];
  const together: Partial<LstmActivations> = { ...a.activations, ...b.activations };
  const data = (option: LstmOption) =>
    Object.keys(option.operands?.({ T: 1, B: 1, I: 1, H: 1, P: 1 }, 1, new Random(0)) ?? {});
  const slots = [...data(a), ...data(b)];
  return (
    new Set(both).size < both.length ||
    new Set(slots).size < slots.length ||
    (together.forget === 'coupled' && together.input === 'one')
  );
}

/** Full gate recurrence wants a gate. */
const hasGates = (names: readonly string[]): boolean =>
  !['full gate recurrence', 'no input gate', 'no forget gate', 'no output gate'].every((name) => names.includes(name));

/** Every pair of options that composes. */
export const lstmOptionPairs: readonly (readonly [string, string])[] = Object.keys(lstmOptions).flatMap((a, index) =>
  Object.keys(lstmOptions)
    .slice(index + 1)
    .filter((b) => !exclude(lstmOptions[a]!, lstmOptions[b]!))
    .map((b) => [a, b] as const),
);

/** Some of the options, as many as compose, in an order that the seed decides. */
export function randomLstmOptions(seed: number): readonly string[] {
  const random = new Random(seed);
  const shuffled = Object.keys(lstmOptions)
    .map((name) => ({ name, key: random.next() }))
    .sort((a, b) => a.key - b.key);
  const wanted = 1 + Math.floor(random.next() * 6);
  const chosen: string[] = [];
  for (const { name } of shuffled) {
    const composes =
      chosen.every((other) => !exclude(lstmOptions[name]!, lstmOptions[other]!)) && hasGates([...chosen, name]);
    if (chosen.length < wanted && composes) chosen.push(name);
  }
  return chosen;
}

/** Operands and attributes of an LSTM with these options. */
export function lstmWith(
  names: readonly string[],
  sizes: LstmSizes,
): { readonly values: Values; readonly kind: LstmKindAttributes } {
  const { T, B, I, H, P } = sizes;
  const random = new Random(T + 10 * B + 100 * I + 1000 * H + names.join().length);
  const options = names.map((name) => lstmOptions[name]!);
  const size = names.includes('projection') ? P : H;
  const scale = 1 / Math.sqrt(Math.max(size, 3));
  const values = {
    x: random.normal(T, B, I),
    h0: random.uniform(-0.9, 0.9, B, size),
    c0: random.normal(B, H),
    weight_ih: random.uniform(-1 / Math.sqrt(I), 1 / Math.sqrt(I), 4 * H, I),
    weight_hh: random.uniform(-scale, scale, 4 * H, size),
    bias_ih: random.uniform(-0.5, 0.5, 4 * H),
    bias_hh: random.uniform(-0.5, 0.5, 4 * H),
  };
  return {
    values: Object.assign(values, ...options.map(({ operands }) => operands?.(sizes, size, random) ?? {})) as Values,
    kind: lstmKind(
      Object.assign({}, ...options.map(({ activations }) => activations)) as Partial<LstmActivations>,
      options.reduce((clip, { cellClip = 0 }) => Math.max(clip, cellClip), 0),
      options.reduce((clip, { gateClip = 0 }) => Math.max(clip, gateClip), 0),
    ),
  };
}

/** All that reaches h and c, [T, B, ·], of the inputs and outputs of an `lstm` and the cotangents of its y and final states. */
export function writeStateGradients(
  inputs: Variables,
  outputs: Variables,
  cotangents: Variables,
  attributes: LstmKindAttributes & { readonly reverse: boolean },
  emit: Emit,
): { readonly dh: Variable; readonly dcells: Variable } {
  const slots = Object.keys(lstmBackward.operands);
  const given = Object.fromEntries(
    Object.entries({ ...cotangents, ...inputs }).filter(([slot]) => slots.includes(slot)),
  );
  const { gates, cells, bounds, normalized_ih, normalized_hh, normalized_c, scales } = outputs;
  const saved = {
    ...(attributes.gate_clip > 0 ? { bounds } : {}),
    ...(inputs.weight_ln_c ? { normalized_ih, normalized_hh, normalized_c, scales } : {}),
  };
  const { dh, dcells } = emit(
    lstmBackward,
    { ...given, ...saved, gates: gates!, cells: cells!, weight_hh: inputs.weight_hh! },
    attributes,
  );
  return { dh, dcells };
}
