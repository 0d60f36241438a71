package example;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;

/** A first function: greets whoever the event names. */
public class Hello implements RequestHandler<Hello.Event, Hello.Answer> {
    public static class Event {
        private String name = "world";

        public String getName() {
            return name;
        }

        public void setName(String name) {
            this.name = name;
        }
    }

    public static class Answer {
        private final String message;

        Answer(String message) {
            this.message = message;
        }

        public String getMessage() {
            return message;
        }
    }

    @Override
    public Answer handleRequest(Event event, Context context) {
        context.getLogger().log("Greeting " + event.getName() + ".\n");
        return new Answer("Hello, " + event.getName() + "!");
    }
}
