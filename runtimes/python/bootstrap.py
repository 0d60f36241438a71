"""The managed Python loop: loads the customer's handler and serves it the Runtime API.

Behaves as AWS's managed Python runtimes do (the observable behaviour of `awslambdaric` 4.2), but
starts in about the time the interpreter itself needs: until the handler's module asks for them,
none of `json`, `re`, `logging`, `os`, `socket`, `http.client` or `traceback` is imported.

Not here: making the sandbox, choosing the interpreter and honouring AWS_LAMBDA_EXEC_WRAPPER (the
host does those); response streaming (AWS's Python has none).

Invariants
- One file, standard library only, CPython 3.9 to 3.14; started with or without `-I -S`.
- Every invocation taken from `/next` is answered by exactly one POST, or the process ends.
- What the function printed or logged is on its way before the answer is posted.
- Names that start with `_LAMBDABOX_`, and the log descriptor's, are gone before customer code runs.

Sources: reference/runtime-api.md sections 1, 4, 5.3, 6; `awslambdaric` and `simplejson` for texts
and shapes; PEP 451 (import hooks), PEP 538 (locale coercion).
"""

import _frozen_importlib as importlib_core
import _io
import _socket
import _thread
import atexit
import builtins
import posix
import sys
import time
from _frozen_importlib_external import PathFinder

try:
    import _json
except ImportError:  # an interpreter built without it: same results from `json`, slower
    _json = None

# ---------------------------------------------------------------------------------------------
# Environment of the process
#
# `os` costs 1 to 2 ms and is left to whoever wants it. `os.environ` keeps its data in the very
# dictionary `posix.environ`, so what is written here is seen there, imported or not.
# ---------------------------------------------------------------------------------------------

_FS_ENCODING, _FS_ERRORS = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()


def _env(name, default=None):
    value = posix.environ.get(name.encode())
    return default if value is None else value.decode(_FS_ENCODING, _FS_ERRORS)


def _set_env(name, value):
    posix.environ[name.encode()] = value.encode(_FS_ENCODING, _FS_ERRORS)
    posix.putenv(name, value)


def _take_env(name):
    """Remove a variable that is between the host and this file; return what it held."""
    value = _env(name)
    if value is not None:
        del posix.environ[name.encode()]
        posix.unsetenv(name)
    return value


def _undo_locale_coercion():
    """Where LANG names no installed locale, Python puts LC_CTYPE into its own environment (PEP
    538). AWS has the locale and so not the variable. What the kernel keeps of the environment
    tells Python's addition from a customer's."""
    if b"LC_CTYPE" not in posix.environ:
        return
    try:
        with _io.open("/proc/self/environ", "rb", 0) as given:
            coerced = not (b"\0" + given.readall()).count(b"\0LC_CTYPE=")
    except OSError:
        return  # no /proc: the variable stays, which harms nobody
    if coerced:
        _take_env("LC_CTYPE")


# ---------------------------------------------------------------------------------------------
# Where modules come from
# ---------------------------------------------------------------------------------------------

# AWS's loop has imported these before customer code, so a customer's file of the same name never
# shadows them there. They are not imported here, only looked up in the standard library first.
_LOADED_BEFORE_THE_HANDLER_ON_AWS = frozenset(
    """__future__ _collections_abc _decimal _json _weakrefset abc codecs collections contextlib
    copyreg decimal encodings enum functools genericpath importlib io json keyword linecache
    logging math numbers operator os posixpath re reprlib sre_compile sre_constants sre_parse stat
    string textwrap threading token tokenize traceback types warnings weakref zipimport""".split()
)


class _StandardLibraryFirst:
    """Meta-path finder for the names above; also tells when `logging` has been imported."""

    def __init__(self, path, on_logging):
        self._path = path
        self._on_logging = on_logging

    def find_spec(self, name, path=None, target=None):
        if path is not None or name not in _LOADED_BEFORE_THE_HANDLER_ON_AWS:
            return None
        spec = PathFinder.find_spec(name, self._path, target)
        if spec is not None and name == "logging" and self._on_logging is not None:
            self._call_after(spec.loader)
        return spec

    def _call_after(self, loader):
        execute = loader.exec_module

        def exec_module(module):
            del loader.exec_module  # the instance's; the class's own is found again
            execute(module)
            configure, self._on_logging = self._on_logging, None
            if configure is not None:
                configure(module)

        loader.exec_module = exec_module


def _split_search_path(runtime_dir):
    """(entries before the standard library, the standard library); what `site` added is dropped."""
    script_directory = sys.argv[0].rpartition("/")[0]
    entries = [entry for entry in sys.path if entry not in (script_directory, runtime_dir)]
    archive = "python%d%d" % sys.version_info[:2]
    start = stop = None
    for index, entry in enumerate(entries):
        base = entry.rpartition("/")[2]
        if start is None and base.startswith(archive) and base.endswith(".zip"):
            start = index
        if base == "lib-dynload":
            stop = index + 1
    if start is None or stop is None:  # an unusual build: keep all that is not a site directory
        return [], [e for e in entries if not _is_site_directory(e)]
    return entries[:start], entries[start:stop]


def _is_site_directory(entry):
    return entry.rstrip("/").rpartition("/")[2] in ("site-packages", "dist-packages")


def _forget_site_finders(kept):
    """Editable installs work by finders that a `.pth` file put in place. Those are dropped with
    the directories they came from; a finder of the customer's own stays."""
    def ours(finder):
        module = sys.modules.get(getattr(finder, "__module__", None) or type(finder).__module__)
        file = getattr(module, "__file__", None) or ""
        in_site = any(_is_site_directory(file[:i]) for i, c in enumerate(file) if c == "/")
        return not in_site or any(file.startswith(entry + "/") for entry in kept)

    sys.meta_path[:] = [finder for finder in sys.meta_path if ours(finder)]
    sys.path_hooks[:] = [hook for hook in sys.path_hooks if ours(hook)]


