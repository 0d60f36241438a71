// A chat reply that is streamed: words leave the function as they come, not when all are there.
// Where a real one asks a model, this one says its answer itself.
import { setTimeout as pause } from 'node:timers/promises';

const PAUSE_MS = 20;

async function* reply(message) {
  for (const word of `You said: ${message} And what do you make of that?`.split(' ')) {
    yield `${word} `;
    await pause(PAUSE_MS);
  }
}

export const handler = awslambda.streamifyResponse(async (event, stream) => {
  // Behind a function URL the message is the request's body; of an invocation it is the event.
  const body = event.body ? JSON.parse(event.isBase64Encoded ? atob(event.body) : event.body) : event;
  stream.setContentType('text/plain; charset=utf-8');
  for await (const word of reply(body.message ?? 'nothing.')) {
    // False means that the reader is slower than we are.
    if (!stream.write(word)) await new Promise((resume) => stream.once('drain', resume));
  }
  stream.end('\n');
});
