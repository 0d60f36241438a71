/*
 * The managed Java loop: loads the customer's handler and serves it the Runtime API.
 *
 * Behaves as AWS's managed Java runtimes do (the observable behaviour of
 * `aws-lambda-java-runtime-interface-client` 2.x) on the standard library alone. AWS's own interfaces
 * (`Context`, `RequestHandler`, ...) are the customer's: they come from `aws-lambda-java-core` in the
 * package or a layer, and are implemented here by proxies.
 *
 * Not here: making the sandbox, choosing the interpreter and honouring AWS_LAMBDA_EXEC_WRAPPER (the
 * host does those); response streaming.
 *
 * Invariants
 * - One file, standard library only, language level 8, so that one archive serves Java 8 to 25.
 * - Every invocation taken from `/next` is answered by exactly one POST, or the process ends.
 * - What the function printed or logged is on its way before the answer is posted.
 * - One top-level class in no package: nothing of the customer's is likely to be called so, and the
 *   source launcher takes no package from Java 22 on.
 * - Names that start with `_LAMBDABOX_`, and the log descriptor's, are gone before customer code runs.
 *
 * Started with `--compile SOURCE TARGET` (by the host, once per machine) it compiles itself into a jar, and
 * with `--archive JAR` it makes the archive of loaded classes (AppCDS) that later starts map; for that it
 * lives once on an event of its own. No customer's code is in either.
 *
 * Sources: reference/runtime-api.md sections 1, 4, 5.3, 6; AWS's client for texts and shapes.
 */

import java.io.BufferedInputStream;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.File;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOError;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.lang.reflect.Array;
import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.lang.reflect.GenericArrayType;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Proxy;
import java.lang.reflect.Type;
import java.lang.reflect.TypeVariable;
import java.lang.reflect.WildcardType;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.security.Security;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.Year;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Collection;
import java.util.Collections;
import java.util.Currency;
import java.util.Date;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Queue;
import java.util.Set;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.TimeZone;
import java.util.UUID;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import java.util.regex.Pattern;

/** One process's life. */
final class LambdaboxLoop {
    private static final String CORE = "com.amazonaws.services.lambda.runtime.";

    private LambdaboxLoop() {}

    public static void main(String[] arguments) throws Throwable {
        if (arguments.length == 3 && arguments[0].equals("--compile")) {
            Compile.into(Paths.get(arguments[1]), Paths.get(arguments[2]));
            return;
        }
        if (arguments.length == 2 && arguments[0].equals("--archive")) {
            Archive.beside(Paths.get(arguments[1]));
            return;
        }
        if (arguments.length == 1 && arguments[0].equals("--archive-version")) {
            Archive.ofVersion(new RuntimeApi(Settings.or("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001")));
            return;
        }
        boolean training = arguments.length == 1 && arguments[0].startsWith("--train");
        boolean withCustomers = training && arguments[0].equals("--train-with-customers");
        String address = training ? Archive.serveOnce() : Settings.or("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001");
        Settings settings = Settings.take();
        Logs logs = new Logs(settings);
        Security.setProperty("networkaddress.cache.negative.ttl",
                Settings.or("AWS_LAMBDA_JAVA_NETWORKADDRESS_CACHE_NEGATIVE_TTL", "1"));
        RuntimeApi api = new RuntimeApi(address);
        if (settings.mustWait && !training) {
            api.waitUntilServed();
        }
        Invoker handler;
        try {
            ClassLoader loader = customersLoader(settings.taskRoot);
            Thread.currentThread().setContextClassLoader(loader);
            logs.give(loader);
            if (withCustomers) {
                Handlers.find(Settings.or("_HANDLER", ""), loader, logs);
            }
            handler = Handlers.find(training ? Archive.HANDLER : Settings.or("_HANDLER", ""), loader, logs);
        } catch (Fault fault) {
            logs.fault(fault);
            logs.flush();
            api.failInit("Runtime.BadFunctionCode", fault.json());
            System.exit(1);
            return;
        }
        // Init is over here.
        logs.flush();
        if ("snap-start".equals(System.getenv("AWS_LAMBDA_INITIALIZATION_TYPE"))) {
            hook("beforeCheckpoint", "Runtime.BeforeCheckpointError", api, logs);
            api.restoreNext();
            hook("afterRestore", "Runtime.AfterRestoreError", api, logs);
        }
        boolean goOn = true;
        while (goOn) {
            goOn = serveOne(api, handler, logs);
        }
        System.exit(0);
    }

    /** Runs what was registered for this moment of a snapshot; one that fails is the end of the process. */
    private static void hook(String moment, String type, RuntimeApi api, Logs logs) throws Exception {
        Class<?> context = Class.forName(Hooks.PACKAGE + ".Context");
        Object all = Class.forName(Hooks.PACKAGE + ".Core").getMethod("getGlobalContext").invoke(null);
        try {
            context.getMethod(moment, context).invoke(all, (Object) null);
            logs.flush();
        } catch (InvocationTargetException e) {
            Fault fault = Fault.raised(e.getCause());
            logs.fault(fault);
            logs.flush();
            if (moment.equals("beforeCheckpoint")) {
                api.failInit(type, fault.json());
            } else {
                api.failRestore(type, fault.json());
            }
            System.exit(64);
        }
    }

    /** One invocation; false if the process is to end. */
    private static boolean serveOne(RuntimeApi api, Invoker handler, Logs logs) throws IOException {
        Request request = api.next();
        logs.request = request;
        String trace = request.header("lambda-runtime-trace-id");
        if (trace == null) {
            System.clearProperty("com.amazonaws.xray.traceHeader");
        } else {
            System.setProperty("com.amazonaws.xray.traceHeader", trace);
        }
        Fault fault;
        boolean goOn;
        try {
            byte[] answer = handler.call(request);
            logs.flush();
            api.respond(request, answer);
            Thread.interrupted(); // a flag the customer's code may have left
            return true;
        } catch (RuntimeApi.Refused e) {
            throw e;
        } catch (Fault e) {
            fault = e;
            goOn = !e.fatal;
        } catch (Throwable e) {
            fault = Fault.raised(e);
            goOn = !(e instanceof VirtualMachineError || e instanceof IOError);
        }
        logs.fault(fault);
        logs.flush();
        api.fail(request, fault);
        return goOn;
    }

    /** The package, its `lib`, and the layers', in AWS's order. */
    private static ClassLoader customersLoader(String taskRoot) throws IOException {
        List<URL> places = new ArrayList<>();
        places.add(new File(taskRoot + "/").toURI().toURL());
        for (String directory : new String[] {taskRoot + "/lib", "/opt/java/lib"}) {
            String[] names = new File(directory).list();
            if (names == null) {
                continue;
            }
            Arrays.sort(names);
            for (String name : names) {
                if (name.endsWith(".jar")) {
                    places.add(new File(directory, name).toURI().toURL());
                }
            }
        }
        return new URLClassLoader(places.toArray(new URL[0]), ClassLoader.getSystemClassLoader());
    }

    /** A class of `aws-lambda-java-core`, as the customer's package has it; null if it has none. */
    static Class<?> core(String name, ClassLoader loader) {
        try {
            return Class.forName(CORE + name, true, loader);
        } catch (ClassNotFoundException | LinkageError e) {
            return null;
        }
    }

    // -------------------------------------------------------------------------------------------------
    // Environment of the process
    // -------------------------------------------------------------------------------------------------

    /** What is between the host and this file. */
    static final class Settings {
        final String logDescriptor;
        final boolean mustWait;
        final String hint;
        final String taskRoot;

        private Settings(String logDescriptor, boolean mustWait, String hint, String taskRoot) {
            this.logDescriptor = logDescriptor;
            this.mustWait = mustWait;
            this.hint = hint;
            this.taskRoot = taskRoot;
        }

        static Settings take() {
            String descriptor = remove("_LAMBDA_TELEMETRY_LOG_FD");
            boolean mustWait = remove("_LAMBDABOX_WAIT") != null;
            String hint = remove("_LAMBDABOX_JAR_HINT");
            if ("C.UTF-8".equals(System.getenv("LC_ALL"))) {
                remove("LC_ALL"); // the host's, for the JVM's start alone
            }
            return new Settings(descriptor, mustWait, hint, or("LAMBDA_TASK_ROOT", "/var/task"));
        }

        static String or(String name, String otherwise) {
            String value = System.getenv(name);
            return value == null ? otherwise : value;
        }

        /** `System.getenv()` shows a map that Java itself never changes; children get it too. */
        private static String remove(String name) {
            String value = System.getenv(name);
            if (value != null) {
                try {
                    Map<String, String> shown = System.getenv();
                    Field inner = shown.getClass().getDeclaredField("m");
                    inner.setAccessible(true);
                    ((Map<?, ?>) inner.get(shown)).remove(name);
                } catch (ReflectiveOperationException | RuntimeException e) {
                    return value; // a Java that forbids it: the name stays to be seen, which harms nobody
                }
            }
            return value;
        }

        /** One line that says where AWS's interfaces come from, if they are what is missing. */
        String hintFor(Fault fault) {
            boolean missing = fault.told().contains("com/amazonaws/services/lambda/runtime/");
            if (hint == null || !missing) {
                return null;
            }
            return "lambdabox: AWS's interfaces are in neither the package nor a layer; " + hint + "\n";
        }
    }

    // -------------------------------------------------------------------------------------------------
    // Logs: frames on the log descriptor (runtime-api.md 6.8), or plain standard output
    // -------------------------------------------------------------------------------------------------

