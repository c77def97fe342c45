// Prints the native sources of one section of native/sources.txt, for binding.gyp; CMakeLists.txt reads the same list.
import { readFileSync } from 'node:fs';

const section = process.argv[2];
const list = readFileSync(new URL('../native/sources.txt', import.meta.url), 'utf8');
for (const line of list.split('\n')) {
  const [name, path] = line.trim().split(/\s+/);
  if (name === section && path) console.log(path);
}
