import { DataError } from '../../lib/errors';
import { batchCount, iterate, type Batch, type Data } from '../../lib/data/batch';

const batch = (value: number): Batch => ({ inputs: { data: Float32Array.of(value), shape: [1, 1, 1] } });
const first = ({ inputs }: Batch) => (inputs.data as Float32Array)[0];

async function pass(data: Data): Promise<unknown[]> {
  const values = [];
  for await (const item of iterate(data)) values.push(first(item));
  return values;
}

function* two() {
  yield batch(1);
  yield batch(2);
}
async function* twoLater() {
  yield* two();
}

describe('iterate', () => {
  it('makes the same pass twice over arrays, iterables and functions, synchronous or not', async () => {
    const sources: Data[] = [
      [batch(1), batch(2)],
      new Set(two()),
      { [Symbol.iterator]: two },
      { [Symbol.asyncIterator]: twoLater },
      two,
      twoLater,
      () => [batch(1), batch(2)],
    ];
    for (const data of sources) {
      expect(await pass(data)).toEqual([1, 2]);
      expect(await pass(data)).toEqual([1, 2]);
    }
  });

  it('refuses a second pass over a generator instead of yielding nothing', async () => {
    for (const data of [two(), twoLater()]) {
      expect(await pass(data)).toEqual([1, 2]);
      await expect(pass(data)).rejects.toThrow(DataError);
    }
    const generator = two();
    const sameAgain = () => generator;
    await pass(sameAgain);
    await expect(pass(sameAgain)).rejects.toThrow(/received an iterator that is used up/);
  });

  it('closes the source when the consumer stops early', async () => {
    let closed = false;
    const source = function* () {
      try {
        yield* two();
      } finally {
        closed = true;
      }
    };
    for await (const item of iterate(source)) {
      expect(first(item)).toBe(1);
      break;
    }
    expect(closed).toBe(true);
  });

  it('asks data that know their passes for the one it makes', async () => {
    const data: Data = {
      *[Symbol.iterator]() {},
      pass: (epoch, begin) => [batch(10 * epoch + begin), batch(10 * epoch + begin + 1)],
    };
    const values = [];
    for await (const item of iterate(data, { epoch: 3, begin: 2 })) values.push(first(item));
    expect(values).toEqual([32, 33]);
  });

  it('leaves out the first batches of data that can only begin at the beginning', async () => {
    const values = [];
    for await (const item of iterate(twoLater, { epoch: 3, begin: 1 })) values.push(first(item));
    expect(values).toEqual([2]);
  });

  it('says what it received when that is no data', async () => {
    await expect(pass(3 as never)).rejects.toThrow('function that returns one, received 3');
    await expect(pass({} as never)).rejects.toThrow('received {}');
    await expect(pass((() => undefined) as never)).rejects.toThrow('received undefined');
    await expect(pass([batch(1), [1]] as never)).rejects.toThrow(
      'data: expected batches { inputs, targets, ... }, received [1] as batch 1',
    );
  });
});

describe('batchCount', () => {
  it('is what the data says, and nothing for a function', () => {
    expect(batchCount([batch(1), batch(2)])).toBe(2);
    expect(batchCount(two())).toBeUndefined();
    expect(batchCount(two)).toBeUndefined();
  });
});
