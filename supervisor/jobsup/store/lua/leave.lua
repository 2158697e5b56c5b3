-- leave: deregister an identity that says it is done.
--
-- KEYS     jobsup:leases, jobsup:owner:IDENTITY, processes, IDENTITY:work
-- ARGV     identity, then the queues it may have taken from
-- returns  how many jobs still lie in its in-flight lists
--
-- With jobs left the lease stays: whoever proves the death, or the sweep, gives them back.

local left = 0
for i = 2, #ARGV do
  left = left + redis.call("LLEN", "jobsup:inflight:" .. ARGV[1] .. ":" .. ARGV[i])
end
redis.call("SREM", KEYS[3], ARGV[1])
redis.call("UNLINK", KEYS[4])
if left == 0 then
  redis.call("ZREM", KEYS[1], ARGV[1])
  redis.call("DEL", KEYS[2])
end
return left
