/** Where two JSON values differ, as `path: expected ..., received ...`, so that a refusal can name what it refuses. */
export function differences(expected: unknown, received: unknown, path = ''): string[] {
  if (canonical(expected) === canonical(received)) return [];
  if (Array.isArray(expected) && Array.isArray(received)) {
    const length = Math.max(expected.length, received.length);
    const parts = Array.from({ length }, (_, index) =>
      differences(expected[index], received[index], `${path}[${index}]`),
    );
    return parts.flat();
  }
  if (!isRecord(expected) || !isRecord(received)) {
    const [a, b] = [expected, received].map((value) => JSON.stringify(value) ?? 'none');
    const from = firstDifference(a!, b!);
    return [`${path}: expected ${short(a!, from)}, received ${short(b!, from)}`];
  }
  const names = [...new Set([...Object.keys(expected), ...Object.keys(received)])];
  return names.flatMap((name) => differences(expected[name], received[name], path ? `${path}.${name}` : name));
}

/** So many are told; of a vocabulary, say, there may be thousands. */
const mostTold = 8;

/** Differences for a message, a line each. */
export function inLines(found: readonly string[]): string {
  const more = found.length - mostTold;
  return [...found.slice(0, mostTold), ...(more > 0 ? [`and ${more} more`] : [])].join('\n  ');
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Whatever the order of names; what JSON leaves out is null. */
const canonical = (value: unknown): string =>
  JSON.stringify(value ?? null, (_, part: unknown) =>
    isRecord(part) ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1))) : part,
  );

function firstDifference(a: string, b: string): number {
  let at = 0;
  while (at < a.length && a[at] === b[at]) at++;
  return at;
}

/** What fits in a message, with the place from which it differs. */
function short(text: string, from: number): string {
  if (text.length <= 60) return text;
  const begin = Math.max(0, Math.min(from - 20, text.length - 57));
  return `${begin > 0 ? '...' : ''}${text.slice(begin, begin + 57)}${begin + 57 < text.length ? '...' : ''}`;
}
