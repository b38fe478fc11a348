-- What wrk does in a soak: each thread has one connection, so that an answer is that to the
-- last request, and each answer is looked at. wrk.lua's own functions are called by name.
-- ENTRIES (a file), PERIOD (milliseconds between two requests of a thread, 0 for none) and
-- SPARE (seconds by which clocks may differ) are set by whoever writes the lines above these.

local ffi = require("ffi")
ffi.cdef [[
    typedef struct { long seconds; long nanoseconds; } bench_time;
    int clock_gettime(int clock, bench_time *time);
]]
local MONOTONIC = 1
local moment = ffi.new("bench_time")

local function now()
    ffi.C.clock_gettime(MONOTONIC, moment)
    return tonumber(moment.seconds) * 1000 + tonumber(moment.nanoseconds) / 1e6
end

-- Read by `done`, from the threads.
right, wrong, example, faults = 0, 0, "", {}

local threads = {}
function setup(thread)
    thread:set("number", #threads)
    table.insert(threads, thread)
end

local entries, position, current, due = {}, 0, nil, nil

local function entry(line)
    local fields = {}
    for field in (line .. "\t"):gmatch("(.-)\t") do fields[#fields + 1] = field end
    local method, target, token, body, code, needle, expires = unpack(fields)
    local headers = { ["Authorization"] = "Bearer " .. token }
    if body ~= "" then headers["Content-Type"] = "application/merge-patch+json" end
    for name, value in pairs(wrk.headers) do headers[name] = value end
    return {
        request = wrk.format(method, target, headers, body ~= "" and body or nil),
        what = method .. " " .. target,
        code = tonumber(code),
        needle = needle,
        expires = tonumber(expires),
    }
end

function init()
    for line in io.lines(ENTRIES) do entries[#entries + 1] = entry(line) end
    position = number * 97
end

function request()
    position = position % #entries + 1
    current = entries[position]
    return current.request
end

if PERIOD > 0 then
    function delay()
        local time = now()
        due = (due or time + math.random() * PERIOD) + PERIOD
        -- After a pause it does not catch up.
        if due < time - 1000 then due = time end
        return math.max(0, due - time)
    end
end

local function is_right(status, body)
    local time = os.time()
    if status == 401 and current.expires > 0 and time > current.expires then
        return body:find('"Status"', 1, true)
    end
    if status ~= current.code then return false end
    if current.expires > 0 and time > current.expires + SPARE then return false end
    return body:find(current.needle, 1, true)
end

function response(status, headers, body)
    if is_right(status, body) then
        right = right + 1
    elseif status == 502 or status == 503 or status == 504 then
        local second = tostring(os.time())
        faults[second] = (faults[second] or 0) + 1
    else
        wrong = wrong + 1
        example = string.format("%s should be %d with %s, was %d: %s",
            current.what, current.code, current.needle, status, body:sub(1, 200):gsub("%s+", " "))
    end
end

function done(summary, latency, requests)
    local all_right, all_wrong = 0, 0
    for _, thread in ipairs(threads) do
        all_right = all_right + thread:get("right")
        all_wrong = all_wrong + thread:get("wrong")
        for second, count in pairs(thread:get("faults")) do
            io.write(string.format("soak-fault %s %d\n", second, count))
        end
        if thread:get("wrong") > 0 then
            io.write(string.format("soak-wrong %s\n", thread:get("example")))
        end
    end
    local errors = summary.errors
    io.write(string.format("soak right=%d wrong=%d broken=%d duration=%d\n",
        all_right, all_wrong, errors.connect + errors.read + errors.write + errors.timeout,
        summary.duration))
end
