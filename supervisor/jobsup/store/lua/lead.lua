-- lead: hold, take, or give up what one process at a time may hold.
--
-- KEYS[1]  the key that names the holder
-- ARGV     who asks, milliseconds to hold it (0: give it up), a holder that is known to be dead or ""
-- returns  the holder after this call, "" for nobody

local holder = redis.call("GET", KEYS[1]) or ""
if holder ~= "" and holder ~= ARGV[1] and holder ~= ARGV[3] then
  return holder
end
if ARGV[2] == "0" then
  redis.call("DEL", KEYS[1])
  return ""
end
redis.call("SET", KEYS[1], ARGV[1], "PX", ARGV[2])
return ARGV[1]
