/*
 * The managed .NET loop: loads the customer's handler and serves it the Runtime API.
 *
 * Behaves as AWS's managed .NET runtimes do (the observable behaviour of `Amazon.Lambda.RuntimeSupport`
 * 1.x) on the standard library alone. AWS's own interfaces (`ILambdaContext`, `ILambdaSerializer`, ...)
 * are the customer's: they come with `Amazon.Lambda.Core` in the package, are looked up by name, and are
 * implemented here by proxies.
 *
 * Not here: making the sandbox, choosing the runtime, executable assemblies (which bring a loop of their
 * own) and AWS_LAMBDA_EXEC_WRAPPER (the host does those); SnapStart's hooks; response streaming.
 *
 * Invariants
 * - One file, standard library only, C# 7.2 and no name newer than .NET Core 3.1, so that the compiler of
 *   an SDK and Debian's `mcs` both take it.
 * - Every invocation taken from `/next` is answered by exactly one POST, or the process ends.
 * - What the function printed or logged is on its way before the answer is posted.
 * - Names that start with `_LAMBDABOX_`, and the log descriptor's, are gone before customer code runs.
 * - Without a serializer attribute, a package that knows AWS's interfaces is refused as AWS refuses it; one
 *   that does not, which AWS could not run at all, is served by System.Text.Json.
 *
 * Compiled once per machine by the host, against the runtime that runs it; `runtime.toml` says how.
 *
 * Sources: reference/runtime-api.md sections 1, 4, 5.3, 6; AWS's client for texts and shapes.
 */

using System;
using System.Collections;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Net;
using System.Net.Sockets;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.Loader;
using System.Text;
using System.Text.Json;
using System.Threading.Tasks;
using Microsoft.Win32.SafeHandles;

/// <summary>One process's life.</summary>
internal static class LambdaboxLoop
{
    private static int Main(string[] arguments)
    {
        var settings = Settings.Take();
        var logs = new Logs(settings);
        var api = new RuntimeApi(Settings.Or("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001"));
        if (settings.MustWait)
        {
            api.WaitUntilServed();
        }
        Handler handler;
        try
        {
            handler = Handler.Find(arguments.Length > 0 ? arguments[0] : Settings.Or("_HANDLER", ""), logs);
        }
        catch (Exception e)
        {
            logs.Fault(e);
            api.FailInit(e);
            return 1;
        }
        // Init is over here. SnapStart's hooks take their place at this line.
        logs.Flush();
        try
        {
            while (true)
            {
                ServeOne(api, handler, logs);
            }
        }
        catch (RuntimeApi.Refused e)
        {
            logs.Fault(e);
            return 1;
        }
    }

    private static void ServeOne(RuntimeApi api, Handler handler, Logs logs)
    {
        var request = api.Next();
        logs.Request = request;
        Environment.SetEnvironmentVariable("_X_AMZN_TRACE_ID", request.Header("lambda-runtime-trace-id"));
        ArraySegment<byte> answer;
        try
        {
            answer = handler.Call(request, logs);
        }
        catch (Exception e)
        {
            logs.Fault(e);
            api.Fail(request, e);
            return;
        }
        logs.Flush();
        api.Respond(request, answer);
    }
}

// -----------------------------------------------------------------------------------------------------
// Environment of the process
// -----------------------------------------------------------------------------------------------------

/// <summary>What is between the host and this file.</summary>
internal sealed class Settings
{
    internal string LogDescriptor { get; private set; }
    internal bool MustWait { get; private set; }

    internal static Settings Take()
    {
        return new Settings
        {
            LogDescriptor = Remove("_LAMBDA_TELEMETRY_LOG_FD"),
            MustWait = Remove("_LAMBDABOX_WAIT") != null,
        };
    }

    internal static string Or(string name, string otherwise)
    {
        return Environment.GetEnvironmentVariable(name) ?? otherwise;
    }

    private static string Remove(string name)
    {
        var value = Environment.GetEnvironmentVariable(name);
        Environment.SetEnvironmentVariable(name, null);
        return value;
    }
}

// -----------------------------------------------------------------------------------------------------
// Logs: frames on the log descriptor (runtime-api.md 6.8), or plain standard output
// -----------------------------------------------------------------------------------------------------

/// <summary>The one place that knows where records go, in which format, from which level on.</summary>
internal sealed class Logs
{
    private const uint TextFrame = 0xA55A0003;
    private const uint JsonFrame = 0xA55A0002;
    /// <summary>The largest record AWS's own client puts into one frame.</summary>
    private const int RecordLimitBytes = 256 * 1024 - 26;
    private const int Information = 2;
    private const int Error = 4;
    private static readonly string[] Names = { "Trace", "Debug", "Information", "Warning", "Error", "Critical" };
    private static readonly string[] Labels = { "trce", "dbug", "info", "warn", "fail", "crit" };
    /// <summary>The same levels as the configuration of a function has them.</summary>
    private static readonly string[] Configured = { "TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL" };
    private static readonly DateTime Epoch = new DateTime(1970, 1, 1, 0, 0, 0, DateTimeKind.Utc);

    private readonly bool json = Is("AWS_LAMBDA_LOG_FORMAT", "JSON");
    private readonly bool bare = Is("AWS_LAMBDA_HANDLER_LOG_FORMAT", "Unformatted");
    private readonly int least;
    private readonly Stream frames;
    private readonly Stream original;
    private readonly LineWriter output;
    private readonly LineWriter error;
    private readonly object oneRecord = new object();

    internal Request Request { get; set; }

    internal Logs(Settings settings)
    {
        var wanted = LevelOf(Settings.Or("AWS_LAMBDA_HANDLER_LOG_LEVEL", Settings.Or("AWS_LAMBDA_LOG_LEVEL", "")));
        least = wanted < 0 ? Information : wanted;
        original = Console.OpenStandardOutput();
        if (settings.LogDescriptor != null)
        {
            var descriptor = new IntPtr(int.Parse(settings.LogDescriptor, CultureInfo.InvariantCulture));
            frames = new FileStream(new SafeFileHandle(descriptor, false), FileAccess.Write, 1);
        }
        output = new LineWriter(this, Information);
        error = new LineWriter(this, Error);
        Console.SetOut(output);
        Console.SetError(error);
        AppDomain.CurrentDomain.AssemblyLoad += (_, loaded) => Give(loaded.LoadedAssembly);
    }

