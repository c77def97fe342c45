/** A model behind HTTP: npm run example -- tiny-service.ts, then curl 127.0.0.1:3000 -d 'Call me' */
import { createServer, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { generate, load } from 'lstm-native';

async function answer(request: IncomingMessage): Promise<string> {
  return generate(await model, { prompt: await text(request), length: 200, temperature: 0.8 });
}

const model = load(process.argv[2] ?? 'runs/moby-dick/model.safetensors');
const server = createServer((request, response) => {
  answer(request).then(
    (continued) => response.end(continued),
    (error: Error) => response.writeHead(400).end(error.message),
  );
});
server.listen(Number(process.env.PORT ?? 3000), '127.0.0.1', () => console.log('listening', server.address()));
