/*
 * The Lua of the Redis profile store: each script is one atomic step on keys of one hash slot.
 * Offsets are compared as decimal strings, lengths first, because a Lua number ends at 2^53.
 * Numbers travel as strings of 17 significant digits, from which a double survives.
 */

const IS_APPLIED = `
local function is_applied(last, offset)
  return last and (#last > #offset or (#last == #offset and last >= offset))
end`;

/**
 * KEYS: user hash. ARGV: offset field, offset, expected version, new version, ttl in seconds, history,
 * interests (both empty to erase).
 * Answers 1 applied, 0 already applied, -1 somebody wrote in between.
 */
export const UPDATE_USER = `${IS_APPLIED}
local key = KEYS[1]
if is_applied(redis.call('HGET', key, ARGV[1]), ARGV[2]) then return 0 end
if (redis.call('HGET', key, 'v') or '') ~= ARGV[3] then return -1 end
redis.call('HSET', key, ARGV[1], ARGV[2], 'v', ARGV[4])
if ARGV[6] == '' then
  redis.call('HDEL', key, 'h', 'i')
else
  redis.call('HSET', key, 'h', ARGV[6], 'i', ARGV[7])
end
redis.call('EXPIRE', key, ARGV[5])
return 1`;

/**
 * KEYS: scores, state. ARGV: offset field, offset, half-life in ms, products at most, half-lives from
 * which to re-base, latest time, then per event product id, weight, time, offset.
 *
 * Scores are stored negated, so that the order of the sorted set (ascending score, then ascending id) is
 * highest first with ties by ascending id. The half-life of the scores is stored with the landmark:
 * where the configured one has changed, what is stored is carried over at the latest event's time.
 * Answers 1 applied, 0 already applied.
 */
export const ADD_POPULARITY = `${IS_APPLIED}
local scores, state = KEYS[1], KEYS[2]
local last = redis.call('HGET', state, ARGV[1])
if is_applied(last, ARGV[2]) then return 0 end
redis.call('HSET', state, ARGV[1], ARGV[2])
if #ARGV < 7 then return 1 end

local half_life, latest = tonumber(ARGV[3]), tonumber(ARGV[6])
local landmark = tonumber(redis.call('HGET', state, 'landmark') or ARGV[6])
local old_half_life = tonumber(redis.call('HGET', state, 'halfLife') or ARGV[3])
local moved = (latest - landmark) / old_half_life > tonumber(ARGV[5])
if moved or half_life ~= old_half_life then
  local to = math.max(latest, landmark)
  local factor = 2 ^ ((landmark - to) / old_half_life)
  local all = redis.call('ZRANGE', scores, 0, -1, 'WITHSCORES')
  for i = 1, #all, 2 do
    local score = tonumber(all[i + 1]) * factor
    if score == 0 then
      redis.call('ZREM', scores, all[i])
    else
      redis.call('ZADD', scores, string.format('%.17g', score), all[i])
    end
  end
  landmark = to
end
redis.call('HSET', state, 'landmark', string.format('%.17g', landmark), 'halfLife', ARGV[3])

for i = 7, #ARGV, 4 do
  local weight = tonumber(ARGV[i + 1]) * 2 ^ ((tonumber(ARGV[i + 2]) - landmark) / half_life)
  if weight ~= 0 and not is_applied(last, ARGV[i + 3]) then
    redis.call('ZINCRBY', scores, string.format('%.17g', -weight), ARGV[i])
  end
end
redis.call('ZREMRANGEBYRANK', scores, tonumber(ARGV[4]), -1)
return 1`;

/** KEYS: scores, state. ARGV: product ids. Answers landmark and half-life, then the negated scores. */
export const READ_POPULARITY = `
local head = redis.call('HMGET', KEYS[2], 'landmark', 'halfLife')
if not head[1] then return {} end
return {head, redis.call('ZMSCORE', KEYS[1], unpack(ARGV))}`;

/** KEYS: scores, state. ARGV: limit. As above, then products and negated scores of those above 0. */
export const MOST_POPULAR = `
local head = redis.call('HMGET', KEYS[2], 'landmark', 'halfLife')
if not head[1] then return {} end
local range = {KEYS[1], '-inf', '(0', 'BYSCORE', 'LIMIT', 0, ARGV[1], 'WITHSCORES'}
return {head, redis.call('ZRANGE', unpack(range))}`;
