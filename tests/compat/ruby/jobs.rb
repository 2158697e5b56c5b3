# What a real Ruby worker runs: it reports each run to a list, as Ruby understood it.
require "sidekiq"

class Echo
  include Sidekiq::Worker

  def perform(*args)
    report = {"jid" => jid, "args" => args, "types" => args.map { |arg| arg.class.name }}
    Sidekiq.redis { |redis| redis.rpush("compat:ruby", Sidekiq.dump_json(report)) }
  end
end

class Failing
  include Sidekiq::Worker

  def perform(*)
    raise "never called here"
  end
end

module Compat
  # What Python declares with name="Compat::Echo".
  class Echo < ::Echo
  end
end
