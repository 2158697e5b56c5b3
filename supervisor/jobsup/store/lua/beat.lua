-- beat: renew the lease, publish the process record, flush the counters, fetch one signal.
--
-- KEYS     jobsup:leases, processes, IDENTITY, IDENTITY:work, IDENTITY-signals,
--          stat:processed, stat:processed:DAY, stat:failed, stat:failed:DAY
-- ARGV     identity, lease in seconds, processed, failed, TTL of a day's counter, TTL of the record,
--          number of work entries, then (thread, entry) each, then (field, value) of the record
-- returns  a signal's name, or nil
-- errors   FENCED when the identity holds no lease
--
-- One script and so one round trip; its duration is the rtt that the next beat reports.

local identity = ARGV[1]
if not redis.call("ZSCORE", KEYS[1], identity) then
  return redis.error_reply("FENCED " .. identity .. " holds no lease")
end
-- First what frees memory: after that write a server that has none left lets a script finish, and so the lease be kept.
redis.call("UNLINK", KEYS[4])
redis.call("ZADD", KEYS[1], tonumber(redis.call("TIME")[1]) + tonumber(ARGV[2]), identity)

local function count(total, day, amount)
  if tonumber(amount) > 0 then
    redis.call("INCRBY", total, amount)
    redis.call("INCRBY", day, amount)
    redis.call("EXPIRE", day, ARGV[5])
  end
end
count(KEYS[6], KEYS[7], ARGV[3])
count(KEYS[8], KEYS[9], ARGV[4])

local entries = tonumber(ARGV[7])
local last = 7 + 2 * entries
for first = 8, last, 2000 do  -- unpack has no room for many thousands
  redis.call("HSET", KEYS[4], unpack(ARGV, first, math.min(first + 1999, last)))
end
if entries > 0 then
  redis.call("EXPIRE", KEYS[4], ARGV[6])
end

redis.call("SADD", KEYS[2], identity)
redis.call("HSET", KEYS[3], unpack(ARGV, last + 1))
redis.call("EXPIRE", KEYS[3], ARGV[6])
return redis.call("RPOP", KEYS[5])
