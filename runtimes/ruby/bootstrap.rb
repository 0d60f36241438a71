# frozen_string_literal: true

# The managed Ruby loop: loads the customer's handler and serves it the Runtime API.
#
# Behaves as AWS's managed Ruby runtimes do (the observable behaviour of `aws_lambda_ric` 3.x), but
# starts in a third of the time. RubyGems takes 30 ms and `net/http` another 30, and most handlers want
# neither, so both wait until somebody names them: the interpreter is started with `--disable=gems`.
#
# Not here: making the sandbox, choosing the interpreter and honouring AWS_LAMBDA_EXEC_WRAPPER (the
# host does those); response streaming (AWS's Ruby has none).
#
# Invariants
# - One file, standard library only, Ruby 3.1 to 4.0; started with or without `--disable=gems`.
# - Every invocation taken from `/next` is answered by exactly one POST, or the process ends.
# - What the function printed or logged is on its way before the answer is posted.
# - Names that start with `_LAMBDABOX_`, and the log descriptor's, are gone before customer code runs.
# - The customer's program sees AWS's constants (`LambdaContext`, `LambdaErrors`, ...) and `Lambdabox`.
#
# Sources: reference/runtime-api.md sections 1, 4, 5.3, 6; `aws_lambda_ric` for texts and shapes;
# Ruby's `gem_prelude.rb` for what RubyGems, `did_you_mean` and `error_highlight` do at the start.

require 'json'
require 'logger'
require 'socket.so'

