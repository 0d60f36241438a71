"""Ordered output: prints, streams and records, as frames of the log. Only our loop promises it."""

import unittest

from cases import PLAIN, OursCase, for_our_loop
from harness import event

LINE_LIMIT_BYTES = 256 * 1024 - 26


class Output(OursCase):
    def test_prints_errors_and_records_keep_their_order_and_are_one_frame_a_line(self):
        app = """
            import logging, sys
            print('init')
            def handler(event, context):
                print('one'); print('two', file=sys.stderr)
                logging.warning('three\\nstill three')
                print('four\\nfive'); context.log('six'); print()
                print('seven', 'é', sep='\\t', end='\\r\\n'); sys.stdout.writelines(['a\\nb', 'c\\n'])
            """
        seen = self.run_app(app)
        records = seen.records()
        self.assertRegex(records.pop(3), r"\tthree\nstill three\n$")
        self.assertEqual(
            records,
            ["init\n", "one\n", "two\n", "four\n", "five\n", "six", "\n", "seven\té\r\n"]
            + ["a\n", "bc\n"],
        )
        self.assertEqual((seen.output, {kind for kind, _ in seen.frames}), (b"", {PLAIN}))

    def test_an_unfinished_line_waits_for_its_end_or_the_end_of_the_invocation(self):
        app = """
            import sys
            print('unfinished init', end='')
            def handler(event, context):
                print('a', end='', flush=True); print('E', end='', file=sys.stderr)
                print('b'); print('rest', end='')
            """
        seen = self.run_app(app, event(), event())
        once = ["ab\n", "rest", "E"]
        self.assertEqual(seen.records(), ["unfinished init"] + once + once)

    def test_lines_of_workers_are_whole_however_many_print_at_once_and_however_long(self):
        app = """
            import os, sys
            def handler(event, context):
                me = str(os.getpid())
                for n in range(200):
                    out = sys.stderr if n % 2 else sys.stdout
                    print(me, end=' ', flush=True, file=out)
                    print('x' * (30000 if n % 10 == 0 else 3), end='', file=out)
                    print('', me, file=out)
                sys.stdout.write('unfinished ' + me)
            """
        how = {"env": {"AWS_LAMBDA_MAX_CONCURRENCY": "4"}, "log_fd": False, "workers": 4}
        seen = self.run_app(app, *[event() for _ in range(8)], **how)
        self.assertEqual([post.kind for post in seen.posts], ["response"] * 8, seen.logged())
        lines = seen.text.splitlines()
        workers = [line.split()[1] for line in lines if line.startswith("unfinished ")]
        for worker in set(workers):
            times = workers.count(worker)
            short, long = "%s xxx %s" % (worker, worker), "%s %s %s" % (worker, "x" * 30000, worker)
            self.assertEqual((lines.count(short), lines.count(long)), (times * 180, times * 20))
        self.assertEqual((len(workers), len(lines)), (8, 8 * 201))

    def test_an_unfinished_line_is_sent_when_the_process_ends(self):
        for end in ("sys.exit(0)", "raise KeyboardInterrupt", "exit()"):
            app = """
                import sys
                def handler(event, context):
                    print('last words', end='')
                    %s
                """
            self.assertIn("last words", self.run_app(app % end).records())

    def test_what_atexit_handlers_print_is_sent(self):
        app = """
            import atexit, sys
            atexit.register(lambda: print('bye', end=''))
            def handler(event, context): sys.exit(0)
            """
        self.assertEqual(self.run_app(app).records(), ["bye"])

    def test_an_exception_that_ends_the_process_is_on_the_log(self):
        app = "def handler(event, context): raise GeneratorExit('over')"
        seen = self.run_app(app)
        self.assertEqual((seen.posts, seen.status), ([], 1))
        self.assertIn("GeneratorExit: over\n", seen.records()[-1])
        self.assertEqual(seen.records()[0], "Traceback (most recent call last):\n")

    def test_one_printed_record_stays_whole_up_to_the_limit_and_is_cut_beyond(self):
        app = """
            import sys
            def handler(event, context):
                print('x' * 200000)
                print('€' * %d)
                sys.stdout.write('y' * %d + '\\nz\\n')
            """ % (LINE_LIMIT_BYTES, 3 * LINE_LIMIT_BYTES)
        seen = self.run_app(app)
        records = [message for _, message in seen.frames]
        self.assertEqual(records[0], b"x" * 200000 + b"\n")
        self.assertTrue(all(len(record) <= LINE_LIMIT_BYTES for record in records))
        self.assertTrue(all(record.decode() for record in records), "no character is cut")
        self.assertEqual(
            b"".join(records[1:]),
            ("€" * LINE_LIMIT_BYTES).encode() + b"y" * (3 * LINE_LIMIT_BYTES) + b"\nz\n",
        )

    def test_the_streams_do_what_streams_do(self):
        app = """
            import io, sys
            def handler(event, context):
                out = sys.stdout
                try:
                    out.write(b'bytes')
                except TypeError as error:
                    refused = str(error)
                n = out.write('four\\n')
                out.reconfigure(line_buffering=True)
                out.flush(); sys.stderr.flush()
                return [refused, n, out.fileno(), sys.stderr.fileno(), out.isatty(), out.encoding,
                        out.name, out.mode, out.writable(), out.readable(), out.closed, out.newlines,
                        isinstance(out, io.TextIOWrapper), out.buffer.fileno(), out is sys.__stdout__]
            """
        self.assertEqual(
            self.answer(app),
            ["write() argument must be str, not bytes", 5, 1, 2, False, "utf-8", "<stdout>", "w"]
            + [True, False, False, None, True, 1, False],
        )

    def test_bytes_and_descriptors_go_raw(self):
        app = """
            import os, subprocess, sys
            def handler(event, context):
                sys.stdout.buffer.write(b'\\x00buffer\\n'); print('text')
                os.write(2, b'descriptor\\n'); subprocess.run(['echo', 'child'])
                sys.stderr.buffer.write(b'unflushed')
            """
        seen = self.run_app(app)
        self.assertEqual(seen.output, b"\x00buffer\ndescriptor\nchild\nunflushed")
        self.assertEqual(seen.records(), ["text\n"])

    def test_streams_may_be_replaced_closed_or_taken_apart(self):
        for act in (
            "import io; sys.stdout = io.TextIOWrapper(sys.stdout.detach(), 'utf-8', line_buffering=True)",
            "import io; sys.stdout = io.StringIO()",
            "sys.stdout.close()",
            "sys.stdout = None",
            "sys.stdout = open('/dev/null', 'w')",
        ):
            app = "import sys\ndef handler(event, context):\n    %s\n    return sys.exit(0) if event else 1"
            seen = self.run_app(app % act, event(0))
            self.assertEqual([p.body for p in seen.posts], [b"1"], (act, seen.logged()))
            seen = self.run_app(app % act, event(1))
            self.assertEqual((seen.status, seen.logged()), (0, ""), act)

    def test_threads_do_not_tear_each_others_lines(self):
        app = """
            import sys, threading
            def work(n):
                for i in range(200):
                    print('%d-%d-' % (n, i) + 'x' * 5000)
            def handler(event, context):
                threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
                for thread in threads: thread.start()
                for thread in threads: thread.join()
            """
        seen = self.run_app(app)
        text = "".join(seen.records())
        self.assertEqual(text.count("x" * 5000), 800)
        self.assertEqual(text.count("\n"), 800)

    def test_a_forked_child_repeats_nothing_and_loses_nothing(self):
        app = """
            import os, sys
            def handler(event, context):
                print('held by the parent', end='')
                pid = os.fork()
                if pid == 0:
                    print('child line'); print('child part', end='', flush=True)
                    os._exit(0)
                os.waitpid(pid, 0)
                print(' to the end')
            """
        seen = self.run_app(app)
        self.assertEqual(
            seen.records(), ["child line\n", "child part", "held by the parent to the end\n"]
        )

    def test_children_do_not_inherit_the_log_descriptor(self):
        app = """
            import os, subprocess
            def handler(event, context):
                found = subprocess.run(['ls', '/proc/self/fd'], stdout=-1, close_fds=False).stdout
                return len(found.split())
            """
        self.assertEqual(self.answer(app), 4, "0, 1, 2 and the listing's own")

    def test_logging_is_set_up_however_it_is_imported(self):
        for how in (
            "import logging",
            "import importlib; logging = importlib.import_module('logging')",
            "import logging.handlers; logging = sys.modules['logging']",
            "import asyncio; logging = sys.modules['logging']",
            "import threading; t = threading.Thread(target=__import__, args=('logging',));"
            " t.start(); t.join(); logging = sys.modules['logging']",
            "__import__('logging'); logging = sys.modules['logging']",
        ):
            app = """
                import sys
                def handler(event, context):
                    %s
                    logging.warning('x')
                    return [len(logging.getLogger().handlers), logging.__spec__.loader is
                            logging.__loader__, 'exec_module' in vars(logging.__loader__)]
                """
            seen = self.run_app(app % how)
            self.assertEqual(seen.posts[0].json, [1, True, False], how)
            self.assertRegex(seen.records()[0], r"^\[WARNING\]\t[^\t]+Z\t[^\t]{36}\tx\n$")

    def test_basic_config_changes_nothing_as_on_aws(self):
        app = """
            import logging
            logging.basicConfig(level=logging.DEBUG, format='mine')
            def handler(event, context): logging.info('quiet'); logging.error('loud')
            """
        records = self.run_app(app).records()
        self.assertEqual(len(records), 1)
        self.assertRegex(records[0], r"^\[ERROR\]\t.*\tloud\n$")

    def test_context_log_without_logging_is_one_record(self):
        app = "def handler(event, context): context.log('a\\nb'); context.log(5)"
        self.assertEqual(self.run_app(app).records(), ["a\nb", "5"])

    def test_a_lone_surrogate_in_an_error_does_not_end_the_process(self):
        app = "def handler(event, context): raise ValueError('\\udc80')"
        seen = self.run_app(app, event(), event())
        self.assertEqual([p.json["errorMessage"] for p in seen.posts], ["\udc80"] * 2)


globals().update(for_our_loop(Output))
del Output

if __name__ == "__main__":
    unittest.main()
