-- checkpoint: keep the place of an iterable job, if whoever asks still holds the job.
--
-- KEYS     it-JID, jobsup:inflight:IDENTITY:QUEUE
-- ARGV     payload as taken, ex, c, rt, TTL
-- returns  0 where the job is not in that list: nothing was written; 1 when the place is kept; 2 when it is, and
--          somebody asked to cancel the job
--
-- One step, because a worker that was given up and swept may come back at any moment: the job runs elsewhere by
-- then, and an older place must not replace a newer one, nor appear again after the job was done.
--
-- LPOS from the old end, where a job that runs for long lies.  TTL instead of EXPIRE NX, which Redis 6.2 has not.

if not redis.call("LPOS", KEYS[2], ARGV[1], "RANK", -1) then
  return 0
end
redis.call("HSET", KEYS[1], "ex", ARGV[2], "c", ARGV[3], "rt", ARGV[4])
if redis.call("TTL", KEYS[1]) < 0 then
  redis.call("EXPIRE", KEYS[1], ARGV[5])
end
return redis.call("HEXISTS", KEYS[1], "cancelled") + 1