    private static bool Is(string variable, string value)
    {
        return string.Equals(Settings.Or(variable, ""), value, StringComparison.OrdinalIgnoreCase);
    }

    private static int LevelOf(string name)
    {
        var place = Array.FindIndex(Names, n => string.Equals(n, name, StringComparison.OrdinalIgnoreCase));
        return place >= 0 ? place
            : Array.FindIndex(Configured, n => string.Equals(n, name, StringComparison.OrdinalIgnoreCase));
    }

    /// <summary>Makes `LambdaLogger.Log` of the customer's `Amazon.Lambda.Core` end here, when that comes.</summary>
    private void Give(Assembly assembly)
    {
        if (assembly.GetName().Name != "Amazon.Lambda.Core")
        {
            return;
        }
        var type = assembly.GetType("Amazon.Lambda.Core.LambdaLogger");
        Set(type, "_loggingAction", (Action<string>)(message => Record(null, message, null, null, Information)));
        Set(type, "_loggingWithLevelAction", (Action<string, string, object[]>)(
            (level, message, values) => Record(level, message, values, null, Information)));
        Set(type, "_loggingWithLevelAndExceptionAction", (Action<string, Exception, string, object[]>)(
            (level, raised, message, values) => Record(level, message, values, raised, Information)));
    }

    private static void Set(Type type, string name, Delegate value)
    {
        var field = type == null ? null : type.GetField(name, BindingFlags.NonPublic | BindingFlags.Static);
        if (field != null && field.FieldType.IsInstanceOfType(value))
        {
            field.SetValue(null, value);
        }
    }

    /// <summary>A call of AWS's `ILambdaLogger`, in any of its overloads.</summary>
    internal void Called(MethodInfo method, object[] given)
    {
        var name = method.Name.StartsWith("Log", StringComparison.Ordinal) ? method.Name.Substring(3) : "";
        var level = Array.IndexOf(Names, name) >= 0 ? name : Names[Information];
        var at = 0;
        var types = method.GetParameters();
        var first = types.Length > 1 ? types[0].ParameterType : null;
        if (name == "" && (first == typeof(string) || first != null && first.IsEnum))
        {
            level = Convert.ToString(given[at++], CultureInfo.InvariantCulture);
        }
        var raised = at < given.Length ? given[at] as Exception : null;
        if (raised != null || at < types.Length && typeof(Exception).IsAssignableFrom(types[at].ParameterType))
        {
            at++;
        }
        var message = at < given.Length ? given[at] as string : null;
        var values = at + 1 < given.Length ? given[at + 1] as object[] : null;
        Record(level, message, values, raised, Information);
    }

    /// <summary>What failed, as AWS's client logs it.</summary>
    internal void Fault(Exception raised)
    {
        if (json)
        {
            Record(Names[Error], null, null, raised, Error);
        }
        else
        {
            Record(Names[Error], Faults.Told(raised), null, null, Error);
        }
        Flush();
    }

    internal void Flush()
    {
        output.Flush();
        error.Flush();
    }

    /// <summary>One formatted record; a level that is none of the known ones is shown as it is.</summary>
    internal void Record(string level, string template, object[] values, Exception raised, int otherwise)
    {
        var of = level == null ? -1 : LevelOf(level);
        if (of >= 0 && of < least)
        {
            return;
        }
        Flush();
        List<KeyValuePair<string, object>> members;
        var message = Templates.Fill(template ?? "", values, out members);
        var time = DateTime.UtcNow.ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture);
        var request = Request == null ? "" : Request.Id;
        var shown = of < 0 ? otherwise : of;
        if (json)
        {
            Send(Lined(Json(time, Names[shown], request, message, members, raised)), JsonFrame, shown);
            return;
        }
        if (raised != null)
        {
            message += (message == "" ? "" : "\n") + Faults.Told(raised);
        }
        var label = of >= 0 ? Labels[of] : level;
        var line = bare ? message
            : string.IsNullOrEmpty(label) ? time + "\t" + request + "\t" + message
            : time + "\t" + request + "\t" + label + "\t" + message;
        Send(Lined(line), TextFrame, shown);
    }

    private string Json(string time, string level, string request, string message,
        List<KeyValuePair<string, object>> members, Exception raised)
    {
        var text = new StringBuilder("{\"timestamp\":\"").Append(time).Append("\",\"level\":\"").Append(level).Append('"');
        Member(text, "requestId", request == "" ? null : request);
        Member(text, "traceId", Request == null ? null : Request.Header("lambda-runtime-trace-id"));
        if (raised == null || message != "")
        {
            Member(text, "message", message);
        }
        foreach (var member in members)
        {
            text.Append(',').Append(Faults.Quoted(member.Key)).Append(':').Append(Templates.Json(member.Value));
        }
        if (raised != null)
        {
            Member(text, "errorType", raised.GetType().FullName);
            Member(text, "errorMessage", raised.Message);
            text.Append(",\"stackTrace\":[");
            var lines = Faults.Told(raised).Split('\n');
            for (var i = 0; i < lines.Length; i++)
            {
                text.Append(i == 0 ? "" : ",").Append(Faults.Quoted(lines[i].Trim()));
            }
            text.Append(']');
        }
        return text.Append('}').ToString();
    }

    private static void Member(StringBuilder text, string name, string value)
    {
        if (value != null)
        {
            text.Append(",\"").Append(name).Append("\":").Append(Faults.Quoted(value));
        }
    }

    private static byte[] Lined(string text)
    {
        return Encoding.UTF8.GetBytes(text + "\n");
    }

    private void Send(byte[] record, uint kind, int level)
    {
        lock (oneRecord)
        {
            if (frames == null)
            {
                original.Write(record, 0, record.Length);
                original.Flush();
                return;
            }
            var micros = (ulong)((DateTime.UtcNow - Epoch).Ticks / 10);
            for (var at = 0; at < record.Length;)
            {
                var part = Math.Min(RecordLimitBytes, record.Length - at);
                while (at + part < record.Length && part > 1 && (record[at + part] & 0xC0) == 0x80)
                {
                    part--; // no character is cut
                }
                var frame = new byte[16 + part];
                Number(frame, 0, kind | (uint)(level + 1) << 2, 4);
                Number(frame, 4, (ulong)part, 4);
                Number(frame, 8, micros, 8);
                Buffer.BlockCopy(record, at, frame, 16, part);
                frames.Write(frame, 0, frame.Length);
                frames.Flush();
                at += part;
            }
        }
    }

    private static void Number(byte[] into, int at, ulong value, int bytes)
    {
        for (var i = bytes - 1; i >= 0; i--, value >>= 8)
        {
            into[at + i] = (byte)value;
        }
    }

    /// <summary>Standard output or error: lines that are written whole become records, the rest passes.</summary>
    private sealed class LineWriter : TextWriter
    {
        private readonly Logs logs;
        private readonly int level;
        private readonly StringBuilder held = new StringBuilder();

        internal LineWriter(Logs logs, int level) : base(CultureInfo.InvariantCulture)
        {
            this.logs = logs;
            this.level = level;
        }

        public override Encoding Encoding { get { return Encoding.UTF8; } }

        public override void Write(char value) { Hold(value.ToString()); }
        public override void Write(string value) { Hold(value); }
        public override void Write(char[] buffer, int index, int count) { Hold(new string(buffer, index, count)); }
        public override void WriteLine() { Line(""); }
        public override void WriteLine(string value) { Line(value); }
        public override void WriteLine(char value) { Line(value.ToString()); }
        public override void WriteLine(char[] buffer) { Line(buffer == null ? "" : new string(buffer)); }
        public override void WriteLine(char[] buffer, int index, int count) { Line(new string(buffer, index, count)); }
        public override void WriteLine(bool value) { Line(value.ToString()); }
        public override void WriteLine(int value) { Line(value.ToString(FormatProvider)); }
        public override void WriteLine(uint value) { Line(value.ToString(FormatProvider)); }
        public override void WriteLine(long value) { Line(value.ToString(FormatProvider)); }
        public override void WriteLine(ulong value) { Line(value.ToString(FormatProvider)); }
        public override void WriteLine(float value) { Line(value.ToString(FormatProvider)); }
        public override void WriteLine(double value) { Line(value.ToString(FormatProvider)); }
        public override void WriteLine(decimal value) { Line(value.ToString(FormatProvider)); }
        public override void WriteLine(object value) { Line(value == null ? "" : value.ToString()); }
        public override Task WriteLineAsync() { Line(""); return Task.CompletedTask; }
        public override Task WriteLineAsync(char value) { Line(value.ToString()); return Task.CompletedTask; }
        public override Task WriteLineAsync(string value) { Line(value); return Task.CompletedTask; }

        /// <summary>Sends what was written without an end of line.</summary>
        public override void Flush()
        {
            string text;
            lock (held)
            {
                text = held.ToString();
                held.Clear();
            }
            if (text != "")
            {
                logs.Send(Encoding.UTF8.GetBytes(text), TextFrame, level);
            }
        }

        private void Hold(string text)
        {
            lock (held)
            {
                held.Append(text);
            }
            if (text != null && text.IndexOf('\n') >= 0 || held.Length > RecordLimitBytes / 4)
            {
                Flush();
            }
        }

        private void Line(string text)
        {
            logs.Record(Names[level], text, null, null, level);
        }
    }
}

