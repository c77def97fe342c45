/** What regularizes the state of a recurrent cell: one place draws it, for every cell. */
import { bernoulli } from '../ops/elementwise/bernoulli';
import { fill } from '../ops/elementwise/fill';
import type { Variable } from '../ops/op';
import type { Dim } from '../ops/shape';
import { checkOptions, probability } from '../options';
import { dropoutMask } from './dropout';
import { activeTrace } from './trace';

/** Options of a cell that carries a hidden state alone. */
export interface RegularizerOptions {
  /** Probability with which a unit of h keeps its value from the step before, in training; the expectation otherwise. Source: Krueger et al. 2016. Default 0. */
  readonly zoneout?: number;
  /** Probability of dropping each element of h as the gates see it, one mask for all steps of a sequence, in training. Source: Gal & Ghahramani 2016. Default 0. */
  readonly recurrentDropout?: number;
}

/** Options of a cell that carries a cell state too. */
export interface CellRegularizerOptions extends Pick<RegularizerOptions, 'recurrentDropout'> {
  /** Probability with which a unit of h and c keeps its value from the step before, in training; the expectation otherwise. Source: Krueger et al. 2016. Default 0. */
  readonly zoneout?: number | { readonly hidden?: number; readonly cell?: number };
}

export const regularizerOptionNames: readonly (keyof RegularizerOptions)[] = ['zoneout', 'recurrentDropout'];

export function checkRegularizers(kind: string, { zoneout = 0, recurrentDropout = 0 }: RegularizerOptions): void {
  for (const [name, value] of Object.entries({ zoneout, recurrentDropout })) probability(kind, name, value);
}

/** The options checked; one number of zoneout stands for both. */
export function cellRegularizersOf(kind: string, { zoneout = 0, recurrentDropout = 0 }: CellRegularizerOptions) {
  if (typeof zoneout !== 'number') checkOptions(`${kind}: zoneout`, zoneout, ['hidden', 'cell']);
  const { hidden = 0, cell = 0 } = typeof zoneout === 'number' ? { hidden: zoneout, cell: zoneout } : zoneout;
  for (const p of [hidden, cell]) probability(kind, 'zoneout', p);
  probability(kind, 'recurrentDropout', recurrentDropout);
  return { zoneout: { hidden, cell }, recurrentDropout };
}

/** Zoneout's shares for a sequence x [T, B, I]: drawn for each element and step in training, else the expectation for all. */
export function zoneoutShares({ builder, type }: Variable, p: number, size: number): Variable | null {
  if (p === 0) return null;
  const trace = activeTrace();
  if (!trace.mode.training) return builder.emit(fill, {}, { value: p, shape: [size] }).y;
  const [T, B] = type.shape as [Dim, Dim];
  const attributes = { p, stream: builder.nextRandomStream(), shape: [T, B, size] };
  return builder.emit(bernoulli, { key: trace.key() }, attributes).y;
}

/** One mask of h [B, size] for all steps of a sequence x [T, B, I], in training. */
export function recurrentMask({ builder, type }: Variable, p: number, size: number): Variable | null {
  if (p === 0 || !activeTrace().mode.training) return null;
  return dropoutMask(builder, p, [type.shape[1]!, size]);
}

/** The operands of an op with these options. */
export function hiddenRegularizers(x: Variable, options: RegularizerOptions, size: number) {
  const { zoneout = 0, recurrentDropout = 0 } = options;
  return { keep_hidden: zoneoutShares(x, zoneout, size), hidden_mask: recurrentMask(x, recurrentDropout, size) };
}

/** The same for a cell that carries c beside h; h may be projected to another size. */
export function cellRegularizers(
  x: Variable,
  { zoneout, recurrentDropout }: ReturnType<typeof cellRegularizersOf>,
  { hiddenSize, outputSize = hiddenSize }: { readonly hiddenSize: number; readonly outputSize?: number },
) {
  return {
    keep_hidden: zoneoutShares(x, zoneout.hidden, outputSize),
    keep_cell: zoneoutShares(x, zoneout.cell, hiddenSize),
    hidden_mask: recurrentMask(x, recurrentDropout, outputSize),
  };
}
