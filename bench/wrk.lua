-- Sends a request over and over and tells its figures as one line of JSON.
-- The arguments are the method, the length of the body, how many numbers there are (0 for no end,
-- -1 if none is put in), then names and values of fields. The number of a request stands in the
-- place of each {n} in the path and the values.
function init(args)
   local numbers = tonumber(args[3])
   local path, fields = wrk.path, {}
   for i = 4, #args, 2 do
      fields[args[i]] = args[i + 1]
   end
   wrk.method = args[1]
   if tonumber(args[2]) > 0 then
      wrk.body = string.rep('y', tonumber(args[2]))
   end

   local function format(number)
      for name, value in pairs(fields) do
         wrk.headers[name] = value:gsub('{n}', number)
      end
      return wrk.format(nil, (path:gsub('{n}', number)))
   end

   format(0)
   if numbers < 0 then
      return  -- What wrk itself makes of the above is sent each time.
   end
   local number, made = 0, {}
   for each = 0, numbers - 1 do
      made[each] = format(each)
   end
   function request()
      number = number + 1
      return numbers == 0 and format(number) or made[number % numbers]
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
