-- Sends the requests of a plan in turn. The plan is a file named by LOAD_PLAN, one request per line, its parts separated by
-- tabs: method, path, agreement, partner, body. LOAD_TOKEN is the bearer token of the tenant's connector.

local requests, at = {}, 0

function init(_)
   for line in io.lines(os.getenv("LOAD_PLAN")) do
      local method, path, agreement, partner, body = line:match("^([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)\t(.*)$")
      local headers = {}
      if agreement ~= "" or body ~= "" then
         headers["Authorization"] = "Bearer " .. os.getenv("LOAD_TOKEN")
      end
      if agreement ~= "" then
         headers["Edc-Contract-Agreement-Id"] = agreement
         headers["Edc-Bpn"] = partner
      end
      if body ~= "" then
         headers["Content-Type"] = "application/json"
      else
         body = nil
      end
      requests[#requests + 1] = wrk.format(method, path, headers, body)
   end
end

function request()
   at = at % #requests + 1
   return requests[at]
end

-- One line for the script that started wrk: count, microseconds, statuses of 400 and more, failures of the connection,
-- then latencies in microseconds: median, 90, 99 of a hundred, and the greatest.
function done(summary, latency, _)
   local errors = summary.errors
   io.write(string.format("LOAD %d %d %d %d %d %d %d %d\n", summary.requests, summary.duration, errors.status,
      errors.connect + errors.read + errors.write + errors.timeout,
      latency:percentile(50), latency:percentile(90), latency:percentile(99), latency.max))
end
