// node-gyp-build has no types of its own.
declare module 'node-gyp-build' {
  /** Loads the addon of the package at `packageRoot`: build/Release first, then prebuilds/<platform>-<arch>/. */
  function load(packageRoot: string): unknown;
  namespace load {
    /** The path of the file that would be loaded; throws when there is none. */
    function resolve(packageRoot: string): string;
  }
  export = load;
}
