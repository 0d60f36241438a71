import com.amazonaws.services.lambda.runtime.ClientContext;
import com.amazonaws.services.lambda.runtime.CognitoIdentity;
import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import com.amazonaws.services.lambda.runtime.RequestStreamHandler;
import com.amazonaws.services.lambda.runtime.logging.LogLevel;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Paths;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Methods by their forms, and what is around them. */
public class Plain {
    private int calls;

    public Object echo(Object event) {
        return event;
    }

    public static String named() {
        return "static";
    }

    public String onlyContext(Context context) {
        return context.getFunctionName();
    }

    public String chosen(String event) {
        return "one";
    }

    public String chosen(String event, Context context) {
        return "with a context";
    }

    public void nothing(Object event) {}

    public int count() {
        return ++calls;
    }

    public void copy(InputStream in, OutputStream out) throws IOException {
        for (int one = in.read(); one >= 0; one = in.read()) {
            out.write(one);
        }
    }

    public Map<String, Object> context(Object event, Context context) {
        Map<String, Object> told = new LinkedHashMap<>();
        told.put("request", context.getAwsRequestId());
        told.put("group", context.getLogGroupName());
        told.put("stream", context.getLogStreamName());
        told.put("name", context.getFunctionName());
        told.put("version", context.getFunctionVersion());
        told.put("arn", context.getInvokedFunctionArn());
        told.put("memory", context.getMemoryLimitInMB());
        told.put("left", context.getRemainingTimeInMillis());
        told.put("tenant", context.getTenantId());
        told.put("trace", System.getProperty("com.amazonaws.xray.traceHeader"));
        CognitoIdentity identity = context.getIdentity();
        told.put("identity", identity == null ? null
                : Arrays.asList(identity.getIdentityId(), identity.getIdentityPoolId()));
        ClientContext client = context.getClientContext();
        told.put("client", client == null ? null
                : Arrays.asList(client.getClient().getAppTitle(), client.getCustom(), client.getEnvironment()));
        return told;
    }

    public Object around(Object event) {
        return Arrays.asList(Paths.get("").toAbsolutePath().toString(), System.getenv("LC_ALL"),
                System.getenv("_LAMBDA_TELEMETRY_LOG_FD"), System.getenv("_LAMBDABOX_JAR_HINT"), System.getenv("WORD"));
    }

    public void print(Object event, Context context) {
        System.out.println("out é");
        System.err.println("err");
        context.getLogger().log("plain");
        context.getLogger().log("leveled", LogLevel.WARN);
        System.out.print("no end");
    }

    public Object fails(Object event) {
        throw new IllegalArgumentException("it is broken: é", new RuntimeException("the cause"));
    }

    public Object silent(Object event) {
        throw new IllegalStateException();
    }

    public Object heap(Object event) {
        throw new OutOfMemoryError("no heap");
    }

    private Object hidden(Object event) {
        return null;
    }

    public String typed(List<Map<String, Integer>> event) {
        int sum = 0;
        for (Map<String, Integer> one : event) {
            for (int value : one.values()) {
                sum += value;
            }
        }
        return "sum " + sum;
    }

    /** By AWS's interface. */
    public static class Objects implements RequestHandler<Map<String, Integer>, String> {
        @Override
        public String handleRequest(Map<String, Integer> input, Context context) {
            return "one more than a: " + (input.get("a") + 1);
        }
    }

    /** By AWS's other interface. */
    public static class Streams implements RequestStreamHandler {
        @Override
        public void handleRequest(InputStream input, OutputStream output, Context context) throws IOException {
            output.write('[');
            new Plain().copy(input, output);
            output.write(']');
        }
    }

    /** Neither interface. */
    public static class Other {}

    /** Cannot be made. */
    public static class Unmade {
        public Unmade() {
            throw new IllegalStateException("no instance");
        }

        public Object handle(Object event) {
            return null;
        }
    }

    /** Cannot be loaded. */
    public static class Unloaded {
        static final int NUMBER = Integer.parseInt("no number");

        public Object handle(Object event) {
            return null;
        }
    }
}
