import {
  cosine,
  cosineRestarts,
  exponentialDecay,
  linearDecay,
  multiStepDecay,
  oneCycle,
  OptionError,
  perEpoch,
  reduceOnPlateau,
  stepDecay,
  warmup,
  type Schedule,
} from '../../lib';
import { goldens, type ScheduleCase } from '../support/goldens';

const makers: Record<string, (lr: number, options: never) => Schedule> = {
  stepDecay,
  multiStepDecay,
  exponentialDecay,
  linearDecay,
  cosine,
  cosineRestarts,
  oneCycle,
  reduceOnPlateau,
  warmup: (lr, { steps, then }: { steps: number; then: { stepSize: number; gamma: number } }) =>
    warmup(stepDecay(lr, then), { steps }),
};

/** The rate at a step of a training that has a pass for each step. */
function rate(schedule: Schedule, step: number, { totalSteps = null as number | null, figures = [] as number[] } = {}) {
  return schedule({
    step,
    totalSteps,
    epoch: step,
    totalEpochs: totalSteps,
    figures: figures.map((loss) => ({ loss })),
  });
}

test.each(goldens('schedule').map((golden) => [golden.case, golden] as const))(
  '%s: the rates are those of PyTorch',
  (_, { config, figures = [], rates }: ScheduleCase) => {
    const schedule = makers[config.schedule]!(config.lr, config.options as never);
    const received = rates.map((_, step) => rate(schedule, step, { figures: figures.slice(0, step) }));
    // PyTorch multiplies the rate before by a ratio, step after step.
    received.forEach((value, step) => expect([step, Math.abs(value / rates[step]! - 1) < 1e-9]).toEqual([step, true]));
  },
);

test('a warm-up takes any schedule, and leaves it the rest of the training', () => {
  const schedule = warmup(cosine(0.4), { steps: 4 });
  const rates = [0, 1, 2, 3, 4, 7, 10].map((step) => rate(schedule, step, { totalSteps: 10 }));
  expect(rates).toEqual(
    [0, 1, 2, 3, 4, 7, 10].map((step) => rate(cosine(0.4, { warmup: 4 }), step, { totalSteps: 10 })),
  );
  expect(rates.slice(3)).toEqual([0.4, 0.4, 0.2, 0]);
});

test('a warm-up from a factor rises from there in equal steps', () => {
  const schedule = warmup(0.8, { steps: 5, startFactor: 0.2 });
  [0.16, 0.32, 0.48, 0.64, 0.8, 0.8].forEach((value, step) => expect(rate(schedule, step)).toBeCloseTo(value, 12));
  expect(rate(warmup(0.8, { steps: 1, startFactor: 0.2 }), 0)).toBe(0.8);
});

test('a schedule per epoch counts passes', () => {
  const schedule = perEpoch(linearDecay(1));
  expect(schedule({ step: 70, totalSteps: 100, epoch: 2, totalEpochs: 4 })).toBe(0.5);
  expect(() => schedule({ step: 70, totalSteps: 100 })).toThrow(OptionError);
  expect(() => schedule({ step: 70, totalSteps: 100 })).toThrow('perEpoch: passes are counted by fit');
});

test('after its last step one cycle stays where it is', () => {
  const schedule = oneCycle(1, { totalSteps: 10, divFactor: 10, finalDivFactor: 10 });
  expect(rate(schedule, 9)).toBeCloseTo(0.01, 12);
  expect(rate(schedule, 1000)).toBe(0.01);
});

test('a phase of one cycle may be shorter than a step', () => {
  for (const pctStart of [0, 0.1, 1])
    for (const threePhase of [false, true]) {
      const schedule = oneCycle(1, { totalSteps: 10, pctStart, threePhase });
      for (let step = 0; step < 12; step++) expect(rate(schedule, step)).toBeGreaterThan(0);
    }
});