def _set_search_path(task_root, runtime_dir, extra, on_logging):
    customer, standard = _split_search_path(runtime_dir)
    version = "python%d.%d" % sys.version_info[:2]
    ordered = [task_root, "/opt/python/lib/%s/site-packages" % version, "/opt/python"]
    ordered += customer + standard + [runtime_dir] + extra
    if not sys.flags.no_site:
        _forget_site_finders(customer + extra)
    sys.path[:] = dict.fromkeys(ordered)  # each once, the first place counts
    finders = sys.meta_path
    place = finders.index(PathFinder) if PathFinder in finders else len(finders)
    finders.insert(place, _StandardLibraryFirst(customer + standard, on_logging))
    finders.append(_SnapshotHooks())


class _SnapshotHooks:
    """`snapshot_restore_py` as AWS's runtimes have it; last, so that a package's own one counts."""

    def find_spec(self, name, path=None, target=None):
        return importlib_core.ModuleSpec(name, self) if name == "snapshot_restore_py" else None

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        before, after = [], []

        def register_before_snapshot(func, *args, **kwargs):
            before.append((func, args, kwargs))
            return func

        def register_after_restore(func, *args, **kwargs):
            after.append((func, args, kwargs))
            return func

        module.__all__ = ["register_before_snapshot", "register_after_restore"]
        module.register_before_snapshot = register_before_snapshot
        module.register_after_restore = register_after_restore
        module.get_before_snapshot = lambda: before
        module.get_after_restore = lambda: after


class _Notice:
    """`copyright`, `credits`, `license` as `site` makes them, made when somebody looks."""

    def __init__(self, name):
        self._name = name

    def _printer(self):
        import _sitebuiltins

        texts = {"copyright": sys.copyright, "credits": "See https://www.python.org/."}
        text = texts.get(self._name, "See https://www.python.org/psf/license/")
        return _sitebuiltins._Printer(self._name, text)

    def __repr__(self):
        return repr(self._printer())

    def __call__(self):
        return self._printer()()


def _add_site_builtins():
    """What `site` puts into builtins, for an interpreter started with -S."""
    if hasattr(builtins, "exit"):
        return
    import _sitebuiltins

    for name in ("exit", "quit"):
        setattr(builtins, name, _sitebuiltins.Quitter(name, "Ctrl-D (i.e. EOF)"))
    builtins.help = _sitebuiltins._Helper()
    for name in ("copyright", "credits", "license"):
        setattr(builtins, name, _Notice(name))


# ---------------------------------------------------------------------------------------------
# Logs: frames on the log descriptor (runtime-api.md 6.8), or plain standard output
# ---------------------------------------------------------------------------------------------

# 0xA55A0000 | level << 2 | has timestamp << 1 | is text, by Python's level number.
_LEVELS = {0: 0, 10: 2, 20: 3, 30: 4, 40: 5, 50: 6}
_TEXT_FRAMES = {k: (0xA55A0003 | v << 2).to_bytes(4, "big") for k, v in _LEVELS.items()}
_JSON_FRAMES = {k: (0xA55A0002 | v << 2).to_bytes(4, "big") for k, v in _LEVELS.items()}
_PLAIN_FRAME = _TEXT_FRAMES[0]
_ERROR = 40

# An unfinished line is held up to this size: the largest record AWS's own clients put into one
# frame (runtime-api.md 6.8). The rest of a longer line follows in frames of its own. It also must
# not be so small that one printed JSON record is torn.
_LINE_LIMIT_BYTES = 256 * 1024 - 26

_NO_BREAK_SPACE = "\u00a0"
_DATE_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


def _utf8(text):
    """A lone surrogate becomes its escape, which is also what JSON calls it."""
    return text.encode("utf-8", "backslashreplace")


