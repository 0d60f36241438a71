# frozen_string_literal: true

# What the tests of the Ruby loop stand on: a stand-in Runtime API and the running of one process.
#
# The API is a real HTTP server on a free port and the interpreter is a real process (the one that
# runs the tests); nothing of the loop is loaded here. A run hands out its events, waits until the
# process asks for one more or ends, and returns all that was seen from outside.

require 'json'
require 'minitest/autorun'
require 'rbconfig'
require 'securerandom'
require 'socket'
require 'tmpdir'

LOOP = File.expand_path('../bootstrap.rb', __dir__)
RUN_LIMIT_SECONDS = 60
ARN = 'arn:aws:lambda:us-east-1:000000000000:function:tested'
TEXT, JSON_ERROR, JSON_INFO = 0xA55A0003, 0xA55A0016, 0xA55A000E
GEM_VERSION_DIRECTORY = "#{RUBY_VERSION[/\A\d+\.\d+/]}.0"

# One invocation. `headers` by symbol: `Trace_Id:`, or `Content_Type:`.
def event(body = {}, **headers)
  named = { 'Lambda-Runtime-Aws-Request-Id' => SecureRandom.uuid,
            'Lambda-Runtime-Deadline-Ms' => ((Time.now.to_f * 1000).to_i + 3000).to_s,
            'Lambda-Runtime-Invoked-Function-Arn' => ARN,
            'Content-Type' => 'application/json' }
  headers.each do |name, value|
    wire = name.to_s.tr('_', '-')
    named[wire == 'Content-Type' ? wire : "Lambda-Runtime-#{wire}"] = value
  end
  { body: body.is_a?(String) ? body : JSON.generate(body), headers: named }
end

Post = Struct.new(:path, :headers, :body) do
  def kind = path.include?('init/error') ? 'init/error' : path.split('/').last
  def json = JSON.parse(body, max_nesting: false)
end

# What one process did.
class Seen
  attr_accessor :posts, :frames, :output, :status, :connections, :user_agents

  def initialize
    @posts, @frames, @output, @connections, @user_agents = [], [], +'', 0, []
  end

  def records = frames.map { |_, message| message.dup.force_encoding('UTF-8') }
  def logged = records.join + output
end

# The stand-in. `behaviour`: :chunked, :until_close, :hang_up, :continue_first, post_status.
class Api
  attr_reader :port

  def initialize(seen, events, behaviour)
    @seen, @events, @behaviour = seen, Queue.new, behaviour
    events.each { |item| @events << item }
    @idle = Queue.new
    @server = TCPServer.new('127.0.0.1', 0)
    @port = @server.addr[1]
    @threads = [Thread.new { accept }]
  end

  def idle? = !@idle.empty?

  def stop
    @threads.each(&:kill)
    @server.close
  end

  private

  def accept
    loop do
      socket = @server.accept
      @seen.connections += 1
      @threads << Thread.new do
        nil while serve(socket)
        socket.close
      rescue SystemCallError, IOError
        nil
      end
    end
  end

  def serve(socket)
    line = socket.gets("\r\n") or return false
    method, path, = line.split
    headers = {}
    while (header = socket.gets("\r\n")) != "\r\n"
      name, value = header.split(': ', 2)
      headers[name] = value.chomp
    end
    body = socket.read(headers['Content-Length'].to_i) || ''
    @seen.user_agents |= [headers['User-Agent']]
    return hand_out(socket, path) if method == 'GET'

    @seen.posts << Post.new(path, headers, body)
    socket.write("HTTP/1.1 100 Continue\r\n\r\n") if @behaviour[:continue_first]
    status = @behaviour[:post_status] || 202
    answer = %({"status":"OK"}\n)
    socket.write("HTTP/1.1 #{status} X\r\nContent-Length: #{answer.bytesize}\r\n\r\n#{answer}")
    !@behaviour[:hang_up]
  end

  def hand_out(socket, path)
    return pong(socket) if path.end_with?('/ping')
    raise path unless path == '/2018-06-01/runtime/invocation/next'

    item = take or return !sleep
    head = +"HTTP/1.1 #{item[:status] || 200} OK\r\n"
    item[:headers].each { |name, value| head << "#{name}: #{value}\r\n" }
    body = item[:body]
    if @behaviour[:chunked]
      socket.write("#{head}Transfer-Encoding: chunked\r\n\r\n")
      body.b.scan(/.{1,5}/mn) { |piece| socket.write("#{piece.bytesize.to_s(16)};ext=1\r\n#{piece}\r\n") }
      socket.write("0\r\nTrailer: x\r\n\r\n")
    elsif @behaviour[:until_close]
      socket.write("#{head}\r\n", body)
      return false
    else
      socket.write("#{head}Content-Length: #{body.bytesize}\r\n\r\n", body)
    end
    !@behaviour[:hang_up]
  end

  def pong(socket)
    sleep(@behaviour[:ping_after]) if @behaviour[:ping_after]
    @seen.posts << Post.new('/ping', {}, '') if @behaviour[:ping_after]
    socket.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npong")
  end

  def take
    @events.pop(true)
  rescue ThreadError
    @idle << true
    nil
  end
