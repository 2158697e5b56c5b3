-- give_back: return everything a dead or lost identity holds to the queues it came from.
--
-- KEYS     jobsup:leases, jobsup:swept, jobsup:owner:IDENTITY, queues, processes
-- ARGV     identity, "1" to act only if the lease has run out, seconds to remember the identity; then jobs with which
--          something else is to happen, newest first:
--          "q" queue taken target crashes record ttl    to the queue target (a suspect: its quarantine), its crash noted
--          "d" queue taken score payload since rank     to the dead set, which is trimmed
--          "r" queue taken score payload                to the retry set
--          "x" queue taken                              nowhere
--          "i" queue taken counter ttl                  back like the others, the interruption counted
-- returns  how many jobs went back; -1 when the lease has not run out
--
-- Atomic because two recoverers (a parent's keeper and another host's sweep) may race, and each job must go
-- back once.  RPUSH newest first: the oldest job ends up next to be fetched, so a crash never sends interrupted
-- work to the back.
--
-- What is to happen with a job happens only if it is still in the list: told twice, it happens once.
--
-- The identity is remembered in jobsup:swept and looked at again until then: the server may have accepted a
-- blocking move from the dead connection that completes only after this.  A queue that is no list keeps its jobs
-- in the in-flight list, and the identity remembered: nothing is dropped.

local identity = ARGV[1]
local now = tonumber(redis.call("TIME")[1])
local lease = redis.call("ZSCORE", KEYS[1], identity)
if ARGV[2] == "1" and lease and tonumber(lease) > now then
  return -1
end

-- First what frees memory: after that write a server that has none left lets a script finish.
redis.call("ZREM", KEYS[1], identity)

local moved, stuck = 0, false
local at = 4
local function argument()
  at = at + 1
  return ARGV[at - 1]
end

while at <= #ARGV do
  local action, queue, taken = argument(), argument(), argument()
  local inflight = "jobsup:inflight:" .. identity .. ":" .. queue
  local ours
  if action == "i" then
    -- It stays, to go back below in its place among the others.
    ours = redis.call("LPOS", inflight, taken)
  else
    ours = redis.call("LREM", inflight, 1, taken) == 1
    moved = moved + (ours and 1 or 0)
  end
  if action == "i" then
    local counter, ttl = argument(), argument()
    if ours then
      redis.call("INCR", counter)
      redis.call("EXPIRE", counter, ttl)
    end
  elseif action == "q" then
    local target, crashes, record, ttl = argument(), argument(), argument(), argument()
    local pushed = ours and redis.pcall("RPUSH", "queue:" .. target, taken)
    if type(pushed) == "table" and pushed.err then
      -- A quarantine that is no list: it goes back below, like the others.
      redis.call("LPUSH", inflight, taken)
      moved = moved - 1
    elseif ours then
      redis.call("SADD", KEYS[4], target)
      redis.call("LPUSH", crashes, record)
      redis.call("LTRIM", crashes, 0, 9)
      redis.call("EXPIRE", crashes, ttl)
    end
  elseif action == "d" then
    local score, payload, since, rank = argument(), argument(), argument(), argument()
    if ours then
      redis.call("ZADD", "dead", score, payload)
      redis.call("ZREMRANGEBYSCORE", "dead", "-inf", since)
      redis.call("ZREMRANGEBYRANK", "dead", 0, rank)
    end
  elseif action == "r" then
    local score, payload = argument(), argument()
    if ours then
      redis.call("ZADD", "retry", score, payload)
    end
  end
end

local queues = redis.call("HGET", KEYS[3], "queues")
if queues then
  for _, queue in ipairs(cjson.decode(queues)) do
    local inflight = "jobsup:inflight:" .. identity .. ":" .. queue
    local jobs = redis.call("LRANGE", inflight, 0, -1)
    local refused = false
    for first = 1, #jobs, 1000 do
      local pushed = redis.pcall("RPUSH", "queue:" .. queue, unpack(jobs, first, math.min(first + 999, #jobs)))
      refused = refused or (type(pushed) == "table" and pushed.err ~= nil)
    end
    if refused then
      stuck = true
    elseif #jobs > 0 then
      redis.call("DEL", inflight)
      redis.call("SADD", KEYS[4], queue)
      moved = moved + #jobs
    end
  end
end

redis.call("SREM", KEYS[5], identity)
redis.call("UNLINK", identity .. ":work", identity .. ":workers")
local swept = redis.call("ZSCORE", KEYS[2], identity)
if not swept then
  if queues then
    redis.call("ZADD", KEYS[2], now, identity)
  end
elseif not stuck and tonumber(swept) + tonumber(ARGV[3]) < now then
  redis.call("ZREM", KEYS[2], identity)
  redis.call("DEL", KEYS[3])
end
return moved