class _FrameSink:
    """The log descriptor. One frame is one record, whatever newlines it holds."""

    error_separator = "\n"

    def __init__(self, fd):
        self._fd = fd
        # Re-entrant: a signal handler may print while this thread is inside a print.
        self.lock = _thread.RLock()
        posix.set_inheritable(fd, False)

    def log(self, msg, frame_type=None):
        self.write_records((_utf8(msg),), frame_type or _PLAIN_FRAME)

    def write_records(self, records, frame_type=_PLAIN_FRAME):
        stamp = (time.time_ns() // 1000).to_bytes(8, "big")
        frames = b"".join(
            [b"".join((frame_type, len(r).to_bytes(4, "big"), stamp, r)) for r in records]
        )
        with self.lock:
            self._write(frames)

    def _write(self, data):
        sent = posix.write(self._fd, data)
        while sent < len(data):
            data = data[sent:]
            sent = posix.write(self._fd, data)


class _LineSink(_FrameSink):
    """Standard output that several workers share: whole lines, one record on one line.

    A pipe keeps apart only what is written at once, up to 4 KiB of it. So workers take turns, by a
    lock that the kernel gives on if its holder is killed.
    """

    error_separator = "\r"

    def __init__(self):
        self._fd = 1
        self.lock = _thread.RLock()
        self._turn = posix.memfd_create("log", posix.MFD_CLOEXEC)

    def write_records(self, records, frame_type=None):
        lines = b"".join([r if r.endswith(b"\n") else r + b"\n" for r in records])
        with self.lock:
            posix.lockf(self._turn, posix.F_LOCK, 0)
            try:
                self._write(lines)
            finally:
                posix.lockf(self._turn, posix.F_ULOCK, 0)


class _StandardOutputSink:
    """No log descriptor: records go to standard output, one record kept on one line by `\\r`."""

    error_separator = "\r"

    def log(self, msg, frame_type=None):
        sys.stdout.write(msg)


class _FramedStream(_io.TextIOWrapper):
    """`sys.stdout` or `sys.stderr` whose finished lines are records of the one sink, so that
    prints, errors and `logging` keep their order. What is written through `.buffer` or the
    descriptor itself goes there raw."""

    def __init__(self, original, encoding, errors, sink):
        super().__init__(original.buffer, encoding, errors, newline="\n", write_through=True)
        self.mode = original.mode
        self._sink = sink
        self._held = []
        self._held_bytes = 0
        self._cut = False  # the beginning of the present line has already been sent
        self.hold_on_flush = True

    def write(self, text):
        if not isinstance(text, str):
            raise TypeError("write() argument must be str, not %s" % type(text).__name__)
        if self.closed:
            raise ValueError("I/O operation on closed file.")
        data = text.encode(self.encoding, self.errors)
        self.buffer.flush()
        with self._sink.lock:
            if b"\n" not in data:
                self._hold(data)
                return len(text)
            head, _, tail = data.rpartition(b"\n")
            self._held.append(head)
            lines = [line + b"\n" for line in b"".join(self._held).split(b"\n")]
            if self._cut and lines[0] == b"\n":
                del lines[0]  # only the end of a line that was sent: not an empty line
            self._held, self._held_bytes, self._cut = [], 0, False
            if lines:
                self._sink.write_records([piece for line in lines for piece in _pieces(line)])
            if tail:
                self._hold(tail)
        return len(text)

    def _hold(self, data):
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes >= _LINE_LIMIT_BYTES:
            self.send_held()
            self._cut = True

    def send_held(self):
        """Send the unfinished line: it has grown too long, or nothing more will come."""
        with self._sink.lock:
            held, self._held, self._held_bytes, self._cut = b"".join(self._held), [], 0, False
            if held:
                self._sink.write_records(_pieces(held))

    def writelines(self, lines):
        for line in lines:
            self.write(line)

    def flush(self):
        super().flush()
        if not self.hold_on_flush:
            self.send_held()

    def after_fork_in_child(self):
        self._held, self._held_bytes = [], 0  # the parent will send what it holds
        self.hold_on_flush = False  # a child may end by os._exit, and flushes before


def _pieces(line):
    """The line, or as many frames as its length asks for; no UTF-8 character is cut."""
    if len(line) <= _LINE_LIMIT_BYTES:
        return [line]
    pieces, start = [], 0
    while start < len(line):
        end = start + _LINE_LIMIT_BYTES
        while end < len(line) and line[end] & 0xC0 == 0x80 and end > start + 1:
            end -= 1
        pieces.append(line[start:end])
        start = end
    return pieces


class _DirectStream(_io.TextIOWrapper):
    """`sys.stdout` or `sys.stderr` without a log descriptor: every write reaches the pipe."""

    def __init__(self, original, encoding, errors):
        super().__init__(original.buffer, encoding, errors, newline="\n", write_through=True)
        self.mode = original.mode

    def write(self, text):
        count = super().write(text)
        self.flush()
        return count

    def writelines(self, lines):
        for line in lines:
            self.write(line)


def _replace_standard_streams(sink):
    """Returns a function that sends unfinished lines."""
    chosen = _env("PYTHONIOENCODING") if not sys.flags.ignore_environment else None
    streams = []
    for name, errors in (("stdout", "strict"), ("stderr", "backslashreplace")):
        original = getattr(sys, name)
        if original is None:  # started with the descriptor closed
            continue
        encoding = original.encoding if chosen else "utf-8"
        errors = original.errors if chosen else errors
        if isinstance(sink, _FrameSink):
            stream = _FramedStream(original, encoding, errors, sink)
            streams.append(stream)
        else:
            stream = _DirectStream(original, encoding, errors)
        setattr(sys, name, stream)

    def send_unfinished_lines():
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            if type(stream) in (_FramedStream, _DirectStream) and not stream.closed:
                stream.flush()
        for stream in streams:
            stream.send_held()

    def no_more_holding():
        for stream in streams:
            stream.hold_on_flush = False
        send_unfinished_lines()

    def after_fork_in_child():
        if streams:
            sink.lock = _thread.RLock()  # another thread of the parent may have held it
        for stream in streams:
            stream.after_fork_in_child()

    atexit.register(no_more_holding)
    posix.register_at_fork(after_in_child=after_fork_in_child)
    return send_unfinished_lines


class _Logs:
    """The log format and level asked for, and where records go."""

    def __init__(self, sink):
        self.sink = sink
        self.json = (_env("AWS_LAMBDA_LOG_FORMAT") or "").upper() == "JSON"
        level = _env("AWS_LAMBDA_LOG_LEVEL", "")
        self.level = "DEBUG" if level == "TRACE" else level.upper()
        self.request_id = None
        self.tenant_id = None

    def error(self, result):
        """Log an error result the way AWS lays it out."""
        if self.json:
            stamped = {"timestamp": time.strftime(_DATE_FORMAT, time.gmtime()), "level": "ERROR"}
            lines, frame = [_to_json({**stamped, **result})], _JSON_FRAMES[_ERROR]
        else:
            lines, frame = _error_lines(result), _TEXT_FRAMES[_ERROR]
        text = self.sink.error_separator.join(lines)
        if isinstance(self.sink, _StandardOutputSink):
            text += "\n"
        self.sink.log(text, frame)

    def context_log(self, message):
        """`context.log()`: a record of no level, past `logging` and its levels."""
        logging = sys.modules.get("logging")  # not imported: as good as configured
        handlers = logging.getLogger().handlers if logging else ()
        if logging is None or any(hasattr(handler, "log_sink") for handler in handlers):
            self.sink.log(str(message))
        else:
            sys.stdout.write(str(message))

    def configure(self, logging):
        """Set up the root logger as on Lambda. Called once, when `logging` has been imported."""
        logs = self
        logging.Formatter.converter = time.gmtime

        class LambdaLoggerHandler(logging.Handler):
            def __init__(self, log_sink):
                super().__init__()
                self.log_sink = log_sink

            def emit(self, record):
                text, frame = self.format(record), None
                if logs.json or logs.level:  # only then does AWS tell the platform the level
                    frame = getattr(record, "_frame_type", None) or _TEXT_FRAMES[_level_of(record)]
                self.log_sink.log(text, frame)

        class LambdaLoggerFilter(logging.Filter):
            def filter(self, record):
                record.aws_request_id = logs.request_id or ""
                record.tenant_id = logs.tenant_id
                return True

        handler = LambdaLoggerHandler(self.sink)
        if self.json:
            handler.setFormatter(_json_formatter(logging))
        else:
            layout = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n"
            handler.setFormatter(logging.Formatter(layout, "%Y-%m-%dT%H:%M:%S"))
        root = logging.getLogger()
        if self.level in logging._nameToLevel:
            root.setLevel(self.level)
        handler.addFilter(LambdaLoggerFilter())
        root.addHandler(handler)


def _level_of(record):
    return min(50, max(0, record.levelno)) // 10 * 10


# Attributes every record has; what is not among them was passed as `extra=`.
_RECORD_FIELDS = frozenset(
    """name msg args levelname levelno pathname filename module exc_info exc_text stack_info lineno
    funcName created msecs relativeCreated thread threadName processName process aws_request_id
    tenant_id _frame_type""".split()
)


def _json_formatter(logging):
    import json

    encode = json.JSONEncoder(ensure_ascii=False, default=str).encode

    class JsonFormatter(logging.Formatter):
        def format(self, record):
            record.levelno = _level_of(record)
            record.levelname = logging.getLevelName(record.levelno)
            record._frame_type = _JSON_FRAMES[record.levelno]
            as_is = isinstance(record.msg, dict) and not record.args
            stack = kind = message = location = None
            if record.exc_info:
                import traceback

                error_class, error, trace = record.exc_info
                stack = traceback.format_tb(trace)
                kind = None if error_class is None else error_class.__name__
                message = str(error)
                location = "%s:%s:%d" % (record.pathname, record.funcName, record.lineno)
            line = {
                "timestamp": self.formatTime(record, self.datefmt),
                "level": record.levelname,
                "message": record.msg if as_is else record.getMessage(),
                "logger": record.name,
                "stackTrace": stack,
                "errorType": kind,
                "errorMessage": message,
                "requestId": getattr(record, "aws_request_id", None),
                "location": location,
            }
            if getattr(record, "tenant_id", None) is not None:
                line["tenantId"] = record.tenant_id
            for key, value in record.__dict__.items():
                if key not in _RECORD_FIELDS and key not in line:
                    line[key] = value
            return encode({k: v for k, v in line.items() if v is not None}) + "\n"

    return JsonFormatter(datefmt=_DATE_FORMAT)


# ---------------------------------------------------------------------------------------------
# JSON, as `simplejson` does it for AWS, on the standard library's C code
# ---------------------------------------------------------------------------------------------

_JSON_SPACE = " \t\n\r"


def _escapes_non_ascii():
    """AWS leaves characters outside ASCII as they are from python3.12 on."""
    name, _, minor = _env("AWS_EXECUTION_ENV", "").rpartition(".")
    return not (name == "AWS_Lambda_python3" and minor.isdigit() and int(minor) >= 12)


_ESCAPE_NON_ASCII = _escapes_non_ascii()


class _NotJson(ValueError):
    """A text that is no JSON document; the message says where."""


class _ConstantFound(Exception):
    """NaN or an infinity: Python's parser knows them, JSON does not."""


def _constant(name):
    raise _ConstantFound


class _ScannerSettings:
    strict = True
    object_hook = object_pairs_hook = array_hook = None
    parse_float, parse_int = float, int
    parse_constant = staticmethod(_constant)


def _scanner():
    if _json is not None:
        return _json.make_scanner(_ScannerSettings)
    from json import JSONDecoder

    return JSONDecoder(parse_constant=_constant).scan_once


_scan = _scanner()


def _from_json(data):
    text = str(data, "utf-8")
    start = 0
    if text.startswith(("\ufeff", "\u00ef\u00bb\u00bf")):  # byte order mark, or one read as latin-1
        start = 1 if text[0] == "\ufeff" else 3
    while text[start : start + 1] and text[start] in _JSON_SPACE:
        start += 1
    try:
        try:
            value, end = _scan(text, start)
        except SystemError:  # the C code has no class to raise unless this was imported before
            import json.decoder  # noqa: F401

            value, end = _scan(text, start)
    except StopIteration as stop:
        raise _NotJson("Expecting value: " + _position(text, stop.value)) from None
    except _ConstantFound:
        import re

        token = re.compile(r'"(?:[^"\\]|\\.)*"|(-?Infinity|NaN)', re.DOTALL)
        found = next(m for m in token.finditer(text, start) if m.group(1))
        raise _NotJson("Expecting value: " + _position(text, found.start())) from None
    if end != len(text):
        rest = text[end:].lstrip(_JSON_SPACE)
        if rest:
            first, last = _position(text, len(text) - len(rest)), _position(text, len(text))
            (first, first_at), (last, last_at) = first.split(" (char "), last.split(" (char ")
            where = "%s - %s (char %s - %s" % (first, last, first_at[:-1], last_at)
            raise _NotJson("Extra data: " + where)
    return value


def _position(text, index):
    line = text.count("\n", 0, index) + 1
    return "line %d column %d (char %d)" % (line, index - text.rfind("\n", 0, index), index)


_LEAVES = frozenset((str, int, float, bool, type(None)))
_STRING = frozenset((str,))


def _is_plain(value):
    """Only exact str, int, float, bool, None, dict with str keys, list, tuple: then C's encoder
    writes what simplejson would. Anything else (bytes, Decimal, named tuples…) it would not."""
    pending, seen = [value], set()
    while pending:
        node = pending.pop()
        kind = type(node)
        if kind in _LEAVES:
            continue
        if kind is dict:
            if not _STRING.issuperset(map(type, node)):
                return False
            children = node.values()
        elif kind is list or kind is tuple:
            children = node
        else:
            return False
        if id(node) not in seen:  # a cycle is the encoder's to refuse
            seen.add(id(node))
            if not _LEAVES.issuperset(map(type, children)):
                pending.extend([child for child in children if type(child) not in _LEAVES])
    return True


def _to_json(value):
    if _json is None or not _is_plain(value):
        chunks = []
        _Encoder(chunks).add(value)
        return "".join(chunks)
    quote = _json.encode_basestring_ascii if _ESCAPE_NON_ASCII else _json.encode_basestring
    encode = _json.make_encoder({}, None, quote, None, ": ", ", ", False, False, True)
    return "".join(encode(value, 0))


class _Encoder:
    """simplejson's rules for the values C's encoder does not know."""

    def __init__(self, chunks):
        self._chunks = chunks
        self._open = set()  # ids of the containers being written, to find cycles
        if _json is not None:
            codec = _json
        else:
            from json import encoder as codec
        ascii_only, any_character = codec.encode_basestring_ascii, codec.encode_basestring
        self._quote = ascii_only if _ESCAPE_NON_ASCII else any_character
        self._decimal = getattr(sys.modules.get("decimal"), "Decimal", ())
        self._raw = getattr(sys.modules.get("simplejson.raw_json"), "RawJSON", ())

    def add(self, value):
        put = self._chunks.append
        if isinstance(value, str):
            put(self._quote(value))
        elif isinstance(value, bytes):
            put(self._quote(str(value, "utf-8")))
        elif self._raw and isinstance(value, self._raw):
            put(value.encoded_json)
        elif value is None:
            put("null")
        elif value is True:
            put("true")
        elif value is False:
            put("false")
        elif isinstance(value, int):
            put(int.__repr__(value))
        elif isinstance(value, float):
            put(_float_text(value))
        else:
            if id(value) in self._open:
                raise ValueError("Circular reference detected")
            self._open.add(id(value))
            self._add_container(value)
            self._open.discard(id(value))

    def _add_container(self, value):
        as_dict = getattr(value, "_asdict", None)  # named tuples, and whatever acts as one
        if callable(as_dict):
            try:
                fields = as_dict()
            except TypeError:
                fields = None  # a class, or a method that wants arguments
            if fields is not None:
                if not isinstance(fields, dict):
                    raise TypeError("_asdict() must return a dict, not %s" % type(fields).__name__)
                return self._add_dict(fields)
        if isinstance(value, dict):
            self._add_dict(value)
        elif isinstance(value, (list, tuple)):
            self._add_list(value)
        elif self._decimal and isinstance(value, self._decimal):
            self._chunks.append("NaN" if value.is_nan() else str(value))
        else:
            raise TypeError("Object of type %s is not JSON serializable" % type(value).__name__)

    def _add_list(self, items):
        separator = "["
        for item in items:
            self._chunks.append(separator)
            self.add(item)
            separator = ", "
        self._chunks.append("[]" if separator == "[" else "]")

    def _add_dict(self, mapping):
        separator = "{"
        for key, item in mapping.items():
            self._chunks.append(separator + self._quote(_key_text(key)) + ": ")
            self.add(item)
            separator = ", "
        self._chunks.append("{}" if separator == "{" else "}")


def _float_text(value):
    if value != value:
        return "NaN"
    text = float.__repr__(value)
    return {"inf": "Infinity", "-inf": "-Infinity"}.get(text, text)


def _key_text(key):
    if isinstance(key, str):
        return key
    if isinstance(key, bytes):
        return str(key, "utf-8")
    if isinstance(key, float):
        return _float_text(key)
    if key is True or key is False or key is None:
        return {True: "true", False: "false", None: "null"}[key]
    if isinstance(key, int):
        return int.__repr__(key)
    raise TypeError("keys must be str, int, float, bool or None, not %s" % type(key).__name__)


# ---------------------------------------------------------------------------------------------
# Runtime API client (runtime-api.md 1): HTTP/1.1 on one kept connection
# ---------------------------------------------------------------------------------------------

_API = "/2018-06-01/runtime/"
_USER_AGENT = "lambdabox-python/%d.%d.%d" % sys.version_info[:3]
_READ_BYTES = 64 * 1024
_GONE = 410  # the invocation was already settled by timeout: nothing more is owed for it
# AWS's client leaves the X-Ray cause out when it is larger than this.
_XRAY_HEADER_LIMIT_BYTES = 1024 * 1024


class RuntimeApiError(Exception):
    """The host could not be reached, or refused: this process cannot go on."""


class _RuntimeApi:
    def __init__(self, address):
        host, _, port = address.rpartition(":")
        if host.startswith("["):
            self._family, host = _socket.AF_INET6, host[1:-1]
        else:
            self._family = _socket.AF_INET
        self._target = (host, int(port or 80))
        self._fixed = "\r\nHost: %s\r\nUser-Agent: %s\r\n" % (address, _USER_AGENT)
        self._socket = None
        self._unread = b""

    def wait(self):
        """Block until the host serves: it does so once the sandbox's network is laid."""
        self._call("GET", "ping", "", None, "/2018-06-01/")

    def next(self):
        """Block until there is an event; (headers by lower-case name, body)."""
        status, headers, body = self._call("GET", "invocation/next", "", None)
        if status != 200:
            raise RuntimeApiError("Failed to get next invocation. Http response code: %d" % status)
        return headers, body

    def respond(self, request_id, invocation_id, body, content_type):
        headers = _header("Content-Type", content_type) + _echo(invocation_id)
        self._post("invocation/%s/response" % request_id, headers, body, "success response")

    def fail(self, request_id, invocation_id, body, xray_cause):
        headers = _header("Content-Type", "application/json") + _echo(invocation_id)
        if len(xray_cause) < _XRAY_HEADER_LIMIT_BYTES:
            headers += _header("Lambda-Runtime-Function-XRay-Error-Cause", xray_cause)
        self._post("invocation/%s/error" % request_id, headers, body, "error response")

    def fail_init(self, body, error_type):
        headers = _header("Content-Type", "application/json")
        headers += _header("Lambda-Runtime-Function-Error-Type", error_type)
        self._post("init/error", headers, body, "init error")

    def restore_next(self):
        """Block while the snapshot is taken and until it is restored."""
        status, _, _ = self._call("GET", "restore/next", "", None)
        if status != 200:
            raise RuntimeApiError("Failed to get restore/next. Http response code: %d" % status)

    def fail_restore(self, body, error_type):
        headers = _header("Content-Type", "application/json")
        headers += _header("Lambda-Runtime-Function-Error-Type", error_type)
        self._post("restore/error", headers, body, "restore error")

    def _post(self, path, headers, body, what):
        status, _, answer = self._call("POST", path, headers, body)
        if not 200 <= status < 300 and status != _GONE:
            text = "LAMBDA_RUNTIME Failed to post handler %s. Http response code: %d. %s"
            raise RuntimeApiError(text % (what, status, str(answer, "utf-8", "replace").strip()))

    def _call(self, method, path, headers, body, root=_API):
        head = "%s %s%s HTTP/1.1%s%s" % (method, root, path, self._fixed, headers)
        if body is not None:
            head += "Content-Length: %d\r\n" % len(body)
        head = (head + "\r\n").encode("utf-8", "surrogateescape")
        kept = self._socket is not None
        try:
            if not kept:
                self._connect()
            try:
                status, answered = self._exchange(head, body)
            except OSError:
                # The host closed a connection that was lying idle: once more on a new one.
                if not kept:
                    raise
                self._connect()
                status, answered = self._exchange(head, body)
            content = self._read_body(status, answered)
        except OSError as error:
            raise RuntimeApiError("%s %s%s: %s" % (method, root, path, error)) from error
        if "close" in answered.get("connection", "").lower():
            self._disconnect()
        return status, answered, content

    def _connect(self):
        self._disconnect()
        self._socket = _socket.socket(self._family, _socket.SOCK_STREAM)
        self._socket.connect(self._target)
        self._socket.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)

    def _disconnect(self):
        if self._socket is not None:
            self._socket.close()
        self._socket, self._unread = None, b""

    def _exchange(self, head, body):
        refused = None
        try:
            if body is None or len(body) < _READ_BYTES:
                self._socket.sendall(head + (body or b""))
            else:
                self._socket.sendall(head)
                self._socket.sendall(body)
        except OSError as error:
            refused = error  # a host may answer, say 413, without reading all of the body
        try:
            return self._read_head()
        except OSError:
            if refused is not None:
                raise refused
            raise

    def _receive(self):
        data = self._socket.recv(_READ_BYTES)
        if not data:
            raise ConnectionResetError("connection closed by the host")
        return data

    def _read_until(self, mark):
        """What comes before `mark`; what comes after it stays unread."""
        buffer = self._unread
        while mark not in buffer:
            buffer += self._receive()
        found, _, self._unread = buffer.partition(mark)
        return found

    def _read_head(self):
        status = 100
        while 100 <= status < 200:  # informational answers come before the real one
            lines = str(self._read_until(b"\r\n\r\n"), "utf-8", "surrogateescape").split("\r\n")
            status = int(lines[0].split(None, 2)[1])
        headers = {}
        if lines[0].startswith("HTTP/1.0"):
            headers["connection"] = "close"
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        return status, headers

    def _read_body(self, status, headers):
        if "chunked" in headers.get("transfer-encoding", "").lower():
            return self._read_chunks()
        if "content-length" in headers:
            return self._read_exactly(int(headers["content-length"]))
        if status in (204, 304):
            return b""
        headers["connection"] = "close"  # neither length nor chunks: the body ends with it
        parts = [self._unread]
        while parts[-1] or len(parts) == 1:
            parts.append(self._socket.recv(_READ_BYTES))
        return b"".join(parts)

    def _read_exactly(self, count):
        if len(self._unread) >= count:
            body, self._unread = self._unread[:count], self._unread[count:]
            return body
        body = bytearray(count)
        got = len(self._unread)
        body[:got], self._unread = self._unread, b""
        view = memoryview(body)
        while got < count:
            more = self._socket.recv_into(view[got:])
            if not more:
                raise ConnectionResetError("connection closed inside a body")
            got += more
        return body

    def _read_chunks(self):
        body = bytearray()
        while True:
            size = int(self._read_until(b"\r\n").split(b";")[0], 16)
            if size == 0:
                break
            body += self._read_exactly(size)
            self._read_until(b"\r\n")
        while self._read_until(b"\r\n"):
            pass  # trailers
        return body


