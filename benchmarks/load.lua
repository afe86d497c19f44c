-- Sends, over and over, the requests of a file: method, path, token and perhaps a body, a line each.
local requests, sent = {}, 0

local function request_of(line)
  local method, path, token, body = line:match("^(%S+) (%S+) (%S+) ?(.*)$")
  local headers = { Host = wrk.headers["Host"], Authorization = "Bearer " .. token, Accept = "application/json" }
  if body == "" then
    return wrk.format(method, path, headers)
  end
  headers["Content-Type"] = "application/json"
  return wrk.format(method, path, headers, body)
end

function init(arguments)
  local pause = tonumber(arguments[2])
  if pause > 0 then
    delay = function() return pause end -- wrk calls it when there is one
  end
  for line in io.lines(arguments[1]) do
    requests[#requests + 1] = request_of(line)
  end
end

function request()
  sent = sent + 1
  return requests[(sent - 1) % #requests + 1]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "microseconds": %d, "p50": %d, "p99": %d, "errors": %d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.status + errors.connect + errors.read + errors.write + errors.timeout))
end
