import * as lstmNative from '../../lib';
import {
  accuracy,
  binaryCrossEntropy,
  crossEntropy,
  f1,
  huber,
  linear,
  lstm,
  meanAbsoluteError,
  meanSquaredError,
  Module,
  OptionError,
  pinball,
  precision,
  quantileHead,
  recall,
  rootMeanSquaredError,
  sequential,
  ShapeError,
  type Batch,
  type Inputs,
  type Loss,
  type Metric,
} from '../../lib';
import { native } from '../../lib/backend/native/native';
import { reference } from '../../lib/backend/reference/reference';
import { ProgramBuilder } from '../../lib/program/builder';
import { gradient } from '../../lib/program/gradient';
import { fill } from '../../lib/ops/elementwise/fill';
import { capacities, declareInputs } from '../support/evaluate';
import { eachBackend, type BackendName } from '../support/eachBackend';
import { float32Bound, relativeDistance } from '../support/expectClose';
import { float64Tensor, goldens, int32Tensor, type LossCase } from '../support/goldens';
import { floats32, ints, noise } from '../support/models';
import type { Tensor } from '../support/random';

const lossNamed = ({ loss, options }: LossCase['config']) =>
  (lstmNative as unknown as Record<string, (options?: object) => Loss>)[loss]!(
    Object.keys(options).length > 0 ? options : undefined,
  );

/** A loss and its gradient, of arrays as a program sees them. */
function run(backend: BackendName, loss: Loss, values: Readonly<Record<string, Tensor>>) {
  const builder = new ProgramBuilder();
  const { output, targets, weights = null } = declareInputs(builder, values);
  const terms = loss.terms(output!, targets!, weights);
  builder.output('loss', terms.loss);
  const cotangent = builder.emit(fill, {}, { value: 1, shape: [] }).y;
  builder.output('gradient', gradient(builder, [{ variable: terms.loss, cotangent }], [output!])[0]!);
  const { createStore, prepare } = backend === 'native' ? native : reference;
  const store = createStore();
  try {
    return prepare(builder.finish(), capacities).runSync(store, values).outputs;
  } finally {
    store.dispose();
  }
}

eachBackend((backend) => {
  test.each(goldens('loss').map((golden) => [golden.case, golden] as const))(
    '%s has the value and the gradient that PyTorch gives it',
    (_, { config, inputs, loss, gradient }) => {
      const isInt = config.loss === 'crossEntropy';
      const values = Object.fromEntries(
        Object.entries(inputs).map(([name, tensor]) => [
          name,
          isInt && name === 'targets' ? int32Tensor(tensor) : float64Tensor(tensor),
        ]),
      );
      const outputs = run(backend, lossNamed(config), values);
      // float64 against float64: two makers' digammas differ by 1e-15, and dispersions of 2^-12 multiply that by up to 2^28.
      const exact = backend === 'reference';
      const bound = (backward: boolean) => (exact ? 1e-8 : float32Bound({ terms: 24, backward }));
      expect(relativeDistance(outputs.loss!.data, [loss])).toBeLessThan(bound(false));
      expect(relativeDistance(outputs.gradient!.data, gradient.data)).toBeLessThan(bound(true));
    },
  );

  test('a binary cross-entropy keeps the digits of small losses, and does not overflow', () => {
    const values = {
      output: { data: Float64Array.of(-20, 20, 200, -200), shape: [4, 1] },
      targets: { data: Float64Array.of(0, 1, 0, 1), shape: [4, 1] },
    };
    const only = (row: number) =>
      run(backend, binaryCrossEntropy(), {
        ...values,
        weights: { data: Float64Array.from([0, 1, 2, 3], (k) => (k === row ? 1 : 0)), shape: [4] },
      });
    for (const row of [0, 1]) {
      expect(only(row).loss!.data[0]! / 2.061153620314381e-9).toBeCloseTo(1, 6);
      expect(Math.abs(only(row).gradient!.data[row]!) / 2.0611536181902037e-9).toBeCloseTo(1, 6);
    }
    expect(only(2).loss!.data[0]).toBe(200);
    expect(only(3).loss!.data[0]).toBe(200);
  });

  test('where nothing counts a loss is 0, and so are its gradients', () => {
    const [output, targets] = [
      { data: Float64Array.of(1, 2), shape: [2, 1] },
      { data: Float64Array.of(0, 1), shape: [2, 1] },
    ];
    for (const loss of [meanAbsoluteError(), huber(), binaryCrossEntropy()]) {
      const none = run(backend, loss, { output, targets, weights: { data: new Float64Array(2), shape: [2] } });
      expect([none.loss!.data[0], ...none.gradient!.data]).toEqual([0, 0, 0]);
    }
  });
});

