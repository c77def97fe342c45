/** Gradients of whole models against finite differences, in float64. */
import { vjp, type Batch, type Module } from '../../lib';
import type { ArrayView } from '../../lib/backend/backend';
import { Random } from './random';

export type Arrays = Readonly<Record<string, ArrayView>>;
const step = 1e-6;

/** Compares the gradients with central differences of `loss`, element by element; every fifth one of long arrays. */
export async function expectGradients(values: Arrays, gradients: Arrays, loss: (values: Arrays) => Promise<number>) {
  expect(Object.keys(gradients).sort()).toEqual(Object.keys(values).sort());
  for (const [name, value] of Object.entries(values)) {
    for (let index = 0; index < value.data.length; index += value.data.length > 20 ? 5 : 1) {
      const lossAt = (distance: number) => {
        const data = Float64Array.from(value.data, (element, k) => (k === index ? element + distance : element));
        return loss({ ...values, [name]: { data, shape: value.shape } });
      };
      const difference = ((await lossAt(step)) - (await lossAt(-step))) / (2 * step);
      const rule = gradients[name]!.data[index]!;
      const close = Math.abs(rule - difference) <= 1e-8 + 1e-5 * Math.abs(difference);
      if (!close) throw new Error(`${name}[${index}]: the rule gives ${rule}, the difference ${difference}`);
    }
  }
}

export const dot = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a).reduce((sum, value, k) => sum + value * b[k]!, 0);

export const pick = (values: Arrays, wanted: (name: string) => boolean): Arrays =>
  Object.fromEntries(Object.entries(values).filter(([name]) => wanted(name)));

/** The gradients of Σ cotangent·output, with random cotangents, for every parameter and the single input, where that is of floats. */
export async function expectModelGradients(model: Module, batch: Pick<Batch, 'inputs' | 'lengths'>): Promise<void> {
  const input = batch.inputs as ArrayView;
  const isFloat = Object.prototype.toString.call(input.data) !== '[object Int32Array]';
  const predicted = await model.bind(batch).predict<Float64Array>(batch);
  const outputs: Arrays = ArrayBuffer.isView(predicted.data) ? { output: predicted } : predicted;
  const random = new Random(17);
  const cotangents = Object.fromEntries(
    Object.entries(outputs).map(([name, { shape }]) => [name, random.normal(...shape)]),
  );
  const run = async (values: Arrays) => {
    await model.loadStateDict(pick(values, (name) => name !== 'inputs'));
    return vjp(model, { ...batch, inputs: values.inputs ?? input }, cotangents, { backend: 'reference' });
  };
  const values: Arrays = { ...(await model.stateDict()), ...(isFloat && { inputs: input }) };
  const { gradients } = await run(values);
  const asked = pick(gradients, (name) => !name.startsWith('initial/'));
  await expectGradients(values, asked, async (moved) => {
    const { outputs: now } = await run(moved);
    return Object.entries(cotangents).reduce((sum, [name, { data }]) => sum + dot(data, now[name]!.data), 0);
  });
}
