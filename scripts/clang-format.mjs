// Formats the native sources, or with --check names those that are not formatted and fails.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const files = ['native', 'test/native', 'benchmarks/native']
  .filter((folder) => existsSync(folder))
  .flatMap((folder) => readdirSync(folder, { recursive: true }).map((name) => join(folder, name)))
  .filter((path) => /\.(cc|h|inl)$/.test(path))
  .sort();

const mode = process.argv.includes('--check') ? ['--dry-run', '-Werror'] : ['-i'];
const { status, error } = spawnSync('clang-format', [...mode, ...files], { stdio: 'inherit' });
if (error)
  throw new Error('clang-format is needed to format the native sources; install it and try again', { cause: error });
process.exitCode = status ?? 1;