/** Gives its input, so that a test says what a network predicts. */
class Echo extends Module {
  readonly unused = linear(1);
  override readonly inputShapes = { y: ['B', 'F'], targets: ['B', 'F'] } as const;
  override forward({ y }: Inputs<'y'>) {
    return y;
  }
}
const batchOf = (rows: number[][], targets: number[] | number[][], weights?: number[]): Batch => ({
  inputs: { y: floats32(rows.flat(), [rows.length, rows[0]!.length]) },
  targets: Array.isArray(targets[0])
    ? floats32((targets as number[][]).flat(), [rows.length, rows[0]!.length])
    : ints(targets as number[]),
  ...(weights && { weights: floats32(weights) }),
});

class Classifier extends Echo {
  override readonly inputShapes = { y: ['B', 'F'], targets: ['B'] } as never;
}

/** Logits that predict these classes of three. */
const predicting = (classes: number[]) => classes.map((k) => [0, 1, 2].map((j) => (j === k ? 2 : 0)));

eachBackend((backend) => {
  const classes = new Classifier({ backend });
  const labels = new Echo({ backend });
  // Of class 0: 2 of 3 found, 1 false; of class 1: 1 of 2 found, 1 false; class 2 never occurs.
  const first = batchOf(predicting([0, 0, 1]), [0, 0, 0]);
  const second = batchOf(predicting([1, 0]), [1, 1]);
  const one = async (metric: Metric, data: Batch[], model: Module = classes, loss: Loss = crossEntropy()) =>
    (await model.evaluate(data, { loss, metrics: { it: metric } })).it;

  test('precision, recall and F1 are taken of counts over all batches, not averaged over batches', async () => {
    for (const data of [[first, second], [batchOf(predicting([0, 0, 1, 1, 0]), [0, 0, 0, 1, 1])]]) {
      expect(await one(precision(), data)).toBeCloseTo((2 / 3 + 1 / 2) / 2, 6);
      expect(await one(recall(), data)).toBeCloseTo((2 / 3 + 1 / 2) / 2, 6);
      expect(await one(f1(), data)).toBeCloseTo((2 / 3 + 1 / 2) / 2, 6);
      expect(await one(f1({ average: 'micro' }), data)).toBeCloseTo(3 / 5, 6);
      expect(await one(accuracy(), data)).toBeCloseTo(3 / 5, 6);
    }
    const averaged = ((await one(f1(), [first]))! * 3 + (await one(f1(), [second]))! * 2) / 5;
    expect(await one(f1(), [first, second])).not.toBeCloseTo(averaged, 3);
  });

  test('weights count in counts, and ignored targets do not', async () => {
    const data = [batchOf(predicting([0, 0, 1, 1]), [0, 1, 1, -100], [2, 1, 4, 9])];
    expect(await one(precision(), data)).toBeCloseTo((2 / 3 + 1) / 2, 6);
    expect(await one(recall(), data)).toBeCloseTo((1 + 4 / 5) / 2, 6);
    expect(await one(accuracy(), data)).toBeCloseTo(6 / 7, 6);
  });

  test('accuracy is the same under class weights and label smoothing', async () => {
    const loss = crossEntropy({ classWeights: [1, 5, 1], labelSmoothing: 0.1 });
    const figures = await classes.evaluate([first, second], { loss, metrics: ['accuracy', 'f1'] });
    expect(figures.accuracy).toBeCloseTo(3 / 5, 6);
    expect(figures.f1).toBeCloseTo((2 / 3 + 1 / 2) / 2, 6);
  });

  test('labels of their own are predicted where their logit is positive', async () => {
    const rows = [
      [1, -1],
      [2, 3],
      [-1, 2],
    ];
    const data = [
      batchOf(
        rows,
        [
          [1, 1],
          [0, 1],
          [1, 0],
        ],
        [1, 1, 2],
      ),
    ];
    const loss = binaryCrossEntropy();
    // Label 0: met 1, predicted 2, actual 3; label 1: met 1, predicted 3, actual 2.
    expect(await one(precision(), data, labels, loss)).toBeCloseTo((1 / 2 + 1 / 3) / 2, 6);
    expect(await one(recall(), data, labels, loss)).toBeCloseTo((1 / 3 + 1 / 2) / 2, 6);
    expect(await one(f1({ average: 'micro' }), data, labels, loss)).toBeCloseTo(4 / 10, 6);
  });

  test('errors stand beside any loss, of all batches together', async () => {
    const data = [
      batchOf([[1, 2]], [[0, 0]]),
      batchOf(
        [
          [3, 0],
          [1, 1],
        ],
        [
          [0, 0],
          [0, 5],
        ],
      ),
    ];
    const errors = [1, 2, 3, 0, 1, 4];
    const metrics = { mae: meanAbsoluteError(), rmse: rootMeanSquaredError(), mse: meanSquaredError() };
    const figures = await labels.evaluate(data, { loss: huber(), metrics });
    expect(figures.mae).toBeCloseTo(errors.reduce((a, b) => a + b) / 6, 6);
    expect(figures.mse).toBeCloseTo(errors.reduce((a, b) => a + b * b, 0) / 6, 5);
    expect(figures.rmse).toBeCloseTo(Math.sqrt(errors.reduce((a, b) => a + b * b, 0) / 6), 6);
    const named = await labels.evaluate(data, {
      loss: huber(),
      metrics: ['rootMeanSquaredError', 'meanAbsoluteError'],
    });
    expect([named.rootMeanSquaredError, named.meanAbsoluteError]).toEqual([figures.rmse, figures.mae]);
  });

  test('a band covers the targets between its outermost quantiles, both included', async () => {
    const model = sequential([lstm(3), quantileHead([0.1, 0.5, 0.9], { horizon: 2 })], { backend });
    const inputs = noise(1, 3, 4, 2);
    const { data } = await model.predict({ inputs });
    const [low, high] = [(k: number) => data[k * 3]!, (k: number) => data[k * 3 + 2]!];
    const inside = (k: number) => Math.fround((low(k) + high(k)) / 2);
    // What the reference predicts is no float32, so a target cannot be equal to it.
    const bound = (value: number, k: number) => (backend === 'native' ? value : inside(k));
    const [above, below] = [Math.max(low(3), high(3)) + 1, Math.min(low(4), high(4)) - 1];
    const targets = floats32([bound(low(0), 0), bound(high(1), 1), inside(2), above, below, inside(5)], [3, 2, 1]);
    const crossed = [0, 1, 2, 3, 4, 5].filter((k) => low(k) > high(k));
    const { coverage } = await model.evaluate([{ inputs, targets }], { metrics: ['coverage'] });
    const covered = [0, 1, 2, 5].filter((k) => !crossed.includes(k)).length;
    expect(coverage).toBeCloseTo(covered / 6, 6);
  });
});

