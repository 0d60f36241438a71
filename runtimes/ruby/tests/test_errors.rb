# frozen_string_literal: true

# Errors of the handler and of init, and how the process ends.

require_relative 'harness'

class ErrorsTest < LoopTest
  def test_an_error_becomes_awss_error_object_and_the_loop_goes_on
    app = "def inner = raise(ArgumentError, 'bad')\ndef handler(event:, context:)\n  event == 1 ? inner : event\nend\n"
    seen = run_app(app, event(1), event(2))
    assert_equal %w[error response], seen.posts.map(&:kind)
    assert_nil seen.status
    error = seen.posts[0].json
    trace = error.delete('stackTrace')
    assert_equal({ 'errorMessage' => 'bad', 'errorType' => 'Function<ArgumentError>' }, error)
    assert_equal [1, 3], trace.map { |line| line[%r{/task/app\.rb:(\d+):in [`']\S*(inner|handler)'\z}, 1].to_i }, trace
    assert_equal 'Function<ArgumentError>', seen.posts[0].headers['Lambda-Runtime-Function-Error-Type']
    cause = JSON.parse(seen.posts[0].headers['Lambda-Runtime-Function-XRay-Error-Cause'])
    assert_equal 'bad', cause['exceptions'][0]['message']
    assert_equal [1, 3], (cause['exceptions'][0]['stack'].map { |frame| frame['line'] })
    assert cause['working_directory'].end_with?('/task')
  end

  def test_an_error_is_logged_as_aws_logs_it
    seen, error = failure("class Own < StandardError; end\ndef handler(event:, context:) = raise(Own, 'one')")
    assert_equal 'Function<UserException>', seen.posts[0].headers['Lambda-Runtime-Function-Error-Type']
    assert_equal 'Function<Own>', error['errorType']
    assert_equal ["Error raised from handler method\n", "#{JSON.pretty_generate(error)}\n"], seen.records
    assert_equal [TEXT], seen.frames.map(&:first).uniq
  end

  def test_an_error_is_one_json_record_where_that_is_asked_for
    given = event
    seen, error = failure("def handler(event:, context:) = raise('one')", given, env: { 'AWS_LAMBDA_LOG_FORMAT' => 'JSON' })
    assert_equal [JSON_ERROR], seen.frames.map(&:first)
    record = JSON.parse(seen.records[0])
    assert_match(/\A\d{4}-\d\d-\d\dT[\d:]{8}\.\d{6}Z\z/, record.delete('timestamp'))
    assert_equal({ 'level' => 'ERROR', 'message' => 'Error raised from handler method',
                   'requestId' => given[:headers]['Lambda-Runtime-Aws-Request-Id'], **error }, record)
  end

  def test_missing_names_exit_and_deep_stacks_end_the_process_after_the_answer
    { 'nosuch' => 'NameError', 'nil.go' => 'NoMethodError', 'exit(3)' => 'SystemExit', 'abort("over")' => 'SystemExit',
      'handler(event: 1, context: 2)' => 'SystemStackError', 'raise Interrupt' => 'Interrupt',
      'raise NotImplementedError' => 'NotImplementedError' }.each do |code, type|
      seen, error = failure("def handler(event:, context:)\n  #{code}\nend", event, event)
      assert_equal ["Function<#{type}>", 255], [error['errorType'], seen.status.exitstatus], code
      assert_operator error['stackTrace'].size, :<=, 100
      assert_includes seen.records[-2], 'Critical exception from handler'
    end
  end

  def test_exit_without_handlers_ends_at_once_and_loses_no_output
    seen = run_app("def handler(event:, context:)\n  print 'half'\n  exit!(4)\nend")
    assert_equal [[], 4, 'half'], [seen.posts, seen.status.exitstatus, seen.logged]
  end

  def test_a_wrong_signature_is_an_argument_error
    _, error = failure('def handler(event, context) = 1')
    assert_equal ['Function<ArgumentError>', 'wrong number of arguments (given 1, expected 2)'],
                 error.values_at('errorType', 'errorMessage')
  end

  def test_what_json_cannot_hold_is_an_error_of_the_handler
    ['Float::NAN', '"\xff"'].each do |value|
      _, error = failure("def handler(event:, context:) = #{value}")
      assert_equal 'Function<JSON::GeneratorError>', error['errorType']
    end
  end

  def test_an_error_message_of_broken_bytes_is_still_told
    _, error = failure('def handler(event:, context:) = raise("a\xFFb")')
    assert_equal "a\uFFFDb", error['errorMessage']
  end

  def test_a_method_that_is_not_there_is_told_at_the_first_invocation
    seen, error = failure('', event)
    assert_equal ['Function<NoMethodError>', 255], [error['errorType'], seen.status.exitstatus]
    assert_match(/\Aundefined method [`']handler' for /, error['errorMessage'])
    _, error = failure('', event, handler: 'app.Nobody.go')
    assert_equal ['Function<NameError>', 'uninitialized constant Kernel::Nobody'], error.values_at('errorType', 'errorMessage')
  end

  def test_init_errors_have_awss_names
    _, error = init_failure({ 'other.rb' => '' })
    assert_equal ['Init<LoadError>', 'cannot load such file -- app'], error.values_at('errorType', 'errorMessage')
    seen, error = init_failure({ 'app.rb' => "x = 1\nraise KeyError, 'no'\n" })
    assert_equal ['Init<KeyError>', 'no'], error.values_at('errorType', 'errorMessage')
    assert_match(%r{\A/\S+/task/app\.rb:2:in }, error['stackTrace'][0])
    assert_empty error['stackTrace'].grep(/bootstrap\.rb/)
    assert_equal 'Function<UserException>', seen.posts[0].headers['Lambda-Runtime-Function-Error-Type']
    assert_equal ["Init error when loading handler \n", "#{JSON.pretty_generate(error)}\n"], seen.records
    assert_equal 'Init<SyntaxError>', init_failure({ 'app.rb' => 'def (' })[1]['errorType']
    assert_equal 'Init<SystemExit>', init_failure({ 'app.rb' => 'exit 3' })[1]['errorType']
    seen, error = init_failure({ 'app.rb' => "require 'no/such'" })
    assert_equal 'Init<LoadError>', seen.posts[0].headers['Lambda-Runtime-Function-Error-Type']
    assert_equal 'cannot load such file -- no/such', error['errorMessage']
    assert_match(%r{/task/app\.rb:1:in }, error['stackTrace'].join("\n"))
  end

  def test_a_handler_of_one_or_four_parts_is_refused
    { 'app' => '["app"]', 'a.b.c.d' => '["a", "b", "c", "d"]' }.each do |handler, shown|
      _, error = init_failure({ 'app.rb' => '' }, handler)
      assert_equal 'Init<ArgumentError>', error['errorType']
      assert error['errorMessage'].start_with?("Invalid handler #{shown}, must be of form FILENAME.METHOD or "), error
    end
  end

  def test_an_event_that_cannot_be_parsed_ends_the_process_as_on_aws
    seen = run_app('def handler(event:, context:) = 1', event('{'))
    assert_equal [['init/error'], 252], [seen.posts.map(&:kind), seen.status.exitstatus]
    assert_equal 'Init<JSON::ParserError>', seen.posts[0].json['errorType']
  end

  def test_a_signal_while_waiting_ends_the_process_quietly
    seen = run_app('def handler(event:, context:) = 1', signal_when_idle: 'TERM')
    assert_equal 0, seen.status.exitstatus
    assert_equal "Next invocation HTTP request from the runtime interface client was interrupted with a SIGTERM SIGNAL, gracefully shutting down.\n",
                 seen.records.last
  end
end
