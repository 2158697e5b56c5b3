-- enqueue_due: move jobs whose time has come from a sorted set to their queues.
--
-- KEYS     the sorted set, queues, dead
-- ARGV     now in seconds, then per job: member, queue, payload to push; an empty queue means that the member is no
--          job and goes to the dead set as it is
-- returns  how many were moved by this call
--
-- ZREM decides which of several schedulers moves a job; removing and pushing are one step, so that a crash between
-- them cannot lose it.

local moved = 0
for i = 2, #ARGV, 3 do
  local member, queue, payload = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  if redis.call("ZREM", KEYS[1], member) == 1 then
    moved = moved + 1
    if queue == "" then
      redis.call("ZADD", KEYS[3], ARGV[1], member)
    else
      local pushed = redis.pcall("LPUSH", "queue:" .. queue, payload)
      if type(pushed) == "table" and pushed.err then
        redis.call("ZADD", KEYS[3], ARGV[1], member)
      else
        redis.call("SADD", KEYS[2], queue)
      end
    end
  end
end
return moved