    /** The one place that knows where records go, in which format, from which level on. */
    static final class Logs implements InvocationHandler {
        private static final int TEXT_FRAME = 0xA55A0003;
        private static final int JSON_FRAME = 0xA55A0002;
        /** The largest record AWS's own clients put into one frame. */
        private static final int LINE_LIMIT_BYTES = 256 * 1024 - 26;
        private static final List<String> LEVELS =
                Arrays.asList("UNDEFINED", "TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL");
        private static final DateTimeFormatter TIME =
                DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'").withZone(ZoneOffset.UTC);

        final boolean json = "JSON".equalsIgnoreCase(System.getenv("AWS_LAMBDA_LOG_FORMAT"));
        private final int level = Math.max(0, LEVELS.indexOf(
                Settings.or("AWS_LAMBDA_LOG_LEVEL", "UNDEFINED").toUpperCase(Locale.ROOT)));
        private final Settings settings;
        private final OutputStream frames;
        private final PrintStream original = System.out;
        private final List<LineStream> streams = new ArrayList<>();
        Request request;
        /** AWS's `LambdaLogger`, if the customer has that interface. */
        Object logger;

        Logs(Settings settings) throws IOException {
            this.settings = settings;
            String descriptor = settings.logDescriptor;
            frames = descriptor == null ? null : open(Integer.parseInt(descriptor));
            if (frames != null) {
                System.setOut(framed());
                System.setErr(framed());
            }
        }

        /** Makes `context.getLogger()` and `LambdaRuntime.getLogger()`. */
        void give(ClassLoader loader) {
            Class<?> type = LambdaboxLoop.core("LambdaLogger", loader);
            if (type == null) {
                return;
            }
            logger = Proxy.newProxyInstance(loader, new Class<?>[] {type}, this);
            try {
                Class<?> runtime = LambdaboxLoop.core("LambdaRuntime", loader);
                if (runtime != null) {
                    Field field = runtime.getDeclaredField("logger");
                    field.setAccessible(true);
                    field.set(null, logger);
                }
            } catch (ReflectiveOperationException | RuntimeException e) {
                return; // a core whose own logger prints
            }
        }

        @Override
        public Object invoke(Object proxy, Method method, Object[] arguments) {
            if (!method.getName().equals("log")) {
                return Context.ofObject(proxy, method, arguments);
            }
            int of = arguments.length == 2 ? LEVELS.indexOf(String.valueOf(arguments[1])) : 0;
            if (of != 0 && of < level) {
                return null;
            }
            if (arguments[0] instanceof byte[]) {
                send((byte[]) arguments[0], TEXT_FRAME | of << 2); // as it is, in either format
            } else {
                log(String.valueOf(arguments[0]), of);
            }
            return null;
        }

        private void log(String message, int of) {
            if (!json) {
                String text = of == 0 ? message : "[" + LEVELS.get(of) + "] " + message;
                send(text.getBytes(StandardCharsets.UTF_8), TEXT_FRAME | of << 2);
                return;
            }
            Map<String, Object> record = new LinkedHashMap<>();
            record.put("timestamp", TIME.format(Instant.now()));
            record.put("message", message);
            record.put("level", LEVELS.get(of));
            if (request != null) {
                record.put("AWSRequestId", request.id());
                if (request.tenant() != null) {
                    record.put("tenantId", request.tenant());
                }
            }
            send((Json.write(record) + "\n").getBytes(StandardCharsets.UTF_8), JSON_FRAME | of << 2);
        }

        void fault(Fault fault) {
            log(fault.told(), json ? LEVELS.indexOf("ERROR") : 0);
            String hint = settings.hintFor(fault);
            if (hint != null) {
                send(hint.getBytes(StandardCharsets.UTF_8), TEXT_FRAME);
            }
        }

        void flush() {
            System.out.flush();
            System.err.flush();
            for (LineStream stream : streams) {
                stream.sendHeld();
            }
        }

        private void send(byte[] record, int type) {
            for (LineStream stream : streams) {
                stream.sendHeld();
            }
            sendRecord(record, 0, record.length, type);
        }

        private synchronized void sendRecord(byte[] bytes, int from, int length, int type) {
            if (frames == null) {
                original.write(bytes, from, length);
                original.flush();
                return;
            }
            Instant now = Instant.now();
            try {
                int at = from;
                do {
                    int part = Math.min(LINE_LIMIT_BYTES, from + length - at);
                    while (at + part < from + length && part > 1 && (bytes[at + part] & 0xC0) == 0x80) {
                        part--; // no character is cut
                    }
                    ByteBuffer frame = ByteBuffer.allocate(16 + part);
                    frame.putInt(type).putInt(part);
                    frame.putLong(now.getEpochSecond() * 1_000_000 + now.getNano() / 1000);
                    frame.put(bytes, at, part);
                    frames.write(frame.array());
                    at += part;
                } while (at < from + length);
            } catch (IOException e) {
                original.println("lambdabox: the log descriptor is gone: " + e);
            }
        }

        private PrintStream framed() throws IOException {
            LineStream lines = new LineStream();
            streams.add(lines);
            return new PrintStream(lines, false, "UTF-8");
        }

        private static OutputStream open(int descriptor) {
            try {
                Constructor<FileDescriptor> constructor = FileDescriptor.class.getDeclaredConstructor(int.class);
                constructor.setAccessible(true);
                return new FileOutputStream(constructor.newInstance(descriptor));
            } catch (ReflectiveOperationException | RuntimeException e) {
                return null; // as AWS: then to standard output
            }
        }

        /** What is printed to one standard stream, held until its line is finished. */
        private final class LineStream extends OutputStream {
            private final ByteArrayOutputStream held = new ByteArrayOutputStream();

            @Override
            public synchronized void write(int one) {
                write(new byte[] {(byte) one}, 0, 1);
            }

            @Override
            public synchronized void write(byte[] bytes, int from, int length) {
                int begun = from;
                for (int at = from; at < from + length; at++) {
                    if (bytes[at] == '\n') {
                        held.write(bytes, begun, at + 1 - begun);
                        begun = at + 1;
                        sendHeld();
                    }
                }
                held.write(bytes, begun, from + length - begun);
                if (held.size() >= LINE_LIMIT_BYTES) {
                    sendHeld();
                }
            }

            synchronized void sendHeld() {
                if (held.size() > 0) {
                    byte[] line = held.toByteArray();
                    held.reset();
                    sendRecord(line, 0, line.length, TEXT_FRAME);
                }
            }
        }
    }

    // -------------------------------------------------------------------------------------------------
    // Errors, in AWS's shapes (runtime-api.md 5.3)
    // -------------------------------------------------------------------------------------------------

    /** What the caller and the log are told instead of an answer. */
    static final class Fault extends RuntimeException {
        private static final long serialVersionUID = 1;

        final String message;
        final String type;
        final String trace;
        final boolean fatal;
        /** Raised by the handler itself, so its trace is the caller's too. */
        final transient Throwable raised;

        private Fault(String message, String type, String trace, boolean fatal, Throwable raised) {
            super(message, null, false, false);
            this.message = message;
            this.type = type;
            this.trace = trace;
            this.fatal = fatal;
            this.raised = raised;
        }

        static Fault of(String message) {
            return new Fault(message, null, null, false, null);
        }

        /** The customer's code failed before it could be called. */
        static Fault before(String message, Throwable cause, boolean fatal) {
            return new Fault(message, cause.getClass().getName(), traceOf(cause), fatal, null);
        }

        static Fault constructing(Throwable cause) {
            return before(messageOf(cause), cause, true);
        }

        static Fault raised(Throwable error) {
            return new Fault(messageOf(error), error.getClass().getName(), traceOf(error), false, error);
        }

        static String messageOf(Throwable error) {
            String text = error.getLocalizedMessage();
            return text == null ? error.getClass().getName() : text;
        }

        /** As logged. */
        String told() {
            if (type == null && trace == null) {
                return message + "\n";
            }
            return message + ": " + (type == null ? "" : type) + "\n" + (trace == null ? "" : trace) + "\n";
        }

        String json() {
            Map<String, Object> told = new LinkedHashMap<>();
            told.put("errorMessage", message);
            if (type != null) {
                told.put("errorType", type);
            }
            if (raised != null) {
                List<String> lines = new ArrayList<>();
                for (StackTraceElement frame : raised.getStackTrace()) {
                    lines.add(frame.toString());
                }
                told.put("stackTrace", lines);
            }
            return Json.write(told);
        }

        /** For X-Ray; null if there is no trace. */
        String cause() {
            if (raised == null) {
                return null;
            }
            Set<String> paths = new LinkedHashSet<>();
            List<Object> stack = new ArrayList<>();
            for (StackTraceElement frame : raised.getStackTrace()) {
                Map<String, Object> one = new LinkedHashMap<>();
                one.put("label", frame.getMethodName());
                one.put("path", frame.getFileName());
                one.put("line", frame.getLineNumber());
                stack.add(one);
                if (frame.getFileName() != null) {
                    paths.add(frame.getFileName());
                }
            }
            Map<String, Object> exception = new LinkedHashMap<>();
            exception.put("message", message);
            exception.put("type", type);
            exception.put("stack", stack);
            Map<String, Object> cause = new LinkedHashMap<>();
            cause.put("working_directory", System.getProperty("user.dir"));
            cause.put("exceptions", Collections.singletonList(exception));
            cause.put("paths", paths);
            return Json.write(cause);
        }

        private static String traceOf(Throwable error) {
            withoutLoop(error, new HashSet<>());
            StringWriter text = new StringWriter();
            error.printStackTrace(new PrintWriter(text, true));
            return text.toString();
        }