# What is ours. AWS's names stand outside of it.
module Lambdabox
  # -------------------------------------------------------------------------------------------
  # Environment of the process
  # -------------------------------------------------------------------------------------------

  # Directories of gems and of extensions are called by this.
  GEM_VERSION_DIRECTORY = "#{RUBY_VERSION[/\A\d+\.\d+/]}.0"

  # What is between the host and this file.
  class Settings
    attr_reader :log_fd, :must_wait, :hint, :search_path, :task_root

    def initialize
      @log_fd = ENV.delete('_LAMBDA_TELEMETRY_LOG_FD')
      # The interpreter was started while the network was still being laid (see the host's pool).
      @must_wait = ENV.delete('_LAMBDABOX_WAIT')
      @hint = ENV.delete('_LAMBDABOX_GEM_HINT')
      @search_path = (ENV.delete('_LAMBDABOX_SEARCH_PATH') || '').split(':')
      @task_root = ENV['LAMBDA_TASK_ROOT'] || '/var/task'
    end
  end

  # LC_CTYPE is the host's way to tell Ruby "UTF-8" where LANG names no installed locale: Ruby has
  # asked for it by now, and AWS has no such variable.
  def self.undo_locale
    ENV.delete('LC_CTYPE') if ENV['LC_CTYPE'] == 'C.UTF-8'
  end

  # The variables and `$LOAD_PATH` of AWS's start script. A customer's value wins.
  def self.set_search_path(settings)
    task, runtime = settings.task_root, ENV['LAMBDA_RUNTIME_DIR'] || '/var/runtime'
    ours = [task, "#{runtime}/lib"]
    ours << '/opt/ruby/lib' unless ENV['RUBYLIB']
    ENV['RUBYLIB'] = [*ours, *ENV['RUBYLIB']].join(':')
    ENV['GEM_HOME'] ||= runtime
    # The last colon adds the interpreter's own gems, which AWS has in GEM_HOME.
    ENV['GEM_PATH'] ||= "#{task}/vendor/bundle/ruby/#{GEM_VERSION_DIRECTORY}:" \
                        "/opt/ruby/gems/#{GEM_VERSION_DIRECTORY}:"
    $LOAD_PATH.unshift(*ours.reject { |entry| $LOAD_PATH.include?(entry) })
    $LOAD_PATH.push(*settings.search_path)
  end

  # -------------------------------------------------------------------------------------------
  # What AWS has loaded and we load when it is asked for
  # -------------------------------------------------------------------------------------------

  LATER = {
    Net: 'net/http', URI: 'uri', StringIO: 'stringio', Timeout: 'timeout', Date: 'date',
    DateTime: 'date', RbConfig: 'rbconfig', Gem: 'rubygems', DidYouMean: 'did_you_mean',
    ErrorHighlight: 'error_highlight'
  }.freeze
  TIME_CLASS_METHODS = %i[parse strptime iso8601 xmlschema rfc2822 rfc822 httpdate zone_offset].freeze
  TIME_METHODS = %i[iso8601 xmlschema rfc2822 rfc822 httpdate].freeze

  # The body of `Kernel` and of others until RubyGems is there.
  module Later
    class << self
      def install
        LATER.each { |name, feature| Object.autoload(name, feature) unless loaded?(name) }
        stub_time
        stub_uri
        stub_hints
        return if loaded?(:Gem)

        stub_gems
        # With gems of the customer's own a gem may stand before the library of the same name.
        load_gems if ENV['GEM_PATH'].split(':').any? { |path| File.directory?("#{path}/specifications") }
      end

      # Undoes what stands for RubyGems and loads it; whether it was not there yet.
      def load_gems
        return false if @gems_loaded

        @gems_loaded = true
        Kernel.module_eval do
          alias_method :require, :lambdabox_plain_require
          private :require
          remove_method :lambdabox_plain_require, :gem
        end
        Kernel.require('rubygems')
      end

      def load_time
        TIME_CLASS_METHODS.each { |name| Time.singleton_class.remove_method(name) if stub?(Time.method(name)) }
        TIME_METHODS.each do |name|
          Time.remove_method(name) if Time.method_defined?(name) && stub?(Time.instance_method(name))
        end
        Kernel.require('time')
      end

      private

      def loaded?(name)
        Object.const_defined?(name, false) && !Object.autoload?(name)
      end

      def stub?(method)
        method.source_location&.first == __FILE__
      end

      def stub_gems
        Kernel.module_eval do
          alias_method :lambdabox_plain_require, :require
          private :lambdabox_plain_require

          def require(feature)
            return Later.load_gems if feature == 'rubygems'

            lambdabox_plain_require(feature)
          rescue LoadError => e
            raise if e.path != feature.to_s

            Later.load_gems
            require(feature)
          end
          private :require

          def gem(*arguments)
            Later.load_gems
            gem(*arguments)
          end
          private :gem
        end
      end

      # `require 'time'` also loads `date`; its methods of `Time` are used without saying so.
      def stub_time
        (TIME_CLASS_METHODS - Time.singleton_methods).each do |name|
          Time.define_singleton_method(name) do |*arguments, **named, &block|
            Later.load_time
            Time.public_send(name, *arguments, **named, &block)
          end
        end
        (TIME_METHODS - Time.instance_methods).each do |name|
          Time.define_method(name) do |*arguments|
            Later.load_time
            public_send(name, *arguments)
          end
        end
      end

      # `URI('http://...')` comes with the library of that name.
      def stub_uri
        return if loaded?(:URI)

        Kernel.module_eval do
          def URI(text)
            Object.const_get(:URI) # which defines this method anew
            URI(text)
          end
          private :URI
        end
      end

      # "Did you mean" and the marked column are part of the detailed message (Ruby 3.2 and newer).
      def stub_hints
        return if loaded?(:ErrorHighlight) || !Exception.method_defined?(:detailed_message)

        hints = Module.new do
          define_method(:detailed_message) do |*arguments, **named, &block|
            hints.remove_method(:detailed_message)
            %w[error_highlight did_you_mean].each do |feature|
              require feature
            rescue LoadError
              next # an interpreter without it
            end
            detailed_message(*arguments, **named, &block)
          end
        end
        Exception.prepend(hints)
      end
    end
  end

  # -------------------------------------------------------------------------------------------
  # Logs: frames on the log descriptor (runtime-api.md 6.8), or plain standard output
  # -------------------------------------------------------------------------------------------

  TEXT_FRAME = 0xA55A0003
  JSON_FRAME = 0xA55A0002
  LEVELS = { 'DEBUG' => 2, 'INFO' => 3, 'WARN' => 4, 'ERROR' => 5, 'FATAL' => 6 }.freeze

  # An unfinished line is held up to this size: the largest record AWS's own clients put into one
  # frame (runtime-api.md 6.8). The rest of a longer line follows in frames of its own.
  LINE_LIMIT_BYTES = (256 * 1024) - 26

  # A log record that knows it is JSON, and its level.
  class JsonRecord < String
    attr_reader :frame_type

    def initialize(text, severity)
      super(text)
      @frame_type = JSON_FRAME | (LEVELS.fetch(severity, 0) << 2)
    end
  end

  # The text in UTF-8, whatever it was.
  def self.utf8(text)
    text = text.to_s
    return text if text.encoding == Encoding::UTF_8 && text.valid_encoding?

    text = text.dup.force_encoding(Encoding::UTF_8) if text.encoding == Encoding::BINARY
    text.encode(Encoding::UTF_8, invalid: :replace, undef: :replace, replace: "\uFFFD").scrub("\uFFFD")
  end

  # The log descriptor. One frame is one record, whatever newlines it holds. In place of a
  # `Logger::LogDevice`.
  class FrameSink
    def initialize(descriptor)
      @file = IO.for_fd(descriptor, 'wb')
      @file.sync = true
      @file.close_on_exec = true
      @lock = Mutex.new
    end

    # One record; a `JsonRecord` says its level.
    def write(message)
      type = message.is_a?(JsonRecord) ? message.frame_type : TEXT_FRAME
      send_records(Lambdabox.pieces(message.to_s.b), type)
      message.bytesize
    end

    def send_records(records, type = TEXT_FRAME)
      stamp = Process.clock_gettime(Process::CLOCK_REALTIME, :microsecond)
      frames = String.new(encoding: Encoding::BINARY)
      records.each { |record| frames << [type, record.bytesize, stamp].pack('L>L>Q>') << record }
      synchronize { @file.write(frames) }
    end

    # A trap handler may not take a lock, and may print.
    def synchronize(&block)
      return yield if @lock.owned?

      begin
        @lock.lock
      rescue ThreadError
        return yield
      end
      begin
        block.call
      ensure
        @lock.unlock
      end
    end

    def reopen(*) = self
    def close = nil
  end

  # The line, or as many records as its length asks for; no UTF-8 character is cut.
  def self.pieces(line)
    return [line] if line.bytesize <= LINE_LIMIT_BYTES

    pieces = []
    start = 0
    while start < line.bytesize
      stop = start + LINE_LIMIT_BYTES
      stop -= 1 while stop < line.bytesize && line.getbyte(stop) & 0xC0 == 0x80 && stop > start + 1
      pieces << line.byteslice(start...stop)
      start = stop
    end
    pieces
  end

  # What is printed to one standard stream, held until its line is finished.
  class Lines
    def initialize(sink)
      @sink = sink
      forget
    end

    def add(data)
      @sink.synchronize do
        forget if @process != Process.pid # the parent sends what it held
        head, newline, tail = data.rpartition("\n")
        return hold(data) if newline.empty?

        lines = (@held << head << "\n").lines
        lines.shift if @cut && lines.first == "\n" # only the end of a line that was sent
        forget
        @sink.send_records(lines.flat_map { |line| Lambdabox.pieces(line) }) unless lines.empty?
        hold(tail) unless tail.empty?
      end
    end

    # Send the unfinished line: it has grown too long, or nothing more will come.
    def send_held
      @sink.synchronize do
        held = @process == Process.pid ? @held : ''
        forget
        @sink.send_records(Lambdabox.pieces(held)) unless held.empty?
      end
    end

    private

    def hold(data)
      @held << data
      return if @held.bytesize < LINE_LIMIT_BYTES

      send_held
      @cut = true
    end

    def forget
      @held = String.new(encoding: Encoding::BINARY)
      @cut = false
      @process = Process.pid
    end
  end

  # For STDOUT and STDERR: finished lines are frames of the one log descriptor, so that `print`,
  # `warn` and `Logger` keep their order with AWS's `puts`. What is written to the descriptors
  # themselves goes there raw.
  module FramedStream
    def write(*parts)
      return super if @lambdabox_lines.nil? || closed?

      texts = parts.map(&:to_s)
      @lambdabox_lines.add(texts.map(&:b).join)
      texts.sum(&:bytesize)
    end

    def reopen(*)
      @lambdabox_lines&.send_held
      @lambdabox_lines = nil
      super
    end
  end

  # The one place that knows where logs go.
  module Logs
    class << self
      attr_reader :sink, :json, :level

      def start(log_fd)
        $stdout.sync = true
        @json = ENV['AWS_LAMBDA_LOG_FORMAT'].to_s.casecmp?('JSON')
        level = ENV['AWS_LAMBDA_LOG_LEVEL'].to_s.upcase
        @level = Logger::DEBUG
        @level = Logger.const_get(level) if LEVELS.key?(level)
        @sink = open_sink(log_fd)
        @streams = []
        frame_streams if @sink
        Logger.prepend(LoggerPatch)
      end

      # What was begun and not finished is sent, and the order of what follows stays.
      def flush
        @streams.each(&:send_held)
      end

      private

      def open_sink(log_fd)
        log_fd && FrameSink.new(Integer(log_fd))
      rescue ArgumentError, SystemCallError
        nil # as AWS: then to standard output
      end

      def frame_streams
        [STDOUT, STDERR].each do |stream|
          lines = Lines.new(@sink)
          stream.instance_variable_set(:@lambdabox_lines, lines)
          stream.singleton_class.prepend(FramedStream)
          @streams << lines
        end
        replace_puts
        replace_warn
        at_exit { flush }
        [Kernel, Kernel.singleton_class, Process.singleton_class].each do |owner|
          owner.prepend(Module.new do
            def exit!(*)
              Logs.flush
              super
            end
          end)
        end
      end

      # Ruby writes warnings past `$stderr.write` while `$stderr` is the original.
      def replace_warn
        Warning.module_eval do
          def warn(message, category: nil)
            $stderr.write(message) if category.nil? || Warning[category]
            nil
          end
        end
      end

      # AWS's: one record, whatever newlines are in it, and whatever `$stdout` is.
      def replace_puts
        Kernel.module_eval do
          def puts(*arguments)
            message = arguments.flatten.map { |argument| argument.to_s.encode(Encoding::UTF_8) }.join("\n")
            message += "\n" unless message.end_with?("\n")
            Logs.flush
            Logs.sink.write(message)
            nil
          end
        end
      end
    end
  end

  # -------------------------------------------------------------------------------------------
  # The Runtime API
  # -------------------------------------------------------------------------------------------

  # What `/next` answered; headers by any case, as AWS's `Net::HTTPResponse` gives them.
  class Response
    attr_reader :status, :body

    def initialize(status, headers, body)
      @status = status
      @headers = headers
      @body = body
    end

    def [](name)
      @headers[name.downcase]
    end

    def key?(name)
      @headers.key?(name.downcase)
    end
  end

  # One kept connection, HTTP/1.1, any lawful way of framing an answer.
  class RuntimeApi
    API = '/2018-06-01/runtime/'
    # Larger traces are left out, as AWS's client leaves them out.
    XRAY_HEADER_LIMIT_BYTES = 1024 * 1024
    READ_BYTES = 256 * 1024
    HEAD_LIMIT_BYTES = 8 * 1024 * 1024

    def initialize(address)
      @address = address
      @host, _, port = address.delete('[]').rpartition(':')
      @port = port.to_i
      @fixed = " HTTP/1.1\r\nHost: #{address}\r\nUser-Agent: lambdabox-ruby/#{RUBY_VERSION}\r\n"
      @socket = nil
      @unread = String.new(encoding: Encoding::BINARY)
    end

    # Block until the host serves: it does so once the sandbox's network is laid.
    def wait
      call('GET', 'ping', root: '/2018-06-01/')
    end

    # Block until there is an event; nil if a signal came instead.
    def next_invocation
      response = call('GET', 'invocation/next')
      return response if response.status == 200

      raise LambdaErrors::InvocationError, "Received #{response.status} when waiting for next invocation."
    rescue SignalException => e
      # AWS's words.
      puts 'Next invocation HTTP request from the runtime interface client was interrupted with a ' \
           "#{e} SIGNAL, gracefully shutting down."
      nil
    end

    # The status is not looked at, as AWS's client does not: a late answer is no reason to end.
    def respond(request, body, content_type)
      call('POST', "invocation/#{request['lambda-runtime-aws-request-id']}/response",
           { 'Content-Type' => content_type, **echo(request) }, body)
    end

    def fail(request, error_type, body, cause)
      headers = { 'Content-Type' => 'application/json', 'Lambda-Runtime-Function-Error-Type' => error_type,
                  **echo(request) }
      headers['Lambda-Runtime-Function-XRay-Error-Cause'] = cause if cause.bytesize < XRAY_HEADER_LIMIT_BYTES
      call('POST', "invocation/#{request['lambda-runtime-aws-request-id']}/error", headers, body)
    end

    def fail_init(error_type, body)
      headers = { 'Content-Type' => 'application/json', 'Lambda-Runtime-Function-Error-Type' => error_type }
      call('POST', 'init/error', headers, body)
    end

    private

    # The attempt's id goes back as it came (runtime-api.md 1.3).
    def echo(request)
      id = request['lambda-runtime-invocation-id']
      id.nil? ? {} : { 'Lambda-Runtime-Invocation-Id' => id }
    end

    def call(method, path, headers = {}, body = nil, root: API)
      head = +"#{method} #{root}#{path}#{@fixed}"
      headers.each { |name, value| head << "#{name}: #{value.tr("\r\n", '  ')}\r\n" }
      head << "Content-Length: #{body.bytesize}\r\n" if body
      head << "\r\n"
      kept = !@socket.nil?
      begin
        exchange(head, body)
      rescue SystemCallError, IOError
        close
        raise unless kept

        exchange(head, body) # the host closed the kept connection meanwhile
      end
    end

    def close
      @socket&.close
      @socket = nil
      @unread.clear
    end

    def exchange(head, body)
      @socket ||= connect
      begin
        @socket.write(head.b)
        @socket.write(body.b) if body
      rescue Errno::EPIPE, Errno::ECONNRESET
        raise unless IO.select([@socket], nil, nil, 0) # nobody says why
      end
      response, closes = read_response
      close if closes
      response
    end

    def connect
      socket = TCPSocket.new(@host, @port)
      socket.setsockopt(Socket::IPPROTO_TCP, Socket::TCP_NODELAY, 1)
      socket.binmode
      socket
    end

    def read_response
      status, headers = read_head
      status, headers = read_head while status.between?(100, 199)
      closes = headers['connection']&.downcase == 'close'
      if headers['transfer-encoding']&.downcase == 'chunked'
        body = read_chunks
      elsif headers['content-length']
        body = read_exactly(headers['content-length'].to_i)
      else
        body = read_to_end
        closes = true
      end
      [Response.new(status, headers, body), closes]
    end

    def read_head
      lines = read_until("\r\n\r\n").force_encoding(Encoding::UTF_8).split("\r\n")
      status = lines.shift.to_s[%r{\AHTTP/1\.\d (\d{3})}, 1] or raise IOError, 'no HTTP answer'
      headers = lines.to_h do |line|
        name, value = line.split(':', 2)
        [name.downcase, value.to_s.strip]
      end
      [status.to_i, headers]
    end

    def more
      @unread << @socket.readpartial(READ_BYTES)
    end

    def read_until(mark)
      from = 0
      until (at = @unread.index(mark, from))
        raise IOError, 'an answer without an end to its head' if @unread.bytesize > HEAD_LIMIT_BYTES

        from = [@unread.bytesize - mark.bytesize, 0].max
        more
      end
      @unread.slice!(0, at + mark.bytesize)
    end

    def read_exactly(count)
      return @unread.slice!(0, count) if @unread.bytesize >= count

      body = @unread
      @unread = String.new(encoding: Encoding::BINARY)
      body << @socket.readpartial([count - body.bytesize, READ_BYTES].min) while body.bytesize < count
      body
    end

    def read_chunks
      body = String.new(encoding: Encoding::BINARY)
      until (size = read_until("\r\n").to_i(16)).zero?
        body << read_exactly(size)
        read_until("\r\n")
      end
      nil until read_until("\r\n") == "\r\n" # trailers
      body
    end

    def read_to_end
      loop { more }
    rescue EOFError
      body = @unread
      @unread = String.new(encoding: Encoding::BINARY)
      body
    end
  end
