/** The documents of the project, and what in them can be checked: links, code blocks, and text that a program printed. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

export const root = join(__dirname, '..', '..');

/** Paths from the root of the project. */
export function documents(): string[] {
  const below = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.md'),
  );
  return ['README.md', 'lib/README.md', 'native/README.md', ...below.map((name) => join('docs', name)).sort()];
}

export const read = (path: string): string => readFileSync(join(root, path), 'utf8');

/** Line `line` of `target` holds `quote`, says `document`. */
export interface LineLink {
  readonly document: string;
  readonly target: string;
  readonly line: number;
  readonly quote: string;
}

const lineLink = /\[`([^`]+)`\]\(([^)#\s]+)#L(\d+)\)/g;

const resolveTarget = (document: string, target: string) => relative(root, join(root, dirname(document), target));

/** Links such as [`next.h[j] = ...`](../lib/ops/recurrent/lstmCell.ts#L47). */
export function lineLinks(document: string, markdown: string): LineLink[] {
  return [...markdown.matchAll(lineLink)].map(([, quote, target, line]) => ({
    document,
    target: resolveTarget(document, target!),
    line: Number(line),
    quote: quote!,
  }));
}

/** Every file or folder of the project that a document links to, and whether the link has an anchor of a line. */
export function fileLinks(document: string, markdown: string): { target: string; toLine: boolean }[] {
  const prose = markdown.replaceAll(block, '');
  return [...prose.matchAll(/\]\((?!https?:|#)([^)#\s]+)(#L\d+)?[^)]*\)/g)].map(([, target, anchor]) => ({
    target: resolveTarget(document, target!),
    toLine: anchor !== undefined,
  }));
}

/** The line, counted from 1, on which the text stands: the nearest to `near` where there are several; null for none. */
export function lineOf(text: string, file: string, near: number): number | null {
  const lines = file.split('\n').flatMap((content, index) => (content.includes(text) ? [index + 1] : []));
  return lines.sort((a, b) => Math.abs(a - near) - Math.abs(b - near))[0] ?? null;
}

/** The document with every anchor where its quotation stands now. */
export function withLines(document: string, markdown: string): string {
  return markdown.replaceAll(lineLink, (whole, quote: string, target: string, line: string) => {
    const found = lineOf(quote, read(resolveTarget(document, target)), Number(line));
    return found === null ? whole : `[\`${quote}\`](${target}#L${found})`;
  });
}

/** A fenced block. `source` is what the comment above it names: `<!-- file: examples/train.ts -->`. */
export interface Block {
  readonly language: string;
  readonly source: { readonly kind: string; readonly name: string } | null;
  readonly text: string;
}

const block = /(?:<!-- (\w+): (\S+) -->\n)?```(\w*)\n([\s\S]*?)```/g;

export function blocks(markdown: string): Block[] {
  return [...markdown.matchAll(block)].map(([, kind, name, language, text]) => ({
    language: language!,
    source: kind && name ? { kind, name } : null,
    text: text!,
  }));
}

/** The document with the text of each block that has a source as `textOf` gives it. */
export function withSources(markdown: string, textOf: (source: { kind: string; name: string }) => string): string {
  return markdown.replaceAll(block, (whole, kind: string | undefined, name: string | undefined, language: string) =>
    kind && name ? `<!-- ${kind}: ${name} -->\n\`\`\`${language}\n${textOf({ kind, name })}\`\`\`` : whole,
  );
}
