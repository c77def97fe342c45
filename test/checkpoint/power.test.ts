import { writeFileAtomically, type FileSystem } from '../../lib/checkpoint/atomic';
import { PoweredFileSystem } from '../support/crash';

const bytes = (text: string) => new TextEncoder().encode(text);
const path = '/folder/checkpoint';

type Write = (fileSystem: FileSystem, content: string) => Promise<void>;

/** All that may be found after the power fails at any operation of a second write, and after its end. */
async function found(write: Write): Promise<{ meanwhile: Set<string>; afterwards: Set<string> }> {
  const meanwhile = new Set<string>();
  for (let operations = 0; ; operations++) {
    const fileSystem = new PoweredFileSystem(Infinity);
    await write(fileSystem, 'the old one');
    fileSystem.operations = operations;
    const ended = await write(fileSystem, 'the new one, longer').then(
      () => true,
      () => false,
    );
    const remains = new Set(
      fileSystem.remains(path).map((content) => (content ? new TextDecoder().decode(content) : 'nothing')),
    );
    if (ended) return { meanwhile, afterwards: remains };
    for (const content of remains) meanwhile.add(content);
  }
}

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
