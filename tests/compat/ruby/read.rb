# Reads everything through Sidekiq's API and every page of its Web UI; prints what it saw and what raised.
require "sidekiq"
require "sidekiq/api"
require "sidekiq/web"
require "rack/mock"
require "rack/session/cookie"
require "json"

errors = []
see = lambda do |name, &read|
  read.call
rescue => error
  errors << "#{name}: #{error.class}: #{error.message}"
  nil
end

entry = lambda do |job|
  {"jid" => job.jid, "class" => job.display_class, "args" => job.display_args, "queue" => job.queue,
   "score" => job.score, "error" => job["error_message"], "backtrace" => job.error_backtrace,
   "created_at" => job.created_at.to_f, "latency" => job.latency}
end

report = {
  "stats" => see.call("Stats") do
    stats = Sidekiq::Stats.new
    {"processed" => stats.processed, "failed" => stats.failed, "enqueued" => stats.enqueued,
     "busy" => stats.workers_size, "processes" => stats.processes_size, "queues" => stats.queues,
     "latency" => stats.default_queue_latency, "history" => Sidekiq::Stats::History.new(1).processed.values}
  end,
  "queues" => see.call("Queue") do
    Sidekiq::Queue.all.to_h do |queue|
      [queue.name, {"size" => queue.size, "latency" => queue.latency, "jids" => queue.map(&:jid)}]
    end
  end,
  "retries" => see.call("RetrySet") { Sidekiq::RetrySet.new.map(&entry) },
  "dead" => see.call("DeadSet") { Sidekiq::DeadSet.new.map(&entry) },
  "scheduled" => see.call("ScheduledSet") { Sidekiq::ScheduledSet.new.map(&entry) },
  "processes" => see.call("ProcessSet") do
    Sidekiq::ProcessSet.new.map do |process|
      {"identity" => process.identity, "tag" => process.tag, "labels" => process.labels,
       "queues" => process["queues"], "concurrency" => process["concurrency"], "busy" => process["busy"],
       "quiet" => process.stopping?, "rss" => process["rss"], "started_at" => process["started_at"]}
    end
  end,
  "work" => see.call("Workers") do
    Sidekiq::Workers.new.map do |identity, thread, work|
      {"identity" => identity, "thread" => thread, "queue" => work["queue"], "run_at" => work["run_at"],
       "job" => Sidekiq::JobRecord.new(work["payload"]).then { |job| [job.display_class, job.jid, job.args] }}
    end
  end
}

web = Rack::MockRequest.new(Rack::Session::Cookie.new(Sidekiq::Web, secret: "compat" * 16))
paths = %w[/ /busy /queues /retries /scheduled /morgue /stats /stats/queues]
paths += (report["queues"] || {}).keys.map { |name| "/queues/#{name}" }
{"retries" => "retries", "dead" => "morgue", "scheduled" => "scheduled"}.each do |set, page|
  paths += (report[set] || []).map { |job| "/#{page}/#{job["score"]}-#{job["jid"]}" }
end
report["pages"] = paths.to_h do |path|
  [path, see.call(path) { web.get(path).status }]
end
report["errors"] = errors
puts JSON.generate(report)