/// <summary>Messages with names in braces, as `ILambdaLogger` takes them.</summary>
internal static class Templates
{
    /// <summary>The message with its values, and what becomes members of a record of JSON.</summary>
    internal static string Fill(string template, object[] values, out List<KeyValuePair<string, object>> members)
    {
        members = new List<KeyValuePair<string, object>>();
        if (values == null || values.Length == 0)
        {
            return template;
        }
        var text = new StringBuilder();
        var used = 0;
        for (var at = 0; at < template.Length; at++)
        {
            var end = template[at] == '{' ? template.IndexOf('}', at) : -1;
            if (template[at] == '{' && at + 1 < template.Length && template[at + 1] == '{'
                || template[at] == '}' && at + 1 < template.Length && template[at + 1] == '}')
            {
                text.Append(template[at++]);
                continue;
            }
            if (end < 0)
            {
                text.Append(template[at]);
                continue;
            }
            var inside = template.Substring(at + 1, end - at - 1).TrimStart('@');
            var colon = inside.IndexOf(':');
            var name = colon < 0 ? inside : inside.Substring(0, colon);
            int place;
            if (!int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out place))
            {
                place = used++;
            }
            if (place >= values.Length)
            {
                text.Append(template, at, end + 1 - at);
            }
            else
            {
                text.Append(Shown(values[place], colon < 0 ? null : inside.Substring(colon + 1)));
                if (values[place] != null)
                {
                    members.Add(new KeyValuePair<string, object>(name, values[place]));
                }
            }
            at = end;
        }
        return text.ToString();
    }

    private static string Shown(object value, string format)
    {
        var list = value as IList;
        if (list != null && !(value is byte[]))
        {
            var items = new List<string>();
            foreach (var item in list)
            {
                items.Add(Shown(item, format));
            }
            return "[" + string.Join(", ", items) + "]";
        }
        var formattable = value as IFormattable;
        return formattable != null ? formattable.ToString(format, CultureInfo.InvariantCulture)
            : Convert.ToString(value, CultureInfo.InvariantCulture);
    }

    internal static string Json(object value)
    {
        if (value is bool)
        {
            return (bool)value ? "true" : "false";
        }
        if (value is sbyte || value is byte || value is short || value is ushort || value is int || value is uint
            || value is long || value is ulong || value is decimal)
        {
            return Convert.ToString(value, CultureInfo.InvariantCulture);
        }
        try
        {
            return value is double || value is float || value is IEnumerable && !(value is string)
                ? JsonSerializer.Serialize(value, value.GetType())
                : Faults.Quoted(Convert.ToString(value, CultureInfo.InvariantCulture));
        }
        catch (Exception e) when (e is NotSupportedException || e is ArgumentException || e is JsonException)
        {
            return Faults.Quoted(value.ToString());
        }
    }
}

// -----------------------------------------------------------------------------------------------------
// Errors, in AWS's shapes (runtime-api.md 5.3)
// -----------------------------------------------------------------------------------------------------

/// <summary>What AWS's client throws where a handler cannot be used; its name is what the caller is told.</summary>
internal sealed class LambdaValidationException : Exception
{
    internal LambdaValidationException(string format, params object[] values)
        : base(string.Format(CultureInfo.InvariantCulture, format, values))
    {
    }
}

/// <summary>Exceptions as the caller, the log and X-Ray are told them.</summary>
internal static class Faults
{
    private const int LimitBytes = 256 * 1024;
    private const string TooLong = "{\"errorMessage\": \"Exception exceeded maximum payload size of 256KB.\"}";

