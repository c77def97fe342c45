import { join } from 'node:path';
import ts from 'typescript';
import { root } from './markdown';

const parseHost: ts.ParseConfigFileHost = { ...ts.sys, onUnRecoverableConfigFileDiagnostic: () => {} };

/** Compiles modules that exist in memory only, as a user's beside the package; gives errors as `file:line: message`. */
export function errorsIn(files: Readonly<Record<string, string>>): string[] {
  const folder = join(root, 'examples');
  const inMemory = new Map(Object.entries(files).map(([name, text]) => [join(folder, name), text]));
  const project = ts.getParsedCommandLineOfConfigFile(join(root, 'tsconfig.json'), {}, parseHost);
  const options: ts.CompilerOptions = {
    ...project?.options,
    types: ['node'],
    noUnusedLocals: false,
    paths: { 'lstm-native': [join(root, 'lib/index.ts')] },
  };
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile, getSourceFile } = host;
  host.fileExists = (path) => inMemory.has(path) || fileExists.call(host, path);
  host.readFile = (path) => inMemory.get(path) ?? readFile.call(host, path);
  host.getSourceFile = (path, version, ...rest) => {
    const text = inMemory.get(path);
    return text === undefined
      ? getSourceFile.call(host, path, version, ...rest)
      : ts.createSourceFile(path, text, version);
  };
  const program = ts.createProgram([...inMemory.keys()], options, host);
  const sources = [...inMemory.keys()].map((path) => program.getSourceFile(path)!);
  const diagnostics = sources.flatMap((source) => [
    ...program.getSyntacticDiagnostics(source),
    ...program.getSemanticDiagnostics(source),
  ]);
  return diagnostics.map(({ file, start = 0, messageText }) => {
    const line = file ? file.getLineAndCharacterOfPosition(start).line + 1 : 0;
    const name = file?.fileName.slice(folder.length + 1) ?? '';
    return `${name}:${line}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
  });
}
