import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { documents, fileLinks, lineLinks, lineOf, read, root, withLines } from './markdown';

describe.each(documents())('%s', (document) => {
  const markdown = read(document);

  test('links to files that exist', () => {
    const missing = fileLinks(document, markdown).filter(({ target }) => !existsSync(join(root, target)));
    expect(missing.map(({ target }) => target)).toEqual([]);
  });

  test('quotes the lines that it links to', () => {
    const moved = lineLinks(document, markdown).flatMap(({ target, line, quote }) => {
      const file = read(target);
      if (file.split('\n')[line - 1]?.includes(quote)) return [];
      return [`${target}#L${line}: ${quote}: now ${lineOf(quote, file, line) ?? 'nowhere'}`];
    });
    // npx tsx test/docs/update.ts moves the anchors.
    expect(moved).toEqual([]);
  });

  test('quotes wherever it links to a line', () => {
    const quoted = lineLinks(document, markdown).length;
    expect(quoted).toBe(fileLinks(document, markdown).filter(({ toLine }) => toLine).length);
  });
});

describe('the links of a document', () => {
  const quoting = (quote: string, line: number) => `see [\`${quote}\`](../LICENSE#L${line})`;

  test('are found with quotation and line, from where the document stands', () => {
    expect(lineLinks('docs/some.md', quoting('a[b] (c)', 7))).toEqual([
      { document: 'docs/some.md', target: 'LICENSE', line: 7, quote: 'a[b] (c)' },
    ]);
    expect(fileLinks('docs/some.md', `${quoting('x', 1)} [y](math.md) [z](https://example.org)`)).toEqual([
      { target: 'LICENSE', toLine: true },
      { target: 'docs/math.md', toLine: false },
    ]);
  });

  test('are moved to the nearest line that holds the quotation, and left alone when there is none', () => {
    const line = read('LICENSE').split('\n').indexOf('MIT License') + 1;
    expect(withLines('docs/some.md', quoting('MIT License', 900))).toBe(quoting('MIT License', line));
    expect(withLines('docs/some.md', quoting('no such words', 3))).toBe(quoting('no such words', 3));
    expect(lineOf('a', 'a\nb\na\na', 3)).toBe(3);
  });
});