end

def parse_frames(data)
  frames = []
  until data.empty?
    type, length, stamp = data.unpack('L>L>Q>')
    raise 'a torn frame' if data.bytesize < 16 + length
    raise 'a time stamp that is not now' if (stamp / 1e6 - Time.now.to_f).abs > 600

    frames << [type, data.byteslice(16, length)]
    data = data.byteslice(16 + length..)
  end
  frames
end

# Run `files` (name to text) as the function's package until its events are used up.
def run_loop(files, events = [event], handler: 'app.handler', env: {}, log_fd: true, flags: ['--disable=gems'],
             signal_when_idle: nil, **behaviour)
  seen = Seen.new
  api = Api.new(seen, events, behaviour)
  Dir.mktmpdir do |top|
    task = File.join(File.realpath(top), 'task')
    files.each do |name, text|
      path = File.join(task, name)
      require 'fileutils'
      FileUtils.mkdir_p(File.dirname(path))
      File.binwrite(path, text)
    end
    out_read, out_write = IO.pipe
    log_read, log_write = IO.pipe
    environment = {
      'AWS_LAMBDA_RUNTIME_API' => "127.0.0.1:#{api.port}", 'AWS_LAMBDA_FUNCTION_NAME' => 'tested',
      'AWS_LAMBDA_FUNCTION_VERSION' => '$LATEST', 'AWS_LAMBDA_FUNCTION_MEMORY_SIZE' => '128',
      'AWS_LAMBDA_LOG_GROUP_NAME' => '/aws/lambda/tested', 'AWS_LAMBDA_LOG_STREAM_NAME' => '2026/11/23/[$LATEST]01',
      'LAMBDA_TASK_ROOT' => task, 'LAMBDA_RUNTIME_DIR' => '/var/runtime', 'LANG' => 'en_US.UTF-8',
      'LC_CTYPE' => 'C.UTF-8', 'TZ' => ':UTC', 'PATH' => '/usr/bin:/bin', '_HANDLER' => handler
    }
    environment['_LAMBDA_TELEMETRY_LOG_FD'] = log_write.fileno.to_s if log_fd
    environment.merge!(env.transform_values { |value| value.gsub('$TASK', task) })
    pid = Process.spawn(environment, RbConfig.ruby, *flags, LOOP, unsetenv_others: true, chdir: task, in: File::NULL,
                                     out: out_write, err: out_write, log_write.fileno => log_write.fileno)
    [out_write, log_write].each(&:close)
    output = Thread.new { out_read.read }
    frames = Thread.new { log_read.binmode.read }
    deadline = Time.now + RUN_LIMIT_SECONDS
    status = nil
    until api.idle? || (status = Process.wait2(pid, Process::WNOHANG))
      raise 'still running' if Time.now > deadline

      sleep 0.002
    end
    if signal_when_idle
      Process.kill(signal_when_idle, pid)
      status = Process.wait2(pid)
    end
    unless status
      Process.kill('KILL', pid)
      Process.wait(pid)
    end
    seen.status = status && status[1]
    seen.output = output.value
    seen.frames = parse_frames(frames.value)
  end
  seen
ensure
  api.stop
end

# Short ways to run one file, `app.rb`.
class LoopTest < Minitest::Test
  def run_app(app, *events, **how)
    events = [event] if events.empty?
    run_loop({ 'app.rb' => app, **how.delete(:files).to_h }, events, **how)
  end

  def answers(app, *events, **how)
    seen = run_app(app, *events, **how)
    assert_equal(['response'] * [1, events.size].max, seen.posts.map(&:kind), seen.logged)
    seen.posts.map(&:json)
  end

  def answer(app, *events, **how) = answers(app, *events, **how).last

  # The only error posted, and the run.
  def failure(app, *events, **how)
    seen = run_app(app, *events, **how)
    assert_equal(['error'], seen.posts.map(&:kind), seen.logged)
    [seen, seen.posts.last.json]
  end

  def init_failure(files, handler = 'app.handler', **how)
    seen = run_loop(files, handler: handler, **how)
    assert_equal(['init/error'], seen.posts.map(&:kind), seen.logged)
    assert_equal(252, seen.status.exitstatus, "AWS's client ends with -4")
    [seen, seen.posts.last.json]
  end
end
