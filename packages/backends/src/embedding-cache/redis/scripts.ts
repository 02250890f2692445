/** A bound on one reply, and on how long Redis is busy with one script. */
export const KEYS_PER_CALL = 256;

/**
 * Notes the use of entries, and names those that must leave: whose time is over, then the ones used
 * longest ago, until the bytes are within their bound. The caller deletes them, since a script may
 * only touch the keys that it was called with.
 * KEYS: uses, bytes. ARGV: now, time of use before which an entry has expired, bytes allowed, then
 * members.
 */
export const NOTE_USES = `
local function forget(members)
  for _, member in ipairs(members) do
    redis.call('ZREM', KEYS[1], member)
    redis.call('DECRBY', KEYS[2], string.match(member, '^%d+'))
  end
end
for i = 4, #ARGV do
  if redis.call('ZADD', KEYS[1], ARGV[1], ARGV[i]) == 1 then
    redis.call('INCRBY', KEYS[2], string.match(ARGV[i], '^%d+'))
  end
end
local leaving = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[2], 'LIMIT', 0, ${2 * KEYS_PER_CALL})
forget(leaving)
for _ = 1, ${2 * KEYS_PER_CALL} do
  if tonumber(redis.call('GET', KEYS[2]) or '0') <= tonumber(ARGV[3]) then break end
  local oldest = redis.call('ZRANGE', KEYS[1], 0, 0)
  if #oldest == 0 then break end
  forget(oldest)
  leaving[#leaving + 1] = oldest[1]
end
return leaving
`;
