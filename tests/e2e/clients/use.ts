// What an application writes against the types; it compiles when they say what the API does.
import type { components, operations, paths } from './api'

type Task = components['schemas']['TaskPublic']
type Problem = components['schemas']['ProblemDetails']
type Page = operations['list_tasks']['responses'][200]['content']['application/json']
type Refused = paths['/api/v1/tasks']['post']['responses'][422]['content']['application/problem+json']

const wish: components['schemas']['TaskCreate'] = { title: 'Buy milk' }
const query: operations['list_tasks']['parameters']['query'] = { done: false, sort: '-title', limit: 20 }
const change: components['schemas']['TaskUpdate'] = { description: null }

function titles (page: Page): string[] {
  return page.items.map((task: Task) => task.title.toUpperCase())
}

function next (page: Page): string {
  return page.next_cursor ?? 'the end'
}

function wrong (problem: Refused): string[] {
  const same: Problem = problem
  return (same.errors ?? []).map(({ field, message }) => `${field}: ${message}`)
}

// @ts-expect-error a title is not null, even where it may be left out
const nameless: components['schemas']['TaskUpdate'] = { title: null }
// @ts-expect-error not a key to sort by
const unsorted: operations['list_tasks']['parameters']['query'] = { sort: 'owner_id' }

export { change, nameless, next, query, titles, unsorted, wish, wrong }
