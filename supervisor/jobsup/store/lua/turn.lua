-- turn: settle what is finished and take what is free, in one step.
--
-- KEYS[1]  jobsup:leases
-- ARGV     identity, settlements, shares, fallbacks, wanted; then
--          per settlement   "a" queue taken                        acknowledge
--                           "f" queue taken state                  acknowledge, delete the key state
--                           "b" queue taken                        give back, to the fetching end
--                           "i" queue taken counter most TTL score payload since rank
--                                                                  count the interruption; up to "most" of them
--                                                                  give back, else acknowledge, and zadd dead and
--                                                                  trim unless the payload is ""
--                           "r" queue taken score payload          acknowledge, zadd retry
--                           "d" queue taken score payload since rank  acknowledge, zadd dead, trim
--          per share        queue count                            first choice of so many free slots
--          per fallback     queue                                  where a shortfall may be filled from
-- returns  { flags, broken, {queue, taken, ...}, ... }: flags has one character per settlement, "1" where the
--          job was still ours, "2" where it was and had been interrupted too often; broken lists queues that are no lists
-- errors   FENCED when the identity holds no lease (it was given up and swept)
--
-- One step, because a job must be in exactly one place whatever dies between two commands.  A settlement acts
-- only if the job was still in the in-flight list: a worker that was swept must change nothing.  LREM looks
-- from the old end for what is settled and from the new end for what is given back, where each one lies.

local identity = ARGV[1]
if not redis.call("ZSCORE", KEYS[1], identity) then
  return redis.error_reply("FENCED " .. identity .. " holds no lease")
end

local inflight = "jobsup:inflight:" .. identity .. ":"
local at = 6
local function argument()
  at = at + 1
  return ARGV[at - 1]
end

local function back(queue, taken)
  local pushed = redis.pcall("RPUSH", "queue:" .. queue, taken)
  if type(pushed) == "table" and pushed.err then
    -- No list any more: it stays in flight rather than nowhere, and goes back when we are given up.
    redis.call("LPUSH", inflight .. queue, taken)
  end
end

local function bury(score, payload, since, rank)
  redis.call("ZADD", "dead", score, payload)
  redis.call("ZREMRANGEBYSCORE", "dead", "-inf", since)
  redis.call("ZREMRANGEBYRANK", "dead", 0, rank)
end

local flags = {}
for i = 1, tonumber(ARGV[2]) do
  local action, queue, taken = argument(), argument(), argument()
  local ours = redis.call("LREM", inflight .. queue, (action == "b" or action == "i") and 1 or -1, taken) == 1
  flags[i] = ours and "1" or "0"
  if action == "f" then
    local state = argument()
    if ours then
      redis.call("UNLINK", state)
    end
  elseif action == "b" then
    if ours then
      back(queue, taken)
    end
  elseif action == "i" then
    local counter, most, ttl = argument(), tonumber(argument()), argument()
    local score, payload, since, rank = argument(), argument(), argument(), argument()
    if ours then
      local count = redis.call("INCR", counter)
      redis.call("EXPIRE", counter, ttl)
      if count <= most then
        back(queue, taken)
      else
        flags[i] = "2"
        redis.call("DEL", counter)
        if payload ~= "" then
          bury(score, payload, since, rank)
        end
      end
    end
  elseif action == "r" then
    local score, payload = argument(), argument()
    if ours then
      redis.call("ZADD", "retry", score, payload)
    end
  elseif action == "d" then
    local score, payload, since, rank = argument(), argument(), argument(), argument()
    if ours then
      bury(score, payload, since, rank)
    end
  end
end

local broken = {}
local reply = { table.concat(flags), broken }

local function take(queue, count)
  local taken = redis.pcall("RPOP", "queue:" .. queue, count)
  if not taken or taken.err then
    if taken then
      if not string.find(taken.err, "WRONGTYPE", 1, true) then
        -- Not this queue, the server refuses (a demoted primary): let it say so in its own words.
        redis.call("RPOP", "queue:" .. queue, count)
      end
      broken[#broken + 1] = queue
    end
    return 0
  end
  for first = 1, #taken, 1000 do  -- unpack has no room for many thousands, and what was popped would be lost
    redis.call("LPUSH", inflight .. queue, unpack(taken, first, math.min(first + 999, #taken)))
  end
  table.insert(taken, 1, queue)
  reply[#reply + 1] = taken
  return #taken - 1
end

local missing = tonumber(ARGV[5])
for _ = 1, tonumber(ARGV[3]) do
  local queue, count = argument(), tonumber(argument())
  missing = missing - take(queue, count)
end
for _ = 1, tonumber(ARGV[4]) do
  if missing <= 0 then
    break
  end
  missing = missing - take(argument(), missing)
end
return reply