        /** Cuts every trace of the chain where the loop's own frames begin. */
        private static void withoutLoop(Throwable error, Set<Throwable> seen) {
            if (error == null || !seen.add(error)) {
                return;
            }
            StackTraceElement[] trace = error.getStackTrace();
            int end = 0;
            while (end < trace.length && !trace[end].getClassName().startsWith("LambdaboxLoop")) {
                end++;
            }
            error.setStackTrace(Arrays.copyOf(trace, end));
            withoutLoop(error.getCause(), seen);
            for (Throwable suppressed : error.getSuppressed()) {
                withoutLoop(suppressed, seen);
            }
        }
    }

    // -------------------------------------------------------------------------------------------------
    // The Runtime API
    // -------------------------------------------------------------------------------------------------

    /** What `/next` answered. */
    static final class Request {
        final int status;
        private final Map<String, String> headers;
        final byte[] body;

        Request(int status, Map<String, String> headers, byte[] body) {
            this.status = status;
            this.headers = headers;
            this.body = body;
        }

        /** By lower-case name; null if absent or empty. */
        String header(String name) {
            String value = headers.get(name);
            return value == null || value.isEmpty() ? null : value;
        }

        String id() {
            return header("lambda-runtime-aws-request-id");
        }

        String tenant() {
            return header("lambda-runtime-aws-tenant-id");
        }
    }

    /** One kept connection, HTTP/1.1. */
    static final class RuntimeApi {
        private static final String API = "/2018-06-01/runtime/";
        private static final int XRAY_HEADER_LIMIT_BYTES = 1024 * 1024;
        private static final int ACCEPTED = 202;
        private static final int GONE = 410;
        private static final int TOO_LARGE = 413;

        private final String host;
        private final int port;
        private final String fixed;
        private Socket socket;
        private InputStream in;

        /** The host does not take what it was sent. */
        static final class Refused extends IOException {
            private static final long serialVersionUID = 1;

            Refused(String text) {
                super(text);
            }
        }

        RuntimeApi(String address) {
            int colon = address.lastIndexOf(':');
            host = address.substring(0, colon).replace("[", "").replace("]", "");
            port = Integer.parseInt(address.substring(colon + 1));
            fixed = " HTTP/1.1\r\nHost: " + address + "\r\nUser-Agent: lambdabox-java/"
                    + System.getProperty("java.version") + "\r\n";
        }

        /** Blocks until the host serves: it does so once the sandbox's network is laid. */
        void waitUntilServed() throws IOException {
            call("GET", "/2018-06-01/ping", "", null);
        }

        Request next() throws IOException {
            Request request = call("GET", API + "invocation/next", "", null);
            if (request.status != 200) {
                throw new Refused("Failed to get next invocation. Http response code: " + request.status);
            }
            return request;
        }

        void respond(Request request, byte[] answer) throws IOException {
            post("invocation/" + request.id() + "/response", header("Content-Type", "application/json") + echo(request), answer);
        }

        void fail(Request request, Fault fault) throws IOException {
            String type = fault.raised == null ? "Runtime.BadFunctionCode" : "Runtime.UserException";
            String headers = header("Content-Type", "application/json")
                    + header("Lambda-Runtime-Function-Error-Type", type) + echo(request);
            String cause = fault.cause();
            if (cause != null && cause.length() < XRAY_HEADER_LIMIT_BYTES) {
                headers += header("Lambda-Runtime-Function-XRay-Error-Cause", cause);
            }
            post("invocation/" + request.id() + "/error", headers, fault.json().getBytes(StandardCharsets.UTF_8));
        }

        /** Blocks while the snapshot is taken and until it is restored. */
        void restoreNext() throws IOException {
            Request answer = call("GET", API + "restore/next", "", null);
            if (answer.status != 200) {
                throw new Refused("Failed to get restore/next. Http response code: " + answer.status);
            }
        }

        void failInit(String type, String body) throws IOException {
            String headers = header("Content-Type", "application/json") + header("Lambda-Runtime-Function-Error-Type", type);
            post("init/error", headers, body.getBytes(StandardCharsets.UTF_8));
        }

        void failRestore(String type, String body) throws IOException {
            String headers = header("Content-Type", "application/json") + header("Lambda-Runtime-Function-Error-Type", type);
            post("restore/error", headers, body.getBytes(StandardCharsets.UTF_8));
        }

        private void post(String path, String headers, byte[] body) throws IOException {
            Request answer = call("POST", API + path, headers, body);
            // What is late or too large was told to the caller by the host; the next event may be served.
            if (answer.status != ACCEPTED && answer.status != GONE && answer.status != TOO_LARGE) {
                throw new Refused("Failed to post " + path + ". Http response code: " + answer.status);
            }
        }

        private static String header(String name, String value) {
            return name + ": " + value.replace('\r', ' ').replace('\n', ' ') + "\r\n";
        }

        /** The attempt's id goes back as it came (runtime-api.md 1.3). */
        private static String echo(Request request) {
            String id = request.header("lambda-runtime-invocation-id");
            return id == null ? "" : header("Lambda-Runtime-Invocation-Id", id);
        }

        /** A file as the answer, in pieces: it may be larger than a whole answer. */
        void stream(Request request, Path file) throws IOException {
            String head = "POST " + API + "invocation/" + request.id() + "/response" + fixed
                    + header("Content-Type", "application/octet-stream") + echo(request)
                    + header("Lambda-Runtime-Function-Response-Mode", "streaming")
                    + header("Transfer-Encoding", "chunked") + "\r\n";
            OutputStream out = socket.getOutputStream();
            out.write(head.getBytes(StandardCharsets.UTF_8));
            byte[] part = new byte[64 * 1024];
            try (InputStream from = Files.newInputStream(file)) {
                for (int count = from.read(part); count > 0; count = from.read(part)) {
                    out.write((Integer.toHexString(count) + "\r\n").getBytes(StandardCharsets.UTF_8));
                    out.write(part, 0, count);
                    out.write("\r\n".getBytes(StandardCharsets.UTF_8));
                }
            }
            out.write("0\r\n\r\n".getBytes(StandardCharsets.UTF_8));
            read();
        }

        private Request call(String method, String path, String headers, byte[] body) throws IOException {
            StringBuilder head = new StringBuilder(method).append(' ').append(path).append(fixed).append(headers);
            if (body != null) {
                head.append("Content-Length: ").append(body.length).append("\r\n");
            }
            byte[] text = head.append("\r\n").toString().getBytes(StandardCharsets.UTF_8);
            boolean kept = socket != null;
            try {
                return exchange(text, body);
            } catch (IOException e) {
                close();
                if (!kept) {
                    throw e;
                }
                return exchange(text, body); // the host closed the kept connection meanwhile
            }
        }

        private Request exchange(byte[] head, byte[] body) throws IOException {
            if (socket == null) {
                socket = new Socket(InetAddress.getByName(host), port);
                socket.setTcpNoDelay(true);
                in = new BufferedInputStream(socket.getInputStream(), 64 * 1024);
            }
            OutputStream out = socket.getOutputStream();
            if (body != null && body.length < 64 * 1024) {
                byte[] all = Arrays.copyOf(head, head.length + body.length);
                System.arraycopy(body, 0, all, head.length, body.length);
                out.write(all);
            } else {
                out.write(head);
                if (body != null) {
                    out.write(body);
                }
            }
            return read();
        }

        private void close() throws IOException {
            if (socket != null) {
                socket.close();
                socket = null;
            }
        }

        private Request read() throws IOException {
            int status;
            Map<String, String> headers = new HashMap<>();
            do {
                headers.clear();
                String[] first = line().split(" ");
                if (first.length < 2 || !first[0].startsWith("HTTP/1.")) {
                    throw new IOException("no HTTP answer");
                }
                status = Integer.parseInt(first[1]);
                for (String line = line(); !line.isEmpty(); line = line()) {
                    int colon = line.indexOf(':');
                    headers.put(line.substring(0, colon).toLowerCase(Locale.ROOT), line.substring(colon + 1).trim());
                }
            } while (status >= 100 && status < 200);
            boolean closes = "close".equalsIgnoreCase(headers.get("connection"));
            byte[] body;
            if ("chunked".equalsIgnoreCase(headers.get("transfer-encoding"))) {
                body = chunks();
            } else if (headers.containsKey("content-length")) {
                body = exactly(Integer.parseInt(headers.get("content-length")));
            } else {
                body = Streams.all(in);
                closes = true;
            }
            if (closes) {
                close();
            }
            return new Request(status, headers, body);
        }

        private String line() throws IOException {
            ByteArrayOutputStream bytes = new ByteArrayOutputStream(128);
            for (int one = in.read(); one != '\n'; one = in.read()) {
                if (one < 0) {
                    throw new EOFException("connection closed inside a head");
                }
                bytes.write(one);
            }
            String line = bytes.toString("UTF-8");
            return line.endsWith("\r") ? line.substring(0, line.length() - 1) : line;
        }

        private byte[] exactly(int count) throws IOException {
            byte[] bytes = new byte[count];
            for (int at = 0; at < count; ) {
                int more = in.read(bytes, at, count - at);
                if (more < 0) {
                    throw new EOFException("connection closed inside a body");
                }
                at += more;
            }
            return bytes;
        }

        private byte[] chunks() throws IOException {
            ByteArrayOutputStream body = new ByteArrayOutputStream();
            for (int size = size(); size > 0; size = size()) {
                body.write(exactly(size));
                line();
            }
            while (!line().isEmpty()) {
                continue; // trailers
            }
            return body.toByteArray();
        }

        private int size() throws IOException {
            return Integer.parseInt(line().split(";")[0].trim(), 16);
        }
    }

