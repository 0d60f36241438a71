"""A first function: greets whoever the event names."""


def lambda_handler(event, context):
    name = event.get("name", "world") if isinstance(event, dict) else "world"
    print(f"Greeting {name}; {context.get_remaining_time_in_millis()} ms left for it.")
    return {"message": f"Hello, {name}!", "requestId": context.aws_request_id}