    internal static string Json(Exception raised)
    {
        var text = new StringBuilder();
        Append(text, raised, 0);
        return Encoding.UTF8.GetByteCount(text.ToString()) > LimitBytes ? TooLong : text.Append('\n').ToString();
    }

    private static void Append(StringBuilder text, Exception raised, int depth)
    {
        var indent = new string(' ', depth * 2 + 2);
        text.Append("{\n").Append(indent).Append("\"errorType\": ").Append(Quoted(raised.GetType().Name));
        text.Append(",\n").Append(indent).Append("\"errorMessage\": ").Append(Quoted(raised.Message.Trim()));
        var trace = Trace(raised);
        for (var i = 0; i < trace.Count; i++)
        {
            text.Append(i == 0 ? ",\n" + indent + "\"stackTrace\": [" : ",").Append('\n').Append(indent).Append("  ");
            text.Append(Quoted(trace[i].Trim())).Append(i + 1 == trace.Count ? "\n" + indent + "]" : "");
        }
        if (raised.InnerException != null)
        {
            text.Append(",\n").Append(indent).Append("\"cause\": ");
            Append(text, raised.InnerException, depth + 1);
        }
        var many = raised as AggregateException;
        if (many != null && many.InnerExceptions.Count > 0)
        {
            text.Append(",\n").Append(indent).Append("\"causes\": [");
            for (var i = 0; i < many.InnerExceptions.Count; i++)
            {
                text.Append(i == 0 ? "" : ", ");
                Append(text, many.InnerExceptions[i], depth + 1);
            }
            text.Append(']');
        }
        text.Append('\n').Append(new string(' ', depth * 2)).Append('}');
    }

    /// <summary>As `Exception.ToString`, without the loop's own frames.</summary>
    internal static string Told(Exception raised)
    {
        var text = new StringBuilder(raised.GetType().FullName).Append(": ").Append(raised.Message);
        if (raised.InnerException != null)
        {
            text.Append("\n ---> ").Append(Told(raised.InnerException));
            text.Append("\n   --- End of inner exception stack trace ---");
        }
        foreach (var line in Trace(raised))
        {
            text.Append('\n').Append(line);
        }
        return text.ToString();
    }

    /// <summary>Lines of the trace up to where reflection and the loop begin.</summary>
    private static List<string> Trace(Exception raised)
    {
        var lines = new List<string>();
        if (string.IsNullOrEmpty(raised.StackTrace))
        {
            return lines;
        }
        foreach (var line in raised.StackTrace.Split('\n'))
        {
            if (line.Contains("System.RuntimeMethodHandle.") || line.Contains(" at Handler.") || line.Contains("LambdaboxLoop."))
            {
                break;
            }
            if (line.Trim() != "")
            {
                lines.Add(line.TrimEnd());
            }
        }
        return lines;
    }

    /// <summary>For X-Ray, on one line.</summary>
    internal static string Cause(Exception raised)
    {
        var frames = new List<string>();
        var paths = new List<string>();
        foreach (var frame in new StackTrace(raised, true).GetFrames() ?? new StackFrame[0])
        {
            var method = frame.GetMethod();
            var of = method == null ? null : method.DeclaringType;
            if (of != null && (of.Assembly == typeof(Faults).Assembly || of == typeof(RuntimeMethodHandle)))
            {
                break;
            }
            if (method == null)
            {
                continue;
            }
            var label = (method.DeclaringType == null ? "" : method.DeclaringType.Name + ".") + method.Name;
            var file = frame.GetFileName();
            var place = file == null ? "" : "\"path\":" + Quoted(file) + ",\"line\":" + frame.GetFileLineNumber() + ",";
            frames.Add("{" + place + "\"label\":" + Quoted(label) + "}");
            if (file != null && !paths.Contains(Quoted(file)))
            {
                paths.Add(Quoted(file));
            }
        }
        return "{\"working_directory\":" + Quoted(Directory.GetCurrentDirectory()) + ",\"exceptions\":[{\"type\":"
            + Quoted(raised.GetType().Name) + ",\"message\":" + Quoted(raised.Message.Trim()) + ",\"stack\":["
            + string.Join(",", frames) + "]}],\"paths\":[" + string.Join(",", paths) + "]}";
    }

    internal static string Quoted(string value)
    {
        var text = new StringBuilder(value.Length + 2).Append('"');
        for (var i = 0; i < value.Length; i++)
        {
            var c = value[i];
            var place = "\"\\\b\f\n\r\t".IndexOf(c);
            var pair = char.IsHighSurrogate(c) && i + 1 < value.Length && char.IsLowSurrogate(value[i + 1]);
            if (place >= 0)
            {
                text.Append('\\').Append("\"\\bfnrt"[place]);
            }
            else if (pair)
            {
                text.Append(c).Append(value[++i]);
            }
            else if (c < ' ' || char.IsSurrogate(c) || c == '\u0085' || c == '\u2028' || c == '\u2029')
            {
                text.Append("\\u").Append(((int)c).ToString("x4", CultureInfo.InvariantCulture));
            }
            else
            {
                text.Append(c);
            }
        }
        return text.Append('"').ToString();
    }
}

// -----------------------------------------------------------------------------------------------------
// The Runtime API
// -----------------------------------------------------------------------------------------------------

/// <summary>What `/next` answered.</summary>
internal sealed class Request
{
    private readonly Dictionary<string, string> headers;

    internal Request(int status, Dictionary<string, string> headers, byte[] body)
    {
        Status = status;
        this.headers = headers;
        Body = body;
    }

    internal int Status { get; private set; }
    internal byte[] Body { get; private set; }
    internal string Id { get { return Header("lambda-runtime-aws-request-id"); } }

    /// <summary>By lower-case name; null if absent or empty.</summary>
    internal string Header(string name)
    {
        string value;
        return headers.TryGetValue(name, out value) && value != "" ? value : null;
    }
}

/// <summary>One kept connection, HTTP/1.1.</summary>
internal sealed class RuntimeApi
{
    private const string Api = "/2018-06-01/runtime/";
    private const string ErrorType = "application/vnd.aws.lambda.error+json";
    private const int XrayHeaderLimitBytes = 1024 * 1024;
    private const int Accepted = 202;
    private const int Gone = 410;
    private const int TooLarge = 413;

    private readonly string host;
    private readonly int port;
    private readonly string common;
    private readonly byte[] buffer = new byte[64 * 1024];
    private Socket socket;
    private int at;
    private int end;

