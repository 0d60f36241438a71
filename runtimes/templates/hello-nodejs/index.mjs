// A first function, as an ES module: greets whoever the event names.
export const handler = async (event, context) => {
  const name = event.name ?? 'world';
  console.log(`Greeting ${name}; ${context.getRemainingTimeInMillis()} ms left for it.`);
  return { message: `Hello, ${name}!` };
};