    /** What Java 8's streams lack. */
    static final class Streams {
        private Streams() {}

        static byte[] all(InputStream in) throws IOException {
            ByteArrayOutputStream all = new ByteArrayOutputStream();
            byte[] part = new byte[16 * 1024];
            for (int count = in.read(part); count >= 0; count = in.read(part)) {
                all.write(part, 0, count);
            }
            return all.toByteArray();
        }
    }

    // -------------------------------------------------------------------------------------------------
    // The context object
    // -------------------------------------------------------------------------------------------------

    /** AWS's `Context` and what it leads to: proxies of the customer's own interfaces. */
    static final class Context implements InvocationHandler {
        private final Map<String, Object> values;
        private final Request request;

        private Context(Map<String, Object> values, Request request) {
            this.values = values;
            this.request = request;
        }

        static Object of(Class<?> type, Request request, Logs logs) {
            ClassLoader loader = type.getClassLoader();
            Map<String, Object> values = new HashMap<>();
            values.put("getAwsRequestId", request.id());
            values.put("getLogGroupName", System.getenv("AWS_LAMBDA_LOG_GROUP_NAME"));
            values.put("getLogStreamName", System.getenv("AWS_LAMBDA_LOG_STREAM_NAME"));
            values.put("getFunctionName", System.getenv("AWS_LAMBDA_FUNCTION_NAME"));
            values.put("getFunctionVersion", System.getenv("AWS_LAMBDA_FUNCTION_VERSION"));
            values.put("getInvokedFunctionArn", request.header("lambda-runtime-invoked-function-arn"));
            values.put("getMemoryLimitInMB", Integer.valueOf(Settings.or("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "0")));
            values.put("getTenantId", request.tenant());
            values.put("getXrayTraceId", request.header("lambda-runtime-trace-id"));
            values.put("getLogger", logs.logger);
            values.put("getIdentity", identity(loader, object(request.header("lambda-runtime-cognito-identity"))));
            values.put("getClientContext", clientContext(loader, object(request.header("lambda-runtime-client-context"))));
            return proxy(type, values, request);
        }

        private static Object proxy(Class<?> type, Map<String, Object> values, Request request) {
            return Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, new Context(values, request));
        }

        private static Map<?, ?> object(String json) {
            Object value = json == null ? null : Json.read(json);
            return value instanceof Map ? (Map<?, ?>) value : null;
        }

        private static Object identity(ClassLoader loader, Map<?, ?> given) {
            Class<?> type = LambdaboxLoop.core("CognitoIdentity", loader);
            if (given == null || type == null) {
                return null;
            }
            Map<String, Object> values = new HashMap<>();
            values.put("getIdentityId", given.get("cognitoIdentityId"));
            values.put("getIdentityPoolId", given.get("cognitoIdentityPoolId"));
            return proxy(type, values, null);
        }

        private static Object clientContext(ClassLoader loader, Map<?, ?> given) {
            Class<?> type = LambdaboxLoop.core("ClientContext", loader);
            Class<?> clientType = LambdaboxLoop.core("Client", loader);
            if (given == null || type == null || clientType == null) {
                return null;
            }
            Map<String, Object> values = new HashMap<>();
            values.put("getCustom", given.get("custom"));
            values.put("getEnvironment", given.get("env"));
            Object client = given.get("client");
            if (client instanceof Map) {
                Map<?, ?> names = (Map<?, ?>) client;
                Map<String, Object> members = new HashMap<>();
                members.put("getInstallationId", names.get("installation_id"));
                members.put("getAppTitle", names.get("app_title"));
                members.put("getAppVersionName", names.get("app_version_name"));
                members.put("getAppVersionCode", names.get("app_version_code"));
                members.put("getAppPackageName", names.get("app_package_name"));
                values.put("getClient", proxy(clientType, members, null));
            }
            return proxy(type, values, null);
        }

        @Override
        public Object invoke(Object proxy, Method method, Object[] arguments) {
            if (method.getName().equals("getRemainingTimeInMillis")) {
                long deadline = Long.parseLong(request.header("lambda-runtime-deadline-ms"));
                return (int) Math.max(0, deadline - System.currentTimeMillis());
            }
            if (method.getDeclaringClass() == Object.class) {
                return ofObject(proxy, method, arguments);
            }
            return values.get(method.getName());
        }

        /** `toString`, `equals` and `hashCode` of a proxy. */
        static Object ofObject(Object proxy, Method method, Object[] arguments) {
            switch (method.getName()) {
                case "equals":
                    return proxy == arguments[0];
                case "hashCode":
                    return System.identityHashCode(proxy);
                case "toString":
                    Class<?>[] types = proxy.getClass().getInterfaces();
                    return types[0].getName() + "@" + Integer.toHexString(System.identityHashCode(proxy));
                default:
                    return null;
            }
        }
    }

    // -------------------------------------------------------------------------------------------------
    // The handler
    // -------------------------------------------------------------------------------------------------

    /** Something that answers an event. */
    interface Invoker {
        byte[] call(Request request) throws Throwable;
    }

    /** From `package.Class` or `package.Class::method` to what is called. */
    static final class Handlers {
        private static final byte[] NULL = {'n', 'u', 'l', 'l'};

        private final Class<?> type;
        private final Class<?> context;
        private final Logs logs;

        private Handlers(Class<?> type, Class<?> context, Logs logs) {
            this.type = type;
            this.context = context;
            this.logs = logs;
        }

        /** What AWS reports at the first invocation is an `Invoker` here that fails; the rest is thrown. */
        static Invoker find(String handler, ClassLoader loader, Logs logs) {
            int colons = handler.lastIndexOf("::");
            String className = colons < 0 ? handler : handler.substring(0, colons);
            String methodName = colons < 0 ? null : handler.substring(colons + 2);
            if (className.isEmpty() || (methodName != null && methodName.isEmpty())) {
                return failing(Fault.of("Invalid handler: `" + handler + "'"));
            }
            Class<?> type;
            try {
                type = Class.forName(className, true, loader);
            } catch (ClassNotFoundException e) {
                return failing(Fault.before("Class not found: " + className, e, false));
            } catch (NoClassDefFoundError e) {
                return failing(loading(className, e));
            } catch (Throwable e) {
                throw loading(className, e);
            }
            Handlers handlers = new Handlers(type, LambdaboxLoop.core("Context", loader), logs);
            try {
                return methodName == null ? handlers.byInterface(loader) : handlers.byMethod(methodName);
            } catch (Fault e) {
                if (e.fatal) {
                    throw e;
                }
                return failing(e);
            }
        }

        private static Fault loading(String className, Throwable e) {
            String message = e.getMessage() == null ? "" : ": " + e.getMessage();
            return Fault.before("Error loading class " + className + message, e, true);
        }

        private static Invoker failing(Fault fault) {
            return request -> {
                throw fault;
            };
        }

        private Invoker byInterface(ClassLoader loader) {
            Class<?> streams = LambdaboxLoop.core("RequestStreamHandler", loader);
            Class<?> objects = LambdaboxLoop.core("RequestHandler", loader);
            if (streams != null && streams.isAssignableFrom(type)) {
                return streams(method(streams), instance());
            }
            if (objects != null && objects.isAssignableFrom(type)) {
                Type[] types = Types.argumentsOf(type, objects);
                if (types == null || types[0] instanceof TypeVariable && Types.raw(types[0]) == Object.class) {
                    throw Fault.of("Class " + type.getName()
                            + " does not implement RequestHandler with concrete type parameters");
                }
                return objects(method(objects), instance(), types[0], types[1]);
            }
            throw Fault.of("Class does not implement an appropriate handler interface: " + type.getName());
        }

        private static Method method(Class<?> of) {
            for (Method method : of.getMethods()) {
                if (method.getName().equals("handleRequest")) {
                    return method;
                }
            }
            throw Fault.of("Interface " + of.getName() + " has no method handleRequest");
        }

        /** The longest signature that fits, one with a context before one without, no bridges if possible. */
        private Invoker byMethod(String name) {
            List<Method> methods = new ArrayList<>();
            Method[] all;
            try {
                all = type.getMethods();
            } catch (NoClassDefFoundError e) {
                throw Fault.before("Error loading method " + name + " on class " + type.getName(), e, false);
            }
            for (Method method : all) {
                if (method.getName().equals(name)) {
                    methods.add(method);
                }
            }
            methods.sort((a, b) -> a.isBridge() != b.isBridge()
                    ? Boolean.compare(a.isBridge(), b.isBridge())
                    : Integer.compare(weight(b), weight(a)));
            for (Method method : methods) {
                Class<?>[] given = method.getParameterTypes();
                if (!fits(given)) {
                    System.err.println("Ignoring an overload of method " + name + " because of its parameters");
                    continue;
                }
                Object instance = Modifier.isStatic(method.getModifiers()) ? null : instance();
                boolean isStream = Arrays.stream(given).anyMatch(c -> c == InputStream.class || c == OutputStream.class);
                if (isStream) {
                    return streams(method, instance);
                }
                Type input = given.length == 0 || given[0] == context ? null : method.getGenericParameterTypes()[0];
                return objects(method, instance, input, method.getGenericReturnType());
            }
            throw Fault.of("No public method named " + name + " with appropriate method signature found on class "
                    + type.getName());
        }

        private int weight(Method method) {
            Class<?>[] given = method.getParameterTypes();
            boolean withContext = given.length > 0 && given[given.length - 1] == context;
            return given.length + (withContext ? 1 : 0);
        }

        private boolean fits(Class<?>[] given) {
            boolean in = given.length > 0 && given[0] == InputStream.class;
            boolean out = given.length > 0 && given[0] == OutputStream.class;
            switch (given.length) {
                case 0:
                case 1:
                    return true;
                case 2:
                    return given[0] != context && (given[1] == context || in && given[1] == OutputStream.class)
                            && (!out || given[1] == context);
                case 3:
                    return in && given[1] == OutputStream.class && given[2] == context;
                default:
                    return false;
            }
        }

        private Object instance() {
            Constructor<?> constructor;
            try {
                constructor = type.getConstructor();
            } catch (NoSuchMethodException e) {
                boolean inner = type.getEnclosingClass() != null && !Modifier.isStatic(type.getModifiers());
                String text = "Class " + type.getName() + (inner
                        ? " cannot be instantiated because it is a non-static inner class"
                        : " has no public zero-argument constructor");
                throw Fault.before(text, new Exception(text, e), false);
            }
            try {
                return constructor.newInstance();
            } catch (InvocationTargetException e) {
                throw Fault.constructing(e.getCause() == null ? e : e.getCause());
            } catch (InstantiationException | IllegalAccessException e) {
                throw Fault.before(Fault.messageOf(e), e, false);
            }
        }

        private Invoker objects(Method method, Object instance, Type input, Type output) {
            method.setAccessible(true);
            Class<?>[] given = method.getParameterTypes();
            boolean withContext = given.length > 0 && given[given.length - 1] == context;
            return request -> {
                Object[] arguments = new Object[given.length];
                if (input != null) {
                    try {
                        arguments[0] = Mapping.to(input, Json.read(new String(request.body, StandardCharsets.UTF_8)));
                    } catch (RuntimeException | StackOverflowError e) {
                        throw new RuntimeException("An error occurred during JSON parsing", e);
                    }
                }
                if (withContext) {
                    arguments[given.length - 1] = Context.of(context, request, logs);
                }
                Object result = called(method, instance, arguments);
                if (output == void.class || output == Void.class) {
                    return NULL;
                }
                try {
                    return Json.write(result).getBytes(StandardCharsets.UTF_8);
                } catch (RuntimeException | StackOverflowError e) {
                    throw new RuntimeException("An error occurred during JSON serialization of response", e);
                }
            };
        }

        private Invoker streams(Method method, Object instance) {
            method.setAccessible(true);
            Class<?>[] given = method.getParameterTypes();
            return request -> {
                ByteArrayOutputStream out = new ByteArrayOutputStream(1024);
                Object[] arguments = new Object[given.length];
                for (int i = 0; i < given.length; i++) {
                    arguments[i] = given[i] == InputStream.class ? new ByteArrayInputStream(request.body)
                            : given[i] == OutputStream.class ? out : Context.of(context, request, logs);
                }
                called(method, instance, arguments);
                return out.toByteArray();
            };
        }

        private static Object called(Method method, Object instance, Object[] arguments) throws Throwable {
            try {
                return method.invoke(instance, arguments);
            } catch (InvocationTargetException e) {
                throw e.getCause() == null ? e : e.getCause();
            }
        }
    }

    // -------------------------------------------------------------------------------------------------
    // JSON, and objects of the customer's classes, as AWS's serializer has them
    // -------------------------------------------------------------------------------------------------

    /** Text to maps, lists, strings, numbers, booleans, null; and anything to text. */
    static final class Json {
        private static final int DEPTH_LIMIT = 1000;

        private final String text;
        private int at;
        private int depth;

        private Json(String text) {
            this.text = text;
        }

        static Object read(String text) {
            Json json = new Json(text);
            json.space();
            Object value = json.value();
            json.space();
            if (json.at < text.length()) {
                throw json.wrong("Unexpected character after the value");
            }
            return value;
        }

        private IllegalArgumentException wrong(String what) {
            return new IllegalArgumentException(what + " at character " + at);
        }

        private void space() {
            while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) {
                at++;
            }
        }

        private char peek() {
            if (at >= text.length()) {
                throw wrong("Unexpected end of input");
            }
            return text.charAt(at);
        }

        private Object value() {
            switch (peek()) {
                case '{':
                    return object();
                case '[':
                    return array();
                case '"':
                    return string();
                case 't':
                    return word("true", Boolean.TRUE);
                case 'f':
                    return word("false", Boolean.FALSE);
                case 'n':
                    return word("null", null);
                default:
                    return number();
            }
        }

        private Object word(String word, Object value) {
            if (!text.startsWith(word, at)) {
                throw wrong("Unrecognized token");
            }
            at += word.length();
            return value;
        }

        private void deeper() {
            if (++depth > DEPTH_LIMIT) {
                throw wrong("Nested deeper than " + DEPTH_LIMIT);
            }
            at++;
            space();
        }

        private Map<String, Object> object() {
            deeper();
            Map<String, Object> members = new LinkedHashMap<>();
            if (peek() != '}') {
                while (true) {
                    if (peek() != '"') {
                        throw wrong("Expected a member's name");
                    }
                    String name = string();
                    space();
                    if (peek() != ':') {
                        throw wrong("Expected a colon");
                    }
                    at++;
                    space();
                    members.put(name, value());
                    if (!another('}')) {
                        break;
                    }
                }
            }
            at++;
            depth--;
            return members;
        }

        private List<Object> array() {
            deeper();
            List<Object> items = new ArrayList<>();
            if (peek() != ']') {
                do {
                    items.add(value());
                } while (another(']'));
            }
            at++;
            depth--;
            return items;
        }

        private boolean another(char end) {
            space();
            if (peek() == end) {
                return false;
            }
            if (peek() != ',') {
                throw wrong("Expected a comma or " + end);
            }
            at++;
            space();
            return true;
        }

        private String string() {
            int begun = ++at;
            while (peek() != '"' && text.charAt(at) != '\\') {
                at++;
            }
            if (text.charAt(at) == '"') {
                return text.substring(begun, at++);
            }
            StringBuilder all = new StringBuilder().append(text, begun, at);
            for (char c = peek(); c != '"'; c = peek()) {
                at++;
                if (c != '\\') {
                    all.append(c);
                    continue;
                }
                char escape = peek();
                at++;
                int place = "\"\\/bfnrt".indexOf(escape);
                if (place >= 0) {
                    all.append("\"\\/\b\f\n\r\t".charAt(place));
                } else if (escape == 'u' && at + 4 <= text.length()) {
                    all.append((char) Integer.parseInt(text.substring(at, at + 4), 16));
                    at += 4;
                } else {
                    throw wrong("Unrecognized escape");
                }
            }
            at++;
            return all.toString();
        }

        private Number number() {
            int begun = at;
            while (at < text.length() && "+-0123456789.eE".indexOf(text.charAt(at)) >= 0) {
                at++;
            }
            String digits = text.substring(begun, at);
            try {
                if (digits.indexOf('.') >= 0 || digits.indexOf('e') >= 0 || digits.indexOf('E') >= 0) {
                    return Double.valueOf(digits);
                }
                BigInteger exact = new BigInteger(digits);
                if (exact.bitLength() < 32) {
                    return exact.intValue();
                }
                return exact.bitLength() < 64 ? (Number) exact.longValue() : exact;
            } catch (NumberFormatException e) {
                at = begun;
                throw wrong("Unrecognized token");
            }
        }

        static String write(Object value) {
            StringBuilder out = new StringBuilder();
            write(value, out, new ArrayDeque<>());
            return out.toString();
        }

        private static void write(Object value, StringBuilder out, Deque<Object> open) {
            if (value == null || value instanceof Boolean) {
                out.append(value);
            } else if (value instanceof Number && value.getClass().getName().startsWith("java.")) {
                boolean real = value instanceof Double || value instanceof Float;
                double number = ((Number) value).doubleValue();
                boolean isNumber = !real || !Double.isNaN(number) && !Double.isInfinite(number);
                out.append(isNumber ? value.toString() : "\"" + value + "\"");
            } else if (value instanceof Enum) {
                quote(((Enum<?>) value).name(), out);
            } else if (value instanceof char[]) {
                quote(new String((char[]) value), out);
            } else if (value instanceof CharSequence || value instanceof Character || value instanceof UUID
                    || value instanceof Currency || value instanceof Pattern || value instanceof java.net.URI || value instanceof URL
                    || value instanceof Locale || value instanceof Path || value instanceof File) {
                quote(value.toString(), out);
            } else if (value instanceof byte[]) {
                quote(Base64.getEncoder().encodeToString((byte[]) value), out);
            } else if (value instanceof TimeZone) {
                quote(((TimeZone) value).getID(), out);
            } else if (value instanceof Class) {
                quote(((Class<?>) value).getName(), out);
            } else if (value.getClass().getName().startsWith("java.time.")) {
                write(Times.plain(value), out, open);
            } else if (value instanceof Date) {
                out.append(((Date) value).getTime());
            } else if (value instanceof Optional) {
                write(((Optional<?>) value).orElse(null), out, open);
            } else {
                for (Object outer : open) {
                    if (outer == value) {
                        throw new IllegalArgumentException("Infinite recursion through " + value.getClass().getName());
                    }
                }
                open.push(value);
                members(value, out, open);
                open.pop();
            }
        }

        private static void members(Object value, StringBuilder out, Deque<Object> open) {
            boolean first = true;
            if (value instanceof Map) {
                out.append('{');
                for (Map.Entry<?, ?> entry : ((Map<?, ?>) value).entrySet()) {
                    if (entry.getValue() == null) {
                        continue; // as AWS: no member says null
                    }
                    out.append(first ? "" : ",");
                    first = false;
                    Object key = entry.getKey();
                    quote(key instanceof Enum ? ((Enum<?>) key).name() : String.valueOf(key), out);
                    out.append(':');
                    write(entry.getValue(), out, open);
                }
                out.append('}');
            } else if (value instanceof Iterable && !(value instanceof Path)) {
                out.append('[');
                for (Object item : (Iterable<?>) value) {
                    out.append(first ? "" : ",");
                    first = false;
                    write(item, out, open);
                }
                out.append(']');
            } else if (value.getClass().isArray()) {
                out.append('[');
                for (int i = 0; i < Array.getLength(value); i++) {
                    out.append(i == 0 ? "" : ",");
                    write(Array.get(value, i), out, open);
                }
                out.append(']');
            } else {
                members(Mapping.properties(value), out, open);
            }
        }

        private static void quote(String text, StringBuilder out) {
            out.append('"');
            for (int i = 0; i < text.length(); i++) {
                char c = text.charAt(i);
                int place = "\"\\\b\f\n\r\t".indexOf(c);
                boolean pair = Character.isHighSurrogate(c) && i + 1 < text.length()
                        && Character.isLowSurrogate(text.charAt(i + 1));
                if (place >= 0) {
                    out.append('\\').append("\"\\bfnrt".charAt(place));
                } else if (pair) {
                    out.append(c).append(text.charAt(++i));
                } else if (c < ' ' || Character.isSurrogate(c)) {
                    out.append(String.format("\\u%04X", (int) c));
                } else {
                    out.append(c);
                }
            }
            out.append('"');
        }
    }

