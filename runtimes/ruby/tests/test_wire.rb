# frozen_string_literal: true

# The loop's own HTTP client, against servers that answer in every lawful way.

require_relative 'harness'

class WireTest < LoopTest
  APP = 'def handler(event:, context:) = event'

  def echo(*values, **behaviour)
    seen = run_app(APP, *values.map { |value| event(value) }, **behaviour)
    assert_equal values, seen.posts.map(&:json), seen.logged
    assert_nil seen.status
    seen
  end

  def test_one_connection_serves_everything
    seen = echo(1, 2, 3)
    assert_equal [1, ["lambdabox-ruby/#{RUBY_VERSION}"]], [seen.connections, seen.user_agents]
  end

  def test_a_chunked_event_is_put_together
    echo({ 'text' => 'é' * 5000 }, {}, chunked: true)
  end

  def test_an_event_without_a_length_ends_with_its_connection
    assert_equal 3, echo({ 'a' => 'x' * 100_000 }, {}, until_close: true).connections
  end

  def test_a_connection_closed_between_calls_is_made_anew
    assert_operator echo(1, 2, 3, hang_up: true).connections, :>, 3
  end

  def test_informational_answers_are_skipped
    echo(1, 2, continue_first: true)
  end

  def test_the_status_of_a_post_is_not_looked_at
    [410, 413, 500].each { |status| echo(1, 2, post_status: status) }
  end

  def test_the_attempts_id_goes_back_as_it_came
    seen = run_app(APP, event({}, Invocation_Id: 'abc'), event)
    assert_equal ['abc', nil], seen.posts.map { |post| post.headers['Lambda-Runtime-Invocation-Id'] }
  end

  def test_a_host_that_is_not_there_or_refuses_ends_the_process_with_a_reason
    seen = run_app(APP, env: { 'AWS_LAMBDA_RUNTIME_API' => '127.0.0.1:1' })
    refute_equal 0, seen.status.exitstatus
    assert_includes seen.logged, 'Connection refused'
    seen = run_app(APP, { **event, status: 500 })
    assert_equal [252, 'Received 500 when waiting for next invocation.'],
                 [seen.status.exitstatus, seen.posts[0].json['errorMessage']]
  end

  def test_a_trace_too_large_for_a_header_is_left_out_of_it
    _, error = failure("def handler(event:, context:) = raise('x' * (1024 * 1024))")
    assert_equal 1024 * 1024, error['errorMessage'].size
  end
end