def _header(name, value):
    return "%s: %s\r\n" % (name, value.replace("\r", " ").replace("\n", " "))


def _echo(invocation_id):
    """The attempt's id goes back as it came (runtime-api.md 1.3)."""
    if invocation_id is None:
        return ""
    return _header("Lambda-Runtime-Invocation-Id", invocation_id)


# ---------------------------------------------------------------------------------------------
# The context object
# ---------------------------------------------------------------------------------------------


class _Fields:
    """An object of fixed attributes, filled from a dictionary; what is missing is None."""

    __slots__ = ()

    @classmethod
    def of(cls, values):
        if values is None:
            return None
        made = cls()
        for name in cls.__slots__:
            setattr(made, name, values.get(name))
        return made

    def __repr__(self):
        shown = ",".join("%s=%s" % (name, getattr(self, name)) for name in self.__slots__)
        return "%s([%s])" % (type(self).__name__, shown)


class CognitoIdentity(_Fields):
    __slots__ = ["cognito_identity_id", "cognito_identity_pool_id"]


class Client(_Fields):
    __slots__ = [
        "installation_id",
        "app_title",
        "app_version_name",
        "app_version_code",
        "app_package_name",
    ]


class ClientContext(_Fields):
    __slots__ = ["custom", "env", "client"]


