"""Scripts that run inside Redis. The keys are those of Dramatiq's own broker:

    <namespace>:<queue>                       list of waiting wire ids
    <namespace>:<queue>.msgs                  hash of wire id -> message
    <namespace>:__acks__.<broker id>.<queue>  set of wire ids that a process has fetched and not acked

and two bells of ours, on which idle consumers wait:

    <namespace>:<queue>.bell                  list that is not empty while messages wait
    <namespace>:__stop__.<broker id>          list that is not empty when the process stops
"""

#: Consumers that one call wakes, at most.
BELL_LIMIT = 16

#: KEYS: namespace. ARGV: bell limit, then queue, wire id and message of each. Returns the number of new messages.
#: Messages of one queue mostly stand together, and one command queues the new ones of such a run.
PUBLISH = """
local namespace, limit, published = KEYS[1], tonumber(ARGV[1]), 0
local name, queue, messages, new

local function wake()
    if #new > 0 then
        redis.call("rpush", queue, unpack(new))
        published = published + #new
        local bell = queue .. ".bell"
        for i = 1, math.min(#new, limit - redis.call("llen", bell)) do
            redis.call("rpush", bell, "1")
        end
    end
end

for i = 2, #ARGV, 3 do
    if ARGV[i] ~= name then
        if name then wake() end
        name, new = ARGV[i], {}
        queue = namespace .. ":" .. name
        messages = queue .. ".msgs"
    end
    if redis.call("hsetnx", messages, ARGV[i + 1], ARGV[i + 2]) == 1 then
        new[#new + 1] = ARGV[i + 1]
    end
end
if name then wake() end
return published
"""

#: KEYS: queue, messages, acks, bell. ARGV: limit. Returns wire id, message, wire id, message, ...
FETCH = """
local ids = redis.call("lpop", KEYS[1], ARGV[1])
if not ids then
    redis.call("del", KEYS[4])
    return {}
end
redis.call("sadd", KEYS[3], unpack(ids))
if redis.call("llen", KEYS[1]) == 0 then
    redis.call("del", KEYS[4])
elseif redis.call("llen", KEYS[4]) == 0 then
    redis.call("rpush", KEYS[4], "1")
end
local messages = redis.call("hmget", KEYS[2], unpack(ids))
local found = {}
for i = 1, #ids do
    if messages[i] then
        found[#found + 1] = ids[i]
        found[#found + 1] = messages[i]
    else
        redis.call("srem", KEYS[3], ids[i])
    end
end
return found
"""

#: KEYS: messages, acks. ARGV: wire ids.
ACK = """
redis.call("srem", KEYS[2], unpack(ARGV))
return redis.call("hdel", KEYS[1], unpack(ARGV))
"""

#: KEYS: queue, messages, acks, bell. ARGV: wire ids; none: all of the acks. Returns the number of requeued messages.
REQUEUE = """
local ids, back = ARGV, 0
if #ids == 0 then
    ids = redis.call("smembers", KEYS[3])
end
for i = 1, #ids do
    if redis.call("srem", KEYS[3], ids[i]) == 1 and redis.call("hexists", KEYS[2], ids[i]) == 1 then
        redis.call("lpush", KEYS[1], ids[i])
        back = back + 1
    end
end
if back > 0 then
    redis.call("rpush", KEYS[4], "1")
end
return back
"""

#: KEYS: queue, messages, acks, bell. ARGV: fetched wire id, new wire id and new message of each.
REQUEUE_AS = """
for i = 1, #ARGV, 3 do
    redis.call("srem", KEYS[3], ARGV[i])
    redis.call("hdel", KEYS[2], ARGV[i])
    if redis.call("hsetnx", KEYS[2], ARGV[i + 1], ARGV[i + 2]) == 1 then
        redis.call("lpush", KEYS[1], ARGV[i + 1])
    end
end
if redis.call("llen", KEYS[1]) > 0 then
    redis.call("rpush", KEYS[4], "1")
end
"""

#: KEYS: messages. ARGV: wire ids. Returns 1 or 0 for each, so that the messages need not travel.
PRESENT = """
local present = {}
for i = 1, #ARGV do
    present[i] = redis.call("hexists", KEYS[1], ARGV[i])
end
return present
"""

#: Arguments that `unpack` takes at once. Lua's stack holds no more.
UNPACK_LIMIT = 500