    /** Times as AWS writes them: seconds where there is an instant, else the numbers of the calendar. */
    static final class Times {
        private Times() {}

        static Object plain(Object value) {
            if (value instanceof Instant) {
                return seconds(((Instant) value).getEpochSecond(), ((Instant) value).getNano());
            } else if (value instanceof Duration) {
                return seconds(((Duration) value).getSeconds(), ((Duration) value).getNano());
            } else if (value instanceof OffsetDateTime) {
                return plain(((OffsetDateTime) value).toInstant());
            } else if (value instanceof ZonedDateTime) {
                return plain(((ZonedDateTime) value).toInstant());
            } else if (value instanceof LocalDate) {
                LocalDate date = (LocalDate) value;
                return Arrays.asList(date.getYear(), date.getMonthValue(), date.getDayOfMonth());
            } else if (value instanceof LocalTime) {
                LocalTime time = (LocalTime) value;
                List<Object> numbers = new ArrayList<>(Arrays.asList(time.getHour(), time.getMinute()));
                if (time.getSecond() > 0 || time.getNano() > 0) {
                    numbers.add(time.getSecond());
                }
                if (time.getNano() > 0) {
                    numbers.add(time.getNano());
                }
                return numbers;
            } else if (value instanceof LocalDateTime) {
                List<Object> numbers = new ArrayList<>((List<?>) plain(((LocalDateTime) value).toLocalDate()));
                numbers.addAll((List<?>) plain(((LocalDateTime) value).toLocalTime()));
                return numbers;
            }
            return value instanceof Year ? (Object) ((Year) value).getValue() : value.toString();
        }

