/** A recurrent layer as a model of its own: its states come in and go out by name. */
import { gru, lstm, Module, rnn, slstm, type Inputs, type Variable } from '../../lib';
import type { RecurrentOptions } from '../../lib/nn/recurrent';
import type { BackendName } from '../support/eachBackend';

export type CellName = keyof typeof layers;

const hiddenSize = 4;
const layers = { lstm, gru, rnn, slstm } as const;
export const cellNames = Object.keys(layers) as readonly CellName[];

/** States by the letter under which they come in and go out, and what a layer calls them. */
const names = { h: 'hiddenState', c: 'cellState', n: 'normalizerState', m: 'stabilizerState' } as const;
type State = keyof typeof names;
const carried: Readonly<Record<CellName, readonly State[]>> = {
  lstm: ['h', 'c'],
  gru: ['h'],
  rnn: ['h'],
  slstm: ['h', 'c', 'n', 'm'],
};

/** `output`, and the last states, such as `h`; initial states are inputs, such as `h0`, zeros where left out. */
export class RecurrentStack extends Module {
  override readonly inputShapes = Object.fromEntries(
    Object.keys(names).map((state) => [`${state}0`, ['L', 'B', hiddenSize]]),
  );
  private readonly layer;

  constructor(
    private readonly cell: CellName,
    options: RecurrentOptions,
    backend: BackendName,
    seed = 1,
  ) {
    super({ backend, seed });
    this.layer = layers[cell](hiddenSize, options);
  }

  override forward({ x, lengths, ...others }: Inputs<'x'> & Partial<Inputs<`${State}0` | 'lengths'>>) {
    const given = this.states.map((state) => [names[state], others[`${state}0`]] as const);
    const initialState = Object.fromEntries(given) as Record<(typeof names)[State], Variable>;
    const result = this.layer(x, { lengths: lengths ?? null, ...(given[0]![1] && { initialState }) });
    const states = result as unknown as Record<(typeof names)[State], Variable>;
    return {
      output: result.output,
      ...Object.fromEntries(this.states.map((state) => [state, states[names[state]]])),
    } as { output: Variable; h: Variable } & Partial<Record<State, Variable>>;
  }

  /** The states that this cell carries. */
  get states(): readonly State[] {
    return carried[this.cell];
  }
}
