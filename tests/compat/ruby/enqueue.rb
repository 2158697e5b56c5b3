# Enqueues in every way that Ruby has; prints the job ids.
require_relative "jobs"
require "json"

jids = {
  "async" => Echo.perform_async("héllo ✓", 1, 2.5, nil, true, {"k" => [1, {"n" => nil}]}, 2**70, 1.0),
  "in" => Echo.perform_in(0.5, "soon"),
  "later" => Echo.perform_in(3600, "later"),
  "set" => Echo.set("queue" => "other", "retry" => 3, "tags" => ["a", "b"]).perform_async("set"),
  "once" => Echo.set("retry" => false, "backtrace" => 5).perform_async("once"),
  "bulk" => Sidekiq::Client.push_bulk("class" => Echo, "args" => (1..3).map { |n| [n] })
}
puts JSON.generate(jids)