describe('on a plateau', () => {
  const at = (schedule: Schedule, ...figures: number[]) => rate(schedule, figures.length, { figures });

  test('a figure that is not finite is not better', () => {
    const schedule = reduceOnPlateau(1, { patience: 1, factor: 0.5 });
    expect(at(schedule, 1, NaN, NaN)).toBe(0.5);
    expect(at(schedule, 1, NaN, 0.5)).toBe(1);
  });

  test('another figure than the loss may be watched', () => {
    const schedule = reduceOnPlateau(1, { metric: 'accuracy', mode: 'max', patience: 0, factor: 0.5 });
    const point = { step: 9, totalSteps: null, epoch: 3 };
    expect(schedule({ ...point, figures: [0.5, 0.6, 0.6].map((accuracy) => ({ loss: 1, accuracy })) })).toBe(0.5);
    expect(() => schedule({ ...point, figures: [{ loss: 1, f1: 0 }] })).toThrow(
      "reduceOnPlateau: metric: expected one of loss, f1, received 'accuracy'",
    );
  });

  test('a loop without passes is refused', () => {
    expect(() => reduceOnPlateau(1)({ step: 0, totalSteps: null, figures: [] })).toThrow(
      'a loop of trainStep has none',
    );
  });
});

test('settings tell schedules apart, as plain JSON', () => {
  const schedule = perEpoch(warmup(cosine(0.1, { totalSteps: 9 }), { steps: 2 }));
  expect(JSON.parse(JSON.stringify(schedule.settings))).toEqual({
    schedule: 'perEpoch',
    lr: {
      schedule: 'warmup',
      lr: { schedule: 'cosine', lr: 0.1, totalSteps: 9, final: 0, warmup: 0 },
      steps: 2,
    },
  });
});

test.each<[string, () => unknown, string]>([
  [
    'a step size of 0',
    () => stepDecay(1, { stepSize: 0 }),
    'stepDecay: stepSize: expected a positive integer, received 0',
  ],
  [
    'no step size',
    () => stepDecay(1, {} as never),
    'stepDecay: stepSize: expected a positive integer, received undefined',
  ],
  ['a rate that is none', () => stepDecay(NaN, { stepSize: 1 }), 'stepDecay: lr: expected a number >= 0'],
  ['a negative γ', () => exponentialDecay(1, { gamma: -1 }), 'exponentialDecay: gamma: expected a number in [0'],
  [
    'milestones that are none',
    () => multiStepDecay(1, { milestones: [1.5] }),
    'multiStepDecay: milestones: expected an array of integers >= 0, received [1.5]',
  ],
  ['one milestone', () => multiStepDecay(1, { milestones: 3 as never }), 'received 3'],
  ['a negative final rate', () => linearDecay(1, { final: -1 }), 'linearDecay: final: expected a number >= 0'],
  ['a warm-up of no steps', () => warmup(1, { steps: 0 }), 'warmup: steps: expected a positive integer'],
  [
    'half a step of warm-up',
    () => cosine(1, { warmup: 0.5 }),
    'cosine: warmup: expected an integer >= 0, received 0.5',
  ],
  [
    'a warm-up of nothing',
    () => warmup('a' as never, { steps: 2 }),
    "warmup: lr: expected a number >= 0, finite in float32, received 'a'",
  ],
  [
    'periods that shrink',
    () => cosineRestarts(1, { period: 5, periodFactor: 0.5 }),
    'cosineRestarts: periodFactor: expected a positive integer',
  ],
  [
    'a fraction above 1',
    () => oneCycle(1, { pctStart: 1.5 }),
    'oneCycle: pctStart: expected a number in [0, 1], received 1.5',
  ],
  [
    'another way down',
    () => oneCycle(1, { annealStrategy: 'cosine' as never }),
    "oneCycle: annealStrategy: expected 'cos' or 'linear', received 'cosine'",
  ],
  [
    'a factor of 1',
    () => reduceOnPlateau(1, { factor: 1 }),
    'reduceOnPlateau: factor: expected a number in [0, 1), received 1',
  ],
  [
    'another mode',
    () => reduceOnPlateau(1, { mode: 'auto' as never }),
    "reduceOnPlateau: mode: expected 'min' or 'max', received 'auto'",
  ],
  [
    'an unknown option',
    () => reduceOnPlateau(1, { minDelta: 1 } as never),
    "reduceOnPlateau: unknown option 'minDelta'",
  ],
  ['no schedule', () => perEpoch(0.1 as never), 'perEpoch: expected a schedule'],
  ['an unknown total', () => rate(linearDecay(1), 3), 'linearDecay: totalSteps: the number of steps is not known here'],
])('refused: %s', (_, make, message) => {
  expect(make).toThrow(OptionError);
  expect(make).toThrow(message);
});