# The trace-context fields a caller may hand over inside the client context.
_W3C_FIELDS = ("traceparent", "tracestate", "baggage")


class LambdaContext:
    def __init__(self, headers, client_context, cognito_identity, logs):
        self.aws_request_id = headers.get("lambda-runtime-aws-request-id")
        self.log_group_name = _env("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = _env("AWS_LAMBDA_LOG_STREAM_NAME")
        self.function_name = _env("AWS_LAMBDA_FUNCTION_NAME")
        self.memory_limit_in_mb = _env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.function_version = _env("AWS_LAMBDA_FUNCTION_VERSION")
        self.invoked_function_arn = headers.get("lambda-runtime-invoked-function-arn")
        self.tenant_id = headers.get("lambda-runtime-aws-tenant-id") or None
        self._w3c = self._take_w3c(client_context)
        self.client_context = ClientContext.of(client_context)
        if self.client_context is not None:
            self.client_context.client = Client.of(self.client_context.client)
        identity = cognito_identity or {}
        self.identity = CognitoIdentity()
        self.identity.cognito_identity_id = identity.get("cognitoIdentityId")
        self.identity.cognito_identity_pool_id = identity.get("cognitoIdentityPoolId")
        self._epoch_deadline_time_in_ms = int(headers["lambda-runtime-deadline-ms"])
        self._logs = logs

    @staticmethod
    def _take_w3c(client_context):
        if not isinstance(client_context, dict):
            return {}
        given = client_context.pop("w3c", None)
        if not isinstance(given, dict):
            return {}
        return {name: given[name] for name in _W3C_FIELDS if isinstance(given.get(name), str)}

    def get_remaining_time_in_millis(self):
        return max(0, self._epoch_deadline_time_in_ms - int(time.time() * 1000))

    def log(self, msg):
        self._logs.context_log(msg)

    def w3c(self):
        """The W3C trace context the caller passed."""
        return dict(self._w3c)

    def __repr__(self):
        names = (
            "aws_request_id log_group_name log_stream_name function_name memory_limit_in_mb"
            " function_version invoked_function_arn client_context identity tenant_id"
        ).split()
        shown = ",".join("%s=%s" % (name, getattr(self, name)) for name in names)
        return "%s([%s])" % (type(self).__name__, shown)


# ---------------------------------------------------------------------------------------------
# Errors, in AWS's shapes (runtime-api.md 5.3)
# ---------------------------------------------------------------------------------------------


class _Fault(Exception):
    """An error of the runtime's own naming: `Runtime.…`."""

    def __init__(self, kind, message, trace=None, missing_module=None):
        super().__init__(message)
        self.kind = "Runtime." + kind
        self.message = message
        self.trace = trace
        self.missing_module = missing_module


def _error_result(message, kind, trace, request_id):
    return {
        "errorMessage": message or "",
        "errorType": kind or "",
        "requestId": request_id or "",
        "stackTrace": trace or [],
    }


def _frames_of(error):
    """(file, line, function, source) from the customer's first frame on; the loop's own, which
    come first, are left out."""
    import traceback

    found = traceback.extract_tb(error.__traceback__)
    frames = [(frame.filename, frame.lineno, frame.name, frame.line) for frame in found]
    for index, frame in enumerate(frames):
        if "/bootstrap.py" not in frame[0]:
            frames = frames[index:]
            break
    return frames, traceback.format_list(frames)


def _describe(error, request_id):
    """(error result, X-Ray cause) of an exception."""
    if isinstance(error, _Fault):
        result = _error_result(error.message, error.kind, error.trace, request_id)
        return result, _xray_cause("LambdaValidationError", error.message, [])
    frames, trace = _frames_of(error)
    kind, message = type(error).__name__, str(error)
    return _error_result(message, kind, trace, request_id), _xray_cause(kind, message, frames)


def _xray_cause(kind, message, frames):
    stack = [{"label": name, "path": file, "line": line} for file, line, name, _ in frames]
    return {
        "working_directory": posix.getcwd(),
        "exceptions": [{"message": message, "type": kind, "stack": stack}],
        "paths": list({frame[0] for frame in frames}),
    }


def _error_lines(result):
    kind, message = result["errorType"], result["errorMessage"]
    first = "[ERROR]"
    if kind:
        first += " " + kind
    if message:
        first += (": " if kind else " ") + message
    lines = [first, "Traceback (most recent call last):"]
    for entry in result["stackTrace"]:
        for line in entry.splitlines() or [""]:
            bare = line.lstrip(" ")
            lines.append(_NO_BREAK_SPACE * (len(line) - len(bare)) + bare)
    return lines


# ---------------------------------------------------------------------------------------------
# The handler
# ---------------------------------------------------------------------------------------------


def _import_module(name):
    if name.startswith("."):
        import importlib  # for its own message about relative names

        return importlib.import_module(name)
    return importlib_core._gcd_import(name)


def _load_handler(handler):
    module_name, dot, function_name = handler.rpartition(".")
    if not dot:
        reason = "not enough values to unpack (expected 2, got 1)"
        raise _Fault("MalformedHandlerName", "Bad handler '%s': %s" % (handler, reason))
    if module_name.split(".")[0] in sys.builtin_module_names:
        text = "Cannot use built-in module %s as a handler module" % module_name
        raise _Fault("BuiltInModuleConflict", text)
    try:
        module = _import_module(module_name.replace("/", "."))
    except ImportError as error:
        text = "Unable to import module '%s': %s" % (module_name, error)
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        raise _Fault("ImportModuleError", text, missing_module=missing)
    except SyntaxError as error:
        text = "Syntax error in module '%s': %s" % (module_name, error)
        trace = '  File "%s" Line %s\n    %s' % (error.filename, error.lineno, error.text)
        raise _Fault("UserCodeSyntaxError", text, [trace])
    try:
        return getattr(module, function_name)
    except AttributeError:
        text = "Handler '%s' missing on module '%s'" % (function_name, module_name)
        raise _Fault("HandlerNotFound", text)


# Packages whose name at the package index is not the name they are imported by.
_PACKAGE_OF = {
    "Crypto": "pycryptodome",
    "PIL": "pillow",
    "attr": "attrs",
    "aws_lambda_powertools": "aws-lambda-powertools",
    "aws_xray_sdk": "aws-xray-sdk",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "dotenv": "python-dotenv",
    "jose": "python-jose",
    "jwt": "pyjwt",
    "psycopg2": "psycopg2-binary",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}


def _pip_hint(template, missing, handler):
    """One line that names the command which would add the missing module, or None."""
    if not template or not missing:
        return None
    module = missing.split(".")[0]
    own = handler.rpartition(".")[0].replace("/", ".").split(".")[0]
    standard = getattr(sys, "stdlib_module_names", ())
    if module == own or module in sys.modules or module in standard or module.startswith("_"):
        return None  # not a package that pip could add
    command = template.replace("{module}", _PACKAGE_OF.get(module, module))
    text = "lambdabox: %s is in neither the package nor a layer; add it with: %s\n"
    return text % (module, command)


# ---------------------------------------------------------------------------------------------
# The loop
# ---------------------------------------------------------------------------------------------


def _header_json(text, name):
    if not text:
        return None
    try:
        return _from_json(text.encode("utf-8", "surrogateescape"))
    except Exception:
        import json  # its word is the last: it takes NaN, and its messages are AWS's here

        try:
            return json.loads(text)
        except Exception as error:
            text = "Unable to parse %s JSON: %s" % (name, error)
            raise _Fault("LambdaContextUnmarshalError", text)


def _event_of(body, content_type):
    if content_type != "application/json":
        return bytes(body)
    try:
        return _from_json(body)
    except Exception as error:
        raise _Fault("UnmarshalError", "Unable to unmarshal input: %s" % error)


def _answer_of(response):
    if isinstance(response, bytes):
        return response, "application/unknown"
    try:
        return _to_json(response), "application/json"
    except Exception as error:
        raise _Fault("MarshalError", "Unable to marshal response: %s" % error)


def _serve_one(api, handler, logs, send_unfinished_lines):
    headers, body = api.next()
    request_id = headers.get("lambda-runtime-aws-request-id")
    invocation_id = headers.get("lambda-runtime-invocation-id")
    logs.request_id = request_id
    logs.tenant_id = headers.get("lambda-runtime-aws-tenant-id") or None
    if headers.get("lambda-runtime-trace-id"):
        _set_env("_X_AMZN_TRACE_ID", headers["lambda-runtime-trace-id"])
    else:
        _take_env("_X_AMZN_TRACE_ID")

    failure = None
    try:
        client = _header_json(headers.get("lambda-runtime-client-context"), "Client Context")
        identity = _header_json(headers.get("lambda-runtime-cognito-identity"), "Cognito Identity")
        context = LambdaContext(headers, client, identity, logs)
        event = _event_of(body, headers.get("content-type"))
        del body
        answer, content_type = _answer_of(handler(event, context))
    except Exception as error:  # SystemExit and its like end the process, as on AWS
        failure = _describe(error, request_id)

    if failure is not None:
        result, cause = failure
        logs.error(result)
        send_unfinished_lines()
        cause = _utf8(_to_json(cause)).decode("utf-8")
        api.fail(request_id, invocation_id, _utf8(_to_json(result)), cause)
    else:
        send_unfinished_lines()
        data = answer if isinstance(answer, bytes) else _utf8(answer)
        api.respond(request_id, invocation_id, data, content_type)


def _be_a_snapshot(api, logs, send_unfinished_lines):
    """Run the hooks before and after `restore/next`; what they raise ends the process, as on AWS."""
    hooks = sys.modules.get("snapshot_restore_py")  # nobody registers any without importing it
    before = hooks.get_before_snapshot() if hooks else []
    try:
        while before:
            function, args, kwargs = before.pop()
            function(*args, **kwargs)
        send_unfinished_lines()
        api.restore_next()
    except BaseException as error:
        result, _ = _describe(error, None)
        logs.error(result)
        send_unfinished_lines()
        api.fail_init(_utf8(_to_json(result)), "Runtime.BeforeSnapshotError")
        sys.exit(64)
    try:
        for function, args, kwargs in hooks.get_after_restore() if hooks else []:
            function(*args, **kwargs)
        send_unfinished_lines()
    except BaseException as error:
        result, _ = _describe(error, None)
        logs.error(result)
        send_unfinished_lines()
        api.fail_restore(_utf8(_to_json(result)), "Runtime.AfterRestoreError")
        sys.exit(65)


def _fork_workers(count):
    """Returns in `count` processes, each of which loads the handler and serves one event at a time.

    As with AWS's client: they share nothing that the handler makes, and this process only waits for
    them. One that ends is not replaced; the rest serve on.
    """
    workers = []
    for _ in range(count):
        pid = posix.fork()
        if pid == 0:
            for stream in (sys.stdout, sys.stderr):
                if isinstance(stream, _FramedStream):
                    stream.hold_on_flush = True  # no child of the handler's
            return
        workers.append(pid)
    for pid in workers:
        posix.waitpid(pid, 0)
    sys.exit(0)


def main():
    log_fd = _take_env("_LAMBDA_TELEMETRY_LOG_FD")
    pip_hint = _take_env("_LAMBDABOX_PIP_HINT")
    extra = [e for e in (_take_env("_LAMBDABOX_SEARCH_PATH") or "").split(":") if e]
    extra += sys.argv[1:]
    # The interpreter was started while the network was still being laid (see the host's pool).
    must_wait = _take_env("_LAMBDABOX_WAIT")
    _undo_locale_coercion()
    task_root = _env("LAMBDA_TASK_ROOT", "/var/task")
    runtime_dir = _env("LAMBDA_RUNTIME_DIR", "/var/runtime")

    workers = int(_env("AWS_LAMBDA_MAX_CONCURRENCY", "0"))
    if log_fd:
        sink = _FrameSink(int(log_fd))
    else:
        sink = _LineSink() if workers > 0 else _StandardOutputSink()
    logs = _Logs(sink)
    send_unfinished_lines = _replace_standard_streams(logs.sink)
    loaded = sys.modules.get("logging")  # by `site`, of an interpreter started without -S
    if loaded is not None:
        logs.configure(loaded)
    _set_search_path(task_root, runtime_dir, extra, None if loaded else logs.configure)
    _add_site_builtins()
    # Run from a cached .pyc or not, the process looks the same from inside.
    sys.argv[:] = [runtime_dir + "/bootstrap.py"]
    sys.modules["__main__"].__file__ = sys.argv[0]

    api = _RuntimeApi(_env("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001"))
    name = _env("_HANDLER", "")
    if must_wait:
        api.wait()
    if workers > 0:
        _fork_workers(workers)
        api = _RuntimeApi(_env("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001"))
    try:
        handler = _load_handler(name)
    except Exception as error:
        result, _ = _describe(error, None)
        logs.error(result)
        hint = _pip_hint(pip_hint, getattr(error, "missing_module", None), name)
        if hint:
            logs.sink.log(hint)
        send_unfinished_lines()
        api.fail_init(_utf8(_to_json(result)), result["errorType"])
        sys.exit(1)

    # Init is over here.
    send_unfinished_lines()
    if _env("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start":
        _be_a_snapshot(api, logs, send_unfinished_lines)
    while True:
        _serve_one(api, handler, logs, send_unfinished_lines)


if __name__ == "__main__":
    main()
