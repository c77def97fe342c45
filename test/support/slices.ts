/** Parts of row-major arrays, copied. */
export interface Numbers<D extends Float32Array | Float64Array = Float32Array | Float64Array> {
  readonly shape: readonly number[];
  readonly data: D;
}
type Elements = Float32Array | Float64Array;

/** Elements of the array by their places in it. */
function gather<D extends Elements>(data: D, shape: readonly number[], placeOf: (k: number) => number): Numbers<D> {
  const size = shape.reduce((product, dim) => product * dim, 1);
  const gathered = data.slice(0, size) as D;
  for (let k = 0; k < size; k++) gathered[k] = data[placeOf(k)]!;
  return { shape, data: gathered };
}

/** Element `index` along the first axis. */
export function rowOf<D extends Elements>({ shape, data }: Numbers<D>, index: number): Numbers<D> {
  const size = data.length / shape[0]!;
  return { shape: shape.slice(1), data: data.slice(index * size, (index + 1) * size) as D };
}

/** [1,...] of [...]. */
export const asBatch = <D extends Elements>({ shape, data }: Numbers<D>): Numbers<D> => ({
  shape: [1, ...shape],
  data,
});

/** [b,a,...] of [a,b,...]. */
export function swapLeadingAxes<D extends Elements>({ shape, data }: Numbers<D>): Numbers<D> {
  const [a, b, ...rest] = shape as [number, number, ...number[]];
  const size = data.length / (a * b);
  return gather(data, [b, a, ...rest], (k) => {
    const [row, element] = [Math.floor(k / size), k % size];
    return ((row % a) * b + Math.floor(row / a)) * size + element;
  });
}

/** Columns `begin` up to but not including `end` of the last axis. */
export function columns<D extends Elements>({ shape, data }: Numbers<D>, begin: number, end: number): Numbers<D> {
  const [width, size] = [shape.at(-1)!, end - begin];
  const place = (k: number) => Math.floor(k / size) * width + begin + (k % size);
  return gather(data.slice() as D, [...shape.slice(0, -1), size], place);
}

/** The first `count` elements along the first axis. */
export function firstRows<D extends Elements>({ shape, data }: Numbers<D>, count: number): Numbers<D> {
  const size = data.length / shape[0]!;
  return { shape: [count, ...shape.slice(1)], data: data.slice(0, count * size) as D };
}

/** [T,...] in the opposite order of T. */
export function reversed<D extends Elements>({ shape, data }: Numbers<D>): Numbers<D> {
  const steps = shape[0]!;
  const size = data.length / steps;
  return gather(data, shape, (k) => (steps - 1 - Math.floor(k / size)) * size + (k % size));
}