    /// <summary>The host does not take what it was sent.</summary>
    internal sealed class Refused : IOException
    {
        internal Refused(string text) : base(text)
        {
        }
    }

    internal RuntimeApi(string address)
    {
        var colon = address.LastIndexOf(':');
        host = address.Substring(0, colon).Trim('[', ']');
        port = int.Parse(address.Substring(colon + 1), CultureInfo.InvariantCulture);
        common = " HTTP/1.1\r\nHost: " + address + "\r\nUser-Agent: lambdabox-dotnet/" + Environment.Version + "\r\n";
    }

    /// <summary>Blocks until the host serves: it does so once the sandbox's network is laid.</summary>
    internal void WaitUntilServed()
    {
        Call("GET", "/2018-06-01/ping", "", default(ArraySegment<byte>));
    }

    internal Request Next()
    {
        var request = Call("GET", Api + "invocation/next", "", default(ArraySegment<byte>));
        if (request.Status != 200)
        {
            throw new Refused("Failed to get next invocation. Http response code: " + request.Status);
        }
        return request;
    }

    internal void Respond(Request request, ArraySegment<byte> answer)
    {
        Post("invocation/" + request.Id + "/response", Line("Content-Type", "application/json") + Echo(request), answer);
    }

    internal void Fail(Request request, Exception raised)
    {
        var headers = Line("Content-Type", ErrorType)
            + Line("Lambda-Runtime-Function-Error-Type", raised.GetType().Name) + Echo(request);
        var cause = Faults.Cause(raised);
        if (Encoding.UTF8.GetByteCount(cause) < XrayHeaderLimitBytes)
        {
            headers += Line("Lambda-Runtime-Function-XRay-Error-Cause", cause);
        }
        Post("invocation/" + request.Id + "/error", headers, Bytes(Faults.Json(raised)));
    }

    internal void FailInit(Exception raised)
    {
        var headers = Line("Content-Type", ErrorType) + Line("Lambda-Runtime-Function-Error-Type", raised.GetType().Name);
        Post("init/error", headers, Bytes(Faults.Json(raised)));
    }

    private static ArraySegment<byte> Bytes(string text)
    {
        return new ArraySegment<byte>(Encoding.UTF8.GetBytes(text));
    }

    private void Post(string path, string headers, ArraySegment<byte> body)
    {
        var answer = Call("POST", Api + path, headers + Line("Content-Length", body.Count.ToString(CultureInfo.InvariantCulture)), body);
        // What is late or too large was told to the caller by the host; the next event may be served.
        if (answer.Status != Accepted && answer.Status != Gone && answer.Status != TooLarge)
        {
            throw new Refused("Failed to post " + path + ". Http response code: " + answer.Status);
        }
    }

    private static string Line(string name, string value)
    {
        return name + ": " + value.Replace('\r', ' ').Replace('\n', ' ') + "\r\n";
    }

    /// <summary>The attempt's id goes back as it came (runtime-api.md 1.3).</summary>
    private static string Echo(Request request)
    {
        var id = request.Header("lambda-runtime-invocation-id");
        return id == null ? "" : Line("Lambda-Runtime-Invocation-Id", id);
    }

    private Request Call(string method, string path, string headers, ArraySegment<byte> body)
    {
        var head = Encoding.UTF8.GetBytes(method + " " + path + common + headers + "\r\n");
        var kept = socket != null;
        try
        {
            return Exchange(head, body);
        }
        catch (Exception e) when (kept && (e is SocketException || e is IOException))
        {
            Close();
            return Exchange(head, body); // the host closed the kept connection meanwhile
        }
    }

    private Request Exchange(byte[] head, ArraySegment<byte> body)
    {
        if (socket == null)
        {
            var address = IPAddress.Parse(host);
            socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            socket.Connect(new IPEndPoint(address, port));
            at = end = 0;
        }
        if (body.Count > 0 && body.Count < buffer.Length)
        {
            var all = new byte[head.Length + body.Count];
            Buffer.BlockCopy(head, 0, all, 0, head.Length);
            Buffer.BlockCopy(body.Array, body.Offset, all, head.Length, body.Count);
            SendAll(new ArraySegment<byte>(all));
        }
        else
        {
            SendAll(new ArraySegment<byte>(head));
            SendAll(body);
        }
        return Read();
    }

    private void SendAll(ArraySegment<byte> bytes)
    {
        for (var sent = 0; sent < bytes.Count;)
        {
            sent += socket.Send(bytes.Array, bytes.Offset + sent, bytes.Count - sent, SocketFlags.None);
        }
    }

    private void Close()
    {
        if (socket != null)
        {
            socket.Dispose();
            socket = null;
        }
    }

    private Request Read()
    {
        int status;
        var headers = new Dictionary<string, string>();
        do
        {
            headers.Clear();
            var first = ReadLine().Split(' ');
            if (first.Length < 2 || !first[0].StartsWith("HTTP/1.", StringComparison.Ordinal))
            {
                throw new IOException("no HTTP answer");
            }
            status = int.Parse(first[1], CultureInfo.InvariantCulture);
            for (var line = ReadLine(); line != ""; line = ReadLine())
            {
                var colon = line.IndexOf(':');
                headers[line.Substring(0, colon).ToLowerInvariant()] = line.Substring(colon + 1).Trim();
            }
        }
        while (status >= 100 && status < 200);
        string value;
        var closes = headers.TryGetValue("connection", out value) && value.ToLowerInvariant() == "close";
        byte[] body;
        if (headers.TryGetValue("transfer-encoding", out value) && value.ToLowerInvariant() == "chunked")
        {
            body = Chunks();
        }
        else if (headers.TryGetValue("content-length", out value))
        {
            body = new byte[int.Parse(value, CultureInfo.InvariantCulture)];
            Fill(body);
        }
        else
        {
            throw new IOException("an answer without a length");
        }
        if (closes)
        {
            Close();
        }
        return new Request(status, headers, body);
    }

