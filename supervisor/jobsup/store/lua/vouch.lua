-- vouch: keep the leases of processes that live but cannot say so.
--
-- KEYS     jobsup:leases
-- ARGV     lease in seconds, identities
-- returns  nothing
--
-- Only a lease that is there: who was given up has lost his jobs to others, and registers again by himself.

local expires = tonumber(redis.call("TIME")[1]) + tonumber(ARGV[1])
for i = 2, #ARGV do
  redis.call("ZADD", KEYS[1], "XX", expires, ARGV[i])
end
