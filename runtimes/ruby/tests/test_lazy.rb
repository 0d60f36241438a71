# frozen_string_literal: true

# What AWS has loaded before the handler's file and the loop loads when it is named.

require_relative 'harness'

class LazyTest < LoopTest
  def value(expression, **how) = answer("def handler(event:, context:) = (#{expression})", **how)

  def test_a_plain_function_starts_without_rubygems_and_net_http
    features = value('$LOADED_FEATURES.grep(/rubygems|net.http|did_you_mean/)')
    assert_empty features
  end

  def test_libraries_aws_has_loaded_are_there_without_require
    { 'Net::HTTP.name' => 'Net::HTTP', 'URI("http://a/b").path' => '/b', 'StringIO.new("x").read' => 'x',
      'Logger::INFO' => 1, 'JSON.parse("[1]")' => [1], 'Date.new(2026, 1, 2).to_s' => '2026-01-02',
      'Time.parse("2026-01-02 03:04Z").iso8601' => '2026-01-02T03:04:00Z',
      'Time.at(0).utc.httpdate' => 'Thu, 01 Jan 1970 00:00:00 GMT',
      'Time.at(0).utc.xmlschema(3)' => '1970-01-01T00:00:00.000Z',
      'Gem::Version.new("1.10") > Gem::Version.new("1.9")' => true, 'RbConfig::CONFIG.key?("bindir")' => true,
      'Socket.gethostname.class' => 'String' }.each do |expression, expected|
      assert_equal expected, value(expression), expression
    end
  end

  def test_the_same_holds_with_rubygems_at_the_start
    assert_equal true, value('defined?(Gem::Specification) && Time.parse("2026-01-02").day == 2', flags: [])
  end

  def test_rubygems_is_asked_before_a_library_is_missing
    assert_equal 'no-such-library',
                 value('begin; require "no-such-library"; rescue LoadError => e; e.path; end')
    assert_equal true, value('begin; require "no-such"; rescue LoadError; end; require("set") || defined?(Gem) != nil')
    assert_equal 'Gem::MissingSpecError', value('begin; gem "no-such"; rescue LoadError => e; e.class.name; end')
    assert_equal [true, false], value('[require("rubygems"), require("rubygems")]')
    assert_equal false, value('Gem; Kernel.instance_method(:require).source_location[0].end_with?("bootstrap.rb")')
  end

  def test_bundler_works
    gemfile = "source 'https://example.invalid'\n"
    app = "require 'bundler/setup'; def handler(event:, context:) = Bundler.root.to_s == Dir.pwd"
    assert_equal true, answer(app, files: { 'Gemfile' => gemfile, 'Gemfile.lock' => "GEM\n  specs:\n\nPLATFORMS\n  ruby\n\nDEPENDENCIES\n" })
  end

  def test_hints_are_in_the_detailed_message
    skip 'Ruby 3.2 brought the detailed message' unless Exception.method_defined?(:detailed_message)
    text = value("begin; 'x'.upcas; rescue NameError => e; [e.detailed_message, e.message]; end")
    assert_match(/Did you mean\?\s+upcase/, text[0])
    refute_match(/Did you mean/, text[1])
  end

  def test_a_library_that_is_missing_is_named_with_the_command
    hint = { '_LAMBDABOX_GEM_HINT' => 'bundle add {module}' }
    seen, = init_failure({ 'app.rb' => "require 'nokogiri/xml'" }, env: hint)
    assert_includes seen.logged, 'lambdabox: nokogiri is in neither the package nor a layer; add it with: bundle add nokogiri'
    seen, = init_failure({ 'app.rb' => '' }, 'other.handler', env: hint)
    refute_includes seen.logged, 'bundle add'
  end
end
