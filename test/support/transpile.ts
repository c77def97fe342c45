/** Programs of the tests as plain JavaScript, for processes that have to start in a moment. */
import { spawnSync } from 'node:child_process';
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';

const root = join(__dirname, '../..');

/** Writes the files, and all that they import, below `folder`, where they find the packages and the addon of this repository. */
export function transpileTo(folder: string, ...files: string[]): void {
  const compiler = join(root, 'node_modules/typescript/bin/tsc');
  const options =
    '--module commonjs --target es2022 --skipLibCheck --esModuleInterop --noCheck --ignoreConfig --types node';
  const deprecations = ['--ignoreDeprecations', '6.0'];
  const { status, stdout } = spawnSync(
    process.execPath,
    [compiler, ...files, ...options.split(' '), ...deprecations, '--rootDir', root, '--outDir', folder],
    { encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(stdout);
  for (const found of ['node_modules', 'build']) symlinkSync(join(root, found), join(folder, found));
}
