// The smallest function: greets whoever the event names. It needs no library of AWS's.
//
//     javac -d build runtimes/java/hello/Hello.java
//     jar --create --file build/hello.jar -C build Hello.class
//     lambdabox invoke build/hello.jar --handler Hello::greet --event '{"name":"Ada"}'

import java.util.Map;

public class Hello {
    public Map<String, String> greet(Map<String, String> event) {
        String name = event.getOrDefault("name", "World");
        return Map.of("message", "Hello, " + name + "!");
    }
}
