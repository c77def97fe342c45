/** Every cell but the attending one, as a layer of 12 units. */
import { gru, lstm, rnn, slstm, type Layer } from '../../lib';

export interface CellOptions {
  numLayers: number;
  bidirectional: boolean;
  output?: 'last';
}

export const cells: Readonly<Record<string, (options: CellOptions) => Layer>> = {
  lstm: (options) => lstm(12, options),
  'lstm with its options': (options) => lstm(12, { ...options, peepholes: true, layerNorm: true, projSize: 8 }),
  gru: (options) => gru(12, options),
  'gru with the reset gate before': (options) => gru(12, { ...options, resetAfter: false }),
  rnn: (options) => rnn(12, options),
  slstm: (options) => slstm(12, options),
};

/** One layer and two, in one direction and in both. */
export const shapes = [1, 2].flatMap((numLayers) =>
  [false, true].map((bidirectional) => ({ numLayers, bidirectional })),
);
