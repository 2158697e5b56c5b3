-- expired: who has to be looked at.
--
-- KEYS     jobsup:leases, jobsup:swept
-- ARGV     at most so many of each
-- returns  { identities whose lease has run out, identities that were given up lately }
--
-- The server's clock decides, so that hosts need not agree on the time.

local now = redis.call("TIME")[1]
return {
  redis.call("ZRANGEBYSCORE", KEYS[1], "-inf", now, "LIMIT", 0, ARGV[1]),
  redis.call("ZRANGE", KEYS[2], 0, tonumber(ARGV[1]) - 1),
}
