/**
 * Shapes of program values.
 *
 * A size is a number known when the program is built, or a product such as `T`, `2·B` or `T·B` of sizes known only
 * at run time. One program therefore serves every batch; a plan fixes capacities, a run binds counts.
 */

/** The run-time sizes: `T` steps, `B` batch, `S` source steps. */
export type CountName = 'T' | 'B' | 'S';
export const countNames: readonly CountName[] = ['T', 'B', 'S'];
export type Counts = Readonly<Record<CountName, number>>;

/** A number, or a product in canonical form: `'T'`, `'B'`, `'T·B'`, `'4·T·B'`. Equal sizes are equal by `===`. */
export type Dim = number | string;
export type Shape = readonly Dim[];

/** A size as `coefficient · T^t · B^b · S^s`; the form in which it reaches the native side. */
export interface Monomial {
  readonly coefficient: number;
  readonly exponents: readonly number[];
}

/** What has been read once: programs have few sizes, and every run evaluates them. */
const products = new Map<string, Monomial>();

export function monomial(dim: Dim): Monomial {
  if (typeof dim === 'number') return { coefficient: dim, exponents: countNames.map(() => 0) };
  let product = products.get(dim);
  if (!product) products.set(dim, (product = read(dim)));
  return product;
}

function read(dim: string): Monomial {
  let coefficient = 1;
  const exponents = countNames.map(() => 0);
  for (const factor of dim.split('·')) {
    const index = countNames.indexOf(factor as CountName);
    if (index < 0) coefficient *= Number(factor);
    else exponents[index] = (exponents[index] ?? 0) + 1;
  }
  return { coefficient, exponents };
}

function canonical({ coefficient, exponents }: Monomial): Dim {
  const factors = exponents.flatMap((exponent, index) => Array<string>(exponent).fill(countNames[index]! as string));
  if (factors.length === 0 || coefficient === 0) return coefficient;
  return (coefficient === 1 ? factors : [String(coefficient), ...factors]).join('·');
}

export function multiplyDims(dims: Shape): Dim {
  return canonical(
    dims.map(monomial).reduce(
      (product, factor) => ({
        coefficient: product.coefficient * factor.coefficient,
        exponents: product.exponents.map((exponent, index) => exponent + (factor.exponents[index] ?? 0)),
      }),
      { coefficient: 1, exponents: countNames.map(() => 0) },
    ),
  );
}

/** The number of elements, as a size. */
export function sizeOf(shape: Shape): Dim {
  return multiplyDims(shape);
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dim, axis) => dim === b[axis]);
}

export function formatShape(shape: Shape): string {
  return `[${shape.join(', ')}]`;
}

export function evaluateDim(dim: Dim, counts: Counts): number {
  if (typeof dim === 'number') return dim;
  const { coefficient, exponents } = monomial(dim);
  let size = coefficient;
  for (let index = 0; index < exponents.length; index++) size *= counts[countNames[index]!] ** exponents[index]!;
  return size;
}

export function evaluateShape(shape: Shape, counts: Counts): number[] {
  return shape.map((dim) => evaluateDim(dim, counts));
}

/** The number of elements of a shape of plain numbers. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** The number of rows of a [..., F] array: every axis but the last, as one. */
export function rowCount(shape: readonly number[]): number {
  return elementCount(shape.slice(0, -1));
}
