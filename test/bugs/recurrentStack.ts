/** A recurrent layer as a model of its own: its states come in and go out by name. */
import { gru, lstm, Module, rnn, type Inputs, type Variable } from '../../lib';
import type { RecurrentOptions } from '../../lib/nn/recurrent';
import type { BackendName } from '../support/eachBackend';

export type CellName = 'lstm' | 'gru' | 'rnn';
export const cellNames: readonly CellName[] = ['lstm', 'gru', 'rnn'];

const hiddenSize = 4;
const layers = { lstm, gru, rnn } as const;

/** `output`, and the last states `h` and, of an lstm, `c`; initial states are the inputs `h0` and `c0`, zeros where left out. */
export class RecurrentStack extends Module {
  override readonly inputShapes = { h0: ['L', 'B', hiddenSize], c0: ['L', 'B', hiddenSize] };
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

  override forward({ x, h0, c0, lengths }: Inputs<'x'> & Partial<Inputs<'h0' | 'c0' | 'lengths'>>) {
    const given: Record<string, Variable> = { ...(h0 && { hiddenState: h0 }), ...(c0 && { cellState: c0 }) };
    const initialState = h0 ? (given as { hiddenState: Variable; cellState: Variable }) : undefined;
    const result = this.layer(x, { lengths: lengths ?? null, ...(initialState && { initialState }) });
    const { output, hiddenState, ...rest } = result;
    return { output, h: hiddenState, ...('cellState' in rest && { c: rest.cellState as Variable }) };
  }

  /** Names of the states that this cell carries. */
  get states(): readonly ('h' | 'c')[] {
    return this.cell === 'lstm' ? ['h', 'c'] : ['h'];
  }
}
