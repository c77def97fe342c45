/** Tests that are written once and run on every backend. */
export type BackendName = 'reference' | 'native';

export const backends: readonly BackendName[] = ['reference', 'native'];

export function eachBackend(body: (backend: BackendName) => void): void {
  describe.each(backends)('on the %s backend', body);
}
