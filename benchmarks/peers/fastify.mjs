// The peer `f-fastify-user`: Fastify with pg, SQL by hand in named prepared statements, JSON
// schemas that validate what comes in and write what goes out, the user loaded on every request.
import { createVerifier } from 'fast-jwt'
import Fastify from 'fastify'
import pg from 'pg'

const { APP_NAME, DATABASE_URL, SECRET_KEY } = process.env
const PORT = Number(process.argv[2])

const pool = new pg.Pool({ connectionString: DATABASE_URL, max: 16 })
const verify = createVerifier({
  key: SECRET_KEY,
  algorithms: ['HS256'],
  allowedAud: APP_NAME,
  allowedIss: APP_NAME
})

const COLUMNS = 'id, title, description, done, project_id, created_at, updated_at'
const SQL = {
  user: 'SELECT id, email, password_hash, is_active, role, created_at, updated_at FROM "user" WHERE id = $1',
  get: `SELECT ${COLUMNS} FROM task WHERE id = $1 AND owner_id = $2`,
  list: `SELECT ${COLUMNS} FROM task WHERE owner_id = $1
    ORDER BY created_at DESC, id DESC LIMIT $2 OFFSET $3`,
  count: 'SELECT count(*)::int AS total FROM task WHERE owner_id = $1',
  create: `INSERT INTO task (owner_id, title, description, done, project_id)
    VALUES ($1, $2, $3, $4, $5)
    RETURNING ${COLUMNS}`
}

async function rows (name, values, text = SQL[name]) {
  return (await pool.query({ name, text, values })).rows
}

const fields = {
  title: { type: 'string', minLength: 1, maxLength: 200 },
  description: { type: 'string', nullable: true, maxLength: 2000 },
  done: { type: 'boolean' },
  project_id: { type: 'string', format: 'uuid', nullable: true }
}
const created = { type: 'object', properties: fields, required: ['title'] }
const updated = { type: 'object', properties: fields, minProperties: 1 }
const timestamp = { type: 'string', format: 'date-time' }
const task = {
  type: 'object',
  properties: {
    id: { type: 'string' },
    title: { type: 'string' },
    description: { type: 'string', nullable: true },
    done: { type: 'boolean' },
    project_id: { type: 'string', nullable: true },
    created_at: timestamp,
    updated_at: timestamp
  }
}
const page = {
  type: 'object',
  properties: { items: { type: 'array', items: task }, total: { type: 'integer' } }
}
const paging = {
  type: 'object',
  properties: {
    limit: { type: 'integer', minimum: 1, maximum: 100, default: 20 },
    offset: { type: 'integer', minimum: 0, default: 0 }
  }
}
const taskId = {
  type: 'object',
  properties: { id: { type: 'string', format: 'uuid' } },
  required: ['id']
}

const app = Fastify({ logger: false })
app.decorateRequest('userId', null)

app.addHook('onRequest', async (request, reply) => {
  let claims
  try {
    const [scheme, token] = (request.headers.authorization ?? '').split(' ')
    if (scheme === 'Bearer') claims = verify(token)
  } catch { /* forged or expired: nobody */ }
  const [user] = claims ? await rows('user', [claims.sub]) : []
  if (!user?.is_active) return reply.code(401).send({ detail: 'Could not validate credentials' })
  request.userId = user.id
})

const sendOne = (found, reply) => found[0] ?? reply.code(404).send({ detail: 'Task not found' })

app.register(async (tasks) => {
  tasks.get('', { schema: { querystring: paging, response: { 200: page } } }, async ({ userId, query }) => {
    const [items, [{ total }]] = await Promise.all([
      rows('list', [userId, query.limit, query.offset]),
      rows('count', [userId])
    ])
    return { items, total }
  })

  tasks.post('', { schema: { body: created, response: { 201: task } } }, async ({ userId, body }, reply) => {
    const { title, description = null, done = false, project_id = null } = body
    reply.code(201)
    return (await rows('create', [userId, title, description, done, project_id]))[0]
  })

  tasks.get('/:id', { schema: { params: taskId, response: { 200: task } } }, async ({ userId, params }, reply) =>
    sendOne(await rows('get', [params.id, userId]), reply))

  tasks.patch('/:id', { schema: { params: taskId, body: updated, response: { 200: task } } }, async ({ userId, params, body }, reply) => {
    const given = Object.keys(fields).filter((name) => name in body)
    const assignments = given.map((name, index) => `${name} = $${index + 3}`).join(', ')
    const text = `UPDATE task SET ${assignments}, updated_at = now()
      WHERE id = $1 AND owner_id = $2 RETURNING ${COLUMNS}`
    const values = [params.id, userId, ...given.map((name) => body[name])]
    return sendOne(await rows(`update ${given}`, values, text), reply)
  })
}, { prefix: '/api/v1/tasks' })

await app.listen({ host: '127.0.0.1', port: PORT })
