/** Brings the documents up to date: anchors of lines, and blocks that are printed or copied. `npx tsx test/docs/update.ts` */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { documents, read, root, withLines, withSources } from './markdown';
import { textOf } from './sources';

for (const document of documents()) {
  const old = read(document);
  const updated = withSources(withLines(document, old), textOf);
  if (updated === old) continue;
  writeFileSync(join(root, document), updated);
  console.log(`updated ${document}`);
}
