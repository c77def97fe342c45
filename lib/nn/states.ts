/** States of a recurrent layer as values of a program. */
import { add, multiply } from '../ops/elementwise/arithmetic';
import { broadcast } from '../ops/layout/broadcast';
import { concat } from '../ops/layout/concat';
import { reshape } from '../ops/layout/reshape';
import { slice } from '../ops/layout/slice';
import type { Variable } from '../ops/op';
import type { Dim } from '../ops/shape';
import { activeTrace } from './trace';

/**
 * The state in which every row of a batch begins: a learned one [H], or, where a program carries the state on, this at the
 * beginning of a stream and the carried one [B, H] after it:
 *
 *     h_0 = carried + begins · learned        carried is 0, and begins 1, where a stream begins; else begins is 0
 *
 * So the gradient of the learned state comes from the first batch of a stream, and none crosses the border of a batch. A
 * session has no `begins`: it puts the learned state among its carried ones when it begins.
 */
export function beginning(learned: Variable, carried: Variable | null, batch: Dim): Variable {
  const { builder } = learned;
  const [size] = learned.type.shape as [Dim];
  const spread = (x: Variable, shape: readonly Dim[]) => builder.emit(broadcast, { x }, { shape }).y;
  if (!carried) return spread(learned, [batch, size]);
  const begins = activeTrace().streamBegins();
  if (!begins) return carried;
  const atFirst = builder.emit(multiply, { a: learned, b: spread(begins, [size]) }, {}).y;
  return builder.emit(add, { a: carried, b: spread(atFirst, [batch, size]) }, {}).y;
}

/** [B, H] to [1, B, H]. */
export function withLeadingAxis(state: Variable): Variable {
  return state.builder.emit(reshape, { x: state }, { shape: [1, ...state.type.shape] }).y;
}

/** One of [numLayers·D, B, H]. */
export function stateAt(states: Variable, index: number): Variable {
  const [count, ...shape] = states.type.shape;
  const { builder } = states;
  const state = count === 1 ? states : builder.emit(slice, { x: states }, { axis: 0, begin: index, end: index + 1 }).y;
  return builder.emit(reshape, { x: state }, { shape }).y;
}

/** Parts side by side along an axis. */
export function join(parts: readonly Variable[], axis: number): Variable {
  const [first] = parts as [Variable];
  return parts.length === 1 ? first : first.builder.emit(concat, { x: parts }, { axis }).y;
}
