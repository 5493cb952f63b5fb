"""Scripts that run inside Redis. The keys are those of Dramatiq's own broker:

    <namespace>:<queue>                       list of waiting wire ids, those of priority 0
    <namespace>:<queue>.msgs                  hash of wire id -> message
    <namespace>:__acks__.<broker id>.<queue>  set of wire ids that a process has fetched and not acked

and some of ours:

    <namespace>:@lines                        a queue whose wire ids are the lines that a relay should look at
    <namespace>:<queue>.bell                  list that is not empty while messages wait; idle consumers wait on it
    <namespace>:<queue>:<priority>            list of waiting wire ids of another priority
    <namespace>:<queue>:levels                sorted set of the priorities with such a list
    <namespace>:<queue>:priorities            hash of wire id -> priority, if it is not 0
    <namespace>:<queue>:turn                  text that says when a less urgent level has its turn (see FETCH)
    <namespace>:__stop__.<broker id>          list that is not empty when the process stops; its consumers wait on it
    <namespace>:__epoch__                     text that is gone or another one after a wipe
    <namespace>:__processes__                 sorted set of the processes that use the namespace, by the last sight

No script names a key that does not begin with `<namespace>:`, so a Redis user may be limited to these. The name of a
queue has no colon, so the keys of two queues differ.

The messages of one queue and one priority are a level. A queue without other levels than that of priority 0 has none of
the keys with a second colon.
"""

#: Consumers that one call wakes, at most.
BELL_LIMIT = 16

#: Every so many messages that are handed out while less urgent ones wait, one of those is handed out.
TURN = 10

#: KEYS: namespace with a colon. ARGV: bell limit, then level (`level_word`), wire id and message of each. Returns the
#: number of new messages. Messages of one level mostly stand together, and one command queues the new ones of a run.
PUBLISH = """
local prefix, limit, published = KEYS[1], tonumber(ARGV[1]), 0
local name, list, queue, priority, messages, new

local function wake()
    if #new > 0 then
        if priority then
            redis.call("zadd", queue .. ":levels", priority, priority)
            for i = 1, #new do
                redis.call("hsetnx", queue .. ":priorities", new[i], priority)
            end
        end
        redis.call("rpush", list, unpack(new))
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
        list = prefix .. name
        queue, priority = list, nil
        if string.find(name, ":", 1, true) then
            queue, priority = string.match(list, "^(.*):(%-?%d+)$")
        end
        messages = queue .. ".msgs"
    end
    if redis.call("hsetnx", messages, ARGV[i + 1], ARGV[i + 2]) == 1 then
        new[#new + 1] = ARGV[i + 1]
    end
end
if name then wake() end
return published
"""

#: KEYS: queue, messages, acks, bell. ARGV: limit, bytes, TURN. Returns wire id, message, wire id, message, ...
#: Takes no further message once it has that many bytes. A wire id without a message is dropped.
#:
#: Each message is the first of the most urgent level. While less urgent levels have messages, too, each TURN-th message
#: is the first of one of those, and they take turns. A turn is put off while the most urgent level is more urgent than
#: at the last message: a lone urgent message waits for no turn.
#: `:turn` has the number of messages since a turn, the level of the last turn, and the most urgent level at the last
#: message.
FETCH = """
local queue, levels, limit, room = KEYS[1], KEYS[1] .. ":levels", tonumber(ARGV[1]), tonumber(ARGV[2])
local taken, found, waits = {}, {}, nil

local function take(id)
    local message = redis.call("hget", KEYS[2], id)
    if message then
        taken[#taken + 1] = id
        found[#found + 1] = id
        found[#found + 1] = message
        room = room - #message
    end
end

if redis.call("exists", levels) == 0 then
    local ids = redis.call("lpop", queue, limit) or {}
    local last = #ids
    for i = 1, #ids do
        take(ids[i])
        if room <= 0 then
            last = i
            break
        end
    end
    for i = #ids, last + 1, -1 do
        redis.call("lpush", queue, ids[i])
    end
    waits = redis.call("llen", queue) > 0
else
    local turn = queue .. ":turn"

    local function list_of(level)
        return level == "0" and queue or queue .. ":" .. level
    end

    local function first_from(bottom)
        while true do
            local level = redis.call("zrange", levels, bottom, "+inf", "BYSCORE", "LIMIT", 0, 1, "WITHSCORES")[2]
            if not level or redis.call("llen", list_of(level)) > 0 then
                return level
            end
            redis.call("zremrangebyscore", levels, level, level)
        end
    end

    if redis.call("llen", queue) > 0 then
        redis.call("zadd", levels, 0, "0")
    end
    local count, served, last = string.match(redis.call("get", turn) or "", "^(%d+) (%S+) (%S+)$")
    count, served, last = tonumber(count) or 0, tonumber(served), tonumber(last)
    for _ = 1, limit do
        local level = first_from("-inf")
        if not level then break end
        local first, second = tonumber(level), first_from("(" .. level)
        served, last = served or first, last or first
        if not second then
            count = 0
        elseif count < tonumber(ARGV[3]) - 1 or first < last then
            count = count + 1
        else
            level = served > first and first_from(string.format("(%.0f", served)) or second
            count, served = 0, tonumber(level)
        end
        last = first
        take(redis.call("lpop", list_of(level)))
        if room <= 0 then break end
    end
    waits = first_from("-inf")
    if not waits or waits == "0" and not first_from("(0") then
        redis.call("del", levels, turn)
    elseif last then
        redis.call("set", turn, string.format("%.0f %.0f %.0f", count, served, last))
    end
end
if #taken > 0 then
    redis.call("sadd", KEYS[3], unpack(taken))
end
if not waits then
    redis.call("del", KEYS[4])
elseif redis.call("llen", KEYS[4]) == 0 then
    redis.call("rpush", KEYS[4], "1")
end
return found
"""

