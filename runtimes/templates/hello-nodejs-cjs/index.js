// A first function, as a CommonJS module: greets whoever the event names.
exports.handler = async (event) => {
  const name = event.name ?? 'world';
  console.log(`Greeting ${name}.`);
  return { message: `Hello, ${name}!` };
};
