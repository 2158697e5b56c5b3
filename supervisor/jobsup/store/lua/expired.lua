-- expired: who has to be looked at.
--
-- KEYS     jobsup:leases, jobsup:swept
-- ARGV     at most so many of each, seconds to look again after a sweep, seconds to remember the identity
-- returns  { identities whose lease has run out, identities that were given up just now or long ago }
--
-- Just now: a blocking move of the dead connection may still complete.  Long ago: a last look before the identity is
-- forgotten, for a process that was frozen, swept, thawed for an instant and died.  The server's clock decides, so that
-- hosts need not agree on the time.

local now = tonumber(redis.call("TIME")[1])
local fresh = redis.call("ZRANGEBYSCORE", KEYS[2], now - tonumber(ARGV[2]), "+inf", "LIMIT", 0, ARGV[1])
local old = redis.call("ZRANGEBYSCORE", KEYS[2], "-inf", "(" .. (now - tonumber(ARGV[3])), "LIMIT", 0, ARGV[1])
for _, identity in ipairs(old) do
  fresh[#fresh + 1] = identity
end
return { redis.call("ZRANGEBYSCORE", KEYS[1], "-inf", now, "LIMIT", 0, ARGV[1]), fresh }