    private byte[] Chunks()
    {
        var all = new MemoryStream();
        while (true)
        {
            var size = int.Parse(ReadLine().Split(';')[0].Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            var chunk = new byte[size];
            Fill(chunk);
            all.Write(chunk, 0, size);
            if (size == 0)
            {
                break;
            }
            ReadLine();
        }
        while (ReadLine() != "")
        {
            // Trailers.
        }
        return all.ToArray();
    }

    private void More()
    {
        at = 0;
        end = socket.Receive(buffer, 0, buffer.Length, SocketFlags.None);
        if (end == 0)
        {
            throw new IOException("the connection was closed inside an answer");
        }
    }

    private string ReadLine()
    {
        var line = new MemoryStream();
        while (true)
        {
            if (at == end)
            {
                More();
            }
            var found = Array.IndexOf(buffer, (byte)'\n', at, end - at);
            var stop = found < 0 ? end : found;
            line.Write(buffer, at, stop - at);
            at = found < 0 ? end : found + 1;
            if (found >= 0)
            {
                return Encoding.UTF8.GetString(line.GetBuffer(), 0, (int)line.Length).TrimEnd('\r');
            }
        }
    }

    private void Fill(byte[] body)
    {
        for (var done = 0; done < body.Length;)
        {
            if (at == end && body.Length - done >= buffer.Length)
            {
                var count = socket.Receive(body, done, body.Length - done, SocketFlags.None);
                if (count == 0)
                {
                    throw new IOException("the connection was closed inside a body");
                }
                done += count;
                continue;
            }
            if (at == end)
            {
                More();
            }
            var part = Math.Min(end - at, body.Length - done);
            Buffer.BlockCopy(buffer, at, body, done, part);
            at += part;
            done += part;
        }
    }
}

// -----------------------------------------------------------------------------------------------------
// The context object
// -----------------------------------------------------------------------------------------------------

/// <summary>AWS's `ILambdaContext` and what it leads to, in the customer's own copy of the interfaces.</summary>
public class LambdaboxProxy : DispatchProxy
{
    private static readonly DateTime Epoch = new DateTime(1970, 1, 1, 0, 0, 0, DateTimeKind.Utc);
    private static readonly MethodInfo Make = typeof(DispatchProxy).GetMethod("Create", Type.EmptyTypes);

    private Func<MethodInfo, object[], object> answer;

    /// <summary>What AWS's interfaces are implemented by.</summary>
    protected override object Invoke(MethodInfo method, object[] given)
    {
        var value = answer(method, given);
        var type = method.ReturnType;
        return value == null && type.IsValueType && type != typeof(void) ? Activator.CreateInstance(type) : value;
    }

    private static object Of(Type type, Func<MethodInfo, object[], object> answer)
    {
        var proxy = Make.MakeGenericMethod(type, typeof(LambdaboxProxy)).Invoke(null, null);
        ((LambdaboxProxy)proxy).answer = answer;
        return proxy;
    }

    internal static object Context(Type type, Request request, Logs logs, object serializer)
    {
        return Of(type, (method, given) =>
        {
            switch (method.Name)
            {
                case "get_AwsRequestId": return request.Id;
                case "get_FunctionName": return Settings.Or("AWS_LAMBDA_FUNCTION_NAME", null);
                case "get_FunctionVersion": return Settings.Or("AWS_LAMBDA_FUNCTION_VERSION", null);
                case "get_InvokedFunctionArn": return request.Header("lambda-runtime-invoked-function-arn");
                case "get_LogGroupName": return Settings.Or("AWS_LAMBDA_LOG_GROUP_NAME", null);
                case "get_LogStreamName": return Settings.Or("AWS_LAMBDA_LOG_STREAM_NAME", null);
                case "get_MemoryLimitInMB": return int.Parse(Settings.Or("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "0"), CultureInfo.InvariantCulture);
                case "get_RemainingTime": return Remaining(request);
                case "get_TraceId": return request.Header("lambda-runtime-trace-id");
                case "get_TenantId": return request.Header("lambda-runtime-aws-tenant-id");
                case "get_Serializer": return serializer;
                case "get_Logger": return Of(method.ReturnType, (call, values) => { logs.Called(call, values); return null; });
                case "get_Identity":
                    return Identity(method.ReturnType, Members(request.Header("lambda-runtime-cognito-identity")));
                case "get_ClientContext":
                    return Client(method.ReturnType, Members(request.Header("lambda-runtime-client-context")));
                default: return null;
            }
        });
    }

    private static object Remaining(Request request)
    {
        var deadline = double.Parse(request.Header("lambda-runtime-deadline-ms"), CultureInfo.InvariantCulture);
        return TimeSpan.FromMilliseconds(deadline - (DateTime.UtcNow - Epoch).TotalMilliseconds);
    }

    private static object Identity(Type type, Dictionary<string, JsonElement> given)
    {
        return Of(type, (method, values) =>
            method.Name == "get_IdentityId" ? Text(given, "cognitoIdentityId")
            : method.Name == "get_IdentityPoolId" ? Text(given, "cognitoIdentityPoolId") : null);
    }

    private static object Client(Type type, Dictionary<string, JsonElement> given)
    {
        return Of(type, (method, values) =>
        {
            switch (method.Name)
            {
                case "get_Custom": return Texts(given, "custom");
                case "get_Environment": return Texts(given, "env");
                case "get_Client": return Application(method.ReturnType, given);
                default: return null;
            }
        });
    }

    private static object Application(Type type, Dictionary<string, JsonElement> given)
    {
        JsonElement client;
        if (!given.TryGetValue("client", out client) || client.ValueKind != JsonValueKind.Object)
        {
            return null;
        }
        var members = Members(client.GetRawText());
        return Of(type, (method, values) =>
        {
            switch (method.Name)
            {
                case "get_AppPackageName": return Text(members, "app_package_name");
                case "get_AppTitle": return Text(members, "app_title");
                case "get_AppVersionCode": return Text(members, "app_version_code");
                case "get_AppVersionName": return Text(members, "app_version_name");
                case "get_InstallationId": return Text(members, "installation_id");
                default: return null;
            }
        });
    }

    private static Dictionary<string, JsonElement> Members(string json)
    {
        var members = new Dictionary<string, JsonElement>();
        if (string.IsNullOrWhiteSpace(json))
        {
            return members;
        }
        using (var document = JsonDocument.Parse(json, default(JsonDocumentOptions)))
        {
            if (document.RootElement.ValueKind == JsonValueKind.Object)
            {
                foreach (var member in document.RootElement.EnumerateObject())
                {
                    members[member.Name] = member.Value.Clone();
                }
            }
        }
        return members;
    }

    private static string Text(Dictionary<string, JsonElement> members, string name)
    {
        JsonElement value;
        return members.TryGetValue(name, out value) && value.ValueKind != JsonValueKind.Null ? value.ToString() : null;
    }

    private static IDictionary<string, string> Texts(Dictionary<string, JsonElement> members, string name)
    {
        JsonElement value;
        if (!members.TryGetValue(name, out value) || value.ValueKind != JsonValueKind.Object)
        {
            return null;
        }
        var texts = new Dictionary<string, string>();
        foreach (var member in value.EnumerateObject())
        {
            texts[member.Name] = member.Value.ToString();
        }
        return texts;
    }
}

// -----------------------------------------------------------------------------------------------------
// The handler
// -----------------------------------------------------------------------------------------------------

/// <summary>From `Assembly::Namespace.Type::Method` to what is called.</summary>
internal sealed class Handler
{
    private const BindingFlags Declared = BindingFlags.DeclaredOnly | BindingFlags.NonPublic | BindingFlags.Public
        | BindingFlags.Instance | BindingFlags.Static;
    private const string Core = "Amazon.Lambda.Core";
    private const string Form = "The valid format is 'ASSEMBLY::TYPE::METHOD'.";