        private static BigDecimal seconds(long whole, int nanoseconds) {
            return BigDecimal.valueOf(whole).add(BigDecimal.valueOf(nanoseconds, 9));
        }
    }

    /** Values of JSON as objects of a class, and objects' properties. */
    static final class Mapping {
        private static final String EVENTS = CORE + "events.";

        private Mapping() {}

        static Object to(Type type, Object value) {
            Class<?> raw = Types.raw(type);
            if (value == null) {
                return raw.isPrimitive() ? Array.get(Array.newInstance(raw, 1), 0)
                        : raw == Optional.class ? Optional.empty() : null;
            }
            if (raw == Object.class) {
                return value;
            }
            boolean many = raw.isArray() && raw != byte[].class && raw != char[].class
                    || Collection.class.isAssignableFrom(raw) || raw == Iterable.class;
            if (value.equals("") && raw != String.class && raw != CharSequence.class) {
                return to(type, null); // as AWS: no text is no value
            }
            if (many && !(value instanceof List)) {
                return to(type, Collections.singletonList(value)); // as AWS: one is a list of one
            }
            if (!many && value instanceof List) {
                List<?> items = (List<?>) value;
                if (items.size() < 2) {
                    return to(type, items.isEmpty() ? null : items.get(0)); // and a list of one is that one
                }
            }
            if (raw == Optional.class) {
                return Optional.of(to(Types.argument(type, 0), value));
            }
            if (Map.class.isAssignableFrom(raw)) {
                return map(type, raw, value);
            }
            if (Collection.class.isAssignableFrom(raw) || raw == Iterable.class) {
                return collection(type, raw, value);
            }
            if (raw == byte[].class && value instanceof String) {
                return Base64.getDecoder().decode((String) value);
            }
            if (raw.isArray()) {
                Type item = type instanceof GenericArrayType
                        ? ((GenericArrayType) type).getGenericComponentType() : raw.getComponentType();
                List<?> items = expect(List.class, value, raw);
                Object array = Array.newInstance(raw.getComponentType(), items.size());
                for (int i = 0; i < items.size(); i++) {
                    Array.set(array, i, to(item, items.get(i)));
                }
                return array;
            }
            if (raw.isInstance(value)) {
                return value;
            }
            Object scalar = value instanceof Map || value instanceof List ? null : scalar(raw, value);
            if (scalar == null && raw.getName().startsWith("java.lang.")) {
                throw new IllegalArgumentException("Cannot deserialize value of type `" + raw.getName() + "` from Object value");
            }
            return scalar != null || raw.isEnum() ? scalar : object(type, raw, expect(Map.class, value, raw));
        }

        private static <T> T expect(Class<T> kind, Object value, Class<?> wanted) {
            if (!kind.isInstance(value)) {
                throw new IllegalArgumentException("Cannot deserialize value of type `" + wanted.getName() + "` from "
                        + (value instanceof Map ? "Object" : value instanceof List ? "Array" : value.getClass().getSimpleName())
                        + " value");
            }
            return kind.cast(value);
        }

        @SuppressWarnings({"unchecked", "rawtypes"})
        private static Object scalar(Class<?> raw, Object value) {
            String text = value.toString();
            if (value instanceof String && raw != String.class && raw != CharSequence.class && raw != char.class) {
                text = text.trim();
            }
            if (raw == String.class || raw == CharSequence.class) {
                return text;
            }
            if (raw == boolean.class || raw == Boolean.class) {
                if (value instanceof Number && !(value instanceof Double)) {
                    return !text.equals("0");
                }
                return expectText(text.matches("true|True|TRUE|false|False|FALSE"), raw) && text.equalsIgnoreCase("true");
            }
            if (raw == char.class || raw == Character.class) {
                return expectText(text.length() == 1, raw) ? text.charAt(0) : null;
            }
            if (raw.isEnum()) {
                for (Object constant : raw.getEnumConstants()) {
                    if (((Enum) constant).name().equals(text)) {
                        return constant;
                    }
                }
                return null; // as AWS: an unknown name is no value
            }
            if (raw.isPrimitive() || Number.class.isAssignableFrom(raw)) {
                BigDecimal number = new BigDecimal(text);
                if (raw == int.class || raw == Integer.class) {
                    return number.toBigInteger().intValueExact();
                } else if (raw == long.class || raw == Long.class) {
                    return number.toBigInteger().longValueExact();
                } else if (raw == double.class || raw == Double.class) {
                    return number.doubleValue();
                } else if (raw == float.class || raw == Float.class) {
                    return number.floatValue();
                } else if (raw == short.class || raw == Short.class) {
                    return number.toBigInteger().shortValueExact();
                } else if (raw == byte.class || raw == Byte.class) {
                    return number.toBigInteger().byteValueExact();
                } else if (raw == BigInteger.class) {
                    return number.toBigInteger();
                } else if (raw == BigDecimal.class || raw == Number.class) {
                    return number;
                }
            }
            if (raw == Date.class) {
                if (value instanceof Number) {
                    return new Date(((Number) value).longValue());
                }
                String whole = text.length() == 10 ? text + "T00:00:00Z" : text.replaceAll("([+-]\\d\\d)(\\d\\d)$", "$1:$2");
                return Date.from(OffsetDateTime.parse(whole).toInstant());
            }
            if (raw == Instant.class && value instanceof Number) {
                BigDecimal seconds = new BigDecimal(text);
                long nanoseconds = seconds.remainder(BigDecimal.ONE).movePointRight(9).longValue();
                return Instant.ofEpochSecond(seconds.longValue(), nanoseconds);
            }
            if (raw == UUID.class) {
                return UUID.fromString(text);
            }
            if (raw.getName().startsWith("java.time.") || raw == java.net.URI.class) {
                return byFactory(raw, text);
            }
            return null;
        }

        private static boolean expectText(boolean fits, Class<?> raw) {
            if (!fits) {
                throw new IllegalArgumentException("Cannot deserialize value of type `" + raw.getName() + "`");
            }
            return true;
        }

        private static Object byFactory(Class<?> raw, String text) {
            String name = raw == java.net.URI.class ? "create" : "parse";
            for (Method method : raw.getMethods()) {
                Class<?>[] given = method.getParameterTypes();
                if (method.getName().equals(name) && given.length == 1 && given[0].isAssignableFrom(String.class)) {
                    return call(method, null, text);
                }
            }
            return null;
        }

