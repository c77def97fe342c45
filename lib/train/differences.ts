/** Where two JSON values differ, as `path: expected ..., received ...`, so that a refusal can name what it refuses. */
export function differences(expected: unknown, received: unknown, path = ''): string[] {
  if (canonical(expected) === canonical(received)) return [];
  if (!isRecord(expected) || !isRecord(received))
    return [`${path}: expected ${short(expected)}, received ${short(received)}`];
  const names = [...new Set([...Object.keys(expected), ...Object.keys(received)])];
  return names.flatMap((name) => differences(expected[name], received[name], path ? `${path}.${name}` : name));
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Whatever the order of names; what JSON leaves out is null. */
const canonical = (value: unknown): string =>
  JSON.stringify(value ?? null, (_, part: unknown) =>
    isRecord(part) ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1))) : part,
  );

function short(value: unknown): string {
  const text = JSON.stringify(value) ?? 'none';
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
