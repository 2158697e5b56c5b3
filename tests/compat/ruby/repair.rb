# Uses an entry of a sorted set as the Web UI does: repair.rb RetrySet|DeadSet|ScheduledSet JID retry|kill|...
require "sidekiq"
require "sidekiq/api"
require "json"

set, jid, method, *args = ARGV
entry = Sidekiq.const_get(set).new.find_job(jid)
abort "#{jid} is not in #{set}" unless entry
entry.public_send(method, *args.map(&:to_f))
puts "null"
