import { Module, type Gru, type Inputs, type Lstm, type Rnn, type Variable } from '../../lib';
import type { BackendName } from './eachBackend';

export type RecurrentLayer = Lstm | Gru | Rnn;

/** A recurrent layer alone; its lengths and its initial state, each where it is given, among the inputs. */
export class BareRecurrent extends Module {
  override readonly inputShapes = { h_0: ['L', 'B', 'H'], c_0: ['L', 'B', 'H'] };

  constructor(
    readonly layer: RecurrentLayer,
    options: { readonly backend: BackendName; readonly seed?: number },
  ) {
    super(options);
  }

  override forward({ input, h_0, c_0, lengths }: Partial<Inputs<'input' | 'h_0' | 'c_0' | 'lengths'>>) {
    return callLayer(this.layer, input!, { h_0, c_0, lengths });
  }
}

/** The layer's results under PyTorch's names. */
export function callLayer(
  layer: RecurrentLayer,
  input: Variable,
  { h_0, c_0, lengths }: { readonly h_0?: Variable; readonly c_0?: Variable; readonly lengths?: Variable },
): Record<'output' | 'h_n', Variable> & { readonly c_n?: Variable } {
  const call = layer as (x: Variable, options: object) => Omit<ReturnType<Gru>, 'layers'> & Partial<ReturnType<Lstm>>;
  const initialState = h_0 && { hiddenState: h_0, ...(c_0 && { cellState: c_0 }) };
  const { output, hiddenState, cellState } = call(input, { lengths, ...(initialState && { initialState }) });
  return { output, h_n: hiddenState, ...(cellState && { c_n: cellState }) };
}
