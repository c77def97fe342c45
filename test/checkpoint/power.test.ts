import { makeFolder, writeFileAtomically, type FileSystem } from '../../lib/checkpoint/atomic';
import { MetricsLog } from '../../lib/train/metricsLog';
import type { TrainingEvent } from '../../lib/train/run';
import { PoweredFileSystem } from '../support/crash';

const bytes = (text: string) => new TextEncoder().encode(text);
const path = '/folder/checkpoint';

type Write = (fileSystem: FileSystem, content: string) => Promise<void>;

const shown = (remains: readonly (Uint8Array | null)[]) =>
  new Set(remains.map((content) => (content ? new TextDecoder().decode(content) : 'nothing')));

/** All that may be found at `at` after the power fails at any operation of `write`, and after its end. */
async function foundAt(at: string, begin: (fileSystem: FileSystem) => Promise<void>, write: Write, content: string) {
  const meanwhile = new Set<string>();
  for (let operations = 0; ; operations++) {
    const fileSystem = new PoweredFileSystem(Infinity);
    await begin(fileSystem);
    fileSystem.operations = operations;
    const ended = await write(fileSystem, content).then(
      () => true,
      () => false,
    );
    const remains = shown(fileSystem.remains(at));
    if (ended) return { meanwhile, afterwards: remains };
    for (const one of remains) meanwhile.add(one);
  }
}

/** The same of a second write over a first one. */
const found = (write: Write) =>
  foundAt(path, (fileSystem) => write(fileSystem, 'the old one'), write, 'the new one, longer');

const atomically: Write = (fileSystem, content) =>
  writeFileAtomically(path, [bytes(content.slice(0, 7)), bytes(content.slice(7))], fileSystem);

test('when the power fails at any moment, the old or the new content is there, and after the end the new one', async () => {
  const { meanwhile, afterwards } = await found(atomically);
  expect([...meanwhile].sort()).toEqual(['the new one, longer', 'the old one']);
  expect([...afterwards]).toEqual(['the new one, longer']);
});

/** A writer that leaves one call out. */
const without =
  (left: 'sync file' | 'sync folder'): Write =>
  (fileSystem, content) =>
    atomically(
      {
        mkdir: (name) => fileSystem.mkdir(name),
        rename: (from, to) => fileSystem.rename(from, to),
        rm: (name, options) => fileSystem.rm(name, options),
        async open(name, flags) {
          const file = await fileSystem.open(name, flags);
          const kind = flags === 'r' ? 'sync folder' : 'sync file';
          return kind === left ? { ...file, sync: async () => {} } : file;
        },
      },
      content,
    );

test('the check sees a writer that does not sync its file', async () => {
  const { afterwards } = await found(without('sync file'));
  expect(afterwards).toContain('');
  expect(afterwards).toContain('the new o');
});

test('the check sees a writer that does not sync the folder', async () => {
  const { afterwards } = await found(without('sync folder'));
  expect(afterwards).toContain('the old one');
});

describe('new folders', () => {
  const deep = '/folder/runs/first/checkpoints/checkpoint';
  const into =
    (make: typeof makeFolder): Write =>
    async (fileSystem, content) => {
      await make('/folder/runs/first/checkpoints', fileSystem);
      await writeFileAtomically(deep, [bytes(content)], fileSystem);
    };

  test('are there with what was written into them, wherever the power failed before', async () => {
    const { meanwhile, afterwards } = await foundAt(deep, async () => {}, into(makeFolder), 'the first one');
    expect([...meanwhile].sort()).toEqual(['nothing', 'the first one']);
    expect([...afterwards]).toEqual(['the first one']);
  });

  test('are synced also by one who finds them, as their maker may have been killed before', async () => {
    const killed = async (fileSystem: FileSystem) => void (await fileSystem.mkdir('/folder/runs'));
    const into: Write = async (fileSystem, content) => {
      await makeFolder('/folder/runs', fileSystem);
      await writeFileAtomically('/folder/runs/checkpoint', [bytes(content)], fileSystem);
    };
    const { afterwards } = await foundAt('/folder/runs/checkpoint', killed, into, 'the first one');
    expect([...afterwards]).toEqual(['the first one']);
  });

  test('the check sees a maker that does not sync the folders above', async () => {
    const careless: typeof makeFolder = async (folder, fileSystem) => {
      for (const name of ['/folder/runs', '/folder/runs/first', folder]) await fileSystem!.mkdir(name);
    };
    const { afterwards } = await foundAt(deep, async () => {}, into(careless), 'the first one');
    expect([...afterwards].sort()).toEqual(['nothing', 'the first one']);
  });
});

test('metrics that are synced are there when the power is back, the new file of them too', async () => {
  const metrics = '/folder/metrics.jsonl';
  const write: Write = async (fileSystem) => {
    const log = await MetricsLog.open(metrics, 0, () => {}, fileSystem);
    log.write({ type: 'step' } as TrainingEvent);
    await log.sync();
  };
  const { afterwards } = await foundAt(metrics, async () => {}, write, '');
  expect([...afterwards]).toEqual(['{"type":"step"}\n']);
});
