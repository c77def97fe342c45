import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import * as fileSystem from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CheckpointError } from '../../lib/errors';
import { writeFileAtomically, type FileSystem } from '../../lib/checkpoint/atomic';
import { plain } from '../support/crash';

const bytes = (text: string) => new TextEncoder().encode(text);

/** The real file system, noting every call and failing at one of them. */
function recording(failAt?: string): { calls: string[]; fileSystem: FileSystem } {
  const calls: string[] = [];
  const note = (call: string) => {
    calls.push(call);
    if (call === failAt) throw new Error(`no luck with ${call}`);
  };
  return {
    calls,
    fileSystem: {
      async open(path, flags) {
        const kind = flags === 'r' ? 'folder' : 'file';
        note(`open ${kind}`);
        const handle = await fileSystem.open(path, flags);
        return {
          ...plain(handle),
          async writeFile(data) {
            note(`write ${new TextDecoder().decode(data)}`);
            await handle.writeFile(data);
          },
          async sync() {
            note(`sync ${kind}`);
            await handle.sync();
          },
          async close() {
            await handle.close();
            note(`close ${kind}`);
          },
        };
      },
      async mkdir(path) {
        note('make folder');
        await fileSystem.mkdir(path);
      },
      async rename(from, to) {
        note('rename');
        await fileSystem.rename(from, to);
      },
      async rm(path, options) {
        note('remove');
        await fileSystem.rm(path, options);
      },
    },
  };
}

describe('writeFileAtomically', () => {
  let folder: string;
  let path: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'atomic-'));
    path = join(folder, 'model.safetensors');
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  it('brings the content to disk before the rename, and the rename after it', async () => {
    const { calls, fileSystem } = recording();
    await writeFileAtomically(path, [bytes('one'), bytes('two')], fileSystem);
    expect(calls).toEqual([
      'open file',
      'write one',
      'write two',
      'sync file',
      'close file',
      'rename',
      'open folder',
      'sync folder',
      'close folder',
    ]);
    expect(readFileSync(path, 'utf8')).toBe('onetwo');
  });

  it('replaces a file and leaves nothing else behind', async () => {
    writeFileSync(path, 'something old and long');
    await writeFileAtomically(path, [bytes('new')]);
    expect(readFileSync(path, 'utf8')).toBe('new');
    expect(readdirSync(folder)).toEqual(['model.safetensors']);
  });

  it.each(['open file', 'write two', 'sync file', 'close file', 'rename'])(
    'keeps the old file and no other when it fails at: %s',
    async (call) => {
      writeFileSync(path, 'old');
      const writing = writeFileAtomically(path, [bytes('one'), bytes('two')], recording(call).fileSystem);
      await expect(writing).rejects.toThrow(`${path}: could not be written: no luck with ${call}`);
      expect(readFileSync(path, 'utf8')).toBe('old');
      expect(readdirSync(folder)).toEqual(['model.safetensors']);
    },
  );

  it('reports a rename that may not have reached the disk', async () => {
    const writing = writeFileAtomically(path, [bytes('one')], recording('sync folder').fileSystem);
    await expect(writing).rejects.toThrow(CheckpointError);
    expect(readdirSync(folder)).toEqual(['model.safetensors']);
  });

  it('removes the temporary file when making the content fails', async () => {
    const chunks = function* () {
      yield bytes('one');
      throw new Error('no more');
    };
    await expect(writeFileAtomically(path, chunks())).rejects.toThrow(`${path}: could not be written: no more`);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('names an unwritable path and keeps the cause', async () => {
    const nowhere = join(folder, 'missing', 'model.safetensors');
    const error: unknown = await writeFileAtomically(nowhere, [bytes('one')]).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(CheckpointError);
    expect(error).toMatchObject({ code: 'ERR_CHECKPOINT', cause: { code: 'ENOENT' } });
    expect((error as Error).message).toMatch(/missing.model.safetensors: could not be written: .*ENOENT/);
  });
});