    private readonly string assemblyName;
    private readonly string typeName;
    private readonly string methodName;
    private Assembly assembly;
    private MethodInfo method;
    private object instance;
    private object serializer;
    private Type input;
    private Type context;
    private Type output;
    private MethodInfo deserialize;
    private MethodInfo serialize;
    private JsonSerializerOptions mapping;

    private Handler(string handler)
    {
        if (handler == "")
        {
            throw new LambdaValidationException("Empty lambda function handler. " + Form);
        }
        var parts = handler.Split(new[] { "::" }, 3, StringSplitOptions.None);
        if (parts.Length != 3)
        {
            throw new LambdaValidationException("Invalid lambda function handler: '{0}'. " + Form, handler);
        }
        var names = new[] { "assembly", "type", "method" };
        for (var i = 0; i < names.Length; i++)
        {
            parts[i] = parts[i].Trim();
            if (parts[i] == "")
            {
                throw new LambdaValidationException(
                    "Invalid lambda function handler: '{0}', the {1} is missing. " + Form, handler, names[i]);
            }
        }
        assemblyName = parts[0];
        typeName = parts[1];
        methodName = parts[2];
    }

    internal static Handler Find(string text, Logs logs)
    {
        var handler = new Handler(text);
        handler.assembly = handler.Load();
        var type = handler.assembly.GetType(handler.typeName);
        if (type == null)
        {
            throw new LambdaValidationException(
                "Unable to load type '{0}' from assembly '{1}'.", handler.typeName, handler.assemblyName);
        }
        handler.method = handler.ByName(type) ?? handler.BySignature(type);
        if (handler.method == null)
        {
            throw new LambdaValidationException(
                "Unable to find method '{0}' in type '{1}' from assembly '{2}': Found no methods matching method name '{3}'.",
                handler.methodName, handler.typeName, handler.assemblyName, handler.methodName);
        }
        handler.Check(type);
        handler.instance = handler.Construct(type);
        handler.serializer = handler.Serializer();
        handler.Prepare();
        return handler;
    }

    private Assembly Load()
    {
        try
        {
            return AssemblyLoadContext.Default.LoadFromAssemblyName(new AssemblyName(assemblyName));
        }
        catch (FileNotFoundException e)
        {
            throw new LambdaValidationException("Could not find the specified handler assembly with the file name '{0}'. "
                + "The assembly should be located in the root of your uploaded .zip file.", e.FileName);
        }
        catch (Exception)
        {
            throw new LambdaValidationException("Unable to load assembly '{0}'.", assemblyName);
        }
    }

    private MethodInfo ByName(Type type)
    {
        for (var of = type; of != null; of = of.BaseType)
        {
            try
            {
                var found = of.GetMethod(methodName, Declared);
                if (found != null)
                {
                    return found;
                }
            }
            catch (AmbiguousMatchException)
            {
                var all = Array.FindAll(of.GetMethods(Declared), m => m.Name == methodName);
                throw new LambdaValidationException("The method '{0}' in type '{1}' appears to have a number of overloads. To call "
                    + "this method please specify a complete method signature. Possible candidates are:\n{2}.",
                    methodName, of.FullName, string.Join("\n", (object[])all));
            }
        }
        return null;
    }

    private MethodInfo BySignature(Type type)
    {
        for (var of = type; of != null; of = of.BaseType)
        {
            var found = Array.Find(of.GetMethods(Declared), m => m.ToString() == methodName);
            if (found != null)
            {
                return found;
            }
        }
        return null;
    }

    private void Check(Type type)
    {
        const string Method = "The method '{0}' cannot be used as a Lambda Handler because it is ";
        if (method.IsAbstract)
        {
            throw new LambdaValidationException(
                Method + "an abstract method. Handler methods cannot be abstract. Please specify a non-abstract handler method.", method);
        }
        if (method.IsGenericMethod)
        {
            throw new LambdaValidationException(
                Method + "a generic method. Handler methods cannot be generic. Please specify a non-generic handler method.", method);
        }
        if (method.ReturnType == typeof(void) && method.GetCustomAttribute(typeof(AsyncStateMachineAttribute)) != null)
        {
            throw new LambdaValidationException(Method + "an 'async void' method. Handler methods cannot be 'async void'. "
                + "Please specify a method that is not 'async void'.", method);
        }
        var given = method.GetParameters();
        if (given.Length > 0 && given[given.Length - 1].GetCustomAttribute(typeof(ParamArrayAttribute)) != null)
        {
            throw new LambdaValidationException(
                Method + "a 'params' method. Please specify a method that does not use 'params'.", method);
        }
        if (type.IsGenericType)
        {
            throw new LambdaValidationException("The type '{0}' cannot be used as a Lambda Handler type because it is generic. Handler "
                + "methods cannot be located in generic types. Please specify a handler method in a non-generic type.", type.FullName);
        }
        if (!method.IsStatic && type.IsAbstract)
        {
            throw new LambdaValidationException("The instance method '{0}' cannot be used as a Lambda Handler because its type '{1}' is "
                + "abstract. Please either use a static handler or specify a type that is not abstract.", method, type.FullName);
        }
        if (!type.IsClass && (!type.IsValueType || type.IsPrimitive || type.IsEnum))
        {
            throw new LambdaValidationException("The type '{0}' cannot be used as a handler type since it is not a class or a struct. "
                + "Please specify a handler method on a class or struct.", type.FullName);
        }
    }

