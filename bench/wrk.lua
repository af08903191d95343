-- Sends one request over and over and tells its figures as one line of JSON.
-- The arguments are the method, then names and values of fields.
function init(args)
   wrk.method = args[1]
   for i = 2, #args, 2 do
      wrk.headers[args[i]] = args[i + 1]
   end
end

function done(summary, latency, requests)
   local errors = summary.errors
   io.write(string.format(
      '\n{"requests": %d, "bytes": %d, "duration_us": %d, "failed": %d, "p50_us": %d, "p99_us": %d}\n',
      summary.requests, summary.bytes, summary.duration,
      errors.connect + errors.read + errors.write + errors.status + errors.timeout,
      latency:percentile(50), latency:percentile(99)))
end