#: KEYS: messages, acks, priorities. ARGV: wire ids.
ACK = """
redis.call("srem", KEYS[2], unpack(ARGV))
if redis.call("exists", KEYS[3]) == 1 then
    redis.call("hdel", KEYS[3], unpack(ARGV))
end
return redis.call("hdel", KEYS[1], unpack(ARGV))
"""

#: KEYS: messages, priorities. ARGV: wire ids.
DROP = """
redis.call("hdel", KEYS[2], unpack(ARGV))
return redis.call("hdel", KEYS[1], unpack(ARGV))
"""

#: Deletes keys of another type, which no script could use. Returns their number.
DELETE_DAMAGED = """
local function is_damaged(key, expected)
    local type = redis.call("type", key).ok
    if type == "none" or type == expected then
        return 0
    end
    return redis.call("del", key)
end

local function delete_damaged(types)
    local damaged = 0
    for i = 1, #KEYS do
        damaged = damaged + is_damaged(KEYS[i], types[i] or "set")
    end
    return damaged
end
"""

#: The same for the levels of a queue. Returns the lists of its levels as well, but not that of priority 0.
DELETE_DAMAGED_LEVELS = (
    DELETE_DAMAGED
    + """
local function delete_damaged_levels(queue)
    local lists, damaged = {}, is_damaged(queue .. ":levels", "zset")
    damaged = damaged + is_damaged(queue .. ":priorities", "hash") + is_damaged(queue .. ":turn", "string")
    local levels = redis.call("zrange", queue .. ":levels", 0, -1, "WITHSCORES")
    for i = 2, #levels, 2 do
        if levels[i] ~= "0" then
            lists[#lists + 1] = queue .. ":" .. levels[i]
            damaged = damaged + is_damaged(lists[#lists], "list")
        end
    end
    return damaged, lists
end
"""
)

#: Puts a wire id at the head of its level. One whose priority Redis lost goes to the level of priority 0.
PUT_FIRST = """
local function priority_of(id)
    local priority = redis.call("hget", KEYS[1] .. ":priorities", id)
    return priority and tonumber(priority) and priority
end

local function put_first(id, priority)
    if priority then
        redis.call("zadd", KEYS[1] .. ":levels", priority, priority)
        redis.call("lpush", KEYS[1] .. ":" .. priority, id)
    else
        redis.call("lpush", KEYS[1], id)
    end
end
"""

#: KEYS: queue, messages, acks, bell. ARGV: wire ids; none: all of the acks. Returns the numbers of requeued messages
#: and of damaged keys.
REQUEUE = (
    DELETE_DAMAGED_LEVELS
    + PUT_FIRST
    + """
local damaged = delete_damaged({"list", "hash", "set", "list"}) + delete_damaged_levels(KEYS[1])
local ids, back = ARGV, 0
if #ids == 0 then
    ids = redis.call("smembers", KEYS[3])
end
for i = 1, #ids do
    if redis.call("srem", KEYS[3], ids[i]) == 1 and redis.call("hexists", KEYS[2], ids[i]) == 1 then
        put_first(ids[i], priority_of(ids[i]))
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
REQUEUE_AS = (
    PUT_FIRST
    + """
local back = 0
for i = 1, #ARGV, 3 do
    local priority = priority_of(ARGV[i])
    redis.call("srem", KEYS[3], ARGV[i])
    redis.call("hdel", KEYS[2], ARGV[i])
    if priority then
        redis.call("hdel", KEYS[1] .. ":priorities", ARGV[i])
    end
    if redis.call("hsetnx", KEYS[2], ARGV[i + 1], ARGV[i + 2]) == 1 then
        if priority then
            redis.call("hsetnx", KEYS[1] .. ":priorities", ARGV[i + 1], priority)
        end
        put_first(ARGV[i + 1], priority)
        back = back + 1
    end
end
if back > 0 then
    redis.call("rpush", KEYS[4], "1")
end
"""
)

#: KEYS: messages. ARGV: wire ids. Returns 1 or 0 for each, so that the messages need not travel.
PRESENT = """
local present = {}
for i = 1, #ARGV do
    present[i] = redis.call("hexists", KEYS[1], ARGV[i])
end
return present
"""

#: KEYS: queue, messages, bell, then acks of each living process. Returns the numbers of wire ids that wait, of wire ids
#: that are fetched, of messages and of damaged keys. Forgets the priorities of a queue without messages: a process of a
#: version that has none acks without them.
COUNT = (
    DELETE_DAMAGED_LEVELS
    + """
local damaged, fetched = delete_damaged({"list", "hash", "list"}), 0
local damaged_levels, lists = delete_damaged_levels(KEYS[1])
local waiting = redis.call("llen", KEYS[1])
for i = 1, #lists do
    waiting = waiting + redis.call("llen", lists[i])
end
for i = 4, #KEYS do
    fetched = fetched + redis.call("scard", KEYS[i])
end
local messages = redis.call("hlen", KEYS[2])
if messages == 0 then
    redis.call("del", KEYS[1] .. ":priorities")
end
return {waiting, fetched, messages, damaged + damaged_levels}
"""
)

#: KEYS: queue. Deletes the queue if it has no messages.
ABANDON = (
    DELETE_DAMAGED_LEVELS
    + """
if redis.call("exists", KEYS[1] .. ".msgs") == 0 then
    local _, lists = delete_damaged_levels(KEYS[1])
    for _, part in ipairs({"", ".bell", ":levels", ":priorities", ":turn"}) do
        lists[#lists + 1] = KEYS[1] .. part
    end
    for i = 1, #lists do
        redis.call("del", lists[i])
    end
end
"""
)

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
