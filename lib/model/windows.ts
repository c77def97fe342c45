import type { SeriesFormat } from '../data/series/format';
import { Head } from '../nn/heads/head';
import { layerPaths, type Layer } from '../nn/layer';

/** Throws, before any work is done, where a head below `root` does not go with the windows that data are made of. */
export function checkWindows(root: Layer, data: { readonly series?: SeriesFormat | null } | null | undefined): void {
  const window = data?.series?.spec?.window;
  if (!window) return;
  const heads = [...layerPaths(root)].filter(([layer]) => layer instanceof Head) as unknown as [Head, string][];
  // Of several, one's own `forward` says which sees the targets.
  const ends = heads.length === 1 && root.defaultLoss() !== null;
  for (const [head, path] of heads) head.checkWindow(path, window, ends);
}
