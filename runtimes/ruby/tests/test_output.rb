# frozen_string_literal: true

# What the function prints and logs, framed and not.

require_relative 'harness'

class OutputTest < LoopTest
  def records(code, **how)
    seen = run_app("def handler(event:, context:)\n#{code}\nnil\nend", **how)
    assert_equal ['response'], seen.posts.map(&:kind), seen.logged
    seen.records
  end

  def test_puts_is_one_record_whatever_newlines_it_has
    assert_equal ["a\nb\n", "1\n2\n", "\n", "\n"], records('puts "a\nb"; puts [1, [2]]; puts; puts nil')
  end

  def test_other_ways_to_print_are_a_record_a_line_in_order
    code = '$stdout.puts "a"; warn "b"; print "c"; print "d\ne"; p :f; $stderr.puts "g\nh"; printf("%d\n", 1); puts "i"; pp({a: 1})'
    assert_equal ["a\n", "b\n", "cd\n", "e:f\n", "g\n", "h\n", "1\n", "i\n", "{:a=>1}\n"].map { |l| l.tr('{}=>: a1', '') },
                 records(code).map { |l| l.tr('{}=>: a1', '') }
  end

  def test_an_unfinished_line_is_sent_before_the_answer
    assert_equal ['half'], records('print "half"')
  end

  def test_a_line_longer_than_a_record_is_cut_between_characters
    sent = records('$stdout.puts "é" * 200_000')
    assert_equal 2, sent.size
    assert(sent.all?(&:valid_encoding?))
    assert_equal "#{'é' * 200_000}\n", sent.join
  end

  def test_the_descriptors_themselves_are_left_alone
    seen = run_app('def handler(event:, context:) = (system("echo from a child"); STDOUT.syswrite("raw\n"); 1)')
    assert_equal "from a child\nraw\n", seen.output
  end

  def test_a_reopened_stream_goes_where_it_was_sent
    assert_equal ['x'], answer('def handler(event:, context:) = ($stdout.reopen("/dev/null"); $stdout.puts "x"; ["x"])')
  end

  def test_a_forked_child_prints_its_own_lines_only
    code = 'print "parent "; pid = fork { print "child"; exit 0 }; Process.wait(pid); print "goes on"'
    assert_equal ['child', 'parent goes on'], records(code)
  end

  def test_a_trap_handler_may_print
    assert_equal ["in trap\n"], records('Signal.trap("USR1") { puts "in trap" }; Process.kill("USR1", Process.pid); sleep 0.05')
  end

  def test_threads_do_not_tear_records
    sent = records('8.times.map { |i| Thread.new { 50.times { $stdout.puts i.to_s * 10_000 } } }.each(&:join)')
    assert_equal 400, sent.size
    assert(sent.all? { |line| line == "#{line[0] * 10_000}\n" })
  end

  LOGGED = /\AI, \[\d{4}-\d\d-\d\dT[\d:]{8}\.\d{6} #\d+\]  INFO (\S+) -- : hello\n\z/.freeze

  def test_a_logger_of_standard_output_has_awss_layout
    given = event
    app = 'L = Logger.new($stdout); def handler(event:, context:) = L.info("hello")'
    seen = run_app(app, given)
    assert_equal given[:headers]['Lambda-Runtime-Aws-Request-Id'], seen.records[0][LOGGED, 1]
    assert_equal [TEXT], seen.frames.map(&:first)
    ['STDERR', 'nil', '$stderr', 'STDOUT, progname: nil, level: :debug'].each do |device|
      assert_match(LOGGED, records("Logger.new(#{device}).info('hello')")[0], device)
    end
  end

  def test_a_logger_keeps_what_it_was_given
    assert_equal ['INFO hello'], records('Logger.new($stdout, formatter: ->(s, _, _, m) { "#{s} #{m}" }).info("hello")')
    assert_match(/\AI, \[12:/, records('Logger.new($stdout, datetime_format: "12:").info("hello")')[0])
    assert_equal ["W\n"], records('l = Logger.new($stdout, level: Logger::WARN); l.info("no"); l.formatter = ->(s, *) { "#{s[0]}\n" }; l.warn("yes")')
    code = 'io = StringIO.new; Logger.new(io).debug("in"); puts io.string[/DEBUG.*/]'
    assert_equal ["DEBUG -- : in\n"], records(code)
  end

  def test_a_logger_writes_json_where_that_is_asked_for
    json = { 'AWS_LAMBDA_LOG_FORMAT' => 'JSON', 'AWS_LAMBDA_LOG_LEVEL' => 'INFO' }
    seen = run_app('def handler(event:, context:) = (l = Logger.new($stdout, progname: "me"); l.debug("no"); l.info("yes"); l.error(KeyError.new("bad")); 1)', env: json)
    assert_equal [JSON_INFO, JSON_ERROR], seen.frames.map(&:first)
    info, error = seen.records.map { |record| JSON.parse(record) }
    assert_equal(%w[INFO yes me], info.values_at('level', 'message', 'logger'))
    assert_match(/\A\d{4}-\d\d-\d\dT[\d:]{8}\.\d{6}Z\z/, info['timestamp'])
    assert_equal(['KeyError', 'bad', 'bad', []], error.values_at('errorType', 'errorMessage', 'message', 'stackTrace'))
    raised = records('begin; raise "x"; rescue => e; Logger.new($stdout).error(e); end', env: json)[0]
    assert_match(%r{/app\.rb:\S*handler:2\z}, JSON.parse(raised)['location'])
  end

  def test_levels_are_heeded
    { 'TRACE' => %w[debug info], 'error' => [], 'nonsense' => %w[debug info] }.each do |level, expected|
      code = 'l = Logger.new($stdout); l.debug("debug"); l.info("info")'
      assert_equal expected, records(code, env: { 'AWS_LAMBDA_LOG_LEVEL' => level }).map { |line| line[/\w+$/] }, level
    end
  end

  def test_without_a_log_descriptor_all_goes_to_standard_output
    seen = run_app('def handler(event:, context:) = (puts "a"; Logger.new($stdout).info("hello"); 1)', log_fd: false)
    assert_empty seen.frames
    assert_match(/\Aa\nI, .*hello\n\z/, seen.output)
  end

  def test_the_platforms_sink_has_awss_name
    assert_equal ['x'], records('AwsLambdaRIC::TelemetryLogger.telemetry_log_sink.write("x")')
  end
end
