// Writes the ES module face of the package. It hands on the CommonJS module's own objects, so that a class imported
// here and required there is one class.
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const names = Object.keys(createRequire(import.meta.url)('../dist/index.js')).sort();
const face = `import lstmNative from './index.js';\n\nexport const {\n${names.map((name) => `  ${name},\n`).join('')}} = lstmNative;\n`;

writeFileSync(new URL('../dist/index.mjs', import.meta.url), face);
writeFileSync(new URL('../dist/index.d.mts', import.meta.url), "export * from './index.js';\n");
