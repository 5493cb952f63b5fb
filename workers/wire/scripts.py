"""Scripts that run inside Redis. The keys are those of Dramatiq's own broker:

    <namespace>:<queue>                       list of waiting wire ids
    <namespace>:<queue>.msgs                  hash of wire id -> message
    <namespace>:__acks__.<broker id>.<queue>  set of wire ids that a process has fetched and not acked

and some of ours:

    <namespace>:@lines                        a queue whose wire ids are the lines that a relay should look at
    <namespace>:<queue>.bell                  list that is not empty while messages wait; idle consumers wait on it
    <namespace>:__stop__.<broker id>          list that is not empty when the process stops; its consumers wait on it
    <namespace>:__epoch__                     text that is gone or another one after a wipe
    <namespace>:__processes__                 sorted set of the processes that use the namespace, by the last sight

No script names a key that does not begin with `<namespace>:`, so a Redis user may be limited to these.
"""

#: Consumers that one call wakes, at most.
BELL_LIMIT = 16

#: KEYS: namespace with a colon. ARGV: bell limit, then queue, wire id and message of each. Returns the number of new
#: messages. Messages of one queue mostly stand together, and one command queues the new ones of such a run.
PUBLISH = """
local prefix, limit, published = KEYS[1], tonumber(ARGV[1]), 0
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
        queue = prefix .. name
        messages = queue .. ".msgs"
    end
    if redis.call("hsetnx", messages, ARGV[i + 1], ARGV[i + 2]) == 1 then
        new[#new + 1] = ARGV[i + 1]
    end
end
if name then wake() end
return published
"""

#: KEYS: queue, messages, acks, bell. ARGV: limit, bytes. Returns wire id, message, wire id, message, ...
#: Takes no further message once it has that many bytes. A wire id without a message is dropped.
FETCH = """
local ids = redis.call("lpop", KEYS[1], ARGV[1])
if not ids then
    redis.call("del", KEYS[4])
    return {}
end
local taken, found, room, last = {}, {}, tonumber(ARGV[2]), #ids
for i = 1, #ids do
    local message = redis.call("hget", KEYS[2], ids[i])
    if message then
        taken[#taken + 1] = ids[i]
        found[#found + 1] = ids[i]
        found[#found + 1] = message
        room = room - #message
        if room <= 0 then
            last = i
            break
        end
    end
end
for i = #ids, last + 1, -1 do
    redis.call("lpush", KEYS[1], ids[i])
end
if #taken > 0 then
    redis.call("sadd", KEYS[3], unpack(taken))
end
if redis.call("llen", KEYS[1]) == 0 then
    redis.call("del", KEYS[4])
elseif redis.call("llen", KEYS[4]) == 0 then
    redis.call("rpush", KEYS[4], "1")
end
return found
"""

#: KEYS: messages, acks. ARGV: wire ids.
ACK = """
redis.call("srem", KEYS[2], unpack(ARGV))
return redis.call("hdel", KEYS[1], unpack(ARGV))
"""

#: Deletes keys of another type, which no script could use. Returns their number.
DELETE_DAMAGED = """
local function delete_damaged(types)
    local damaged = 0
    for i = 1, #KEYS do
        local type = redis.call("type", KEYS[i]).ok
        if type ~= "none" and type ~= (types[i] or "set") then
            redis.call("del", KEYS[i])
            damaged = damaged + 1
        end
    end
    return damaged
end
"""

#: KEYS: queue, messages, acks, bell. ARGV: wire ids; none: all of the acks. Returns the numbers of requeued messages
#: and of damaged keys.
REQUEUE = (
    DELETE_DAMAGED
    + """
local damaged = delete_damaged({"list", "hash", "set", "list"})
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
return {back, damaged}
"""
)

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

#: KEYS: queue, messages, bell, then acks of each living process. Returns the numbers of wire ids that wait, of wire ids
#: that are fetched, of messages and of damaged keys.
COUNT = (
    DELETE_DAMAGED
    + """
local damaged, fetched = delete_damaged({"list", "hash", "list"}), 0
for i = 4, #KEYS do
    fetched = fetched + redis.call("scard", KEYS[i])
end
return {redis.call("llen", KEYS[1]), fetched, redis.call("hlen", KEYS[2]), damaged}
"""
)

#: KEYS: queue. Deletes the queue if it has no messages.
ABANDON = """
if redis.call("exists", KEYS[1] .. ".msgs") == 0 then
    redis.call("del", KEYS[1], KEYS[1] .. ".bell")
end
"""

#: KEYS: queue of lines, its messages, its bell. ARGV: limit. Returns the lines and deletes them.
TAKE_LINES = (
    DELETE_DAMAGED
    + """
delete_damaged({"list", "hash", "list"})
local lines = redis.call("lpop", KEYS[1], ARGV[1])
if not lines then
    redis.call("del", KEYS[2], KEYS[3])
    return {}
end
redis.call("hdel", KEYS[2], unpack(lines))
if redis.call("llen", KEYS[1]) == 0 then
    redis.call("del", KEYS[3])
end
return lines
"""
)

#: KEYS: epoch. ARGV: the epoch to begin if there is none. Returns the epoch.
EPOCH = """
if redis.call("type", KEYS[1]).ok ~= "string" then
    redis.call("set", KEYS[1], ARGV[1])
end
return redis.call("get", KEYS[1])
"""

#: KEYS: processes. ARGV: seconds after which a process is forgotten, then processes to add. Returns all of them.
PROCESSES = """
if redis.call("type", KEYS[1]).ok ~= "zset" then
    redis.call("del", KEYS[1])
end
local now = tonumber(redis.call("time")[1])
for i = 2, #ARGV do
    redis.call("zadd", KEYS[1], now, ARGV[i])
end
redis.call("zremrangebyscore", KEYS[1], "-inf", now - tonumber(ARGV[1]))
return redis.call("zrange", KEYS[1], 0, -1)
"""

#: Arguments that `unpack` takes at once. Lua's stack holds no more.
UNPACK_LIMIT = 500
