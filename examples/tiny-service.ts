/** A model behind HTTP: npm run example -- tiny-service.ts, then curl 127.0.0.1:3000 -d 'Call me' */
import { randomInt } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import { generate, load, type Module } from 'lstm-native';

async function answer(model: Module, request: IncomingMessage): Promise<string> {
  let prompt = '';
  // Of what is too long, no more is kept than it takes to see that.
  for await (const part of request.setEncoding('utf8')) if (prompt.length <= 1000) prompt += part;
  if (prompt.length > 1000) throw new Error('expected at most 1000 characters');
  return generate(model, { prompt, length: 200, temperature: 0.8, seed: randomInt(2 ** 32) });
}

async function main(): Promise<void> {
  const model = await load(process.argv[2] ?? 'runs/moby-dick/model.safetensors');
  const server = createServer((request, response) => {
    answer(model, request).then(
      (continued) => response.end(continued),
      (error: Error) => response.writeHead(400).end(error.message),
    );
  });
  server.listen(Number(process.env.PORT ?? 3000), '127.0.0.1', () => console.log('listening', server.address()));
}

main().catch((error: Error) => {
  console.error(error.message);
  process.exitCode = 1;
});
