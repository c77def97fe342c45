// npm run example -- generate.ts --prompt "Call me": runs a file of examples/ with the rest as its arguments.
import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';

const folder = fileURLToPath(new URL('../examples/', import.meta.url));
const [, , name = ''] = process.argv;
const path = `${folder}${name}`;
if (!name.endsWith('.ts') || !existsSync(path)) {
  const names = readdirSync(folder).filter((file) => file.endsWith('.ts'));
  console.error(`npm run example -- <name> [arguments], where <name> is one of ${names.join(', ')}`);
  process.exit(1);
}
process.argv.splice(1, 2, path);
await import(pathToFileURL(path).href);
