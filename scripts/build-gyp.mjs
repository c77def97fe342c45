// Builds the addon with node-gyp, from the headers of the running Node.js when they are installed beside it, so that
// nothing has to be downloaded.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';

const nodeGyp = createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js');
const prefix = dirname(dirname(process.execPath));
const hasHeaders = existsSync(join(prefix, 'include', 'node', 'node_api.h'));

const { status, error } = spawnSync(
  process.execPath,
  [
    nodeGyp,
    'configure',
    'build',
    '--loglevel=warn',
    `--jobs=${availableParallelism()}`,
    ...(hasHeaders ? [`--nodedir=${prefix}`] : []),
    ...process.argv.slice(2),
  ],
  { stdio: 'inherit', env: { ...process.env, MAKEFLAGS: `${process.env.MAKEFLAGS ?? ''} --silent` } },
);
if (error) throw error;
process.exitCode = status ?? 1;
