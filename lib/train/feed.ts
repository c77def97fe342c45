import { iterate, type Batch, type Data, type PassBegin } from '../data/batch';

/** The longest delay that a timer takes. */
const maxMilliseconds = 2 ** 31 - 1;

/**
 * The batches of one pass, each asked for ahead at most once. Data may never come: nothing here waits for them unconditionally.
 *
 * With `accumulate`, they come in lists of so many, the last of a pass perhaps of fewer; `begin` then counts lists.
 */
export class Feed<Item extends Batch | readonly Batch[] = Batch> {
  private readonly batches: AsyncGenerator<Item, void, undefined>;
  private asked: Promise<IteratorResult<Item, void>> | null = null;
  private isWaiting = false;

  constructor(data: Data, { epoch, begin = 0 }: PassBegin = {}, accumulate = 1) {
    const batches = iterate(data, { epoch, begin: begin * accumulate, optional: accumulate - 1 });
    this.batches = (accumulate === 1 ? batches : lists(batches, accumulate)) as AsyncGenerator<Item, void, undefined>;
  }

  /** Asks for the next batch, so that it is made while others compute. */
  ask(): void {
    if (this.asked) return;
    this.isWaiting = true;
    this.asked = this.batches.next().finally(() => (this.isWaiting = false));
    // `next` tells of a failure; when it is not called any more, nobody needs to know.
    this.asked.catch(() => {});
  }

  /** The next batch, or null when a signal is aborted or the time has passed before it has come. */
  async next(signals: readonly AbortSignal[], milliseconds = Infinity): Promise<IteratorResult<Item, void> | null> {
    this.ask();
    const item = await unlessAborted(this.asked!, signals, milliseconds);
    if (item) this.asked = null;
    return item;
  }

  /** Tells the data that no more is wanted. Behind a batch that does not come, that cannot be waited for. */
  async close(): Promise<void> {
    const closed = this.batches.return(undefined);
    if (this.isWaiting) closed.catch(() => {});
    else await closed;
  }
}

/** Lists of `size` batches; the last may be shorter. */
async function* lists(batches: AsyncIterable<Batch>, size: number): AsyncGenerator<readonly Batch[], void, undefined> {
  let list: Batch[] = [];
  for await (const batch of batches) {
    list.push(batch);
    if (list.length < size) continue;
    yield list;
    list = [];
  }
  if (list.length > 0) yield list;
}

/** What is awaited, or null as soon as one of the signals is aborted or the time has passed; nothing listens any more then. */
function unlessAborted<T>(awaited: Promise<T>, signals: readonly AbortSignal[], milliseconds: number) {
  if (signals.some(({ aborted }) => aborted)) return Promise.resolve(null);
  return new Promise<T | null>((resolve, reject) => {
    const settle = () => {
      clearTimeout(timer);
      signals.forEach((signal) => signal.removeEventListener('abort', leave));
    };
    const leave = () => {
      settle();
      resolve(null);
    };
    // What has come already is taken before a timer fires.
    const timer = Number.isFinite(milliseconds)
      ? setTimeout(leave, Math.min(Math.max(milliseconds, 0), maxMilliseconds))
      : undefined;
    for (const signal of signals) signal.addEventListener('abort', leave, { once: true });
    awaited.then(resolve, reject).finally(settle);
  });
}
