import { getThreads, setThreads } from '../../lib';
import { caseNames, predictRow, train } from './trajectory';

const teams = [1, 2, 3, 4, 8];
const before = getThreads();
afterEach(() => setThreads(before));

test.each(caseNames)('teams of any size, and of changing size, train to the same bits: %s', async (name) => {
  const { digest } = await train(name);
  for (const threads of teams) {
    setThreads(threads);
    expect(getThreads()).toBe(threads);
    expect((await train(name)).digest).toBe(digest);
  }
  const changing = await train(name, 1, (step) => setThreads(teams[step % teams.length]!));
  expect(changing.digest).toBe(digest);
});

test('predictions have the same bits on any number of threads', async () => {
  const expected = await predictRow();
  for (const threads of teams) {
    setThreads(threads);
    expect(await predictRow()).toEqual(expected);
  }
});

test('digests tell trainings and rows apart, and the training learns', async () => {
  const { losses, digest } = await train('B 7');
  // From log 11 = 2.4 nats; weights that hardly move could not differ.
  expect(losses[99]!).toBeLessThan(losses[0]! - 0.5);
  expect((await train('B 7', 2)).digest).not.toBe(digest);
  expect((await predictRow(6)).inBatch).not.toBe((await predictRow(5)).inBatch);
});