        private static Map<Object, Object> map(Type type, Class<?> raw, Object value) {
            Map<Object, Object> map = raw.isInterface()
                    ? SortedMap.class.isAssignableFrom(raw) ? new TreeMap<>() : new LinkedHashMap<>()
                    : cast(create(raw));
            for (Map.Entry<?, ?> entry : ((Map<?, ?>) expect(Map.class, value, raw)).entrySet()) {
                map.put(to(Types.argument(type, 0), entry.getKey()), to(Types.argument(type, 1), entry.getValue()));
            }
            return map;
        }

        private static Collection<Object> collection(Type type, Class<?> raw, Object value) {
            Collection<Object> all;
            if (!raw.isInterface()) {
                all = cast(create(raw));
            } else if (Set.class.isAssignableFrom(raw)) {
                all = SortedSet.class.isAssignableFrom(raw) ? new TreeSet<>() : new LinkedHashSet<>();
            } else {
                all = Queue.class.isAssignableFrom(raw) ? new ArrayDeque<>() : new ArrayList<>();
            }
            for (Object item : (List<?>) expect(List.class, value, raw)) {
                all.add(to(Types.argument(type, 0), item));
            }
            return all;
        }

        @SuppressWarnings("unchecked")
        private static <T> T cast(Object value) {
            return (T) value;
        }

        /** A bean by its setters and public fields, a record by its constructor. */
        private static Object object(Type type, Class<?> raw, Map<?, ?> members) {
            // AWS's own events are written in other ways than their members are: `Records`, `eventSourceARN`.
            boolean lenient = raw.getName().startsWith(EVENTS);
            Map<String, Object> given = lenient ? new TreeMap<>(String.CASE_INSENSITIVE_ORDER) : new HashMap<>();
            for (Map.Entry<?, ?> member : members.entrySet()) {
                given.put((String) member.getKey(), member.getValue());
            }
            List<Method> components = Records.components(raw);
            if (components != null) {
                Class<?>[] types = new Class<?>[components.size()];
                Object[] values = new Object[components.size()];
                for (int i = 0; i < types.length; i++) {
                    Method component = components.get(i);
                    types[i] = component.getReturnType();
                    values[i] = to(Types.resolve(component.getGenericReturnType(), type), given.get(component.getName()));
                }
                return create(raw, types, values);
            }
            Object made = create(raw);
            Set<String> done = new HashSet<>();
            for (Method method : raw.getMethods()) {
                String name = property(method.getName(), "set");
                if (name != null && method.getParameterCount() == 1 && given.containsKey(name) && !method.isBridge()) {
                    done.add(name.toLowerCase(Locale.ROOT));
                    call(method, made, to(Types.resolve(method.getGenericParameterTypes()[0], type), given.get(name)));
                }
            }
            for (Field field : raw.getFields()) {
                String name = field.getName();
                boolean open = !Modifier.isStatic(field.getModifiers()) && !Modifier.isFinal(field.getModifiers());
                if (open && given.containsKey(name) && !done.contains(name.toLowerCase(Locale.ROOT))) {
                    try {
                        field.setAccessible(true);
                        field.set(made, to(Types.resolve(field.getGenericType(), type), given.get(name)));
                    } catch (IllegalAccessException e) {
                        throw new IllegalArgumentException("Cannot set " + field, e);
                    }
                }
            }
            return made;
        }

        private static Object create(Class<?> raw) {
            return create(raw, new Class<?>[0], new Object[0]);
        }

        private static Object create(Class<?> raw, Class<?>[] types, Object[] values) {
            try {
                Constructor<?> constructor = raw.getDeclaredConstructor(types);
                constructor.setAccessible(true);
                return constructor.newInstance(values);
            } catch (InvocationTargetException e) {
                throw new IllegalArgumentException("Cannot construct instance of `" + raw.getName() + "`", e.getCause());
            } catch (ReflectiveOperationException | RuntimeException e) {
                throw new IllegalArgumentException("Cannot construct instance of `" + raw.getName()
                        + "` (no Creators, like default constructor, exist)", e);
            }
        }

        private static Object call(Method method, Object of, Object... arguments) {
            try {
                method.setAccessible(true);
                return method.invoke(of, arguments);
            } catch (InvocationTargetException e) {
                throw new IllegalArgumentException(Fault.messageOf(e.getCause()), e.getCause());
            } catch (IllegalAccessException e) {
                throw new IllegalArgumentException("Cannot call " + method, e);
            }
        }

        /** `name` of `getName`; null if the method is called otherwise. */
        private static String property(String method, String prefix) {
            if (!method.startsWith(prefix) || method.length() == prefix.length()) {
                return null;
            }
            String name = method.substring(prefix.length());
            // As the JavaBeans specification, 8.8: `getURL` is `URL`, `getName` is `name`.
            boolean stays = name.length() > 1 && Character.isUpperCase(name.charAt(0)) && Character.isUpperCase(name.charAt(1));
            return stays ? name : Character.toLowerCase(name.charAt(0)) + name.substring(1);
        }

        /** What is public of an object: getters and fields, in the order of its fields. */
        static Map<String, Object> properties(Object of) {
            Class<?> raw = of.getClass();
            List<Method> components = Records.components(raw);
            Map<String, Object> found = new TreeMap<>();
            if (components != null) {
                Map<String, Object> ordered = new LinkedHashMap<>();
                for (Method component : components) {
                    ordered.put(component.getName(), call(component, of));
                }
                return ordered;
            }
            for (Field field : raw.getFields()) {
                if (!Modifier.isStatic(field.getModifiers()) && !Modifier.isTransient(field.getModifiers())) {
                    try {
                        field.setAccessible(true);
                        found.put(field.getName(), field.get(of));
                    } catch (IllegalAccessException e) {
                        throw new IllegalArgumentException("Cannot read " + field, e);
                    }
                }
            }
            for (Method method : raw.getMethods()) {
                boolean counts = method.getParameterCount() == 0 && !Modifier.isStatic(method.getModifiers())
                        && method.getReturnType() != void.class && method.getDeclaringClass() != Object.class
                        && !method.isBridge();
                Class<?> type = method.getReturnType();
                String name = property(method.getName(), "get");
                if (name == null && (type == boolean.class || type == Boolean.class)) {
                    name = property(method.getName(), "is");
                }
                if (counts && name != null) {
                    found.put(name, call(method, of));
                }
            }
            Map<String, Object> ordered = new LinkedHashMap<>();
            for (String name : fieldNames(raw)) {
                if (found.containsKey(name)) {
                    ordered.put(name, found.remove(name));
                }
            }
            ordered.putAll(found);
            return ordered;
        }

        private static List<String> fieldNames(Class<?> raw) {
            List<String> names = raw == Object.class ? new ArrayList<>() : fieldNames(raw.getSuperclass());
            for (Field field : raw.getDeclaredFields()) {
                names.add(field.getName());
            }
            return names;
        }
    }

    /** Records, which language level 8 has no name for. */
    static final class Records {
        private Records() {}

        /** The accessors in order; null if the class is no record. */
        static List<Method> components(Class<?> raw) {
            try {
                Object[] components = (Object[]) Class.class.getMethod("getRecordComponents").invoke(raw);
                if (components == null) {
                    return null;
                }
                List<Method> accessors = new ArrayList<>();
                for (Object component : components) {
                    Method accessor = (Method) component.getClass().getMethod("getAccessor").invoke(component);
                    accessor.setAccessible(true);
                    accessors.add(accessor);
                }
                return accessors;
            } catch (ReflectiveOperationException e) {
                return null; // before Java 16
            }
        }
    }

    /** Generic types. */
    static final class Types {
        private Types() {}

        static Class<?> raw(Type type) {
            if (type instanceof Class) {
                return (Class<?>) type;
            } else if (type instanceof ParameterizedType) {
                return raw(((ParameterizedType) type).getRawType());
            } else if (type instanceof GenericArrayType) {
                return Array.newInstance(raw(((GenericArrayType) type).getGenericComponentType()), 0).getClass();
            } else if (type instanceof WildcardType) {
                return raw(((WildcardType) type).getUpperBounds()[0]);
            }
            return raw(((TypeVariable<?>) type).getBounds()[0]);
        }

        /** The type argument at this place; `Object` if the type is raw. */
        static Type argument(Type type, int place) {
            if (type instanceof ParameterizedType) {
                return ((ParameterizedType) type).getActualTypeArguments()[place];
            }
            if (type instanceof Class) {
                Class<?> target = Map.class.isAssignableFrom((Class<?>) type) ? Map.class : Iterable.class;
                Type[] found = target.isAssignableFrom((Class<?>) type) ? argumentsOf((Class<?>) type, target) : null;
                return found == null || found[place] instanceof TypeVariable ? Object.class : found[place];
            }
            return Object.class;
        }

        /** A member's type with the variables of its class filled in. */
        static Type resolve(Type member, Type of) {
            if (!(member instanceof TypeVariable) || !(of instanceof ParameterizedType)) {
                return member;
            }
            TypeVariable<?>[] names = raw(of).getTypeParameters();
            for (int i = 0; i < names.length; i++) {
                if (names[i].equals(member)) {
                    return ((ParameterizedType) of).getActualTypeArguments()[i];
                }
            }
            return member;
        }

        /** What a class gives for the parameters of an interface or class above it; null if it is raw there. */
        static Type[] argumentsOf(Type type, Class<?> above) {
            Class<?> raw = raw(type);
            if (raw == above) {
                return type instanceof ParameterizedType ? ((ParameterizedType) type).getActualTypeArguments() : null;
            }
            List<Type> parents = new ArrayList<>(Arrays.asList(raw.getGenericInterfaces()));
            if (raw.getGenericSuperclass() != null) {
                parents.add(raw.getGenericSuperclass());
            }
            for (Type parent : parents) {
                if (!above.isAssignableFrom(raw(parent))) {
                    continue;
                }
                Type[] found = argumentsOf(parent, above);
                if (found == null) {
                    return null;
                }
                Type[] resolved = found.clone();
                for (int i = 0; i < resolved.length; i++) {
                    resolved[i] = resolve(resolved[i], type);
                }
                return resolved;
            }
            return null;
        }
    }

