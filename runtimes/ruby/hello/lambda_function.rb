# The smallest function: greets whoever the event names.

def lambda_handler(event:, context:)
  name = event['name'] || 'World'
  { message: "Hello, #{name}!" }
end
