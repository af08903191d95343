-- As wrk.lua does, but with another value of one field in each request.
dofile((debug.getinfo(1).source:sub(2):gsub('wrk_varying.lua$', 'wrk.lua')))

local number = 0

function request()
   number = number + 1
   wrk.headers['If-None-Match'] = '"' .. number .. '"'
   return wrk.format()
end
