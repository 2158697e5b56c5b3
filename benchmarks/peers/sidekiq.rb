# Ruby's Sidekiq, from Debian's package: worker and agent in one file, as benchmarks/peers/*.py and agent.py are.
#
#   ruby sidekiq.rb agent          pushes jobs as it is asked to
#   sidekiq -r ./sidekiq.rb        runs them
#
# Variants: default (a job dies with its worker: reliable fetch is not part of the free edition).

require "json"
require "sidekiq"
Warning[:experimental] = false

module Work
  CELLS = 1 << 16
  DIRECTORY = ENV.fetch("BENCH_DIRECTORY")
  URL = "redis://127.0.0.1:#{ENV.fetch("BENCH_PORT")}/0"
  PROCESSES = Integer(ENV.fetch("BENCH_PROCESSES"))
  SLOTS = Integer(ENV.fetch("BENCH_SLOTS"))
  QUEUES = Array.new(Integer(ENV.fetch("BENCH_QUEUES"))) { |number| "q#{number}" }
  BOARD = File.open(File.join(DIRECTORY, "board"), "r+b") { |file| IO::Buffer.map(file) }
  ALLOTTED = File.join(DIRECTORY, "allotted")

  def self.resident = Integer(File.read("/proc/self/statm").split[1]) * 4096

  # An application that holds so many megabytes of small objects.
  def self.ballast(megabytes)
    table = {}
    goal = resident + (megabytes << 20)
    while megabytes > 0 && resident < goal
      1000.times { |n| table["key #{table.size}"] = { "name" => "name #{n}", "tags" => [n, n.to_s] } }
    end
    table
  end

  # A cell for each thread, as in work.py.
  def self.count
    cell = Thread.current[:cell] ||= File.open(ALLOTTED, "ab") { |file|
      file.syswrite(".")
      8 * (file.sysseek(0, IO::SEEK_CUR) - 1)
    }
    BOARD.set_value(:u64, cell, BOARD.get_value(:u64, cell) + 1)
  end

  def self.now = Process.clock_gettime(Process::CLOCK_MONOTONIC, :nanosecond)

  def self.spin(milliseconds)
    ends = Process.clock_gettime(Process::CLOCK_THREAD_CPUTIME_ID) + milliseconds / 1000.0
    (1..500).sum { |n| n } while Process.clock_gettime(Process::CLOCK_THREAD_CPUTIME_ID) < ends
  end

  def self.run(kind, value)
    case kind
    when "nap" then sleep(value / 1000.0)
    when "spin" then spin(value)
    when "stamp" then BOARD.set_value(:u64, 8 * (CELLS + value), now)
    end
    count
  end
end

APPLICATION = Work.ballast(Integer(ENV.fetch("BENCH_MEGABYTES")))

Sidekiq.configure_server { |config| config.redis = { url: Work::URL } }
Sidekiq.configure_client { |config| config.redis = { url: Work::URL } }

class Run
  include Sidekiq::Worker

  def perform(kind, value)
    Work.run(kind, value)
  end
end

# Orders as agent.py describes them.
module Agent
  BATCH = 1_000

  def self.single(count, kind, value)
    count.times { |n| Run.set(queue: Work::QUEUES[n % Work::QUEUES.size]).perform_async(kind, value) }
  end

  def self.bulk(count, kind, value)
    share, rest = count.divmod(Work::QUEUES.size)
    Work::QUEUES.each_with_index do |queue, number|
      Array.new(share + (number < rest ? 1 : 0)) { [kind, value] }.each_slice(BATCH) do |args|
        Sidekiq::Client.push_bulk("class" => Run, "queue" => queue, "args" => args)
      end
    end
  end

  def self.paced(count, gap)
    begun = Work.now
    Array.new(count) do |n|
      wait = (begun + n * gap * 1e9 - Work.now) / 1e9
      sleep(wait) if wait > 0
      sent = Work.now
      Run.set(queue: Work::QUEUES[n % Work::QUEUES.size]).perform_async("stamp", n)
      sent
    end
  end

  def self.obey(order)
    cpu, begun = Process.clock_gettime(Process::CLOCK_PROCESS_CPUTIME_ID), Work.now
    extra = {}
    case order["op"]
    when "single" then single(order["count"], order["kind"], order["value"])
    when "fill", "bulk" then bulk(order["count"], order["kind"], order["value"])
    when "paced" then extra = { "sent" => paced(order["count"], order["gap"]) }
    end
    spent = Process.clock_gettime(Process::CLOCK_PROCESS_CPUTIME_ID) - cpu
    { "seconds" => (Work.now - begun) / 1e9, "cpu" => spent }.merge(extra)
  end

  def self.command
    queues = Work::QUEUES.flat_map { |queue| ["-q", queue] }
    ["sidekiq", "-r", File.expand_path(__FILE__), "-c", Work::SLOTS.to_s, "-e", "production", *queues]
  end

  def self.serve
    $stdout.sync = true
    puts JSON.generate("commands" => [command] * Work::PROCESSES, "bulk" => true, "one_queue" => false)
    $stdin.each_line { |line| puts JSON.generate(obey(JSON.parse(line))) }
  end
end

Agent.serve if ARGV == ["agent"]
