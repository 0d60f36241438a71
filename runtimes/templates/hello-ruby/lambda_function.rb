# A first function: greets whoever the event names.

def lambda_handler(event:, context:)
  name = event['name'] || 'world'
  puts "Greeting #{name}; #{context.get_remaining_time_in_millis} ms left for it."
  { message: "Hello, #{name}!" }
end
