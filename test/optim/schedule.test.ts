import { adam, adamW, cosine, OptionError, sgd } from '../../lib';

const at = (schedule: ReturnType<typeof cosine>, step: number, totalSteps: number | null = null) =>
  schedule({ step, totalSteps });

test('a cosine falls from the rate to the final one', () => {
  const schedule = cosine(0.4, { totalSteps: 8, final: 0.1 });
  expect([0, 4, 8, 100].map((step) => at(schedule, step))).toEqual([0.4, 0.25, 0.1, 0.1]);
  expect(at(schedule, 2)).toBeCloseTo(0.1 + 0.15 * (1 + Math.SQRT1_2), 12);
});

test('a warm-up rises in equal steps before it', () => {
  const schedule = cosine(0.4, { warmup: 4 });
  expect([0, 1, 2, 3].map((step) => at(schedule, step, 10))).toEqual([0.1, 0.2, 0.30000000000000004, 0.4]);
  expect([4, 7, 10].map((step) => at(schedule, step, 10))).toEqual([0.4, 0.2, 0]);
});

test('totalSteps that are given come before those of the fit', () => {
  expect(at(cosine(1, { totalSteps: 4 }), 2, 100)).toBeCloseTo(0.5, 12);
});

test.each([
  ['adam: an unknown one', () => adam({ learningRate: 1 } as never), "adam: unknown option 'learningRate'"],
  ['adam: a β of 1', () => adam({ betas: [1, 0.9] }), 'adam: betas[0]: expected a number in [0, 1), received 1'],
  ['adam: betas that are none', () => adam({ betas: null } as never), 'adam: betas: expected two numbers'],
  ['adam: one β', () => adam({ betas: [0.9] } as never), 'adam: betas: expected two numbers'],
  ['adam: an ε that float32 cannot hold', () => adam({ eps: 1e39 }), 'adam: eps'],
  ['adam: a rate that float32 cannot hold', () => adam({ lr: 1e39 }), 'lr: expected a number >= 0, finite in float32'],
  ['sgd: a decay that float32 cannot hold', () => sgd({ weightDecay: 1e39 }), 'sgd: weightDecay'],
  ['adam: an ε that is none', () => adam({ eps: NaN }), 'adam: eps'],
  ['adamW: a negative decay', () => adamW({ weightDecay: -1 }), 'adamW: weightDecay'],
  ['adam: a decay that is text', () => adam({ weightDecay: '0.1' as never }), 'adam: weightDecay'],
  ['sgd: a negative rate', () => sgd({ lr: -1 }), 'lr: expected a number >= 0, finite in float32, received -1'],
  ['sgd: an infinite rate', () => sgd({ lr: Infinity }), 'lr: expected'],
  ['sgd: a momentum of 1', () => sgd({ momentum: 1 }), 'sgd: momentum'],
  ['sgd: Nesterov without momentum', () => sgd({ nesterov: true }), 'sgd: nesterov: expected a momentum'],
  ['sgd: Nesterov with dampening', () => sgd({ nesterov: true, momentum: 0.9, dampening: 0.1 }), 'sgd: nesterov'],
  ['cosine: an unknown one', () => cosine(1, { steps: 5 } as never), "cosine: unknown option 'steps'"],
  ['cosine: a negative rate', () => cosine(-1), 'lr: expected'],
])('options are refused: %s', (_, make, message) => {
  expect(make).toThrow(OptionError);
  expect(make).toThrow(message);
});