test('options that no loss could have are refused', () => {
  expect(() => huber({ delta: 0 })).toThrow('huber: delta: expected a positive number');
  expect(() => pinball({ quantiles: [0.5, 0.1] })).toThrow('each larger than the one before');
  expect(() => pinball({ quantiles: [0, 0.5] })).toThrow(OptionError);
  expect(() => pinball({ quantiles: [] })).toThrow(OptionError);
  expect(() => pinball(undefined as never)).toThrow('pinball: quantiles: expected one or more numbers in (0, 1)');
  expect(() => crossEntropy({ labelSmoothing: 1 })).toThrow('labelSmoothing: expected a number in [0, 1)');
  expect(() => crossEntropy({ classWeights: [1, -1] })).toThrow('classWeights: expected numbers >= 0');
  expect(() => binaryCrossEntropy({ posWeight: 0 })).toThrow('posWeight: expected a positive number');
  expect(() => f1({ average: 'weighted' as never })).toThrow("f1: average: expected 'macro' or 'micro'");
});

test('outputs and targets that do not fit a loss are refused', async () => {
  const model = sequential([lstm(3), linear(4)]);
  const inputs = noise(1, 2, 3, 2);
  const evaluated = (loss: Loss, targets: Batch['targets']) =>
    model.evaluate([{ inputs, targets: targets! }], { loss });
  await expect(evaluated(pinball({ quantiles: [0.1, 0.9] }), noise(1, 2, 3, 2))).rejects.toThrow(
    'pinball: expected an output whose last axis holds a number for each quantile, 2, received [B, T, 4]',
  );
  await expect(evaluated(meanAbsoluteError(), noise(1, 2, 3, 2))).rejects.toThrow(ShapeError);
  await expect(
    evaluated(crossEntropy({ classWeights: [1, 2] }), { data: new Int32Array(6), shape: [2, 3] }),
  ).rejects.toThrow('classWeights: expected one for each of 4 classes, received 2');
  await expect(
    model.evaluate([{ inputs, targets: noise(1, 2, 3, 4) }], { loss: huber(), metrics: ['accuracy'] }),
  ).rejects.toThrow("unknown metric 'accuracy'; this loss has meanAbsoluteError, rootMeanSquaredError");
  await expect(
    model.evaluate([{ inputs, targets: noise(1, 2, 3, 4) }], { loss: huber, metrics: [] } as never),
  ).rejects.toThrow('expected a loss such as crossEntropy(), called');
});
