-- Look-ups of ids drawn at random, each thread of wrk from its own seed; what to look up is the first argument.

local threads = 0

function setup(thread)
  threads = threads + 1
  thread:set("seed", threads)
end

function init(arguments)
  math.randomseed(seed)
  count, what = tonumber(arguments[1]), arguments[2]
  words = {}
  for i = 3, #arguments do words[#words + 1] = arguments[i] end
end

function request()
  if what == "search" then
    return wrk.format("GET", "/api/item/search?limit=8&q=" .. words[math.random(#words)])
  end
  return wrk.format("GET", "/api/item/" .. math.random(0, count - 1) .. "/similar?k=20")
end

function done(summary, latency, requests)
  local failed = summary.errors.status + summary.errors.read + summary.errors.write + summary.errors.timeout
  io.write(string.format('{"requests": %d, "seconds": %f, "p50_ms": %f, "p99_ms": %f, "failed": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, failed))
end