    private object Construct(Type type)
    {
        if (!method.IsStatic)
        {
            return Activator.CreateInstance(type);
        }
        RuntimeHelpers.RunClassConstructor(type.TypeHandle);
        return null;
    }

    /// <summary>What the attribute on the method, else on the assembly, names; null if there is none.</summary>
    private object Serializer()
    {
        object attribute = Serializing(method.GetCustomAttributes(false)) ?? Serializing(assembly.GetCustomAttributes(false));
        if (attribute == null)
        {
            return null;
        }
        var kind = attribute.GetType();
        var property = kind.GetProperty("SerializerType");
        if (property == null)
        {
            throw new LambdaValidationException("The '{0}' class is invalid: no 'SerializerType' property detected.", kind.FullName);
        }
        var type = property.GetValue(attribute) as Type;
        if (type == null)
        {
            throw new LambdaValidationException("The 'SerializerType' property on attribute class '{0}' is not set.", kind.FullName);
        }
        var constructor = type.GetConstructor(Type.EmptyTypes);
        if (constructor == null)
        {
            throw new LambdaValidationException(
                "The indicated serializer '{0}' does not define a public zero-parameter constructor.", type.FullName);
        }
        if (type.GetInterface(Core + ".ILambdaSerializer") == null)
        {
            throw new LambdaValidationException(
                "The '{0}' class is invalid: it does not implement the 'ILambdaSerializer' interface.", type.FullName);
        }
        return constructor.Invoke(null);
    }

    private static object Serializing(object[] attributes)
    {
        return Array.Find(attributes, a =>
        {
            var of = a.GetType();
            while (of != null && of.FullName != Core + ".LambdaSerializerAttribute")
            {
                of = of.BaseType;
            }
            return of != null;
        });
    }

    /// <summary>Works out what goes in and comes out.</summary>
    private void Prepare()
    {
        var given = method.GetParameters();
        if (given.Length > 2)
        {
            throw new LambdaValidationException(
                "Method '{0}' of type '{1}' is not supported: the method has more than 2 parameters.", method.Name, typeName);
        }
        foreach (var parameter in given)
        {
            if (parameter.ParameterType.FullName == Core + ".ILambdaContext")
            {
                context = parameter.ParameterType;
            }
            else if (parameter.Position == 0)
            {
                input = parameter.ParameterType;
            }
        }
        if (given.Length == 2 && given[1].ParameterType.FullName != Core + ".ILambdaContext")
        {
            throw new LambdaValidationException("Method '{0}' of type '{1}' is not supported: the method has 2 parameters, but the "
                + "second parameter is not of type '{2}'.", method.Name, typeName, Core + ".ILambdaContext");
        }
        output = Result(method.ReturnType);
        var form = serializer == null ? null : serializer.GetType().GetInterface(Core + ".ILambdaSerializer");
        if (input != null && input != typeof(Stream))
        {
            deserialize = form == null ? Mapped("deserialize input", input) : form.GetMethod("Deserialize").MakeGenericMethod(input);
        }
        if (output != typeof(void) && !typeof(Stream).IsAssignableFrom(output))
        {
            serialize = form == null ? Mapped("serialize output", output) : form.GetMethod("Serialize").MakeGenericMethod(output);
        }
    }

    /// <summary>What a task gives; `void` for one that gives nothing.</summary>
    private static Type Result(Type type)
    {
        if (!typeof(Task).IsAssignableFrom(type))
        {
            return type;
        }
        while (type != typeof(Task) && !(type.IsGenericType && type.GetGenericTypeDefinition() == typeof(Task<>)))
        {
            type = type.BaseType;
        }
        return type == typeof(Task) ? typeof(void) : type.GetGenericArguments()[0];
    }

    /// <summary>Chooses System.Text.Json where AWS could not run the package at all; else AWS's error.</summary>
    private MethodInfo Mapped(string doing, Type type)
    {
        if (Array.Exists(assembly.GetReferencedAssemblies(), name => name.Name == Core))
        {
            throw new LambdaValidationException("Could not find the LambdaSerializerAttribute on the assembly '{0}' or method '{1}' while "
                + "attempting to {4} data of type '{2}'. To use types other than System.IO.Stream as input/output parameters, the "
                + "assembly or Lambda function should be annotated with {3}.",
                assembly.GetName(), methodName, type.FullName, Core + ".LambdaSerializerAttribute", doing);
        }
        mapping = mapping ?? new JsonSerializerOptions { PropertyNameCaseInsensitive = true };
        return null;
    }

    internal ArraySegment<byte> Call(Request request, Logs logs)
    {
        var given = new object[method.GetParameters().Length];
        if (input == typeof(Stream))
        {
            given[0] = new MemoryStream(request.Body, false);
        }
        else if (deserialize != null)
        {
            given[0] = Invoke(deserialize, serializer, new MemoryStream(request.Body, false));
        }
        else if (input != null)
        {
            given[0] = JsonSerializer.Deserialize(new ReadOnlySpan<byte>(request.Body), input, mapping);
        }
        if (context != null)
        {
            given[given.Length - 1] = LambdaboxProxy.Context(context, request, logs, serializer);
        }
        var result = Invoke(method, instance, given);
        var task = result as Task;
        if (task != null)
        {
            task.GetAwaiter().GetResult();
            result = output == typeof(void) ? null : task.GetType().GetProperty("Result").GetValue(task);
        }
        return Written(result);
    }

    private static object Invoke(MethodInfo of, object on, params object[] given)
    {
        return of.Invoke(on, BindingFlags.DoNotWrapExceptions, null, given, CultureInfo.InvariantCulture);
    }

    private ArraySegment<byte> Written(object result)
    {
        var written = new MemoryStream();
        if (serialize != null)
        {
            Invoke(serialize, serializer, result, written);
        }
        else if (output == typeof(void))
        {
            return new ArraySegment<byte>(new byte[0]);
        }
        else if (typeof(Stream).IsAssignableFrom(output))
        {
            if (result != null)
            {
                using (var stream = (Stream)result)
                {
                    stream.CopyTo(written);
                }
            }
        }
        else
        {
            return new ArraySegment<byte>(JsonSerializer.SerializeToUtf8Bytes(result, output, mapping));
        }
        // A serializer may have closed it; its bytes stay.
        var all = written.ToArray();
        return new ArraySegment<byte>(all);
    }
}
