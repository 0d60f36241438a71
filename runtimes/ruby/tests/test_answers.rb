# frozen_string_literal: true

# Events, answers, context, handler names and search paths.

require_relative 'harness'

class AnswersTest < LoopTest
  ECHO = 'def handler(event:, context:) = event'

  def test_every_json_value_comes_back_as_it_was
    values = [nil, true, false, 0, -1, 2**70, 1.5, '', 'é😀', [], {}, [1, [2, { 'a' => nil }]], { 'a b' => 'c' }]
    assert_equal values, answers(ECHO, *values.map { |value| event(JSON.generate(value)) })
  end

  def test_six_mebibytes_come_back
    text = 'x' * 6_000_000
    assert_equal text, answer(ECHO, event(JSON.generate(text)))
  end

  def test_an_answer_is_json_of_whatever_has_to_json
    app = 'Point = Struct.new(:x) { def to_json(*) = {x: x}.to_json }; def handler(event:, context:) = [Point.new(1), :a]'
    assert_equal [{ 'x' => 1 }, 'a'], answer(app)
  end

  def test_an_io_is_answered_as_it_is
    seen = run_app("def handler(event:, context:) = StringIO.new(\"raw\\xFF\")")
    assert_equal ["raw\xFF".b, 'application/unknown'], [seen.posts[0].body, seen.posts[0].headers['Content-Type']]
    seen = run_app('def handler(event:, context:) = 1')
    assert_equal 'application/json', seen.posts[0].headers['Content-Type']
  end

  def test_an_event_that_is_not_json_by_its_type_is_text
    app = 'def handler(event:, context:) = [event.class, event]'
    assert_equal %w[String {x], answer(app, event('{x', Content_Type: 'text/plain'))
  end

  def test_a_marshaller_of_the_customers_is_used
    app = <<~RUBY
      module AwsLambda
        class Marshaller
          def self.marshall_request(raw) = raw.body + raw['Content-Type']
          def self.marshall_response(result) = {wrapped: result}.to_json
        end
      end
      def handler(event:, context:) = event
    RUBY
    assert_equal({ 'wrapped' => '{}application/json' }, answer(app))
  end

  def test_the_context_has_every_member
    app = <<~RUBY
      def handler(event:, context:)
        names = %i[aws_request_id invoked_function_arn log_group_name log_stream_name function_name
                   memory_limit_in_mb function_version identity client_context deadline_ms tenant_id w3c]
        names.to_h { |name| [name, context.public_send(name)] }
             .merge(left: context.get_remaining_time_in_millis, class: context.class.name,
                    trace: ENV['_X_AMZN_TRACE_ID'])
      end
    RUBY
    w3c = { 'baggage' => 'a=b', 'traceparent' => 7, 'other' => 'x' }
    given = event({}, Deadline_Ms: '99999999999999', Trace_Id: 'Root=1', Aws_Tenant_Id: 'blue',
                      Cognito_Identity: '{"cognitoIdentityId":"i","cognitoIdentityPoolId":"p"}',
                      Client_Context: JSON.generate({ custom: { a: 'é' }, w3c: w3c }))
    seen = answer(app, given)
    assert_operator seen.delete('left'), :>, 1_000_000_000
    assert_equal({ 'aws_request_id' => given[:headers]['Lambda-Runtime-Aws-Request-Id'],
                   'invoked_function_arn' => ARN, 'log_group_name' => '/aws/lambda/tested',
                   'log_stream_name' => '2026/11/23/[$LATEST]01', 'function_name' => 'tested',
                   'memory_limit_in_mb' => '128', 'function_version' => '$LATEST',
                   'identity' => { 'cognitoIdentityId' => 'i', 'cognitoIdentityPoolId' => 'p' },
                   'client_context' => { 'custom' => { 'a' => 'é' } }, 'deadline_ms' => 99_999_999_999_999,
                   'tenant_id' => 'blue', 'w3c' => { 'baggage' => 'a=b' }, 'class' => 'LambdaContext',
                   'trace' => 'Root=1' }, seen)
    plain = answer(app, given, event)
    assert_equal([nil, nil, nil, nil, {}], plain.values_at('identity', 'client_context', 'trace', 'tenant_id', 'w3c'))
  end

  def test_time_that_is_over_is_zero
    assert_equal 0, answer('def handler(event:, context:) = context.get_remaining_time_in_millis', event({}, Deadline_Ms: '5'))
  end

  def test_handlers_are_methods_classes_and_folders
    code = 'def handler(event:, context:) = 1; class A; def self.go(event:, context:) = 2; end; ' \
           'module B; class C; def self.go(event:, context:) = 3; end; end'
    { 'app.handler' => 1, 'app.A.go' => 2, 'app.B::C.go' => 3, 'dir/sub.handler' => 1 }.each do |handler, expected|
      seen = run_loop({ 'app.rb' => code, 'dir/sub.rb' => code }, handler: handler)
      assert_equal [expected], seen.posts.map(&:json), seen.logged
    end
  end

  def test_a_handler_may_take_one_hash
    assert_equal %w[context event], answer('def handler(all) = all.keys.sort')
  end

  def test_state_is_kept_between_invocations
    assert_equal [1, 2, 3], answers('$n = 0; def handler(event:, context:) = $n += 1', event, event, event)
  end

  def test_the_search_path_and_variables_are_awss
    app = 'def handler(event:, context:) = [ENV["GEM_PATH"], ENV["GEM_HOME"], ENV["RUBYLIB"], $LOAD_PATH.first(3), Dir.pwd]'
    gems, home, lib, path, pwd = answer(app)
    assert_equal "#{pwd}/vendor/bundle/ruby/#{GEM_VERSION_DIRECTORY}:/opt/ruby/gems/#{GEM_VERSION_DIRECTORY}:", gems
    assert_equal '/var/runtime', home
    assert_equal "#{pwd}:/var/runtime/lib:/opt/ruby/lib", lib
    assert_equal lib.split(':'), path
  end

  def test_a_rubylib_of_the_customers_takes_the_layers_place
    env = { 'RUBYLIB' => '$TASK/own' }
    assert_equal 'found', answer("require 'mine'; def handler(event:, context:) = MINE", env: env, flags: [],
                                 files: { 'own/mine.rb' => 'MINE = "found"' })
    path, lib = answer('def handler(event:, context:) = [$LOAD_PATH, ENV["RUBYLIB"]]', env: env)
    refute_includes path, '/opt/ruby/lib'
    assert lib.end_with?('/task/own'), lib
  end

  def test_directories_offered_by_the_host_come_last
    path, gone = answer('def handler(event:, context:) = [$LOAD_PATH, ENV.keys.grep(/LAMBDABOX|TELEMETRY|LC_CTYPE/)]',
                        env: { '_LAMBDABOX_SEARCH_PATH' => '/a:/b' })
    assert_equal %w[/a /b], path.last(2)
    assert_empty gone
  end

  def test_a_gem_of_the_package_is_found_without_a_word
    spec = 'Gem::Specification.new { |s| s.name = "greeting"; s.version = "1.0"; s.summary = "s"; s.authors = ["a"]; ' \
           's.files = ["lib/greeting.rb"]; s.require_paths = ["lib"] }'
    root = "vendor/bundle/ruby/#{GEM_VERSION_DIRECTORY}"
    files = { "#{root}/specifications/greeting-1.0.gemspec" => spec,
              "#{root}/gems/greeting-1.0/lib/greeting.rb" => 'GREETING = "hi"' }
    app = "require 'greeting'; def handler(event:, context:) = [GREETING, Gem.loaded_specs.keys]"
    greeting, specs = answer(app, files: files)
    assert_equal 'hi', greeting
    assert_includes specs, 'greeting'
  end

  def test_the_program_waits_until_the_host_serves
    seen = run_app('def handler(event:, context:) = 1', env: { '_LAMBDABOX_WAIT' => '1' }, ping_after: 0.05)
    assert_equal %w[ping response], seen.posts.map(&:kind)
  end

  def test_text_is_utf_8_whatever_locales_are_installed
    app = 'def handler(event:, context:) = [Encoding.default_external, Encoding.find("locale"), ENV["WORD"].encoding, ENV["WORD"]]'
    assert_equal %w[UTF-8 UTF-8 UTF-8 naïve], answer(app, env: { 'WORD' => 'naïve' })
  end
end
