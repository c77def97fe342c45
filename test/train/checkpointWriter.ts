/**
 * A process that writes checkpoints until it is killed, into the run folder that is its argument; with the argument
 * `careless` too, at once under their names.
 */
import { basename, dirname, join } from 'node:path';
import type { FileSystem } from '../../lib/checkpoint/atomic';
import { readCheckpoint } from '../../lib/checkpoint/checkpoint';
import { Checkpointer, type Snapshot } from '../../lib/train/checkpointing';
import { RunFolder } from '../../lib/train/runFolder';
import { tellingFileSystem } from '../support/killing';

/** Sixteen tensors of 4 KB. */
const [tensors, elements] = [16, 1024];

export const firstContent = (): Int32Array => Int32Array.from({ length: tensors * elements }, (_, index) => index);

/** The content of a checkpoint follows from the one before, as the weights of a training do. */
export const nextContent = (content: Int32Array): Int32Array =>
  content.map((number) => (Math.imul(number, 1664525) + 1013904223) | 0);

/** As the tensors of a checkpoint. */
export const tensorsOf = (content: Int32Array) =>
  Object.fromEntries(
    Array.from({ length: tensors }, (_, index) => [
      `layer.${index}`,
      { data: content.slice(index * elements, (index + 1) * elements), shape: [elements] },
    ]),
  );

function snapshotOf(step: number, content: Int32Array): Snapshot {
  const states = { moments: { data: Float64Array.of(step), shape: [1] } };
  const moment = { epoch: 1, step, seconds: 0 };
  return { moment, bestStep: null, parameters: tensorsOf(content), states, metadata: {}, record: { step } };
}

/** Without temporary files and renames. */
function careless(fileSystem: FileSystem): FileSystem {
  const named = (path: string) =>
    join(dirname(path), basename(path).replace(/^\.(step-\d+\.safetensors)\..*\.tmp$/, '$1'));
  return {
    ...fileSystem,
    open: async (path, flags) => {
      const file = await fileSystem.open(path, flags);
      if (named(path) !== path) await fileSystem.rename(path, named(path));
      return file;
    },
    rename: async () => {},
  };
}

async function write(path: string, isCareless: boolean): Promise<never> {
  const fileSystem = tellingFileSystem();
  const folder = new RunFolder(path, isCareless ? careless(fileSystem) : fileSystem);
  await folder.make();
  await folder.tidy();
  let [step, content] = [0, firstContent()];
  const [newest] = await folder.checkpoints();
  if (newest) {
    const { parameters } = await readCheckpoint(newest.path);
    [...parameters.values()].forEach(({ data }, index) => content.set(data, index * elements));
    step = newest.step;
  }
  const settings = { everySteps: 1, everyMinutes: Infinity, keepLast: 2, onFailure: 'stop' } as const;
  const listener = { written: () => {}, failed: () => {}, before: async () => {} };
  const checkpointer = new Checkpointer(folder, settings, listener, step);
  for (;;) {
    [step, content] = [step + 1, nextContent(content)];
    await checkpointer.begin(async () => snapshotOf(step, content));
  }
}

if (require.main === module) void write(process.argv[2]!, process.argv[3] === 'careless');
