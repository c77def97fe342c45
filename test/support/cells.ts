/** The gated recurrent unit and the plain network, as ops; the LSTM has files of its own. */
import { gru } from '../../lib/ops/recurrent/gru';
import { gruStep } from '../../lib/ops/recurrent/gruStep';
import { rnn } from '../../lib/ops/recurrent/rnn';
import { rnnStep } from '../../lib/ops/recurrent/rnnStep';
import { writeOp, type Write } from './evaluate';
import { floats, Random, type Tensor } from './random';

export interface Cell {
  readonly name: string;
  readonly gates: number;
  readonly sequence: (reverse: boolean) => Write;
  readonly step: Write;
}

export const gruCell = (reset_after: boolean, gate_clip = 0): Cell => ({
  name: `gru with the reset gate ${reset_after ? 'after' : 'before'}`,
  gates: 3,
  sequence: (reverse) => writeOp(gru, { reverse, reset_after, gate_clip }),
  step: writeOp(gruStep, { reset_after, gate_clip }),
});
export const rnnCell = (relu: boolean, gate_clip = 0): Cell => ({
  name: `rnn with ${relu ? 'relu' : 'tanh'}`,
  gates: 1,
  sequence: (reverse) => writeOp(rnn, { reverse, relu, gate_clip }),
  step: writeOp(rnnStep, { relu, gate_clip }),
});
export const cells = [gruCell(true), gruCell(false), rnnCell(false), rnnCell(true)];

export interface CellSizes {
  readonly T: number;
  readonly B: number;
  readonly I: number;
  readonly H: number;
}

/** Random operands, small enough to saturate no gate; those named in `leaveOut` are missing. */
export function cellOperands(
  { gates }: Cell,
  { T, B, I, H }: CellSizes,
  leaveOut: readonly string[] = [],
): Record<string, Tensor> {
  const random = new Random(T + 10 * B + 100 * I + 1000 * H);
  const uniform = (fan: number, ...shape: number[]) =>
    random.uniform(-1 / Math.sqrt(fan), 1 / Math.sqrt(fan), ...shape);
  const all = {
    x: random.normal(T, B, I),
    h0: random.normal(B, H),
    weight_ih: uniform(I, gates * H, I),
    weight_hh: uniform(Math.max(H, 3), gates * H, H),
    bias_ih: uniform(4, gates * H),
    bias_hh: uniform(4, gates * H),
  };
  return Object.fromEntries(Object.entries(all).filter(([name]) => !leaveOut.includes(name)));
}

/** Zeros, and `otherwise`, half of each. */
const coins = (random: Random, otherwise: number, ...shape: number[]) =>
  floats(
    shape,
    random.uniform(0, 1, ...shape).data.map((value) => (value < 0.5 ? 0 : otherwise)),
  );

/** What regularizes a hidden state: operands that receive no gradient. */
export const regularizers: Readonly<Record<string, (sizes: CellSizes) => Record<string, Tensor>>> = {
  zoneout: ({ T, B, H }) => ({ keep_hidden: coins(new Random(3), 1, T, B, H) }),
  'expected zoneout': ({ H }) => ({ keep_hidden: new Random(4).uniform(0, 1, H) }),
  'recurrent mask': ({ B, H }) => ({ hidden_mask: coins(new Random(5), 2, B, H) }),
  'zoneout with a recurrent mask': (sizes) => ({
    ...regularizers.zoneout!(sizes),
    ...regularizers['recurrent mask']!(sizes),
  }),
  'expected zoneout with a recurrent mask': (sizes) => ({
    ...regularizers['expected zoneout']!(sizes),
    ...regularizers['recurrent mask']!(sizes),
  }),
};
export const regularizerOperands: readonly string[] = ['keep_hidden', 'hidden_mask'];
