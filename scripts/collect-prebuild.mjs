// Copies the addon that was built for this machine to prebuilds/<platform>-<arch>/, where the published package looks
// for it, with the OpenMP runtime that it needs beside it: slim images have none, and the addon's rpath is $ORIGIN.
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, realpathSync, rmSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = join(root, 'prebuilds', `${process.platform}-${process.arch}`);
const addon = join(folder, 'lstm_native.node');

rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
copyFileSync(join(root, 'build', 'Release', 'lstm_native.node'), addon);

if (process.platform === 'linux') {
  execFileSync('strip', ['--strip-unneeded', addon]);
  const compiler = process.env.CXX ?? 'g++';
  const runtime = execFileSync(compiler, ['-print-file-name=libgomp.so.1'], { encoding: 'utf8' }).trim();
  if (!isAbsolute(runtime)) throw new Error(`${compiler} does not know where libgomp.so.1 is`);
  const copy = join(folder, 'libgomp.so.1');
  copyFileSync(realpathSync(runtime), copy);
  chmodSync(copy, 0o755);
} else if (process.platform === 'darwin') {
  execFileSync('strip', ['-x', addon]);
}
