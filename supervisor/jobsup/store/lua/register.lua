-- register: let an identity own in-flight lists.
--
-- KEYS     jobsup:leases, jobsup:swept, jobsup:owner:IDENTITY
-- ARGV     identity, lease in seconds, queues (JSON list), place, pid, start
-- returns  the server's time at which the lease runs out
--
-- Before the first fetch, so that no list ever has an owner nobody knows of.  An identity that was swept and
-- lives after all may come back: what it held then was given to others, what it takes now is its own again.

-- First what frees memory: after that write a server that has none left lets a script finish.
redis.call("ZREM", KEYS[2], ARGV[1])
local expires = tonumber(redis.call("TIME")[1]) + tonumber(ARGV[2])
redis.call("ZADD", KEYS[1], expires, ARGV[1])
redis.call("HSET", KEYS[3], "queues", ARGV[3], "place", ARGV[4], "pid", ARGV[5], "start", ARGV[6])
return expires
