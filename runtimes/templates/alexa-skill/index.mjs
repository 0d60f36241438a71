// A voice skill without any SDK: what it was asked comes as an event, what it says is the answer.
// The shapes are those of the Alexa Skills Kit, "Request and Response JSON Reference".

const SKILL_ID = process.env.SKILL_ID; // If set, requests of other skills are refused.

const speak = (text, { end = true, attributes = {} } = {}) => ({
  version: '1.0',
  sessionAttributes: attributes,
  response: {
    outputSpeech: { type: 'PlainText', text },
    ...(end ? {} : { reprompt: { outputSpeech: { type: 'PlainText', text: 'How many sides?' } } }),
    shouldEndSession: end,
  },
});

const roll = (sides) => 1 + Math.floor(Math.random() * sides);

const intents = {
  RollIntent(request, session) {
    const sides = Number(request.intent.slots?.sides?.value ?? 6);
    if (!Number.isInteger(sides) || sides < 2) {
      return speak('A die has two sides or more. How many shall it have?', { end: false });
    }
    const rolls = (session.attributes?.rolls ?? 0) + 1;
    return speak(`Of ${sides} sides I rolled a ${roll(sides)}.`, { attributes: { rolls } });
  },
  'AMAZON.HelpIntent': () => speak('Say: roll a die with ten sides.', { end: false }),
  'AMAZON.StopIntent': () => speak('Goodbye.'),
  'AMAZON.CancelIntent': () => speak('Goodbye.'),
};

export const handler = async (event) => {
  const { request, session = {} } = event;
  const asking = event.context?.System?.application?.applicationId ?? session.application?.applicationId;
  if (SKILL_ID && asking !== SKILL_ID) {
    throw new Error(`a request of ${asking}, which is another skill`);
  }
  console.log(`${request.type} ${request.intent?.name ?? ''}`);
  switch (request.type) {
    case 'LaunchRequest':
      return speak('Welcome. How many sides shall the die have?', { end: false });
    case 'IntentRequest':
      return (intents[request.intent.name] ?? intents['AMAZON.HelpIntent'])(request, session);
    default: // SessionEndedRequest: nothing may be said any more.
      return { version: '1.0', response: {} };
  }
};