end

# ---------------------------------------------------------------------------------------------
# Names that AWS's client leaves in the customer's program
# ---------------------------------------------------------------------------------------------

# Ruby's own layout with the request id in it.
class LogFormatter < Logger::Formatter
  LAYOUT = "%<letter>s, [%<time>s #%<process>d] %<severity>5s %<request_id>s -- %<program>s: %<message>s\n"

  def call(severity, time, progname, msg)
    text = format(LAYOUT, letter: severity[0], time: format_datetime(time), process: Process.pid,
                          severity: severity, request_id: $_global_aws_request_id, program: progname,
                          message: Lambdabox.utf8(msg2str(msg)))
    Lambdabox.utf8(text)
  end
end

# One JSON object a record.
class JsonLogFormatter < Logger::Formatter
  LOCATION = /\A(?<file>.+):(?<line>\d+):in [`'](?<method>.+)'\z/.freeze

  def call(severity, time, progname, msg)
    record = { timestamp: time.getutc.strftime('%Y-%m-%dT%H:%M:%S.%6NZ'), level: severity,
               message: Lambdabox.utf8(msg.is_a?(Exception) ? msg.message : msg2str(msg)),
               requestId: $_global_aws_request_id }
    record[:logger] = Lambdabox.utf8(progname) unless progname.to_s.empty?
    record.merge!(error_fields(msg)) if msg.is_a?(Exception)
    Lambdabox::JsonRecord.new("#{JSON.generate(record.compact)}\n", severity)
  end

  private

  def error_fields(error)
    trace = Array(error.backtrace).map { |line| Lambdabox.utf8(line) }
    place = LOCATION.match(trace.first.to_s)
    { errorType: error.class.to_s, errorMessage: Lambdabox.utf8(error.message), stackTrace: trace,
      location: place ? "#{place[:file]}:#{place[:method]}:#{place[:line]}" : trace.first }
  end
end

# Prepended to `Logger`: one of standard output or error is one of the platform's log.
module LoggerPatch
  def initialize(logdev, *rotation, level: Lambdabox::Logs.level, formatter: nil, datetime_format: nil, **named)
    to_platform = !logdev || [$stdout, $stderr, STDOUT, STDERR].any? { |stream| logdev.equal?(stream) }
    logdev = Lambdabox::Logs.sink || logdev || $stdout if to_platform
    super(logdev, *rotation, level: level, formatter: formatter, datetime_format: datetime_format, **named)
    return unless to_platform

    @default_formatter = Lambdabox::Logs.json ? JsonLogFormatter.new : LogFormatter.new
    self.datetime_format = datetime_format
  end
end

module AwsLambdaRIC
  # Where AWS's client keeps its log descriptor.
  class TelemetryLogger
    def self.telemetry_log_sink
      Lambdabox::Logs.sink
    end
  end
end

# What the handler is given as `context:`.
class LambdaContext
  W3C_FIELDS = %w[traceparent tracestate baggage].freeze
  private_constant :W3C_FIELDS

  attr_reader :aws_request_id, :invoked_function_arn, :log_group_name, :log_stream_name, :function_name,
              :memory_limit_in_mb, :function_version, :identity, :client_context, :deadline_ms, :tenant_id

  def initialize(request)
    @deadline_ms = request['Lambda-Runtime-Deadline-Ms'].to_i
    @aws_request_id = request['Lambda-Runtime-Aws-Request-Id']
    @invoked_function_arn = request['Lambda-Runtime-Invoked-Function-Arn']
    @log_group_name = ENV['AWS_LAMBDA_LOG_GROUP_NAME']
    @log_stream_name = ENV['AWS_LAMBDA_LOG_STREAM_NAME']
    @function_name = ENV['AWS_LAMBDA_FUNCTION_NAME']
    @memory_limit_in_mb = ENV['AWS_LAMBDA_FUNCTION_MEMORY_SIZE']
    @function_version = ENV['AWS_LAMBDA_FUNCTION_VERSION']
    tenant = request['Lambda-Runtime-Aws-Tenant-Id'].to_s
    @tenant_id = tenant unless tenant.empty?
    @identity = parse(request['Lambda-Runtime-Cognito-Identity'])
    @client_context = parse(request['Lambda-Runtime-Client-Context'])
    @w3c = take_w3c
  end

  def get_remaining_time_in_millis
    remaining = @deadline_ms - Process.clock_gettime(Process::CLOCK_REALTIME, :millisecond)
    remaining.positive? ? remaining : 0
  end

  # The W3C trace context the caller passed.
  def w3c
    @w3c.dup
  end

  private

  def parse(text)
    JSON.parse(text) unless text.to_s.empty?
  end

  def take_w3c
    given = @client_context.is_a?(Hash) ? @client_context.delete('w3c') : nil
    return {} unless given.is_a?(Hash)

    given.slice(*W3C_FIELDS).select { |_, value| value.is_a?(String) }
  end
end

# Errors on their way to the caller, in AWS's shape (runtime-api.md 5.3).
module LambdaErrors
  class InvocationError < StandardError; end

  class LambdaError < StandardError
    # Classes whose name may be told to the platform; of others only "user's".
    TOLD = %w[ArgumentError NoMethodError Exception StandardError NameError LoadError SystemExit
              SystemStackError].freeze
    TRACE_LIMIT = 100

    attr_reader :frames

    def initialize(original, classification = 'Function')
      @error_class = original.class.to_s
      @error_type = "#{classification}<#{@error_class}>"
      @error_message = Lambdabox.utf8(original.message)
      # AWS's own frames come last there; ours are left out wherever they are.
      @frames = (original.backtrace_locations || []).reject { |frame| frame.path == __FILE__ }.first(TRACE_LIMIT)
      super(@error_message)
    end

    def runtime_error_type
      TOLD.include?(@error_class) ? @error_type : 'Function<UserException>'
    end

    def to_lambda_response
      { errorMessage: @error_message, errorType: @error_type, stackTrace: @frames.map { |f| Lambdabox.utf8(f) } }
    end
  end

  # The handler raised an ordinary error: the environment goes on.
  class LambdaHandlerError < LambdaError; end

  # A missing name, `exit`, a stack that overflowed: the process ends after the answer.
  class LambdaHandlerCriticalException < LambdaError; end

  class LambdaRuntimeError < LambdaError
    def initialize(original) = super(original, 'Runtime')
  end

  class LambdaRuntimeInitError < LambdaError
    def initialize(original) = super(original, 'Init')
  end
end

class LambdaLogger
  def self.log_error(exception:, message: nil)
    if Lambdabox::Logs.json
      time = Time.now.utc.strftime('%Y-%m-%dT%H:%M:%S.%6NZ')
      record = { timestamp: time, level: 'ERROR', message: message, requestId: $_global_aws_request_id }
      text = "#{JSON.generate({ **record.compact, **exception.to_lambda_response })}\n"
      Lambdabox::Logs.flush
      (Lambdabox::Logs.sink || $stdout).write(Lambdabox::JsonRecord.new(text, 'ERROR'))
    else
      puts message if message
      puts JSON.pretty_generate(exception.to_lambda_response)
    end
  end
end

module AwsLambda
  # How an event becomes an argument and a result an answer. A customer may replace both methods.
  class Marshaller
    def self.marshall_request(raw_request)
      return raw_request.body unless raw_request['Content-Type'] == 'application/json'

      JSON.parse(raw_request.body.dup.force_encoding(Encoding::UTF_8))
    end

    # The answer, or the answer and its content type.
    def self.marshall_response(method_response)
      stream = method_response.is_a?(IO) || (!Object.autoload?(:StringIO) && method_response.is_a?(StringIO))
      stream ? [method_response, 'application/unknown'] : method_response.to_json
    end
  end
end

# The handler is a method of this object, or of a class.
class LambdaHandler
  attr_reader :handler_file_name, :handler_method_name

  def initialize(env_handler:)
    parts = env_handler.split('.')
    case parts.size
    when 2 then @handler_file_name, @handler_method_name = parts
    when 3 then @handler_file_name, @handler_class, @handler_method_name = parts
    else
      raise ArgumentError, "Invalid handler #{parts}, must be of form FILENAME.METHOD or FILENAME.CLASS.METHOD " \
                           'where FILENAME corresponds with an existing Ruby source file FILENAME.rb, CLASS is ' \
                           'an optional module/class namespace and METHOD is a callable method. If using CLASS, ' \
                           'METHOD must be a class-level method.'
    end
  end

  def call_handler(request:, context:)
    owner = @handler_class ? Kernel.const_get(@handler_class) : self
    AwsLambda::Marshaller.marshall_response(owner.__send__(@handler_method_name, event: request, context: context))
  rescue NameError => e # also NoMethodError
    raise LambdaErrors::LambdaHandlerCriticalException.new(e)
  rescue StandardError => e
    raise LambdaErrors::LambdaHandlerError.new(e)
  rescue Exception => e # rubocop:disable Lint/RescueException -- `exit` in a handler is an error of it
    raise LambdaErrors::LambdaHandlerCriticalException.new(e)
  end
end

# ---------------------------------------------------------------------------------------------
# The loop
# ---------------------------------------------------------------------------------------------

module Lambdabox
  # AWS's exit statuses.
  INIT_FAILED, ANSWER_FAILED, CRITICAL, SIGNALLED = -4, -2, -1, 0

  # One process's life.
  class Runner
    XRAY_DEPTH = 15

    def initialize(settings)
      @settings = settings
      @api = RuntimeApi.new(ENV['AWS_LAMBDA_RUNTIME_API'] || '127.0.0.1:9001')
    end

    # Never returns; the status is AWS's.
    def run
      @api.wait if @settings.must_wait
      status = begin
        handler = LambdaHandler.new(env_handler: ENV['_HANDLER'].to_s)
        app_root = Dir.pwd
        $LOAD_PATH.unshift(app_root) unless $LOAD_PATH.include?(app_root)
        require handler.handler_file_name
        # Init is over here. A zygote's fork takes its place at this line.
        Logs.flush
        status = nil
        status = serve_one(handler) until status
        status
      rescue Exception => e # rubocop:disable Lint/RescueException -- AWS calls whatever came out of init so
        fail_init(e)
        INIT_FAILED
      end
      Logs.flush
      exit(status)
    end

    private

    # One invocation; a status if the process is to end.
    def serve_one(handler)
      request = @api.next_invocation or return SIGNALLED
      $_global_aws_request_id = request['Lambda-Runtime-Aws-Request-Id']
      ENV['_X_AMZN_TRACE_ID'] = request['Lambda-Runtime-Trace-Id']
      event = AwsLambda::Marshaller.marshall_request(request)
      context = LambdaContext.new(request)
      begin
        answer, content_type = handler.call_handler(request: event, context: context)
        respond(request, answer, content_type)
        nil
      rescue LambdaErrors::LambdaHandlerError => e
        fail(request, e, 'Error raised from handler method')
        nil
      rescue LambdaErrors::LambdaHandlerCriticalException => e
        fail(request, e, 'Critical exception from handler')
        CRITICAL
      rescue LambdaErrors::LambdaRuntimeError => e
        fail(request, e, nil)
        ANSWER_FAILED
      end
    end

    def respond(request, answer, content_type)
      answer = answer.read if content_type == 'application/unknown'
      Logs.flush
      @api.respond(request, answer.to_s, content_type || 'application/json')
    rescue StandardError => e
      raise LambdaErrors::LambdaRuntimeError.new(e)
    end

    def fail(request, error, message)
      LambdaLogger.log_error(exception: error, message: message) if message
      Logs.flush
      @api.fail(request, error.runtime_error_type, JSON.generate(error.to_lambda_response), xray_cause(error))
    end

    def fail_init(error)
      failure = LambdaErrors::LambdaRuntimeInitError.new(error)
      LambdaLogger.log_error(exception: failure, message: 'Init error when loading handler ')
      hint = missing_gem_hint(error)
      puts hint if hint
      Logs.flush
      @api.fail_init(failure.runtime_error_type, JSON.generate(failure.to_lambda_response))
    end

    # RubyGems' directories are part of it on AWS; they are not worth loading RubyGems for.
    def xray_cause(error)
      told = error.to_lambda_response
      stack = error.frames.first(XRAY_DEPTH).map { |f| { path: Lambdabox.utf8(f.path), line: f.lineno, label: f.label } }
      JSON.generate({ working_directory: Dir.pwd, paths: ENV['GEM_PATH'].split(':'),
                      exceptions: [{ message: told[:errorMessage], type: told[:errorType], stack: stack }] })
    end

    # One line that names the command which would add the missing library, or nil.
    def missing_gem_hint(error)
      return unless @settings.hint && error.is_a?(LoadError) && error.path

      name = error.path.split('/').first.to_s
      own = ENV['_HANDLER'].to_s.split('.').first.to_s.split('/').first
      return if name.empty? || name == own || error.path.start_with?('/', '.')

      "lambdabox: #{name} is in neither the package nor a layer; add it with: " +
        @settings.hint.gsub('{module}', name.tr('/', '-'))
    end
  end

  def self.main
    settings = Settings.new
    undo_locale
    set_search_path(settings)
    Later.install
    Logs.start(settings.log_fd)
    Runner.new(settings).run
  end
end

Lambdabox.main
