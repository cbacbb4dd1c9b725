// Reads a stream with the npm package "eventsource-client" and prints each dispatched event as a line of JSON.
//
// Usage: node eventsource-client.mjs URL
//
// What is its own: it looks at neither the status nor the content type, so it reads an error's JSON as a stream without events and tries
// again for ever. Pages that use it must look at the status in `fetch` themselves.
import { createEventSource } from 'eventsource-client'

createEventSource({
  url: process.argv[2],
  onMessage({ event = 'message', data, id = '' }) {
    process.stdout.write(`${JSON.stringify({ event, data, id })}\n`)
  },
})
