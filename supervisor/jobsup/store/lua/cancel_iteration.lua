-- cancel_iteration: ask an iterable job to end, whether it runs, waits or is yet to come.
--
-- KEYS     it-JID
-- ARGV     now, in whole Unix seconds; TTL
-- returns  when it was first asked
--
-- Whoever asks first counts, as in Sidekiq.  The cursor is written too, because Sidekiq cannot read a state without.

redis.call("HSETNX", KEYS[1], "cancelled", ARGV[1])
redis.call("HSETNX", KEYS[1], "c", "null")
if redis.call("TTL", KEYS[1]) < 0 then
  redis.call("EXPIRE", KEYS[1], ARGV[2])
end
return redis.call("HGET", KEYS[1], "cancelled")