    // -------------------------------------------------------------------------------------------------
    // Hooks around a snapshot
    // -------------------------------------------------------------------------------------------------

    /**
     * What customers' `org.crac` looks for (its system property `org.crac.Core.Compat`), by AWS's names: classes
     * of a package of their own, and so texts that are compiled with this one.
     */
    static final class Hooks {
        static final String PACKAGE = "com.amazonaws.services.lambda.crac";
        static final Map<String, String> SOURCES = new LinkedHashMap<>();

        static {
            source("Resource", "public interface Resource {",
                    "    void beforeCheckpoint(Context<? extends Resource> context) throws Exception;",
                    "    void afterRestore(Context<? extends Resource> context) throws Exception;");
            source("CheckpointException", "public class CheckpointException extends Exception {");
            source("RestoreException", "public class RestoreException extends Exception {");
            source("Context", "public abstract class Context<R extends Resource> implements Resource {",
                    "    @Override public abstract void beforeCheckpoint(Context<? extends Resource> context) throws CheckpointException;",
                    "    @Override public abstract void afterRestore(Context<? extends Resource> context) throws RestoreException;",
                    "    public abstract void register(R resource);");
            source("Core", "public final class Core {",
                    "    private static final Context<Resource> ALL = new All();",
                    "    private Core() {}",
                    "    public static Context<Resource> getGlobalContext() { return ALL; }",
                    "    public static void checkpointRestore() { throw new UnsupportedOperationException(); }");
            // The last registered goes first before a snapshot, and last after it.
            source("All", "final class All extends Context<Resource> {",
                    "    private final java.util.ArrayList<Resource> registered = new java.util.ArrayList<>();",
                    "    @Override public synchronized void register(Resource resource) { registered.add(resource); }",
                    "    @Override public synchronized void beforeCheckpoint(Context<? extends Resource> context) throws CheckpointException {",
                    "        CheckpointException all = new CheckpointException();",
                    "        for (int i = registered.size() - 1; i >= 0; i--) {",
                    "            try { registered.get(i).beforeCheckpoint(this); } catch (Exception e) { all.addSuppressed(e); }",
                    "        }",
                    "        if (all.getSuppressed().length > 0) { throw all; }",
                    "    }",
                    "    @Override public synchronized void afterRestore(Context<? extends Resource> context) throws RestoreException {",
                    "        RestoreException all = new RestoreException();",
                    "        for (Resource resource : registered) {",
                    "            try { resource.afterRestore(this); } catch (Exception e) { all.addSuppressed(e); }",
                    "        }",
                    "        if (all.getSuppressed().length > 0) { throw all; }",
                    "    }");
        }

        private Hooks() {}

        private static void source(String name, String... lines) {
            SOURCES.put(name, "package " + PACKAGE + ";\n" + String.join("\n", lines) + "\n}\n");
        }
    }

    // -------------------------------------------------------------------------------------------------
    // Compiling itself
    // -------------------------------------------------------------------------------------------------

    /** The jar that the host keeps: `java SOURCE --compile SOURCE TARGET`, with any JDK from 11 on. */
    static final class Compile {
        private Compile() {}

        static void into(Path source, Path target) throws IOException {
            Path classes = Files.createTempDirectory(target.toAbsolutePath().getParent(), ".classes-");
            try {
                javax.tools.JavaCompiler compiler = javax.tools.ToolProvider.getSystemJavaCompiler();
                List<String> words = new ArrayList<>(Arrays.asList("--release", "8", "-nowarn", "-Xlint:-options", "-encoding",
                        "UTF-8", "-g:source,lines", "-d", classes.toString(), source.toString()));
                for (Map.Entry<String, String> one : Hooks.SOURCES.entrySet()) {
                    Path text = classes.resolve(one.getKey() + ".java");
                    Files.write(text, one.getValue().getBytes(StandardCharsets.UTF_8));
                    words.add(text.toString());
                }
                int status = compiler == null ? 1 : compiler.run(null, null, null, words.toArray(new String[0]));
                if (status != 0) {
                    System.exit(1);
                }
                try (JarOutputStream jar = new JarOutputStream(Files.newOutputStream(target))) {
                    jar.setLevel(0); // reading is all that counts
                    List<Path> compiled = new ArrayList<>();
                    try (java.util.stream.Stream<Path> all = Files.walk(classes)) {
                        all.filter(path -> path.toString().endsWith(".class")).forEach(compiled::add);
                    }
                    for (Path path : compiled) {
                        jar.putNextEntry(new JarEntry(classes.relativize(path).toString()));
                        Files.copy(path, jar);
                        jar.closeEntry();
                    }
                }
            } finally {
                try (java.util.stream.Stream<Path> all = Files.walk(classes)) {
                    all.sorted(Collections.reverseOrder()).forEach(path -> path.toFile().delete());
                }
            }
        }
    }

    // -------------------------------------------------------------------------------------------------
    // The archive of loaded classes
    // -------------------------------------------------------------------------------------------------

    /** What the JVM would load and link at each start, made once and mapped: from Java 13 on. */
    public static final class Archive {
        static final String HANDLER = "LambdaboxLoop$Archive::echo";
        /** As `-cp` has it at run time, seen from /var/task: an archive holds for that text only. */
        private static final String JAR = "../runtime/bootstrap.jar";
        /** What decides how classes are laid out has to be as it is at run time. */
        private static final String[] OPTIONS = {"-XX:+UseSerialGC", "-XX:MaxHeapSize=108m", "-Xlog:disable"};

        public Archive() {}

        public Object echo(Map<String, Object> event) {
            System.out.println("trained");
            return event;
        }

        /** Fails where the JVM cannot do it; then starts do without. */
        static void beside(Path jar) throws IOException, InterruptedException {
            Path directory = jar.toAbsolutePath().getParent();
            Path root = Files.createTempDirectory(directory, ".archive-");
            Path task = Files.createDirectory(root.resolve("task"));
            Path runtime = Files.createSymbolicLink(root.resolve("runtime"), Paths.get(".."));
            try {
                List<String> command = new ArrayList<>();
                command.add(System.getProperty("java.home") + "/bin/java");
                command.addAll(Arrays.asList(OPTIONS));
                command.addAll(Arrays.asList("-XX:ArchiveClassesAtExit=" + runtime.resolve("bootstrap.jsa"), "-cp", JAR,
                        "LambdaboxLoop", "--train"));
                ProcessBuilder builder = new ProcessBuilder(command).directory(task.toFile());
                Process process = builder.redirectErrorStream(true).start();
                Streams.all(process.getInputStream());
                if (process.waitFor() != 0) {
                    System.exit(1);
                }
            } finally {
                Files.delete(runtime);
                Files.delete(task);
                Files.delete(root);
            }
        }

        /** A whole process' life up to the end of init, in another one; its archive is the answer to the one event. */
        static void ofVersion(RuntimeApi api) throws IOException, InterruptedException {
            Path archive = Paths.get("/tmp/bootstrap.jsa");
            // The host's own words, but for the archive that is mapped.
            List<String> command = new ArrayList<>();
            byte[] words = Files.readAllBytes(Paths.get("/proc/self/cmdline"));
            for (String word : new String(words, StandardCharsets.UTF_8).split("\0")) {
                if (!word.startsWith("-XX:SharedArchiveFile=") && !word.startsWith("-Xlog:")) {
                    command.add(word);
                }
            }
            command.set(command.size() - 1, "--train-with-customers");
            command.addAll(1, Arrays.asList("-XX:ArchiveClassesAtExit=" + archive, "-Xlog:disable"));
            api.waitUntilServed();
            Request request = api.next();
            Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
            process.getOutputStream().close();
            String said = new String(Streams.all(process.getInputStream()), StandardCharsets.UTF_8);
            if (process.waitFor() == 0 && Files.exists(archive)) {
                api.stream(request, archive);
            } else {
                api.fail(request, Fault.raised(new IllegalStateException(said)));
            }
            System.exit(0);
        }

        /** A Runtime API with one event, which ends the process when that is answered; its address. */
        static String serveOnce() throws IOException {
            ServerSocket server = new ServerSocket(0, 1, InetAddress.getByName("127.0.0.1"));
            Thread thread = new Thread(() -> {
                try (Socket socket = server.accept()) {
                    InputStream in = new BufferedInputStream(socket.getInputStream());
                    head(in);
                    say(socket, "200 OK\r\nLambda-Runtime-Aws-Request-Id: 1", "{\"name\":[\"x\",1,2.5,null,true]}");
                    head(in);
                    say(socket, "202 Accepted", "");
                    System.exit(0);
                } catch (IOException e) {
                    System.exit(1);
                }
            });
            thread.setDaemon(true);
            thread.start();
            return "127.0.0.1:" + server.getLocalPort();
        }

        private static void head(InputStream in) throws IOException {
            int last = 0;
            for (int one = in.read(); one >= 0 && !(one == '\n' && last == '\n'); one = in.read()) {
                last = one == '\r' ? last : one;
            }
        }

        private static void say(Socket socket, String head, String body) throws IOException {
            String all = "HTTP/1.1 " + head + "\r\nContent-Length: " + body.length() + "\r\n\r\n" + body;
            socket.getOutputStream().write(all.getBytes(StandardCharsets.UTF_8));
        }
    }
}
