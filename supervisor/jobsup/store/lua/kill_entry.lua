-- kill_entry: move one entry of a sorted set to the dead set, then trim the dead set.
--
-- KEYS     the sorted set, dead
-- ARGV     member, now in seconds, oldest time of death to keep, last rank to drop (negative)
-- returns  1, or 0 when the entry was gone already
--
-- One step: between removing and adding, a crash would lose the job; and of two people who press the button, or
-- a person and the scheduler, one gets it.

if redis.call("ZREM", KEYS[1], ARGV[1]) == 0 then
  return 0
end
redis.call("ZADD", KEYS[2], ARGV[2], ARGV[1])
redis.call("ZREMRANGEBYSCORE", KEYS[2], "-inf", ARGV[3])
redis.call("ZREMRANGEBYRANK", KEYS[2], 0, ARGV[4])
return 1
