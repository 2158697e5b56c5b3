-- leave: deregister an identity that says it is done.
--
-- KEYS     jobsup:leases, jobsup:swept, jobsup:owner:IDENTITY, processes, IDENTITY:work
-- ARGV     identity, then the queues it may have taken from
-- returns  how many jobs still lie in its in-flight lists
--
-- With jobs left the lease stays: whoever proves the death, or the sweep, gives them back.  With none it is remembered
-- like one that was given up: a blocking move whose connection was lost may complete after this.

local left = 0
for i = 2, #ARGV do
  left = left + redis.call("LLEN", "jobsup:inflight:" .. ARGV[1] .. ":" .. ARGV[i])
end
redis.call("SREM", KEYS[4], ARGV[1])
redis.call("UNLINK", KEYS[5])
if left == 0 then
  redis.call("ZREM", KEYS[1], ARGV[1])
  if redis.call("EXISTS", KEYS[3]) == 1 then
    redis.call("ZADD", KEYS[2], redis.call("TIME")[1], ARGV[1])
  end
end
return left
