// A small HTTP API behind API Gateway (HTTP API, payload format 2.0) or a function URL.
// Notes live as long as this environment does; keep yours in a database.
import { randomUUID } from 'node:crypto';

const notes = new Map();

const respond = (statusCode, body) => ({
  statusCode,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});

const bodyOf = (event) => {
  const text = event.isBase64Encoded ? Buffer.from(event.body, 'base64').toString() : event.body;
  return JSON.parse(text ?? 'null');
};

const routes = [
  ['GET', /^\/notes$/, () => respond(200, [...notes.values()])],
  ['POST', /^\/notes$/, (event) => {
    let note;
    try {
      note = bodyOf(event);
    } catch {
      return respond(400, { error: 'the body is not JSON' });
    }
    if (typeof note?.text !== 'string') return respond(400, { error: 'text is missing' });
    const made = { id: randomUUID(), text: note.text };
    notes.set(made.id, made);
    return respond(201, made);
  }],
  ['GET', /^\/notes\/([^/]+)$/, (_, id) =>
    notes.has(id) ? respond(200, notes.get(id)) : respond(404, { error: `there is no note ${id}` })],
  ['DELETE', /^\/notes\/([^/]+)$/, (_, id) =>
    notes.delete(id) ? { statusCode: 204 } : respond(404, { error: `there is no note ${id}` })],
];

export const handler = async (event) => {
  const { method } = event.requestContext.http;
  // API Gateway puts the stage first, unless it is the default one.
  const stage = event.requestContext.stage;
  const path = event.rawPath.replace(new RegExp(`^/${stage}(?=/)`), '');
  const matching = routes.filter(([, pattern]) => pattern.test(path));
  const route = matching.find(([known]) => known === method);
  if (route) return route[2](event, ...path.match(route[1]).slice(1));
  return matching.length > 0
    ? respond(405, { error: `${method} is not for ${path}` })
    : respond(404, { error: `there is no ${path}` });
};
